package municipality

import (
	"errors"
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

// Mutations lists what happens on any day. What happens rarely, or to many at once, are the other methods of
// [Municipality] that are a Mutation.
func Mutations() []Mutation {
	return []Mutation{(*Municipality).MoveClass, (*Municipality).Leave, (*Municipality).Join, (*Municipality).Rename}
}

// ErrNobody says that a mutation found no one to whom it could happen.
var ErrNobody = errors.New("nobody is left to whom this can happen: make a municipality with more pupils")

// MoveClass moves a pupil from a class to another class of the unit, or where there is none, from a course to another.
func (m *Municipality) MoveClass() (Change, error) { return m.moveClass(m.nextRand()) }

func (m *Municipality) moveClass(r *rand.Rand) (Change, error) {
	for _, i := range m.ordinary(r) {
		id, until := m.Persons[i].ID, m.Persons[i].Enrolments[0].End
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
			to.Members = append(to.Members, Member{id, Learner, m.Day, earlier(to.End, until)})
			return m.changed(Change{Kind: Moved, Person: id, From: []string{from.ID}, To: []string{to.ID}})
		}
	}
	return Change{}, ErrNobody
}

// Leave takes a pupil out of the register, who is just no longer there.
func (m *Municipality) Leave() (Change, error) { return m.leave(m.nextRand()) }

func (m *Municipality) leave(r *rand.Rand) (Change, error) {
	pupils := m.ordinary(r)
	if len(pupils) == 0 {
		return Change{}, ErrNobody
	}
	id, units := m.Persons[pupils[0]].ID, m.Persons[pupils[0]].units()
	return m.changed(Change{Kind: Left, Person: id, From: m.remove(units, func(p string) bool { return p == id })})
}

// remove takes persons out of the register, by id, and returns the ids of the groups that they were in. They belong to
// some units only, unless nil.
func (m *Municipality) remove(units []string, out func(id string) bool) (from []string) {
	gone := func(x Member) bool { return out(x.Person) }
	for i := range m.Groups {
		g := &m.Groups[i]
		if units != nil && !slices.Contains(units, g.Unit) {
			continue
		}
		before := len(g.Members)
		if g.Members = slices.DeleteFunc(g.Members, gone); len(g.Members) < before {
			from = append(from, g.ID)
		}
		g.away = slices.DeleteFunc(g.away, gone)
	}
	m.Persons = slices.DeleteFunc(m.Persons, func(p Person) bool { return out(p.ID) })
	return from
}

// Join adds a pupil, who starts today in a unit, in one of its classes if it has any and in up to five courses.
func (m *Municipality) Join() (Change, error) { return m.join(m.nextRand()) }

func (m *Municipality) join(r *rand.Rand) (Change, error) {
	unit := m.Units[1+r.IntN(len(m.Units)-1)].ID
	var p Person
	p.Enrolments = []Enrolment{{Unit: unit, Start: m.Day, End: m.Day.AddDays(300)}}
	m.identify(&p, r, nil)
	m.Persons = append(m.Persons, p)
	return m.changed(Change{Kind: Joined, Person: p.ID, To: m.settle(r, p.ID, p.Enrolments[0], 0)})
}

// settle puts a newly enrolled pupil into groups of the unit: one class and one mentor group, of a school year unless
// that is 0, and up to five courses. It returns their ids.
func (m *Municipality) settle(r *rand.Rand, person string, e Enrolment, grade int) (to []string) {
	room := map[GroupKind]int{Class: 1, Mentors: 1, Teaching: 5}
	first := r.IntN(len(m.Groups))
	for i := range m.Groups {
		g := &m.Groups[(first+i)%len(m.Groups)]
		x := Member{person, Learner, max(g.Start, e.Start), earlier(g.End, e.End)}
		if g.Unit == e.Unit && m.open(g) && room[g.Kind] > 0 && x.Start <= x.End && (grade == 0 || g.Grade == 0 || g.Grade == grade) &&
			!slices.ContainsFunc(g.Members, isMember(person)) {
			room[g.Kind]--
			g.Members = append(g.Members, x)
			to = append(to, g.ID)
		}
	}
	return to
}

// earlier returns the earlier of two ends, of which an open one is the later.
func earlier(a, b roster.Date) roster.Date {
	if a.IsOpen() || !b.IsOpen() && b < a {
		return b
	}
	return a
}

// later returns the later of two ends, of which an open one is the latest.
func later(a, b roster.Date) roster.Date {
	if a.IsOpen() || b.IsOpen() {
		return 0
	}
	return max(a, b)
}

// Rename gives a pupil another surname. The e-mail address stays, as it does in most registers.
func (m *Municipality) Rename() (Change, error) { return m.rename(m.nextRand()) }

func (m *Municipality) rename(r *rand.Rand) (Change, error) {
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

// ordinary returns the indices of the pupils that are examples of nothing, are not protected and are enrolled today, from
// a random one on.
func (m *Municipality) ordinary(r *rand.Rand) []int {
	var list []int
	for i := range m.Persons {
		p := &m.Persons[i]
		if len(p.Cases) == 0 && p.Marking == "" && len(p.Duties) == 0 && len(p.Enrolments) == 1 &&
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
	return !g.Is(GroupEmpty) && len(g.away) == 0 && inForce(g.Start, g.End, m.Day)
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
