// Package ad keeps Active Directory equal to the roster: an account for each pupil and member of staff, groups for schools,
// classes and teaching groups, and OUs, over LDAP.
//
// The directory is shared with people. Nothing outside of the configured OUs is changed, and inside of them only what has
// our id: an account in the attribute of the settings, a group or an OU in adminDescription. An object is addressed by its
// objectGUID, for its name changes. What is written is what differs from what the domain controller holds.
package ad

import (
	"cmp"
	"context"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/transport/ldapx"
)

// Connector describes Active Directory as a target.
func Connector() target.Connector {
	return target.Connector{
		System: "active-directory",
		Title:  "Active Directory",
		OnSite: true,
		Roles:  map[roster.Role]target.Handling{roster.RolePupil: target.Manage, roster.RoleStaff: target.Match},
		New:    func() target.Config { return defaults() },
	}
}

// Open makes the target, without network. All links to one domain controller share its calls.
func (c *Config) Open(env target.Env) (*target.Target, error) {
	m, err := newMapping(*c, map[roster.Role]target.Handling{
		roster.RolePupil: env.Handling(roster.RolePupil), roster.RoleStaff: env.Handling(roster.RoleStaff),
	})
	if err != nil {
		return nil, err
	}
	s := &sink{
		Config: *c, mapping: m, client: ldapx.New(c.LDAP, ldapx.Options{Logger: env.Logger, Now: env.Now}),
		passwords: env.Passwords, now: env.Now, logger: env.Logger, page: cmp.Or(c.LDAP.PageSize, ldapx.DefaultPageSize),
	}
	s.forget()
	if c.Rate > 0 {
		s.budget = env.Budgets.Of(budget.Spec{Name: s.client.Address(), Rate: c.Rate})
	}
	made := &target.Target{
		Mapping:    m,
		Applier:    s,
		Accounts:   []string{kindUser},
		Watched:    map[string]guard.Operation{fieldSAM: guard.Rename, fieldUPN: guard.Rename, fieldMail: guard.Address},
		Quarantine: c.QuarantineOU != "",
		Names:      &target.Names{Max: mostSAM, Refuse: refused + " "},
		Overlay:    overlay,
		Policies:   map[string]target.Policy{},
	}
	for _, name := range m.names {
		switch s.policy(name) {
		case OnCreate:
			made.Policies[name] = target.OnCreate
		case Report:
			made.Policies[name] = target.ReportOnly
		}
	}
	made.Parallel, made.Pace = cmp.Or(c.LDAP.Connections, ldapx.DefaultConnections), s.budget.Rate
	if c.Members == KeepManual {
		made.KeepsMembers = []string{kindGroup}
	}
	return made, nil
}

// overlay is what the directory knows of a persona: what it signs in by, there and in the cloud, and its address.
func overlay(h target.Held) (p roster.Persona, ok bool) {
	if h.ID.Kind != kindUser {
		return p, false
	}
	p.Role = roleOf(h.ID.Key)
	for _, f := range h.Fields {
		switch f.Name {
		case fieldSAM:
			p.Username = f.Value
		case fieldUPN:
			p.EPPN = f.Value
		case fieldMail:
			p.Email = f.Value
		}
	}
	return p, p.Username != ""
}

// keyForm is the form of the key of an account: whose it is and, where somebody may have two, in which role.
var keyForm = regexp.MustCompile(`^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(\.(pupil|staff))?$`)

// roleOf returns the role that the key of an account tells, if it does.
func roleOf(key string) roster.Role {
	_, role, _ := strings.Cut(key, ".") // without keyForm, which every round would go through for everybody
	if r := roster.Role(role); r == roster.RolePupil || r == roster.RoleStaff {
		return r
	}
	return roster.RoleNone
}

// sink makes the directory so.
type sink struct {
	Config
	mapping   *mapping
	client    *ldapx.Client
	budget    *budget.Budget
	page      int // entries of a page
	passwords target.Passwords
	now       func() time.Time
	logger    *slog.Logger

	mu     sync.Mutex
	domain string               // the DN of the domain, once it is known
	ous    map[string]string    // DN of an OU of ours, by key
	ouKeys map[string]string    // the other way round, by folded DN; empty for one that is not ours
	guids  map[target.ID]string // objectGUID of accounts and groups of ours
	people map[string]who       // accounts and groups of ours, by folded DN; nil until all of them were read
	uses   int                  // how many calls are under way
	rest   *time.Timer          // ends the connections when there were none for a while
}

// who is a member of a group.
type who struct {
	id   target.ID
	guid string
}

var (
	_ target.Applier        = (*sink)(nil)
	_ target.ChangeLister   = (*sink)(nil)
	_ target.Checker        = (*sink)(nil)
	_ target.Namer          = (*sink)(nil)
	_ target.Matcher        = (*sink)(nil)
	_ target.PasswordSetter = (*sink)(nil)
)

// Kinds lists OUs first, for the others are in them, and groups last, for they have accounts as members.
func (*sink) Kinds() []string { return []string{kindOU, kindUser, kindGroup} }

// Apply reads what the domain controller holds of all that is to be changed, and then does one operation after the other.
// What one of them comes to changes nothing for the next, but for an answer that is about all of them.
func (s *sink) Apply(ctx context.Context, ops []target.Operation) []target.Outcome {
	defer s.use()()
	out := make([]target.Outcome, len(ops))
	there, err := s.read(ctx, ops)
	for i, op := range ops {
		if err != nil {
			out[i].Err = err
			continue
		}
		out[i] = s.apply(ctx, op, there[i])
		if stops(out[i].Err) {
			err = out[i].Err
		}
	}
	s.settle(ctx, ops, out)
	return out
}

// settle reads the objectGUIDs of what was made, many at once. What is not found was not confirmed.
func (s *sink) settle(ctx context.Context, ops []target.Operation, out []target.Outcome) {
	var fresh []int
	for i := range out {
		if out[i].Err == nil && out[i].Native == "" && ops[i].Verb == target.Create {
			fresh = append(fresh, i)
		}
	}
	for part := range slices.Chunk(fresh, chunk) {
		var names []string
		for _, i := range part {
			names = append(names, ldapx.Equal(fieldSAM, valueOf(ops[i].Resource.Fields, fieldSAM)))
		}
		list, err := s.find(ctx, anyOf(names), []string{"objectGUID", "objectClass", attributeMark, s.IDAttribute})
		for _, i := range part {
			j := slices.IndexFunc(list, func(o *object) bool { return o.id == ops[i].Resource.ID })
			switch {
			case err != nil:
				out[i].Err = err
			case j < 0:
				out[i].Err = s.fault(reason.Transient, errNoObject, reason.AnswerUnreadable, "what", "objectGUID")
			default:
				out[i].Native = list[j].guid
				s.know(ops[i].Resource.ID, list[j])
			}
		}
	}
}

// stops tells whether an error is about the directory as a whole, so that no more is asked of it now.
func stops(err error) bool {
	if err == nil {
		return false
	}
	switch reason.FaultOf(err) {
	case reason.Misconfigured:
		return true
	case reason.Transient:
		code := reason.Of(err).Code
		return slices.Contains([]reason.Code{reason.Unreachable, reason.NoAnswer, reason.OtherController, reason.Throttled}, code) || code == reason.Unexpected
	}
	return false
}

func (s *sink) apply(ctx context.Context, op target.Operation, o *object) (out target.Outcome) {
	id := op.Resource.ID
	if op.Verb == target.Create {
		if o == nil {
			return s.create(ctx, op)
		}
		op.Verb, op.Enable, op.SetsAdd = target.Update, true, op.Resource.Sets // made already
	}
	switch {
	case o == nil && op.Verb == target.Delete:
		return out // gone, which is what was asked
	case o == nil:
		out.Err = s.fault(reason.Conflict, nil, reason.ItemChanged)
		return out
	}
	out.Native = o.guid
	if out.Err = s.mayChange(op, o); out.Err != nil {
		out.Err = s.judged(ctx, op, o, out.Err)
		return out
	}
	switch op.Verb {
	case target.Update:
		switch id.Kind {
		case kindOU:
			out.Err = s.updateOU(ctx, op, o)
		case kindUser:
			out.Err = s.updateUser(ctx, op, o)
		default:
			out.Refused, out.Err = s.updateGroup(ctx, op, o)
		}
	case target.Disable, target.Move:
		out.Err = s.disable(ctx, op, o)
	case target.Contain:
		out.Err = s.contain(ctx, op, o)
	case target.Delete:
		out.Err = s.remove(ctx, o)
	default:
		out.Err = s.fault(reason.Unsupported, target.ErrUnsupported, reason.ItemRefused, "what", op.Verb)
	}
	out.Err = s.judged(ctx, op, o, out.Err)
	return out
}

// create makes an object. One of ours that has its name already was made by somebody who was told nothing of it.
func (s *sink) create(ctx context.Context, op target.Operation) (out target.Outcome) {
	var o *object
	switch op.Resource.ID.Kind {
	case kindOU:
		o, out.Err = s.createOU(ctx, op)
	case kindUser:
		o, out.Err = s.createUser(ctx, op)
	default:
		o, out.Refused, out.Err = s.createGroup(ctx, op)
	}
	if out.Err != nil || o == nil {
		out.Err = s.judged(ctx, op, nil, out.Err)
		return out
	}
	if o.fresh {
		if out.Native = o.guid; o.guid != "" {
			s.know(op.Resource.ID, o)
		}
		return out
	}
	return s.apply(ctx, op, o)
}

// mayChange tells why an object is not to be touched: it is elsewhere, somebody else's, or one that rules the domain.
func (s *sink) mayChange(op target.Operation, o *object) error {
	switch {
	case !s.within(o.dn):
		return s.fault(reason.Invalid, nil, reason.OutsideOUs, "object", o.guid)
	case o.protected():
		return s.fault(reason.Invalid, nil, reason.ProtectedObject, "object", o.guid)
	case o.id == op.Resource.ID, op.Verb == target.Update && !o.claimed():
		return nil
	default: // by its own id it is another one's, or nobody's whom we may take away
		return s.fault(reason.Invalid, nil, reason.NotOurs, "object", o.guid)
	}
}

// judged tells what is wrong with one object from what is wrong with the directory. Where an OU of the settings is gone, or we may
// make nothing in it, that is so of all objects; else the one that we may not change is by itself.
func (s *sink) judged(ctx context.Context, op target.Operation, o *object, err error) error {
	why := reason.Of(err)
	switch why.Code {
	case reason.RightMissing, reason.ObjectMissing, reason.OutsideOUs:
	default:
		return err
	}
	for _, dn := range s.places() {
		if _, other := s.rights(ctx, dn); other != nil {
			return other
		}
	}
	if why.Code != reason.RightMissing {
		return err
	}
	object := "OU " + valueOf(op.Resource.Fields, fieldOU)
	if o != nil {
		object = o.guid
	}
	return s.fault(reason.Invalid, err, reason.ObjectDenied, "user", s.LDAP.User, "object", object, "operation", why.Arg("operation"))
}

// places are the OUs of the settings, which must be there.
func (s *sink) places() []string {
	if s.QuarantineOU == "" {
		return []string{s.BaseOU}
	}
	return []string{s.BaseOU, s.QuarantineOU}
}

// stand returns an error where an OU of the settings is not there. What would be in it is not lost: somebody moved or renamed it.
func (s *sink) stand(ctx context.Context) error {
	for _, dn := range s.places() {
		list, err := s.search(ctx, ldapx.Query{Base: dn, Scope: ldap.ScopeBaseObject, Attributes: []string{"objectGUID"}})
		if err != nil {
			return err
		}
		if len(list) != 1 {
			return s.fault(reason.Misconfigured, nil, reason.ObjectMissing, "object", dn)
		}
	}
	return nil
}

// within tells whether a DN lies in one of the configured OUs.
func (s *sink) within(dn string) bool {
	return ldapx.Below(dn, s.BaseOU) || s.QuarantineOU != "" && ldapx.Below(dn, s.QuarantineOU)
}

// fault returns an error of the sink's own.
func (s *sink) fault(f reason.Fault, err error, code reason.Code, args ...any) error {
	return reason.Errorf(f, err, code, append([]any{"address", s.client.Address()}, args...)...)
}

// remove deletes an object. An OU that was there before us is only let go of, and one that holds anything stays.
func (s *sink) remove(ctx context.Context, o *object) error {
	defer s.forget()
	if o.id.Kind == kindOU && o.found {
		return s.modify(ctx, o, []change{{name: attributeMark}})
	}
	err := s.write(ctx, func() error { return s.client.Delete(ctx, o.base()) })
	switch {
	case ldapx.Missing(err):
		return nil
	case reason.Of(err).Code == reason.NotEmpty:
		return s.fault(reason.Invalid, err, reason.NotEmpty)
	}
	return err
}
