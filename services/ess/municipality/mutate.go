package municipality

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"eventful.se/ess/libs/roster"
)

// Mutation is something that happens in a municipality on its day. It picks whom by the municipality's seed and by how
// many mutations there were, so that the same mutations of the same municipality have the same effect, and never one of
// the pupils that are examples of a [Case]. It returns ErrNobody, and changes nothing, when it finds no one.
//
// Every mutation moves [Municipality.Time] on, for no register makes two exports at the same time.
type Mutation func(*Municipality) (Change, error)

// Mutations lists every mutation.
func Mutations() []Mutation {
	return []Mutation{(*Municipality).MoveClass, (*Municipality).Leave, (*Municipality).Join, (*Municipality).Rename}
}

// ErrNobody says that a mutation found no one to whom it could happen.
var ErrNobody = errors.New("no pupil is left to whom this can happen: make a municipality with more pupils")

// ChangeKind is the sort of a change.
type ChangeKind string

// The kinds of change.
const (
	Moved   ChangeKind = "moved"
	Left    ChangeKind = "left"
	Joined  ChangeKind = "joined"
	Renamed ChangeKind = "renamed"
)

// Change says what a mutation did, without a name.
type Change struct {
	Kind   ChangeKind
	Person string   // id
	From   []string // ids of the groups that the person is no longer in
	To     []string // ids of the groups that the person is in now
}

// String returns a sentence such as "p-17 moved from g-4 to g-9".
func (c Change) String() string {
	switch c.Kind {
	case Moved:
		return fmt.Sprintf("%s moved from %s to %s", c.Person, c.From[0], c.To[0])
	case Left:
		return fmt.Sprintf("%s left the municipality and %d groups", c.Person, len(c.From))
	case Joined:
		return fmt.Sprintf("%s joined the municipality and %d groups", c.Person, len(c.To))
	default:
		return c.Person + " has another surname"
	}
}

// MoveClass moves a pupil from a class to another class of the unit, or where there is none, from a course to another.
func (m *Municipality) MoveClass() (Change, error) {
	r := m.nextRand()
	for _, i := range m.ordinary(r) {
		id := m.Persons[i].ID
		for _, kind := range []GroupKind{Class, Teaching} {
			from := m.find(r, func(g *Group) bool { return g.Kind == kind && m.attends(g, id) })
			if from == nil {
				continue
			}
			to := m.find(r, func(g *Group) bool {
				return g.Kind == kind && g.Unit == from.Unit && m.open(g) && !slices.ContainsFunc(g.Members, isMember(id))
			})
			if to == nil {
				continue
			}
			from.Members = slices.DeleteFunc(from.Members, isMember(id))
			to.Members = append(to.Members, Member{id, Learner, m.Day, to.End})
			return m.changed(Change{Kind: Moved, Person: id, From: []string{from.ID}, To: []string{to.ID}})
		}
	}
	return Change{}, ErrNobody
}

// Leave takes a pupil out of the register.
func (m *Municipality) Leave() (Change, error) {
	pupils := m.ordinary(m.nextRand())
	if len(pupils) == 0 {
		return Change{}, ErrNobody
	}
	i := pupils[0]
	c := Change{Kind: Left, Person: m.Persons[i].ID}
	for g := range m.Groups {
		members := slices.DeleteFunc(m.Groups[g].Members, isMember(c.Person))
		if len(members) < len(m.Groups[g].Members) {
			c.From = append(c.From, m.Groups[g].ID)
		}
		m.Groups[g].Members = members
	}
	m.Persons = slices.Delete(m.Persons, i, i+1)
	return m.changed(c)
}

// Join adds a pupil, who starts today in a unit, in one of its classes if it has any and in up to five courses.
func (m *Municipality) Join() (Change, error) {
	r := m.nextRand()
	unit := m.Units[1+r.IntN(len(m.Units)-1)].ID
	var p Person
	p.Enrolments = []Enrolment{{Unit: unit, Start: m.Day, End: m.Day.AddDays(300)}}
	m.identify(&p, r, nil)
	m.Persons = append(m.Persons, p)
	c := Change{Kind: Joined, Person: p.ID}
	room := map[GroupKind]int{Class: 1, Mentors: 1, Teaching: 5}
	first := r.IntN(len(m.Groups))
	for i := range m.Groups {
		g := &m.Groups[(first+i)%len(m.Groups)]
		if g.Unit == unit && m.open(g) && room[g.Kind] > 0 {
			room[g.Kind]--
			g.Members = append(g.Members, Member{p.ID, Learner, m.Day, min(g.End, p.Enrolments[0].End)})
			c.To = append(c.To, g.ID)
		}
	}
	return m.changed(c)
}

// Rename gives a pupil another surname. The e-mail address stays, as it does in most registers.
func (m *Municipality) Rename() (Change, error) {
	r := m.nextRand()
	pupils := m.ordinary(r)
	if len(pupils) == 0 {
		return Change{}, ErrNobody
	}
	p := &m.Persons[pupils[0]]
	for old := p.Family; p.Family == old; {
		p.Family = roster.Personal(surname(r))
	}
	return m.changed(Change{Kind: Renamed, Person: p.ID})
}

// nextRand returns the randomness of the next mutation.
func (m *Municipality) nextRand() *rand.Rand { return rand.New(rand.NewPCG(m.seed, m.edits+1)) }

// changed records that a mutation happened.
func (m *Municipality) changed(c Change) (Change, error) {
	m.edits++
	m.Time = m.Time.Add(time.Second)
	return c, nil
}

// ordinary returns the indices of the pupils that are examples of nothing and are enrolled today, from a random one on.
func (m *Municipality) ordinary(r *rand.Rand) []int {
	var list []int
	for i := range m.Persons {
		p := &m.Persons[i]
		if len(p.Cases) == 0 && len(p.Duties) == 0 && len(p.Enrolments) == 1 &&
			inForce(p.Enrolments[0].Start, p.Enrolments[0].End, m.Day) {
			list = append(list, i)
		}
	}
	if len(list) == 0 {
		return nil
	}
	k := r.IntN(len(list))
	return slices.Concat(list[k:], list[:k])
}

// find returns a group for which ok is true, or nil.
func (m *Municipality) find(r *rand.Rand, ok func(*Group) bool) *Group {
	first := r.IntN(len(m.Groups))
	for i := range m.Groups {
		if g := &m.Groups[(first+i)%len(m.Groups)]; ok(g) {
			return g
		}
	}
	return nil
}

// open tells whether a pupil can be put into the group today.
func (m *Municipality) open(g *Group) bool {
	return !g.Is(GroupEmpty) && inForce(g.Start, g.End, m.Day)
}

// attends tells whether the person is in the group today.
func (m *Municipality) attends(g *Group, person string) bool {
	return m.open(g) && slices.ContainsFunc(g.Members, func(x Member) bool {
		return x.Person == person && inForce(x.Start, x.End, m.Day)
	})
}

func isMember(person string) func(Member) bool {
	return func(x Member) bool { return x.Person == person }
}
