package ss12000

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"eventful.se/ess/libs/roster"
)

// Append appends an object to dst as the standard writes it. What an object does not have is left out; of what may be
// expanded, a list that is empty and not nil is written.
func Append(dst []byte, o Object) []byte {
	w := writer{b: dst}
	switch o := o.(type) {
	case *Organisation:
		w.organisation(o)
	case *Person:
		w.person(o)
	case *Group:
		w.group(o)
	case *Duty:
		w.duty(o)
	case *Activity:
		w.activity(o)
	case *Placement:
		w.placement(o)
	case *Syllabus:
		w.syllabus(o)
	case *Programme:
		w.programme(o)
	}
	return w.b
}

// writer writes JSON. A comma stands before whatever is not the first.
type writer struct {
	b     []byte
	comma bool
}

func (w *writer) open(c byte) {
	if w.comma {
		w.b = append(w.b, ',')
	}
	w.b, w.comma = append(w.b, c), false
}

func (w *writer) close(c byte) { w.b, w.comma = append(w.b, c), true }

func (w *writer) key(name string) {
	if w.comma {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b, w.comma = append(w.b, '"', ':'), false
}

func (w *writer) quote(s string) {
	if w.comma {
		w.b = append(w.b, ',')
	}
	// What is not UTF-8 is replaced, and is all that it could fail for.
	w.b, _ = jsontext.AppendQuote(w.b, s)
	w.comma = true
}

// literal writes what needs no quotes.
func (w *writer) literal(name, value string) {
	w.key(name)
	w.b = append(w.b, value...)
	w.comma = true
}

// text writes a member, unless it is empty.
func (w *writer) text(name, value string) {
	if value != "" {
		w.key(name)
		w.quote(value)
	}
}

func (w *writer) personal(name string, value roster.Personal) { w.text(name, value.Reveal()) }

func (w *writer) texts(name string, values []string) {
	if len(values) == 0 {
		return
	}
	w.key(name)
	w.open('[')
	for _, v := range values {
		w.quote(v)
	}
	w.close(']')
}

// number writes a member as a number, or as the text that it is.
func (w *writer) number(name, value string) {
	if n, err := strconv.Atoi(value); err == nil {
		w.literal(name, strconv.Itoa(n))
		return
	}
	w.text(name, value)
}

func (w *writer) days(start, end string) {
	w.text("startDate", start)
	w.text("endDate", end)
}

// ref writes a reference, unless it points at nothing.
func (w *writer) ref(name string, to Ref) {
	if to.ID != "" {
		w.key(name)
		w.reference(to)
	}
}

func (w *writer) reference(to Ref) {
	w.open('{')
	w.text("id", to.ID)
	w.text("displayName", to.Name)
	w.text("securityMarking", to.Marking)
	w.close('}')
}

// list writes a list of objects.
func list[T any](w *writer, name string, all []T, each func(T)) {
	w.key(name)
	w.open('[')
	for _, x := range all {
		each(x)
	}
	w.close(']')
}

// object writes an object with what every object has.
func (w *writer) object(m *Meta, body func()) {
	w.open('{')
	w.text("id", m.ID)
	w.key("meta")
	w.open('{')
	w.time("created", m.Created)
	w.time("modified", m.Modified)
	w.close('}')
	body()
	w.close('}')
}

func (w *writer) time(name string, t time.Time) {
	if !t.IsZero() {
		w.text(name, t.Format(time.RFC3339Nano))
	}
}

func (w *writer) organisation(o *Organisation) {
	w.object(&o.Meta, func() {
		w.text("displayName", o.Name)
		w.text("organisationCode", o.Code)
		w.text("organisationType", o.Type)
		w.text("organisationNumber", o.OrganisationNo)
		w.ref("parentOrganisation", o.Parent)
		w.text("schoolUnitCode", o.SchoolUnitCode)
		w.texts("schoolTypes", o.SchoolTypes)
		w.text("municipalityCode", o.MunicipalityCode)
		w.days(o.Start, o.End)
	})
}

func (w *writer) person(p *Person) {
	w.object(&p.Meta, func() {
		w.personal("givenName", p.GivenName)
		w.personal("middleName", p.MiddleName)
		w.key("familyName") // the standard requires one, also of who has none
		w.quote(p.FamilyName.Reveal())
		if len(p.EPPNs) > 0 {
			list(w, "eduPersonPrincipalNames", p.EPPNs, func(s roster.Personal) { w.quote(s.Reveal()) })
		}
		if len(p.Identifiers) > 0 {
			list(w, "externalIdentifiers", p.Identifiers, func(i Identifier) {
				w.open('{')
				w.personal("value", i.Value)
				w.text("context", i.Context)
				w.close('}')
			})
		}
		if p.CivicNo != "" {
			w.key("civicNo")
			w.open('{')
			w.personal("value", p.CivicNo)
			w.text("nationality", "SE")
			w.close('}')
		}
		w.personal("birthDate", p.BirthDate)
		w.text("sex", p.Sex)
		w.text("securityMarking", p.Marking)
		w.text("personStatus", p.Status)
		if len(p.Emails) > 0 {
			list(w, "emails", p.Emails, func(e Email) {
				w.open('{')
				w.personal("value", e.Value)
				w.text("type", e.Type)
				w.close('}')
			})
		}
		if len(p.Enrolments) > 0 {
			list(w, "enrolments", p.Enrolments, w.enrolment)
		}
		if p.Duties != nil {
			w.embedded(func() { list(w, "duties", p.Duties, w.duty) })
		}
	})
}

func (w *writer) embedded(body func()) {
	w.key("_embedded")
	w.open('{')
	body()
	w.close('}')
}

func (w *writer) enrolment(e Enrolment) {
	w.open('{')
	w.ref("enroledAt", e.Unit)
	w.text("schoolType", e.SchoolType)
	w.number("schoolYear", e.SchoolYear)
	w.days(e.Start, e.End)
	if e.Cancelled {
		w.literal("cancelled", "true")
	}
	w.text("educationCode", e.EducationCode)
	w.ref("programme", e.Programme)
	w.close('}')
}

func (w *writer) group(g *Group) {
	w.object(&g.Meta, func() {
		w.text("displayName", g.Name)
		w.days(g.Start, g.End)
		w.text("groupType", g.Type)
		w.text("schoolType", g.SchoolType)
		w.ref("organisation", g.Unit)
		list(w, "groupMemberships", g.Memberships, func(m Membership) {
			w.open('{')
			w.ref("person", m.Person)
			w.days(m.Start, m.End)
			w.close('}')
		})
	})
}

func (w *writer) duty(d *Duty) {
	w.object(&d.Meta, func() {
		w.ref("person", d.Person)
		if len(d.Assignments) > 0 {
			list(w, "assignmentRole", d.Assignments, func(a Assignment) {
				w.open('{')
				w.ref("group", a.Group)
				w.text("assignmentRoleType", a.Role)
				w.days(a.Start, a.End)
				w.close('}')
			})
		}
		w.ref("dutyAt", d.Unit)
		w.text("dutyRole", d.Role)
		w.days(d.Start, d.End)
		if d.Who != nil {
			w.embedded(func() {
				w.key("person")
				w.person(d.Who)
			})
		}
	})
}

func (w *writer) activity(a *Activity) {
	w.object(&a.Meta, func() {
		w.text("displayName", a.Name)
		w.literal("calendarEventsRequired", "false")
		w.days(a.Start, a.End)
		w.text("activityType", a.Type)
		list(w, "groups", a.Groups, w.reference)
		if len(a.Teachers) > 0 {
			list(w, "teachers", a.Teachers, func(t Teacher) {
				w.open('{')
				w.ref("duty", t.Duty)
				w.days(t.Start, t.End)
				w.close('}')
			})
		}
		w.ref("syllabus", a.Syllabus)
		w.ref("organisation", a.Unit)
		if a.Duties != nil {
			w.embedded(func() { list(w, "teachers", a.Duties, w.duty) })
		}
	})
}

func (w *writer) placement(p *Placement) {
	w.object(&p.Meta, func() {
		w.ref("placedAt", p.Unit)
		w.ref("group", p.Group)
		w.ref("child", p.Child)
		w.text("schoolType", p.SchoolType)
		w.days(p.Start, p.End)
	})
}

func (w *writer) syllabus(s *Syllabus) {
	w.object(&s.Meta, func() {
		w.text("schoolType", s.SchoolType)
		w.text("subjectCode", s.SubjectCode)
		w.text("subjectName", s.SubjectName)
		w.text("courseCode", s.CourseCode)
		w.text("courseName", s.CourseName)
		w.literal("official", strconv.FormatBool(s.Official))
	})
}

func (w *writer) programme(p *Programme) {
	w.object(&p.Meta, func() {
		w.text("name", p.Name)
		w.text("type", p.Type)
		w.text("code", p.Code)
		w.text("schoolType", p.SchoolType)
	})
}
