package ss12000

import "eventful.se/ess/libs/roster"

// objectOf returns what reads an object of a list.
func (r *reader) objectOf(of Resource) func() Object {
	switch of {
	case Organisations:
		return func() Object { return r.organisation() }
	case Persons:
		return func() Object { return r.person() }
	case Groups:
		return func() Object { return r.group() }
	case Duties:
		return func() Object { return r.duty() }
	case Activities:
		return func() Object { return r.activity() }
	case Placements:
		return func() Object { return r.placement() }
	case Syllabuses:
		return func() Object { return r.syllabus() }
	case Programmes:
		return func() Object { return r.programme() }
	}
	return nil
}

// object reads an object: what every object has into m, the rest by each.
func (r *reader) object(m *Meta, each func(name string)) {
	r.fields(func(name string) {
		switch name {
		case "id":
			m.ID = ID(r.text())
		case "meta":
			r.fields(func(name string) {
				switch name {
				case "created":
					m.Created = r.time("meta.created")
				case "modified":
					m.Modified = r.time("meta.modified")
				default:
					r.skip()
				}
			})
		default:
			each(name)
		}
	})
}

func (r *reader) organisation() *Organisation {
	o := &Organisation{}
	r.object(&o.Meta, func(name string) {
		switch name {
		case "displayName":
			o.Name = r.text()
		case "organisationType":
			o.Type = r.text()
		case "organisationCode":
			o.Code = r.text()
		case "organisationNumber":
			o.OrganisationNo = r.text()
		case "municipalityCode":
			o.MunicipalityCode = r.text()
		case "parentOrganisation":
			o.Parent = r.ref()
		case "schoolUnitCode":
			o.SchoolUnitCode = r.text()
		case "schoolTypes":
			o.SchoolTypes = r.texts()
		case "startDate":
			o.Start = r.text()
		case "endDate":
			o.End = r.text()
		default:
			r.skip()
		}
	})
	return o
}

func (r *reader) person() *Person {
	p := &Person{}
	r.object(&p.Meta, func(name string) {
		switch name {
		case "givenName":
			p.GivenName = r.personal()
		case "middleName":
			p.MiddleName = r.personal()
		case "familyName":
			p.FamilyName = r.personal()
		case "eduPersonPrincipalNames":
			r.list(func() {
				if s := r.personal(); s != "" {
					p.EPPNs = append(p.EPPNs, s)
				}
			})
		case "externalIdentifiers":
			r.list(func() { p.Identifiers = append(p.Identifiers, r.identifier()) })
		case "civicNo":
			p.CivicNo = r.civicNo()
		case "birthDate":
			p.BirthDate = r.personal()
		case "sex":
			p.Sex = r.text()
		case "securityMarking":
			p.Marking = r.marking()
		case "personStatus":
			p.Status = r.text()
		case "emails":
			r.list(func() {
				if e := r.email(); e.Value != "" {
					p.Emails = append(p.Emails, e)
				}
			})
		case "enrolments", "enrollments":
			r.list(func() { p.Enrolments = append(p.Enrolments, r.enrolment()) })
		case "_embedded":
			r.fields(func(name string) {
				if name != "duties" {
					r.skip()
					return
				}
				r.list(func() { p.Duties = append(p.Duties, r.duty()) })
			})
		default:
			r.skip()
		}
	})
	for _, d := range p.Duties {
		if d.Person.ID == "" {
			d.Person.ID = p.ID
		}
	}
	return p
}

// civicNo reads {value, nationality}, or the bare number.
func (r *reader) civicNo() (no roster.Personal) {
	if r.err != nil {
		return ""
	}
	if r.json.PeekKind() != '{' {
		no = r.personal()
		if no != "" {
			r.strange("civicNo", "not an object")
		}
		return no
	}
	r.fields(func(name string) {
		if name == "value" {
			no = r.personal()
			return
		}
		r.skip()
	})
	return no
}

func (r *reader) identifier() (i Identifier) {
	r.fields(func(name string) {
		switch name {
		case "value":
			i.Value = r.personal()
		case "context":
			i.Context = r.text()
		default:
			r.skip()
		}
	})
	return i
}

// email reads {value, type}, or the bare address.
func (r *reader) email() (e Email) {
	if r.err != nil {
		return e
	}
	if r.json.PeekKind() != '{' {
		r.strange("emails", "not an object")
		return Email{Value: r.personal()}
	}
	r.fields(func(name string) {
		switch name {
		case "value":
			e.Value = r.personal()
		case "type":
			e.Type = r.text()
		default:
			r.skip()
		}
	})
	return e
}

func (r *reader) enrolment() (e Enrolment) {
	r.fields(func(name string) {
		switch name {
		case "enroledAt", "enrolledAt": // the standard has one l
			if to := r.ref(); to.ID != "" {
				e.Unit = to
			}
		case "schoolType":
			e.SchoolType = r.text()
		case "schoolYear":
			e.SchoolYear = r.text()
		case "startDate":
			e.Start = r.text()
		case "endDate":
			e.End = r.text()
		case "cancelled", "canceled":
			e.Cancelled = r.yes()
		case "educationCode":
			e.EducationCode = r.text()
		case "programme":
			e.Programme = r.ref()
		default:
			r.skip()
		}
	})
	return e
}

func (r *reader) group() *Group {
	g := &Group{}
	r.object(&g.Meta, func(name string) {
		switch name {
		case "displayName":
			g.Name = r.text()
		case "groupType":
			g.Type = r.text()
		case "schoolType":
			g.SchoolType = r.text()
		case "organisation":
			g.Unit = r.ref()
		case "startDate":
			g.Start = r.text()
		case "endDate":
			g.End = r.text()
		case "groupMemberships":
			r.list(func() { g.Memberships = append(g.Memberships, r.membership()) })
		default:
			r.skip()
		}
	})
	return g
}

func (r *reader) membership() (m Membership) {
	r.fields(func(name string) {
		switch name {
		case "person":
			m.Person = r.ref()
		case "startDate":
			m.Start = r.text()
		case "endDate":
			m.End = r.text()
		default:
			r.skip()
		}
	})
	return m
}

func (r *reader) duty() *Duty {
	d := &Duty{}
	r.object(&d.Meta, func(name string) {
		switch name {
		case "person":
			d.Person = r.ref()
		case "dutyAt":
			d.Unit = r.ref()
		case "dutyRole":
			d.Role = r.text()
		case "startDate":
			d.Start = r.text()
		case "endDate":
			d.End = r.text()
		case "assignmentRole", "assignmentRoles":
			r.list(func() { d.Assignments = append(d.Assignments, r.assignment()) })
		case "_embedded":
			r.fields(func(name string) {
				if name != "person" {
					r.skip()
					return
				}
				d.Who = r.person()
			})
		default:
			r.skip()
		}
	})
	if d.Who != nil && d.Who.ID == "" {
		d.Who = nil
	}
	if d.Who != nil && d.Person.ID == "" {
		d.Person.ID = d.Who.ID
	}
	return d
}

func (r *reader) assignment() (a Assignment) {
	r.fields(func(name string) {
		switch name {
		case "group":
			a.Group = r.ref()
		case "assignmentRoleType":
			a.Role = r.text()
		case "startDate":
			a.Start = r.text()
		case "endDate":
			a.End = r.text()
		default:
			r.skip()
		}
	})
	return a
}

func (r *reader) activity() *Activity {
	a := &Activity{}
	r.object(&a.Meta, func(name string) {
		switch name {
		case "displayName":
			a.Name = r.text()
		case "activityType":
			a.Type = r.text()
		case "organisation":
			a.Unit = r.ref()
		case "syllabus":
			a.Syllabus = r.ref()
		case "groups":
			r.list(func() {
				if to := r.ref(); to.ID != "" {
					a.Groups = append(a.Groups, to)
				}
			})
		case "teachers":
			r.list(func() { a.Teachers = append(a.Teachers, r.teacher()) })
		case "startDate":
			a.Start = r.text()
		case "endDate":
			a.End = r.text()
		case "_embedded":
			r.fields(func(name string) {
				if name != "teachers" {
					r.skip()
					return
				}
				r.list(func() { a.Duties = append(a.Duties, r.duty()) })
			})
		default:
			r.skip()
		}
	})
	return a
}

func (r *reader) teacher() (t Teacher) {
	r.fields(func(name string) {
		switch name {
		case "duty":
			t.Duty = r.ref()
		case "startDate":
			t.Start = r.text()
		case "endDate":
			t.End = r.text()
		default:
			r.skip()
		}
	})
	return t
}

func (r *reader) placement() *Placement {
	p := &Placement{}
	r.object(&p.Meta, func(name string) {
		switch name {
		case "child":
			p.Child = r.ref()
		case "placedAt":
			p.Unit = r.ref()
		case "group":
			p.Group = r.ref()
		case "schoolType":
			p.SchoolType = r.text()
		case "startDate":
			p.Start = r.text()
		case "endDate":
			p.End = r.text()
		default:
			r.skip()
		}
	})
	return p
}

func (r *reader) syllabus() *Syllabus {
	s := &Syllabus{}
	r.object(&s.Meta, func(name string) {
		switch name {
		case "schoolType":
			s.SchoolType = r.text()
		case "subjectCode":
			s.SubjectCode = r.text()
		case "subjectName":
			s.SubjectName = r.text()
		case "courseCode":
			s.CourseCode = r.text()
		case "courseName":
			s.CourseName = r.text()
		case "official":
			s.Official = r.yes()
		default:
			r.skip()
		}
	})
	return s
}

func (r *reader) programme() *Programme {
	p := &Programme{}
	r.object(&p.Meta, func(name string) {
		switch name {
		case "name", "displayName":
			p.Name = r.text()
		case "type":
			p.Type = r.text()
		case "code":
			p.Code = r.text()
		case "schoolType":
			p.SchoolType = r.text()
		default:
			r.skip()
		}
	})
	return p
}
