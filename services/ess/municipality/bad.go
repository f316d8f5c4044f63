package municipality

import (
	"math"
	"os"
	"slices"

	"eventful.se/ess/libs/roster"
)

// ManyLeave returns a mutation that takes n pupils out of the register at once, class by class where there are classes.
// It changes nothing when there are fewer who could leave.
func ManyLeave(n int) Mutation {
	return func(m *Municipality) (Change, error) {
		r := m.nextRand()
		can := map[string]bool{}
		var others []string
		for _, i := range m.ordinary(r) {
			can[m.Persons[i].ID] = true
			others = append(others, m.Persons[i].ID)
		}
		if n < 1 || len(can) < n {
			return Change{}, ErrNobody
		}
		gone := map[string]bool{}
		c := Change{Kind: Left}
		take := func(id string) {
			if len(gone) < n && can[id] && !gone[id] {
				gone[id] = true
				c.Persons = append(c.Persons, id)
			}
		}
		first := r.IntN(len(m.Groups))
		for i := range m.Groups {
			g := &m.Groups[(first+i)%len(m.Groups)]
			if g.Kind == Class && m.open(g) {
				for _, id := range g.learners() {
					take(id)
				}
			}
		}
		for _, id := range others {
			take(id)
		}
		c.Groups = m.remove(nil, func(id string) bool { return gone[id] })
		return m.changed(c)
	}
}

// TheseLeave returns a mutation that takes pupils out of the register at once, by their ids.
func TheseLeave(ids ...string) Mutation {
	return func(m *Municipality) (Change, error) {
		c := Change{Kind: Left}
		for i := range m.Persons {
			if id := m.Persons[i].ID; slices.Contains(ids, id) {
				c.Persons = append(c.Persons, id)
			}
		}
		if len(c.Persons) == 0 {
			return Change{}, ErrNobody
		}
		c.Groups = m.remove(nil, func(id string) bool { return slices.Contains(ids, id) })
		return m.changed(c)
	}
}

// BlankEmails returns a mutation that loses the e-mail addresses of a share of those who have one, 0 to 1, rounded up. It
// passes over whoever could not be told from another person then.
func BlankEmails(share float64) Mutation {
	return func(m *Municipality) (Change, error) {
		type name struct{ given, family roster.Personal }
		without := map[name]bool{}
		var with []int
		for i := range m.Persons {
			if p := &m.Persons[i]; p.Email == "" {
				without[name{p.Given, p.Family}] = true
			} else {
				with = append(with, i)
			}
		}
		want := int(math.Ceil(min(max(share, 0), 1) * float64(len(with))))
		c := Change{Kind: EmailsBlanked}
		for _, k := range m.nextRand().Perm(len(with)) {
			p := &m.Persons[with[k]]
			if n := (name{p.Given, p.Family}); len(c.Persons) < want && !without[n] {
				without[n] = true
				p.Email = ""
				c.Persons = append(c.Persons, p.ID)
			}
		}
		if len(c.Persons) == 0 {
			return Change{}, ErrNobody
		}
		return m.changed(c)
	}
}

// Part returns what an export holds from which a share of all persons is missing, 0 to 1, although it is a complete
// document: every unit and group, and the other persons. The municipality stays as it is.
func (m *Municipality) Part(missing float64) *Municipality {
	c := m.Clone()
	n := int(min(max(missing, 0), 1) * float64(len(c.Persons)))
	gone := map[string]bool{}
	for _, k := range m.nextRand().Perm(len(c.Persons))[:n] {
		gone[c.Persons[k].ID] = true
	}
	c.remove(nil, func(id string) bool { return gone[id] })
	_, _ = c.changed(Change{})
	return c
}

// Empty returns what an export holds that has nothing at all in it, although it is a complete document.
func (m *Municipality) Empty() *Municipality {
	c := m.Clone()
	c.Units, c.Persons, c.Groups = nil, nil, nil
	_, _ = c.changed(Change{})
	return c
}

// Truncate cuts a file to a share of its bytes, 0 to 1, as an upload that broke off leaves it.
func Truncate(path string, keep float64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, int64(min(max(keep, 0), 1)*float64(info.Size())))
}
