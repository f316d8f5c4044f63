package service

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// finder is a sink that finds what it did not make.
type finder struct{ target.Applier }

func (finder) Match(context.Context, []target.Resource) ([][]target.Found, error) { return nil, nil }

func TestALinkAsksOfATargetWhatItCanDo(t *testing.T) {
	directory := map[roster.Role]target.Handling{roster.RolePupil: target.Manage, roster.RoleStaff: target.Match}
	moves := []tenant.Stage{{After: 0, Do: tenant.Disable}, {After: 9, Do: tenant.Move}}
	for name, c := range map[string]struct {
		link  tenant.Link
		roles map[roster.Role]target.Handling // of the connector
		made  target.Target
		want  map[roster.Role]target.Handling
		wrong []string // paths
	}{
		"the connector's":         {roles: directory, made: target.Target{Applier: finder{}}, want: directory},
		"the link's own":          {link: tenant.Link{Roles: tenant.Roles{Staff: tenant.Ignore}}, roles: directory, want: map[roster.Role]target.Handling{roster.RolePupil: target.Manage, roster.RoleStaff: target.Ignore}},
		"no difference":           {link: tenant.Link{Roles: tenant.Roles{Pupil: tenant.Manage}}, wrong: []string{"roles"}},
		"nothing said of nothing": {},
		"it cannot find":          {roles: directory, want: directory, wrong: []string{"roles.staff"}},
		"it has no place": {
			link:  tenant.Link{Leave: moves, Lifecycles: []tenant.Lifecycle{{Role: roster.RoleStaff, Leave: moves}}},
			wrong: []string{"leave[1]", "lifecycles[0].leave[1]"},
		},
		"it has one": {link: tenant.Link{Leave: moves}, made: target.Target{Quarantine: true}},
	} {
		t.Run(name, func(t *testing.T) {
			p := tenant.NewProblems()
			roles := handlings(c.link, target.Connector{Title: "X", Roles: c.roles}, p)
			checkAbilities(c.link, &c.made, roles, p)
			if diff := cmp.Diff(c.want, roles); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			err := p.Err()
			if (err != nil) != (len(c.wrong) > 0) {
				t.Errorf("got %v, want problems at %v", err, c.wrong)
			}
			for _, at := range c.wrong {
				if err != nil && !strings.Contains(err.Error(), at+": ") {
					t.Errorf("%v does not name %s", err, at)
				}
			}
		})
	}
}
