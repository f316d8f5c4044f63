package asm

import (
	"strings"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// renumbered is a roster of which the target knows one person by the key of an earlier identity number.
type renumbered struct {
	*roster.Roster
	now, before roster.Key
}

func (r renumbered) Anchor(k roster.Key) roster.Key {
	if k == r.now {
		return r.before
	}
	return k
}

func TestAPersonKeepsTheAccountThroughANewNumber(t *testing.T) {
	const today = roster.Date(20260914)
	unit, pupil, group, before := roster.Key{1}, roster.Key{2}, roster.Key{3}, roster.Key{9}
	src := roster.Source{System: "test", Instance: "default"}
	r := roster.NewRoster(nil, today)
	for _, rec := range []roster.Record{
		{Ref: roster.Ref{Kind: roster.KindOrganisation, Key: unit}, Organisation: &roster.Organisation{DisplayName: "Provskolan", Type: roster.SchoolUnit}},
		{Ref: roster.Ref{Kind: roster.KindPerson, Key: pupil}, Former: []roster.Key{before}, Person: &roster.Person{
			GivenName: "Testa", FamilyName: "Ek", Enrolments: []roster.Enrolment{{EnroledAt: unit}},
		}},
		{Ref: roster.Ref{Kind: roster.KindGroup, Key: group}, Group: &roster.Group{
			DisplayName: "9B", Type: roster.Class, Organisation: unit, Members: []roster.Membership{{Person: pupil, Role: roster.MemberPupil}},
		}},
	} {
		rec.Source = src
		r.Apply(rec)
	}
	m, err := newMapping(*defaults())
	if err != nil {
		t.Fatal(err)
	}
	ids := func(v target.View) (list []string) {
		for _, ref := range []roster.Ref{{Kind: roster.KindPerson, Key: pupil}, {Kind: roster.KindGroup, Key: group}} {
			for _, w := range m.Map(v, ref) {
				list = append(list, w.Resource.ID.String())
				for _, f := range w.Resource.Fields {
					if strings.HasSuffix(f.Name, "student_id") {
						list = append(list, f.Value.Reveal())
					}
				}
			}
		}
		return list
	}
	old, now := strings.Join(ids(renumbered{r, pupil, before}), " "), strings.Join(ids(r), " ")
	if strings.Contains(old, pupil.String()) || !strings.Contains(old, "student/"+before.String()) || old == now {
		t.Errorf("with the earlier key %s, without %s", old, now)
	}
}
