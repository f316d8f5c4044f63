package oneroster

import (
	"cmp"
	"strings"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// tables lists what is read, in an order in which what others are joined with comes first.
func (r *reader) tables() []table {
	users := []string{"sourcedId", "givenName", "familyName"}
	if !r.roles {
		users = append(users, "role", "orgSourcedIds")
	}
	if column := r.Profile.Marking.Column; column != "" {
		users = append(users, column) // without it everybody would be unmarked
	}
	list := []table{
		{name: "orgs", columns: []string{"sourcedId", "name", "type"}, each: r.org},
		{name: "academicSessions", columns: []string{"sourcedId", "startDate", "endDate"}, each: r.term},
		{name: "courses", columns: []string{"sourcedId"}, each: r.course},
		{name: "classes", columns: []string{"sourcedId", "title", "classType", "schoolSourcedId"}, filled: []string{"schoolSourcedId"}, each: r.class},
	}
	roles := []string{"sourcedId", "userSourcedId", "role", "orgSourcedId"}
	ties := []string{"classSourcedId", "userSourcedId"}
	if r.roles {
		list = append(list, table{name: "roles", columns: roles, each: r.hasRole, again: true})
	}
	list = append(list, table{name: "users", columns: users, each: r.user})
	if r.roles {
		list = append(list, table{name: "roles", columns: roles, each: r.role})
	}
	return append(list, table{
		name: "enrollments", columns: append([]string{"sourcedId", "role"}, ties...), filled: ties, each: r.enrollment,
	})
}

// state emits what a row states. One that is over, or states nothing that is read, is deleted by a delta, for what is known
// may be of a row that did; in a bulk file it is left out.
func (r *reader) state(x row, kind string, facts ...fact.Fact) error {
	d := fact.Doc{ID: kind + "/" + x.get("sourcedId"), Where: x.where(), Facts: facts}
	if x.ended() || len(facts) == 0 {
		if !x.delta {
			return nil
		}
		d.Deleted, d.Facts = true, nil
	}
	return r.emit(d)
}

// wait leaves out a row of a delta that cannot be understood without one that is not in the set: what is known stays.
func (r *reader) wait(x row) error {
	r.find(reason.ReferenceDangling, fact.Warning, x)
	return nil
}

func (r *reader) org(x row) error {
	kind, known := r.Profile.Orgs[strings.ToLower(x.get("type"))]
	switch {
	case kind == ignore:
		return r.state(x, "org")
	case !known:
		kind = x.get("type") // which no unit of a school has, and is told
	}
	u := fact.Unit{ID: x.get("sourcedId"), Name: x.get("name"), Type: kind, Parent: x.get("parentSourcedId")}
	if code, ok := roster.ParseUnitCode(x.get("identifier")); ok && kind == string(roster.SchoolUnit) {
		u.UnitCodes = []string{code}
	}
	return r.state(x, "org", u)
}

func (r *reader) term(x row) error {
	from, errFrom := roster.ParseDate(x.get("startDate"))
	to, errTo := roster.ParseDate(x.get("endDate"))
	switch {
	case errFrom != nil || errTo != nil || to < from: // a class of a term that is on no day would be over
		r.find(reason.DateUnreadable, fact.Warning, x)
	case !x.ended():
		r.terms[x.get("sourcedId")] = roster.Interval{Start: from, End: to}
	}
	return nil
}

func (r *reader) course(x row) error {
	if !x.ended() {
		r.courses[x.get("sourcedId")] = cmp.Or(x.get("courseCode"), x.get("title"))
	}
	return nil
}

func (r *reader) class(x row) error {
	kind := cmp.Or(r.Profile.Classes[strings.ToLower(x.get("classType"))], x.get("classType"))
	g := fact.Group{ID: x.get("sourcedId"), Name: x.get("title"), Type: kind, Unit: x.get("schoolSourcedId")}
	course, of := r.courses[x.get("courseSourcedId")]
	g.Subject = course
	days, known := r.days(x.list("termSourcedIds"))
	if of = of || x.get("courseSourcedId") == ""; !(of && known) && !x.ended() {
		if x.delta {
			return r.wait(x)
		}
		r.find(reason.ReferenceDangling, fact.Warning, x)
	}
	g.Start, g.End = days.Start.String(), days.End.String()
	return r.state(x, "class", g)
}

// days returns the first and the last day of terms. Of one that is not known both are open: a group that ended too early
// would lose its members.
func (r *reader) days(terms []string) (days roster.Interval, known bool) {
	for i, id := range terms {
		term, ok := r.terms[id]
		if !ok {
			return roster.Interval{}, false
		}
		if i == 0 {
			days = term
		}
		days.Start, days.End = min(days.Start, term.Start), max(days.End, term.End)
	}
	return days, true
}

// user is what is kept of a user of 1.2 until the roles are read.
type user struct {
	stated bool // a row of users.csv is there
	listed bool // a row of roles.csv is there
	wanted bool // one of the roles is not to be ignored
	grade  string
}

// as returns what a role is, and whether that is known. Who is not known to be a pupil or a member of staff is made neither;
// and as the export may only have a new word, nobody counts as gone.
func (r *reader) as(role string, x row) (kind string, known bool) {
	kind, known = r.Profile.Roles[strings.ToLower(role)]
	if !known && !x.ended() {
		r.unread(x, reason.RoleUnknown)
	}
	return kind, known
}

func (r *reader) hasRole(x row) error {
	kind, known := r.Profile.Roles[strings.ToLower(x.get("role"))]
	u := r.users[x.get("userSourcedId")]
	u.listed = true
	u.wanted = u.wanted || known && kind != ignore && !x.ended()
	r.users[x.get("userSourcedId")] = u
	return nil
}

func (r *reader) user(x row) error {
	id := x.get("sourcedId")
	person := fact.Person{
		ID: id, CivicNo: r.civicNo(x), GivenName: x.get("givenName"), MiddleName: x.get("middleName"), FamilyName: x.get("familyName"),
		Email: x.get("email"), Username: x.get("username"), Marking: r.marking(x),
	}
	marked := roster.SecurityMarking(person.Marking).Protects() // which is heard whatever the role is (rule R9)
	if r.roles {
		u := r.users[id]
		u.stated, u.grade = true, r.grade(x)
		r.users[id] = u
		switch {
		case u.wanted || marked || x.ended():
			return r.state(x, "user", person)
		case x.delta:
			return r.wait(x) // who has another role, or is a guardian
		case !u.listed && !r.parts["roles"].delta:
			r.as("", x)
			return nil
		default:
			return nil
		}
	}
	var ties []fact.Fact
	wanted, understood := false, true
	roles := x.list("role")
	if len(roles) == 0 {
		roles = []string{""}
	}
	for _, role := range roles {
		kind, known := r.as(role, x)
		if understood = understood && known; !known || kind == ignore {
			continue
		}
		wanted = true
		orgs := x.list("orgSourcedIds")
		if kind == pupil && len(orgs) == 0 && !x.ended() {
			r.unread(x, reason.RowUnreadable)
			understood = false
		}
		for _, org := range orgs {
			ties = append(ties, tie(kind, id, org, r.grade(x), "", "")...)
		}
		if len(orgs) == 0 && kind != pupil { // of the whole organisation
			person.Role = string(roster.RoleStaff)
		}
	}
	switch {
	case x.ended() || understood && !wanted && !marked:
		return r.state(x, "user")
	case understood || marked:
		return r.state(x, "user", append([]fact.Fact{person}, ties...)...)
	default:
		return nil // one of the roles is not understood: what is known of the user stays
	}
}

func (r *reader) role(x row) error {
	id, org := x.get("userSourcedId"), x.get("orgSourcedId")
	kind, known := r.as(x.get("role"), x)
	u := r.users[id]
	switch {
	case x.ended():
		return r.state(x, "role")
	case !known:
		return nil
	case kind != ignore && (id == "" || org == ""):
		r.unread(x, reason.RowUnreadable)
		return nil
	case x.delta && kind == pupil && !u.stated:
		return r.wait(x) // the school year stands with the user
	default:
		return r.state(x, "role", tie(kind, id, org, u.grade, x.get("beginDate"), x.get("endDate"))...)
	}
}

// tie returns what a role of a person at a unit states.
func tie(kind, person, unit, grade, start, end string) []fact.Fact {
	switch kind {
	case ignore:
		return nil
	case pupil:
		return []fact.Fact{fact.Enrolment{Person: person, Unit: unit, SchoolYear: grade, Start: start, End: end}}
	default:
		return []fact.Fact{fact.Duty{Person: person, Unit: unit, Role: kind, Start: start, End: end}}
	}
}

// grade returns the årskurs; nothing of several, of which any may be meant.
func (r *reader) grade(x row) string {
	grades := x.list("grades")
	if len(grades) != 1 {
		return ""
	}
	if year, ok := r.Profile.Grades[strings.ToLower(grades[0])]; ok {
		return year
	}
	return grades[0]
}

func (r *reader) civicNo(x row) string {
	for _, from := range r.Profile.CivicNoFrom {
		no := x.get(ownNumber)
		if kind, ok := strings.CutPrefix(from, userIDs); ok {
			no = idOf(x.list("userIds"), kind)
		}
		if no != "" {
			return no
		}
	}
	return ""
}

// idOf returns the id of a type among ids that are written {Type:id}.
func idOf(ids []string, kind string) string {
	for _, s := range ids {
		of, id, ok := strings.Cut(strings.Trim(s, "{}"), ":")
		if ok && strings.EqualFold(of, kind) {
			return id
		}
	}
	return ""
}

// marking returns the mark of a user; a word that nobody knows as it stands, for that protects.
func (r *reader) marking(x row) string {
	if r.Profile.Marking.Column == "" {
		return ""
	}
	word := x.get(r.Profile.Marking.Column)
	if known, ok := r.Profile.Marking.Words[strings.ToLower(word)]; ok {
		return known
	}
	return word
}

func (r *reader) enrollment(x row) error {
	role := x.get("role")
	switch strings.ToLower(role) {
	case "student":
		role = string(roster.MemberPupil)
	case "teacher":
		role = string(roster.MemberTeacher)
	case "administrator", "proctor", "aide":
		role = string(roster.MemberOther)
	}
	return r.state(x, "enrollment", fact.Member{
		Group: x.get("classSourcedId"), Person: x.get("userSourcedId"), Role: role, Start: x.get("beginDate"), End: x.get("endDate"),
	})
}
