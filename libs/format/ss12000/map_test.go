package ss12000_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
)

const today = roster.Date(20260901)

// register is lists of objects, as JSON without its brackets.
type register map[ss12000.Resource]string

// small is a register of one unit under an area, with a pupil, a teacher, a class and what is taught in it.
func small() register {
	return register{
		ss12000.Organisations: `{"id":"h","organisationType":"Huvudman","displayName":"Kommunen"},{"id":"r","organisationType":"Rektorsområde","parentOrganisation":{"id":"h"}},` +
			`{"id":"s","organisationType":"Skola","displayName":"Skolan","parentOrganisation":{"id":"r"}},` +
			`{"id":"u","organisationType":"Skolenhet","displayName":"Enheten","schoolUnitCode":"12345678","schoolTypes":["GR"],"parentOrganisation":{"id":"s"}}`,
		ss12000.Syllabuses: `{"id":"ma","subjectCode":"GRGRMAT01"},{"id":"sv","subjectCode":"GRGRSVE01","courseCode":"SVE1"}`,
		ss12000.Programmes: `{"id":"na","code":"NA"}`,
		ss12000.Duties: `{"id":"d","person":{"id":"t"},"dutyAt":{"id":"u"},"dutyRole":"Lärare","startDate":"2020-08-01",` +
			`"assignmentRole":[{"group":{"id":"k"},"assignmentRoleType":"Mentor","startDate":"2026-08-15"}]}`,
		ss12000.Activities: `{"id":"a","groups":[{"id":"g"}],"teachers":[{"duty":{"id":"d"},"endDate":"2026-12-20"}],"syllabus":{"id":"sv"},"startDate":"2026-08-15","endDate":"2027-06-15"}`,
		ss12000.Groups: `{"id":"k","displayName":"7A","groupType":"Klass","schoolType":"GR","organisation":{"id":"u"},"startDate":"2026-08-15","groupMemberships":[{"person":{"id":"p"},"startDate":"2026-08-15"}]},` +
			`{"id":"g","displayName":"SV7","groupType":"Undervisning","organisation":{"id":"u"},"groupMemberships":[{"person":{"id":"p"}}]}`,
		ss12000.Persons: `{"id":"p","givenName":"Prov","familyName":"Elev","emails":[{"value":"p@e.example","type":"Skola elev"},{"value":"h@e.example","type":"Privat"}],` +
			`"enrolments":[{"enroledAt":{"id":"u"},"schoolType":"GR","schoolYear":7,"startDate":"2026-08-15"}]},` +
			`{"id":"t","givenName":"Prov","familyName":"Lärare","emails":[{"value":"t@e.example","type":"Skola personal"}],"eduPersonPrincipalNames":["t@kommun.example"]},` +
			`{"id":"v","givenName":"Prov","familyName":"Vårdnadshavare"}`,
	}
}

// with returns the register with a list as given.
func (r register) with(of ss12000.Resource, body string) register {
	c := maps.Clone(r)
	c[of] = body
	return c
}

// and returns the register with more in a list.
func (r register) and(of ss12000.Resource, body string) register {
	return r.with(of, strings.TrimPrefix(r[of]+","+body, ","))
}

// in feeds what changed after a time, or everything, to a mapper, as a client does.
func (r register) in(t *testing.T, reading ss12000.Reading, look func(*ss12000.Mapper)) (docs map[string]fact.Doc, s ss12000.Summary) {
	t.Helper()
	docs = map[string]fact.Doc{}
	m := ss12000.NewMapper(reading, func(d fact.Doc) error {
		if _, twice := docs[d.ID]; twice {
			t.Errorf("%s is emitted twice", d.ID)
		}
		docs[d.ID] = d
		return nil
	})
	objects := map[ss12000.Resource]map[string]ss12000.Object{}
	for _, of := range ss12000.Resources() {
		if of == ss12000.Groups {
			r.lookUp(t, m, objects)
		}
		all, p := read(t, of, "["+r[of]+"]")
		m.Odd(p.Odd)
		objects[of] = map[string]ss12000.Object{}
		for _, o := range all {
			objects[of][o.Head().ID] = o
			if reading.Delta && !of.Whole() && !o.Head().Modified.After(reading.Since) {
				continue
			}
			if err := m.Add(o); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.lookUp(t, m, objects)
	if look != nil {
		look(m)
	}
	s, err := m.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return docs, s
}

func (r register) lookUp(t *testing.T, m *ss12000.Mapper, objects map[ss12000.Resource]map[string]ss12000.Object) {
	t.Helper()
	for of, ids := range m.Missing() {
		for _, id := range ids {
			if o := objects[of][id]; o != nil {
				if err := m.Add(o); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func facts(docs map[string]fact.Doc) (all []string) {
	for _, id := range slices.Sorted(maps.Keys(docs)) {
		if docs[id].Deleted {
			all = append(all, id+" is deleted")
		}
		for _, f := range docs[id].Facts {
			all = append(all, fmt.Sprintf("%s %T%+v", id, f, f))
		}
	}
	return all
}

func whole() ss12000.Reading { return ss12000.Reading{Profile: ss12000.Default(), Today: today} }

func TestASmallRegister(t *testing.T) {
	docs, s := small().in(t, whole(), nil)
	want := map[string]fact.Doc{}
	for _, d := range []fact.Doc{
		{ID: "organisations/h", Facts: []fact.Fact{fact.Unit{ID: "h", Name: "Kommunen", Type: "Huvudman"}}},
		{ID: "organisations/s", Facts: []fact.Fact{fact.Unit{ID: "s", Name: "Skolan", Type: "Skola", Parent: "h"}}}, // past the area
		{ID: "organisations/u", Facts: []fact.Fact{fact.Unit{ID: "u", Name: "Enheten", Parent: "s", UnitCodes: []string{"12345678"}, SchoolTypes: []string{"GR"}}}},
		{ID: "persons/p", Facts: []fact.Fact{
			fact.Person{ID: "p", GivenName: "Prov", FamilyName: "Elev", Role: "pupil", Email: "p@e.example"},
			fact.Enrolment{Person: "p", Unit: "u", SchoolType: "GR", SchoolYear: "7", Start: "2026-08-15"},
		}},
		{ID: "persons/t", Facts: []fact.Fact{fact.Person{ID: "t", GivenName: "Prov", FamilyName: "Lärare", Role: "staff", Email: "t@e.example", EPPN: "t@kommun.example"}}},
		{ID: "duties/d", Facts: []fact.Fact{
			fact.Duty{Person: "t", Unit: "u", Role: "Lärare", Start: "2020-08-01"}, fact.Member{Group: "k", Person: "t", Role: "mentor", Start: "2026-08-15"},
		}},
		{ID: "groups/k", Facts: []fact.Fact{
			fact.Group{ID: "k", Name: "7A", Type: "Klass", Unit: "u", SchoolType: "GR", Start: "2026-08-15"}, fact.Member{Group: "k", Person: "p", Role: "pupil", Start: "2026-08-15"},
		}},
		{ID: "groups/g", Facts: []fact.Fact{
			fact.Group{ID: "g", Name: "SV7", Type: "Undervisning", Unit: "u", Subject: "SVE1"}, fact.Member{Group: "g", Person: "p", Role: "pupil"},
		}},
		{ID: "activities/a", Facts: []fact.Fact{fact.Member{Group: "g", Person: "t", Role: "teacher", Start: "2026-08-15", End: "2026-12-20"}}},
	} {
		d.Where, _, _ = strings.Cut(d.ID, "/")
		want[d.ID] = d
	}
	if diff := cmp.Diff(want, docs); diff != "" {
		t.Error(diff)
	}
	if len(s.Findings) > 0 {
		t.Errorf("findings %+v", s.Findings)
	}
	seen := map[string]int{
		"organisations": 4, "syllabuses": 2, "programmes": 1, "duties": 1, "activities": 1, "groups": 2, "persons": 3,
		"persons.givenName": 3, "persons.familyName": 3, "persons.emails": 2, "persons.eduPersonPrincipalNames": 1, "persons.enrolments": 1,
	}
	if diff := cmp.Diff(seen, s.Seen); diff != "" {
		t.Errorf("seen: %s", diff)
	}
}

// TestWhatCounts says what of a register a profile takes: the facts that differ from those of the small register.
func TestWhatCounts(t *testing.T) {
	const person = `{"id":"x","givenName":"X","enrolments":[%s]}`
	enrolled := func(e string) register {
		return small().and(ss12000.Persons, fmt.Sprintf(person, `{"enroledAt":{"id":"u"},"schoolType":"GR"`+e+`}`))
	}
	x := []string{"+persons/x fact.Person x", "+persons/x fact.Enrolment x u"}
	for _, c := range []struct {
		name string
		in   register
		set  func(*ss12000.Profile)
		want []string
	}{
		{"an enrolment", enrolled(``), nil, x},
		{"one that is cancelled", enrolled(`,"cancelled":true`), nil, nil},
		{"one that ended lately", enrolled(`,"endDate":"2026-08-02"`), nil, x},
		{"one that ended long ago", enrolled(`,"endDate":"2026-08-01"`), nil, nil},
		{"one that never ends", enrolled(`,"endDate":"9999-12-31"`), nil, x},
		{"one whose end nobody can read", enrolled(`,"endDate":"i juni"`), nil, x},
		{"one that begins in years", enrolled(`,"startDate":"2029-08-01"`), nil, x},
		{"one that begins later than that counts", enrolled(`,"startDate":"2026-09-12"`), func(p *ss12000.Profile) { p.Windows.SchoolTypes = map[string]ss12000.Window{"GR": {Before: new(10)}} }, nil},
		{"one that begins as soon as counts", enrolled(`,"startDate":"2026-09-11"`), func(p *ss12000.Profile) { p.Windows.SchoolTypes = map[string]ss12000.Window{"GR": {Before: new(10)}} }, x},
		{"one in a school type that does not count", enrolled(``), func(p *ss12000.Profile) { p.SchoolTypes.Except = []string{"gr"} }, []string{
			"-persons/p fact.Person p", "-persons/p fact.Enrolment p u", "-groups/k fact.Group k", "-groups/k fact.Member k p pupil", "-duties/d fact.Member k t mentor",
		}},
		{"one at a school in place of its unit", small().and(ss12000.Persons, fmt.Sprintf(person, `{"enroledAt":{"id":"s"}}`)), nil, x},
		{"one at an area above a unit that is no school's", small().and(ss12000.Organisations, `{"id":"u2","organisationType":"Skolenhet","parentOrganisation":{"id":"r"}}`).
			and(ss12000.Persons, fmt.Sprintf(person, `{"enroledAt":{"id":"r"}}`)), nil, []string{"+organisations/u2 fact.Unit u2", "+persons/x fact.Person x", "+persons/x fact.Enrolment x u2"}},
		{"one at a school of two units, by school type", small().and(ss12000.Organisations, `{"id":"u2","organisationType":"Skolenhet","schoolTypes":["FKLASS"],"parentOrganisation":{"id":"s"}}`).
			and(ss12000.Persons, fmt.Sprintf(person, `{"enroledAt":{"id":"s"},"schoolType":"FKLASS"}`)), nil, []string{"+organisations/u2 fact.Unit u2", "+persons/x fact.Person x", "+persons/x fact.Enrolment x u2"}},
		{"one at a school of two units of one type", small().and(ss12000.Organisations, `{"id":"u2","organisationType":"Skolenhet","schoolTypes":["GR"],"parentOrganisation":{"id":"s"}}`).
			and(ss12000.Persons, fmt.Sprintf(person, `{"enroledAt":{"id":"s"},"schoolType":"GR"}`)), nil, []string{"+organisations/u2 fact.Unit u2", "+persons/x fact.Person x", "+persons/x fact.Enrolment x s"}},
		{"the dead", small().and(ss12000.Persons, `{"id":"x","personStatus":"Avliden","enrolments":[{"enroledAt":{"id":"u"}}]}`), nil, nil},
		{"those abroad", small().and(ss12000.Persons, `{"id":"x","personStatus":"Utvandrad","enrolments":[{"enroledAt":{"id":"u"}}]}`), nil, x},
		{"the dead who are protected", small().and(ss12000.Persons, `{"id":"x","personStatus":"Avliden","securityMarking":"Sekretessmarkering","enrolments":[{"enroledAt":{"id":"u"}}]}`), nil, []string{"+persons/x fact.Person x Sekretessmarkering"}},
		{"who has a mark and nothing else", small().and(ss12000.Persons, `{"id":"x","securityMarking":"Sekretessmarkering"}`), nil, []string{"+persons/x fact.Person x Sekretessmarkering"}},
		{"a mark that only a reference has", small().with(ss12000.Groups, `{"id":"k","groupType":"Klass","organisation":{"id":"u"},"schoolType":"GR","displayName":"7A","startDate":"2026-08-15","groupMemberships":[{"person":{"id":"p","securityMarking":"Skyddad folkbokföring"},"startDate":"2026-08-15"}]},`+
			`{"id":"g","displayName":"SV7","groupType":"Undervisning","organisation":{"id":"u"},"groupMemberships":[{"person":{"id":"p"}}]}`), nil, []string{"+marks/p fact.Person p Skyddad folkbokföring"}},
		{"units by their code", small().and(ss12000.Organisations, `{"id":"u2","organisationType":"Skolenhet"}`).and(ss12000.Persons, fmt.Sprintf(person, `{"enroledAt":{"id":"u2"}}`)), func(p *ss12000.Profile) {
			p.Units.Only = []string{"12345678"}
		}, nil},
		{"a unit that is closed", small().and(ss12000.Organisations, `{"id":"u2","organisationType":"Skolenhet","endDate":"2025-06-30"}`).and(ss12000.Persons, fmt.Sprintf(person, `{"enroledAt":{"id":"u2"}}`)), nil, nil},
		{"a placement", small().with(ss12000.Placements, `{"id":"f","child":{"id":"v"},"placedAt":{"id":"u"},"group":{"id":"k"},"schoolType":"FTH"}`), nil, []string{
			"+persons/v fact.Person v", "+placements/f fact.Enrolment v u", "+placements/f fact.Member k v pupil",
		}},
		{"a duty that is not wanted", small(), func(p *ss12000.Profile) { p.DutyRoles = map[string]string{"larare": "ignore"} }, []string{
			"-persons/t fact.Person t", "-duties/d fact.Duty t u Lärare", "-duties/d fact.Member k t mentor", "-activities/a fact.Member g t teacher",
		}},
		{"a duty by another word", small().and(ss12000.Duties, `{"id":"d2","person":{"id":"v"},"dutyAt":{"id":"u"},"dutyRole":"Vikarie"}`), func(p *ss12000.Profile) { p.DutyRoles = map[string]string{"VIKARIE": "Lärare"} }, []string{
			"+persons/v fact.Person v", "+duties/d2 fact.Duty v u Lärare",
		}},
		{"a duty of nobody", small().and(ss12000.Duties, `{"id":"d2","dutyAt":{"id":"u"}}`), nil, nil},
		{"teaching as a role", small().with(ss12000.Activities, "").with(ss12000.Duties, `{"id":"d","person":{"id":"t"},"dutyAt":{"id":"u"},"dutyRole":"Larare","startDate":"2020-08-01","assignmentRole":[`+
			`{"group":{"id":"k"},"assignmentRoleType":"Mentor","startDate":"2026-08-15"},{"group":{"id":"g"},"assignmentRoleType":"Larare"},{"group":{"id":"g"},"assignmentRoleType":"Schemaläggare"}]}`), nil, []string{
			"-activities/a fact.Member g t teacher", "+duties/d fact.Member g t teacher", "+duties/d fact.Member g t other", "-duties/d fact.Duty t u Lärare", "+duties/d fact.Duty t u Larare", "-groups/g fact.Group g SVE1", "+groups/g fact.Group g",
		}},
		{"a group that is not wanted", small(), func(p *ss12000.Profile) { p.GroupTypes = map[string]string{"Klass": "ignore"} }, []string{
			"-groups/k fact.Group k", "-groups/k fact.Member k p pupil", "-duties/d fact.Member k t mentor",
		}},
		{"only what is taught", small(), func(p *ss12000.Profile) { p.OnlyTaught = true }, []string{
			"-groups/k fact.Group k", "-groups/k fact.Member k p pupil", "-duties/d fact.Member k t mentor",
		}},
		{"a group of staff", small().and(ss12000.Groups, `{"id":"l","groupType":"Personalgrupp","organisation":{"id":"u"},"groupMemberships":[{"person":{"id":"t"}},{"person":{"id":"p"},"endDate":"2026-01-01"}]}`), nil, []string{
			"+groups/l fact.Group l", "+groups/l fact.Member l t other",
		}},
		{"two subjects for one group", small().and(ss12000.Activities, `{"id":"a2","groups":[{"id":"g"}],"syllabus":{"id":"ma"}}`), nil, []string{"-groups/g fact.Group g SVE1", "+groups/g fact.Group g"}},
		{"a subject of last year", small().and(ss12000.Activities, `{"id":"a2","groups":[{"id":"g"}],"syllabus":{"id":"ma"},"endDate":"2026-06-15"}`), nil, nil},
		{"a subject that is only named", small().and(ss12000.Groups, `{"id":"g3","groupType":"Undervisning","organisation":{"id":"u"}}`).and(ss12000.Activities, `{"id":"a2","groups":[{"id":"g3"}],"syllabus":{"id":"xx","displayName":"Slöjd"}}`), nil, []string{"+groups/g3 fact.Group g3 Slöjd"}},
	} {
		reading := whole()
		if c.set != nil {
			c.set(&reading.Profile)
		}
		problems := tenant.NewProblems()
		if reading.Profile.Validate(problems); problems.Err() != nil {
			t.Errorf("%s: %v", c.name, problems.Err())
		}
		before, _ := small().in(t, whole(), nil)
		after, _ := c.in.in(t, reading, nil)
		if diff := cmp.Diff(slices.Sorted(slices.Values(c.want)), differ(before, after)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// differ returns the facts that are gone, with -, and those that are new, with +, in short.
func differ(before, after map[string]fact.Doc) (out []string) {
	short := func(docs map[string]fact.Doc) (all []string) {
		for id, d := range docs {
			for _, f := range d.Facts {
				s := fmt.Sprintf("%s %T", id, f)
				switch f := f.(type) {
				case fact.Person:
					s += " " + f.ID + " " + f.Marking
				case fact.Enrolment:
					s += " " + f.Person + " " + f.Unit
				case fact.Unit:
					s += " " + f.ID
				case fact.Duty:
					s += " " + f.Person + " " + f.Unit + " " + f.Role
				case fact.Group:
					s += " " + f.ID + " " + f.Subject
				case fact.Member:
					s += " " + f.Group + " " + f.Person + " " + f.Role
				}
				all = append(all, strings.TrimSpace(s))
			}
		}
		return all
	}
	x, y := short(before), short(after)
	for _, s := range x {
		if !slices.Contains(y, s) {
			out = append(out, "-"+s)
		}
	}
	for _, s := range y {
		if !slices.Contains(x, s) {
			out = append(out, "+"+s)
		}
	}
	slices.Sort(out)
	return out
}

func TestAddresses(t *testing.T) {
	const both = `"enrolments":[{"enroledAt":{"id":"u"}}]`
	for _, x := range []struct {
		name, person string
		set          func(*ss12000.Profile)
		want         []string // role, e-mail, eppn, username of each
	}{
		{"one of each role", both + `,"emails":[{"value":"t@e.example","type":"Skola personal"},{"value":"e@e.example","type":"Skola elev"}]`, nil, []string{"pupil e@e.example", "staff t@e.example"}},
		{"one without a type", both + `,"emails":[{"value":"x@e.example"}]`, nil, []string{"x@e.example"}},
		{"one of a type that is invented", both + `,"emails":[{"value":"x@e.example","type":"Skola"}]`, nil, []string{"x@e.example"}},
		{"a private one", both + `,"emails":[{"value":"x@e.example","type":"privat"}]`, nil, []string{""}},
		{"of several the lowest", both + `,"emails":[{"value":"b@e.example"},{"value":"a@e.example"}]`, nil, []string{"a@e.example"}},
		{"names by address", both + `,"emails":[{"value":"t@e.example","type":"Skola personal"},{"value":"e@e.example","type":"Skola elev"}],"eduPersonPrincipalNames":["T@e.example","e@e.example"]`, nil, []string{
			"pupil e@e.example as e@e.example", "staff t@e.example as T@e.example",
		}},
		{"names of which nothing tells whose they are", both + `,"eduPersonPrincipalNames":["b@k.example","a@k.example"]`, nil, []string{""}},
		{"the name as address", both + `,"eduPersonPrincipalNames":["b@k.example"]`, func(p *ss12000.Profile) {
			p.Emails.Pupil, p.Emails.Staff = []string{"eduPersonPrincipalName"}, []string{"Skola personal"}
		}, []string{"pupil b@k.example as b@k.example", "staff as b@k.example"}},
		{"user name and more", both + `,"externalIdentifiers":[{"value":"anv01","context":"urn:konto"},{"value":"17","context":"urn:kort"},{"value":"18","context":"urn:annat"}]`, func(p *ss12000.Profile) {
			p.UsernameFrom, p.Keep = "urn:konto", map[string]string{"urn:kort": "kort"}
		}, []string{"anv01 kort=17"}},
	} {
		reading := whole()
		if x.set != nil {
			x.set(&reading.Profile)
		}
		docs, _ := small().and(ss12000.Persons, `{"id":"x",`+x.person+`}`).and(ss12000.Duties, `{"id":"dx","person":{"id":"x"},"dutyAt":{"id":"u"}}`).in(t, reading, nil)
		var got []string
		for _, f := range docs["persons/x"].Facts {
			if p, ok := f.(fact.Person); ok {
				words := []string{p.Role, p.Email}
				if p.EPPN != "" {
					words = append(words, "as "+p.EPPN)
				}
				words = append(words, p.Username)
				for k, v := range p.Extra {
					words = append(words, k+"="+v)
				}
				got = append(got, strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " "))
			}
		}
		if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%s: %s", x.name, diff)
		}
	}
}

// TestEnrichment reads a register that only adds to the persons of another.
func TestEnrichment(t *testing.T) {
	reading := whole()
	reading.Profile.Enriches, reading.Profile.UsernameFrom = "alvis/default", "urn:konto"
	docs, _ := register{
		ss12000.Duties: `{"id":"d","person":{"id":"t"},"dutyAt":{"id":"u"}},{"id":"e","person":{"id":"m","securityMarking":"Sekretessmarkering"},"dutyAt":{"id":"u"}}`,
		ss12000.Persons: `{"id":"p","civicNo":{"value":"x1"},"givenName":"Prov","emails":[{"value":"p@e.example"}],"enrolments":[{"enroledAt":{"id":"u"}}]},` +
			`{"id":"t","givenName":"Prov","securityMarking":"Sekretessmarkering","emails":[{"value":"t@e.example"}],"eduPersonPrincipalNames":["t@k.example"]},` +
			`{"id":"m","givenName":"Prov","securityMarking":"Ingen","emails":[{"value":"m@e.example"}]},` +
			`{"id":"n","externalIdentifiers":[{"value":"anv01","context":"urn:konto"}]},{"id":"nothing","givenName":"Prov"}`,
	}.in(t, reading, nil)
	alvis := roster.Source{System: "alvis", Instance: "default"}
	foreign := func(id, no string) fact.Foreign {
		return fact.Foreign{Kind: roster.KindPerson, ID: id, Source: alvis, OtherID: id, CivicNo: no}
	}
	want := map[string]fact.Doc{
		"persons/p": {ID: "persons/p", Where: "persons", Facts: []fact.Fact{fact.Person{ID: "p", About: true, Role: "pupil", Email: "p@e.example"}, foreign("p", "x1")}},
		"persons/t": {ID: "persons/t", Where: "persons", Facts: []fact.Fact{fact.Person{ID: "t", About: true, Marking: "Sekretessmarkering"}, foreign("t", "")}},
		"persons/m": {ID: "persons/m", Where: "persons", Facts: []fact.Fact{fact.Person{ID: "m", About: true, Marking: "Sekretessmarkering"}, foreign("m", "")}},
		"persons/n": {ID: "persons/n", Where: "persons", Facts: []fact.Fact{fact.Person{ID: "n", About: true, Username: "anv01"}, foreign("n", "")}},
	}
	if diff := cmp.Diff(want, docs); diff != "" {
		t.Error(diff)
	}
}

func TestTeachersWhoseDutyIsUnknown(t *testing.T) {
	r := small().and(ss12000.Activities, `{"id":"a2","groups":[{"id":"g"}],"teachers":[{"duty":{"id":"d9"}},{"duty":{"id":"d8"}}]}`)
	m := ss12000.NewMapper(whole(), func(fact.Doc) error { return nil })
	for _, of := range ss12000.Resources()[:6] {
		all, _ := read(t, of, "["+r[of]+"]")
		for _, o := range all {
			if err := m.Add(o); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(map[ss12000.Resource][]string{ss12000.Duties: {"d9", "d8"}}, m.Missing()); diff != "" {
		t.Error(diff)
	}
	if again := m.Missing(); len(again) > 0 {
		t.Errorf("missing again: %v", again)
	}
	s, err := m.Finish()
	if err != nil || len(s.Findings) != 1 || s.Findings[0].Count != 2 {
		t.Errorf("%v, findings %+v", err, s.Findings)
	}
}

func TestWhatIsOddIsTold(t *testing.T) {
	_, s := small().and(ss12000.Persons, `{"id":"x","emails":["a@b.example","c@d.example"]}`).in(t, whole(), nil)
	if len(s.Findings) != 1 || s.Findings[0].Count != 2 || !strings.Contains(s.Findings[0].Reason.String(), "persons.emails: not an object") {
		t.Errorf("findings %+v", s.Findings)
	}
}

// TestWhatChangedComesToTheSame lays a read of what changed over one of everything, and compares with one of everything.
func TestWhatChangedComesToTheSame(t *testing.T) {
	since := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	const changed = `"meta":{"created":"2026-08-01T00:00:00Z","modified":"2026-09-01T06:00:00Z"},`
	const same = `"meta":{"created":"2026-08-01T00:00:00Z","modified":"2026-08-01T00:00:00Z"},`
	old := register{}
	for of, body := range small() {
		old[of] = strings.ReplaceAll(body, `{"id":`, `{`+same+`"id":`)
		for _, ref := range []string{"parentOrganisation", "enroledAt", "organisation", "person", "dutyAt", "group", "duty", "syllabus"} {
			old[of] = strings.ReplaceAll(old[of], `"`+ref+`":{`+same, `"`+ref+`":{`)
		}
		old[of] = strings.ReplaceAll(old[of], `"groups":[{`+same, `"groups":[{`)
	}
	edit := func(of ss12000.Resource, id, from, to string) register {
		body := strings.Replace(old[of], `{`+same+`"id":"`+id+`"`, `{`+changed+`"id":"`+id+`"`, 1)
		if !strings.Contains(body, changed) || !strings.Contains(body, from) {
			t.Fatalf("nothing to edit: %s %s %s", of, id, from)
		}
		return old.with(of, strings.Replace(body, from, to, 1))
	}
	for name, now := range map[string]register{
		"nothing":                        old,
		"a name":                         edit(ss12000.Persons, "p", `"Elev"`, `"Annat"`),
		"an enrolment ended":             edit(ss12000.Persons, "p", `"schoolYear":7,`, `"schoolYear":7,"endDate":"2026-07-01",`),
		"a class has another name":       edit(ss12000.Groups, "k", "7A", "7B"),
		"a group of another type":        edit(ss12000.Groups, "g", "Undervisning", "Övrigt"),
		"a pupil left a group":           edit(ss12000.Groups, "g", `"groupMemberships":[{"person":{"id":"p"}}]`, `"groupMemberships":[]`),
		"a group ended":                  edit(ss12000.Groups, "k", `"startDate":"2026-08-15"`, `"endDate":"2026-01-01"`),
		"a duty ended":                   edit(ss12000.Duties, "d", `"startDate":"2020-08-01"`, `"endDate":"2026-01-01"`),
		"a teacher left":                 edit(ss12000.Activities, "a", `{"duty":{"id":"d"},"endDate":"2026-12-20"}`, ``),
		"an activity of another subject": edit(ss12000.Activities, "a", `"syllabus":{"id":"sv"}`, `"syllabus":{"id":"ma"}`),
		"an activity of more groups":     edit(ss12000.Activities, "a", `[{"id":"g"}]`, `[{"id":"g"},{"id":"k"}]`),
		"somebody new":                   old.and(ss12000.Persons, `{`+changed+`"id":"n","enrolments":[{"enroledAt":{"id":"u"}}]}`),
		"somebody new with a duty":       old.and(ss12000.Persons, `{`+changed+`"id":"n"}`).and(ss12000.Duties, `{`+changed+`"id":"dn","person":{"id":"n"},"dutyAt":{"id":"u"}}`),
		"a guardian who begins to work":  old.and(ss12000.Duties, `{`+changed+`"id":"dn","person":{"id":"v"},"dutyAt":{"id":"u"}}`),
		"a placement":                    old.with(ss12000.Placements, `{`+changed+`"id":"f","child":{"id":"v"},"placedAt":{"id":"u"},"schoolType":"FTH"}`),
	} {
		t.Run(name, func(t *testing.T) {
			frame := ""
			before, _ := old.in(t, whole(), func(m *ss12000.Mapper) { frame = m.Frame() })
			want, _ := now.in(t, whole(), nil)
			reading := whole()
			reading.Delta, reading.Since, reading.Frame = true, since, frame
			delta, _ := now.in(t, reading, func(m *ss12000.Mapper) {
				if m.Doubt() != "" {
					t.Errorf("doubt: %s", m.Doubt())
				}
			})
			for id, d := range delta {
				if before[id] = d; d.Deleted {
					delete(before, id)
				}
			}
			if diff := cmp.Diff(facts(want), facts(before)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatADeltaCannotSeeIsInDoubt(t *testing.T) {
	unit := func(m *ss12000.Mapper, name string) error {
		return m.Add(&ss12000.Organisation{Meta: ss12000.Meta{ID: "u", Modified: time.Now()}, Name: name})
	}
	before := ss12000.NewMapper(whole(), nil)
	if err := unit(before, "Provskolan"); err != nil {
		t.Fatal(err)
	}
	reading := whole()
	reading.Delta, reading.Since, reading.Frame = true, time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC), before.Frame()
	for _, x := range []struct {
		name string
		do   func(*ss12000.Mapper) error
		want bool
	}{
		{"a person is deleted", func(m *ss12000.Mapper) error {
			return m.Deleted(ss12000.Deleted{ss12000.Persons: {"p"}, ss12000.Groups: {"g"}})
		}, false},
		{"a duty is deleted", func(m *ss12000.Mapper) error { return m.Deleted(ss12000.Deleted{ss12000.Duties: {"d"}}) }, true},
		{"a unit changed", func(m *ss12000.Mapper) error { return unit(m, "Nya skolan") }, true},
		{"a unit is as it was, but for a time", func(*ss12000.Mapper) error { return nil }, false},
		{"a syllabus is new", func(m *ss12000.Mapper) error { return m.Add(&ss12000.Syllabus{Meta: ss12000.Meta{ID: "s"}}) }, true},
	} {
		var docs []string
		m := ss12000.NewMapper(reading, func(d fact.Doc) error {
			if d.Deleted {
				docs = append(docs, d.ID)
			}
			return nil
		})
		if err := errors.Join(unit(m, "Provskolan"), x.do(m)); err != nil {
			t.Fatal(err)
		}
		if (m.Doubt() != "") != x.want {
			t.Errorf("%s: doubt %q", x.name, m.Doubt())
		}
		if x.name == "a person is deleted" && !slices.Equal(docs, []string{"groups/g", "persons/p"}) {
			t.Errorf("deleted are %v", docs)
		}
	}
}

func TestProfilesThatCannotBe(t *testing.T) {
	for want, set := range map[string]func(*ss12000.Profile){
		"organisations.Bolag":    func(p *ss12000.Profile) { p.Organisations["Bolag"] = "Företag" },
		"groupTypes.X":           func(p *ss12000.Profile) { p.GroupTypes = map[string]string{"X": "Y"} },
		"dutyRoles.X":            func(p *ss12000.Profile) { p.DutyRoles = map[string]string{"X": ""} },
		"assignmentRoles.larare": func(p *ss12000.Profile) { p.AssignmentRoles["larare"] = "ignore" }, // beside Lärare
		"assignmentRoles.X":      func(p *ss12000.Profile) { p.AssignmentRoles["X"] = "pupil" },
		"units.except[0]":        func(p *ss12000.Profile) { p.Units = ss12000.Choice{Only: []string{"1"}, Except: []string{"1"}} },
		"windows.pupils.after":   func(p *ss12000.Profile) { p.Windows.Pupils.After = new(-1) },
		"windows.schoolTypes.GR": func(p *ss12000.Profile) { p.Windows.SchoolTypes = map[string]ss12000.Window{"GR": {Before: new(-1)}} },
		"emails.pupil[1]":        func(p *ss12000.Profile) { p.Emails.Pupil = []string{"", ""} },
		"enriches":               func(p *ss12000.Profile) { p.Enriches = "alvis" },
		"keep.urn:x":             func(p *ss12000.Profile) { p.Keep = map[string]string{"urn:x": ""} },
	} {
		p := ss12000.Default()
		set(&p)
		problems := tenant.NewProblems()
		p.Validate(problems)
		if err := problems.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
