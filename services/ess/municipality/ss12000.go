package municipality

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/roster"
)

// SS12000 returns the municipality as objects of SS 12000:2020, with the ids of [Municipality.EncodeIMS] and the same
// content: who learns is in a group, who teaches it has an activity, who mentors it an assignment of a duty. It tells more
// than IMS Enterprise does: school types, school years, courses, and which role an e-mail address is of.
//
// Where the register marks protected persons, everyone has a securityMarking; where it leaves them out, they are in
// nothing.
func (m *Municipality) SS12000() []ss12000.Object {
	e := m.standard()
	var all []ss12000.Object
	for i := range m.Units {
		all = append(all, e.organisation(&m.Units[i]))
	}
	all = append(all, e.syllabuses()...)
	for i := range m.Persons {
		if !e.hidden[m.Persons[i].ID] {
			all = append(all, e.person(&m.Persons[i]))
			for _, d := range e.dutiesOf(&m.Persons[i]) {
				all = append(all, d)
			}
		}
	}
	for i := range m.Groups {
		all = append(all, e.group(&m.Groups[i]))
		if a := e.activity(&m.Groups[i]); a != nil {
			all = append(all, a)
		}
	}
	return all
}

// standard writes a municipality as SS 12000 has it.
type standard struct {
	*Municipality
	hidden map[string]bool
	units  map[string]*Unit
	grades map[string]map[string]int // by unit and person
	duties map[string][]*ss12000.Duty
}

func (m *Municipality) standard() *standard {
	e := &standard{m, m.hidden(), map[string]*Unit{}, map[string]map[string]int{}, map[string][]*ss12000.Duty{}}
	for i := range m.Units {
		e.units[m.Units[i].ID] = &m.Units[i]
	}
	for i := range m.Groups {
		g := &m.Groups[i]
		if g.Kind != Class || g.Grade == 0 || g.past {
			continue
		}
		if e.grades[g.Unit] == nil {
			e.grades[g.Unit] = map[string]int{}
		}
		for _, x := range g.Members {
			e.grades[g.Unit][x.Person] = g.Grade
		}
	}
	return e
}

func (e *standard) organisation(u *Unit) *ss12000.Organisation {
	o := &ss12000.Organisation{Meta: ss12000.Meta{ID: u.ID}, Name: u.Name, Type: string(roster.Authority)}
	if u.Parent != "" {
		o.Type, o.Parent.ID, o.SchoolUnitCode = string(roster.SchoolUnit), u.Parent, u.Code
		o.SchoolTypes = []string{string(u.SchoolType)}
	}
	return o
}

// syllabuses returns the courses of the teaching groups.
func (e *standard) syllabuses() (all []ss12000.Object) {
	seen := map[string]bool{}
	for i := range e.Groups {
		g := &e.Groups[i]
		if g.Course == "" || seen[g.Course] {
			continue
		}
		seen[g.Course] = true
		all = append(all, &ss12000.Syllabus{
			Meta: ss12000.Meta{ID: syllabusID(g.Course)}, SchoolType: string(e.units[g.Unit].SchoolType), SubjectName: g.Course, CourseCode: g.Course, Official: true,
		})
	}
	slices.SortFunc(all, func(x, y ss12000.Object) int { return cmp.Compare(x.Head().ID, y.Head().ID) })
	return all
}

func syllabusID(course string) string { return "k-" + course }

func (e *standard) person(p *Person) *ss12000.Person {
	o := &ss12000.Person{Meta: ss12000.Meta{ID: p.ID}, GivenName: p.Given, FamilyName: p.Family, CivicNo: p.CivicNo, Status: "Aktiv"}
	if e.Protected == ProtectedFlag {
		o.Marking = string(cmp.Or(p.Marking, roster.MarkingNone))
	}
	if p.Email != "" {
		o.Emails = []ss12000.Email{{Value: p.Email, Type: emailType(p)}}
	}
	for _, x := range p.Enrolments {
		own := ss12000.Enrolment{Unit: ss12000.Ref{ID: x.Unit}, SchoolType: string(e.units[x.Unit].SchoolType), Start: x.Start.String(), End: x.End.String()}
		if grade := e.grades[x.Unit][p.ID]; grade > 0 {
			own.SchoolYear = strconv.Itoa(grade)
		}
		o.Enrolments = append(o.Enrolments, own)
	}
	return o
}

// emailType returns the type of a person's address; none of who is a pupil and staff, for the register does not tell.
func emailType(p *Person) string {
	switch {
	case len(p.Enrolments) > 0 && len(p.Duties) > 0:
		return ""
	case len(p.Duties) > 0:
		return "Skola personal"
	default:
		return "Skola elev"
	}
}

// dutiesOf returns the duties of a person, with the groups that she or he mentors.
func (e *standard) dutiesOf(p *Person) []*ss12000.Duty {
	for _, d := range p.Duties {
		e.duties[p.ID] = append(e.duties[p.ID], &ss12000.Duty{
			Meta: ss12000.Meta{ID: fmt.Sprintf("t-%s-%s-%s-%s", p.ID, d.Unit, d.Role, d.Start)}, Person: ss12000.Ref{ID: p.ID}, Unit: ss12000.Ref{ID: d.Unit},
			Role: string(dutyRole(d.Role)), Start: d.Start.String(), End: d.End.String(),
		})
	}
	return e.duties[p.ID]
}

func dutyRole(r Role) roster.DutyRole {
	switch r {
	case Manager:
		return roster.Principal
	case Administrator:
		return roster.SchoolAdministrator
	case Assistant:
		return roster.TeachingAssistant
	default:
		return roster.Teacher
	}
}

// duty returns the duty of a person at a unit, or any that the person has.
func (e *standard) duty(person, unit string) *ss12000.Duty {
	own := e.duties[person]
	if i := slices.IndexFunc(own, func(d *ss12000.Duty) bool { return d.Unit.ID == unit }); i >= 0 {
		return own[i]
	}
	if len(own) > 0 {
		return own[0]
	}
	return nil
}

func (e *standard) group(g *Group) *ss12000.Group {
	o := &ss12000.Group{
		Meta: ss12000.Meta{ID: g.ID}, Name: g.Name, Type: string(groupType(g.Kind)), SchoolType: string(e.units[g.Unit].SchoolType),
		Unit: ss12000.Ref{ID: g.Unit}, Start: g.Start.String(), End: g.End.String(),
	}
	for _, x := range shown(g.Members, e.hidden) {
		switch d := e.duty(x.Person, g.Unit); {
		case x.Role == Learner:
			o.Memberships = append(o.Memberships, ss12000.Membership{Person: ss12000.Ref{ID: x.Person}, Start: x.Start.String(), End: x.End.String()})
		case x.Role == Mentor && d != nil:
			d.Assignments = append(d.Assignments, ss12000.Assignment{Group: ss12000.Ref{ID: g.ID}, Role: "Mentor", Start: x.Start.String(), End: x.End.String()})
		}
	}
	return o
}

func groupType(k GroupKind) roster.GroupType {
	switch k {
	case Class:
		return roster.Class
	case Mentors:
		return roster.MentorGroup
	default:
		return roster.TeachingGroup
	}
}

// activity returns what is taught in a group; nil where nobody teaches it and it has no course.
func (e *standard) activity(g *Group) *ss12000.Activity {
	a := &ss12000.Activity{
		Meta: ss12000.Meta{ID: "a-" + g.ID}, Name: g.Name, Type: "Undervisning", Unit: ss12000.Ref{ID: g.Unit}, Groups: []ss12000.Ref{{ID: g.ID}},
		Start: g.Start.String(), End: g.End.String(),
	}
	if g.Course != "" {
		a.Syllabus.ID = syllabusID(g.Course)
	}
	for _, x := range shown(g.Members, e.hidden) {
		if x.Role != Instructor {
			continue
		}
		if d := e.duty(x.Person, g.Unit); d != nil {
			a.Teachers = append(a.Teachers, ss12000.Teacher{Duty: ss12000.Ref{ID: d.ID}, Start: x.Start.String(), End: x.End.String()})
		}
	}
	if len(a.Teachers) == 0 && g.Course == "" {
		return nil
	}
	return a
}

// writeSS12000 writes what the lists of an API of SS 12000 would answer on one page: a file for each.
func (m *Municipality) writeSS12000(dir string, progress func(done, total int)) (paths []string, err error) {
	lists := map[ss12000.Resource][]ss12000.Object{}
	objects := m.SS12000()
	for _, o := range objects {
		o.Head().Created, o.Head().Modified = m.Time.UTC(), m.Time.UTC()
		lists[o.Resource()] = append(lists[o.Resource()], o)
	}
	done := 0
	for _, of := range ss12000.Resources() {
		path := filepath.Join(dir, string(of)+".json")
		err := writeFile(path, func(w io.Writer) error {
			b := bufio.NewWriter(w)
			_, _ = b.WriteString(`{"data":[`)
			var line []byte
			for i, o := range lists[of] {
				line = append(line[:0], ",\n"...)
				if i == 0 {
					line = line[1:]
				}
				_, _ = b.Write(ss12000.Append(line, o))
				if done++; progress != nil && (done%1000 == 0 || done == len(objects)) {
					progress(done, len(objects))
				}
			}
			_, _ = b.WriteString("\n],\"pageToken\":null}\n")
			return b.Flush()
		})
		if err != nil {
			return paths, fmt.Errorf("write %s: %w", path, err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}
