package ss12000_test

import (
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/roster"
)

// read reads a page, or fails the test.
func read(t testing.TB, of ss12000.Resource, body string) (all []ss12000.Object, p ss12000.Page) {
	t.Helper()
	p, err := ss12000.ReadPage(of, iotest.OneByteReader(strings.NewReader(body)), func(o ss12000.Object) error {
		all = append(all, o)
		return nil
	})
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return all, p
}

// reveal compares personal texts by what they hold.
var reveal = cmp.Comparer(func(x, y roster.Personal) bool { return x.Reveal() == y.Reveal() })

func id(s string) ss12000.Meta { return ss12000.Meta{ID: s} }

func TestWhatServersReallySend(t *testing.T) {
	const upper, lower = "5E1F8A10-0000-4000-8000-0000000000AB", "5e1f8a10-0000-4000-8000-0000000000ab"
	at := time.Date(2026, 9, 1, 6, 30, 0, 0, time.UTC)
	for _, x := range []struct {
		name string
		of   ss12000.Resource
		in   string
		want ss12000.Object
		odd  []string
	}{
		{"an id in capitals", ss12000.Persons, `{"id":"` + upper + `"}`, &ss12000.Person{Meta: id(lower)}, nil},
		{"an id that is no uuid", ss12000.Persons, `{"id":"Kund 17/A"}`, &ss12000.Person{Meta: id("Kund 17/A")}, nil},
		{"a number as id", ss12000.Persons, `{"id":9007199254740993}`, &ss12000.Person{Meta: id("9007199254740993")}, nil},
		{
			"times with a zone, without one, and with none of it", ss12000.Groups,
			`{"id":"g","meta":{"created":"2026-09-01T08:30:00+02:00","modified":"2026-09-01T06:30:00"}}`,
			&ss12000.Group{Meta: ss12000.Meta{ID: "g", Created: at, Modified: at}}, nil,
		},
		{"a time that is none", ss12000.Groups, `{"id":"g","meta":{"modified":"i går"}}`, &ss12000.Group{Meta: id("g")}, []string{"groups.meta.modified: not a time"}},
		{"null, nothing and an empty text", ss12000.Persons, `{"id":"p","familyName":null,"middleName":"","emails":null,"enrolments":[],"civicNo":null}`, &ss12000.Person{Meta: id("p")}, nil},
		{"a number for a text", ss12000.Organisations, `{"id":"o","schoolUnitCode":12345678,"displayName":7}`, &ss12000.Organisation{Meta: id("o"), SchoolUnitCode: "12345678", Name: "7"}, nil},
		{"a text for a number", ss12000.Persons, `{"id":"p","enrolments":[{"enroledAt":{"id":"o"},"schoolYear":"7","cancelled":"true"}]}`, &ss12000.Person{
			Meta: id("p"), Enrolments: []ss12000.Enrolment{{Unit: ss12000.Ref{ID: "o"}, SchoolYear: "7", Cancelled: true}},
		}, nil},
		{"enrolled with two l", ss12000.Persons, `{"id":"p","enrolments":[{"enrolledAt":{"id":"` + upper + `"}}]}`, &ss12000.Person{
			Meta: id("p"), Enrolments: []ss12000.Enrolment{{Unit: ss12000.Ref{ID: lower}}},
		}, nil},
		{"an id for a reference", ss12000.Duties, `{"id":"d","person":"` + upper + `","dutyAt":{"id":"o","displayName":"Skolan"}}`, &ss12000.Duty{
			Meta: id("d"), Person: ss12000.Ref{ID: lower}, Unit: ss12000.Ref{ID: "o", Name: "Skolan"},
		}, nil},
		{"a mark on a reference", ss12000.Duties, `{"id":"d","person":{"id":"p","securityMarking":"Sekretessmarkering"}}`, &ss12000.Duty{
			Meta: id("d"), Person: ss12000.Ref{ID: "p", Marking: "Sekretessmarkering"},
		}, nil},
		{"words that the standard does not have", ss12000.Persons, `{"id":"p","sex":"X","emails":[{"value":"a@b.example","type":"Skola"}],"personStatus":"Okänd"}`, &ss12000.Person{
			Meta: id("p"), Sex: "X", Status: "Okänd", Emails: []ss12000.Email{{Value: "a@b.example", Type: "Skola"}},
		}, nil},
		{"an address and a number that are no objects", ss12000.Persons, `{"id":"p","civicNo":"x1","emails":["a@b.example"]}`, &ss12000.Person{
			Meta: id("p"), CivicNo: "x1", Emails: []ss12000.Email{{Value: "a@b.example"}},
		}, []string{"persons.civicNo: not an object", "persons.emails: not an object"}},
		{"one in place of a list", ss12000.Groups, `{"id":"g","groupMemberships":{"person":{"id":"p"}}}`, &ss12000.Group{
			Meta: id("g"), Memberships: []ss12000.Membership{{Person: ss12000.Ref{ID: "p"}}},
		}, []string{"groups.list: a single value"}},
		{"a list in place of a text", ss12000.Groups, `{"id":"g","displayName":["7A"]}`, &ss12000.Group{Meta: id("g")}, []string{"groups.text: an object or a list"}},
		{"properties that nobody knows", ss12000.Groups, `{"groupCode":"x","more":{"deep":[{"id":[[[]]]}]},"id":"g"}`, &ss12000.Group{Meta: id("g")}, nil},
		{"duties in the plural", ss12000.Duties, `{"id":"d","assignmentRoles":[{"group":{"id":"g"},"assignmentRoleType":"Lärare"}]}`, &ss12000.Duty{
			Meta: id("d"), Assignments: []ss12000.Assignment{{Group: ss12000.Ref{ID: "g"}, Role: "Lärare"}},
		}, nil},
		{"duties that stand in a person", ss12000.Persons, `{"id":"p","_embedded":{"duties":[{"id":"d","dutyRole":"Rektor"}],"placements":[{}]}}`, &ss12000.Person{
			Meta: id("p"), Duties: []*ss12000.Duty{{Meta: id("d"), Person: ss12000.Ref{ID: "p"}, Role: "Rektor"}},
		}, nil},
		{"a person who stands in a duty", ss12000.Duties, `{"id":"d","_embedded":{"person":{"id":"p","givenName":"Prov"}}}`, &ss12000.Duty{
			Meta: id("d"), Person: ss12000.Ref{ID: "p"}, Who: &ss12000.Person{Meta: id("p"), GivenName: "Prov"},
		}, nil},
		{"blanks", ss12000.Persons, `{"id":" p ","givenName":" Prov\t"}`, &ss12000.Person{Meta: id("p"), GivenName: "Prov"}, nil},
	} {
		for _, body := range []string{`{"data":[` + x.in + `],"pageToken":null}`, `[` + x.in + `]`, `{"pageToken":"","data":[` + x.in + `]}`} {
			all, p := read(t, x.of, body)
			if diff := cmp.Diff([]ss12000.Object{x.want}, all, reveal); diff != "" {
				t.Errorf("%s: %s", x.name, diff)
			}
			if got := slices.Sorted(maps.Keys(p.Odd)); !slices.Equal(got, x.odd) {
				t.Errorf("%s: odd are %q, want %q", x.name, got, x.odd)
			}
			if p.Token != "" || p.Count != 1 {
				t.Errorf("%s: token %q after %d objects", x.name, p.Token, p.Count)
			}
		}
	}
}

func TestPageTokens(t *testing.T) {
	for in, want := range map[string]string{`"a b/c"`: "a b/c", `17`: "17", `null`: "", `""`: ""} {
		page := `{"data":[],"pageToken":` + in + `}`
		if _, p := read(t, ss12000.Groups, page); p.Token != want {
			t.Errorf("the token %s is read as %q", in, p.Token)
		}
		if next := ss12000.NextToken([]byte(page)); next != want {
			t.Errorf("the next token %s is read as %q", in, next)
		}
	}
	if _, p := read(t, ss12000.Groups, `{"data":null}`); p.Token != "" || p.Count != 0 {
		t.Errorf("a page with nothing has %+v", p)
	}
}

func TestAnObjectWithoutIDIsLeftOut(t *testing.T) {
	all, p := read(t, ss12000.Groups, `[{"displayName":"7A"},{"id":"g"},null,7]`)
	if len(all) != 1 || p.WithoutID != 3 {
		t.Errorf("%d objects, %d without an id", len(all), p.WithoutID)
	}
}

func TestRefused(t *testing.T) {
	const canary = "Kanarina"
	for _, x := range []struct {
		name, body string
		want       error
	}{
		{"a key twice", `{"data":[{"id":"p","givenName":"` + canary + `","givenName":"B"}]}`, ss12000.ErrDuplicate},
		{"a key twice where nothing is read", `{"data":[{"id":"p","x":{"` + canary + `":1,"` + canary + `":2}}]}`, ss12000.ErrDuplicate},
		{"data twice", `{"data":[],"data":[{"id":"p"}]}`, ss12000.ErrDuplicate},
		{"nothing", ``, ss12000.ErrMalformed},
		{"cut off", `{"data":[{"id":"p","givenName":"` + canary, ss12000.ErrMalformed},
		{"cut off between two", `{"data":[{"id":"p"},`, ss12000.ErrMalformed},
		{"no comma", `{"data":[{"id":"p"} {"id":"` + canary + `"}]}`, ss12000.ErrMalformed},
		{"something behind it", `{"data":[]} {"id":"` + canary + `"}`, ss12000.ErrMalformed},
		{"another encoding", "{\"data\":[{\"id\":\"p\",\"givenName\":\"\xc5sa\"}]}", ss12000.ErrMalformed},
		{"half a surrogate", `[{"id":"p","givenName":"\ud800"}]`, ss12000.ErrMalformed},
		{"HTML", `<html>` + canary + `</html>`, ss12000.ErrMalformed},
		{"depth", `{"data":[{"x":` + strings.Repeat("[", 20_000), ss12000.ErrMalformed},
		{"an error with 200", `{"code":"E1","message":"` + canary + `"}`, ss12000.ErrShape},
		{"data that is no list", `{"data":{"id":"p"}}`, ss12000.ErrShape},
		{"a token that is no single value", `{"data":[{"id":"p"}],"pageToken":{"value":"` + canary + `"}}`, ss12000.ErrShape},
		{"a text", `"` + canary + `"`, ss12000.ErrShape},
		{"null", `null`, ss12000.ErrShape},
	} {
		_, err := ss12000.ReadPage(ss12000.Persons, strings.NewReader(x.body), func(ss12000.Object) error { return nil })
		if !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", x.name, err, x.want)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error quotes the answer: %v", x.name, err)
		}
	}
}

func TestErrorsOfOthersAreReturned(t *testing.T) {
	stop := errors.New("stop")
	if _, err := ss12000.ReadPage(ss12000.Persons, strings.NewReader(`[{"id":"p"},{"id":"q"}]`), func(ss12000.Object) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the error of each: %v", err)
	}
	body := io.MultiReader(strings.NewReader(`[{"id":"p"},`), iotest.ErrReader(stop))
	if _, err := ss12000.ReadPage(ss12000.Persons, body, func(ss12000.Object) error { return nil }); !errors.Is(err, stop) {
		t.Errorf("the error of the reader: %v", err)
	}
}

func TestDeletedEntities(t *testing.T) {
	want := ss12000.Deleted{ss12000.Persons: {"p1", "p2"}, ss12000.Activities: {"a1"}}
	for _, body := range []string{
		`{"data":{"persons":["p1","p2"],"activitites":["a1"],"absences":["x"]},"pageToken":"n"}`,
		`{"data":{"persons":["p1",{"id":"p2"}],"activities":["a1"]},"pageToken":"n"}`,
		`{"pageToken":"n","data":[{"entityType":"Person","id":"p1","deletedAt":"2026-09-01"},{"id":"p2","entityType":"persons"},{"entityType":"Activity","id":"a1"},{"entityType":"Absence","id":"x"}]}`,
	} {
		got := ss12000.Deleted{}
		p, err := ss12000.ReadDeleted(strings.NewReader(body), got)
		if diff := cmp.Diff(want, got); err != nil || diff != "" || p.Token != "n" || p.Count != 3 {
			t.Errorf("%v, token %q, %d, %s: %s", err, p.Token, p.Count, diff, body)
		}
	}
	for body, want := range map[string]error{`{"pageToken":null}`: ss12000.ErrShape, `{"data":{},"pageToken":["n"]}`: ss12000.ErrShape, `[`: ss12000.ErrMalformed, `{"data":{}} x`: ss12000.ErrMalformed} {
		if _, err := ss12000.ReadDeleted(strings.NewReader(body), ss12000.Deleted{}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", body, err, want)
		}
	}
}

// objects draws objects that say what their list can say.
func objects(t *rapid.T) ss12000.Object {
	text := rapid.StringMatching(`|[a-zåäö"\\<&\x{1F600}]{1,8}`)
	day := rapid.StringMatching(`|20[0-9]{2}-0[1-9]-[12][0-9]`)
	name := func(label string) string { return text.Draw(t, label) }
	personal := func(label string) roster.Personal { return roster.Personal(name(label)) }
	must := rapid.StringMatching(`[a-z0-9]{1,8}`)
	ref := func(label string) ss12000.Ref {
		if rapid.Bool().Draw(t, label+" points at nothing") {
			return ss12000.Ref{}
		}
		return ss12000.Ref{ID: must.Draw(t, label), Name: name(label + " name"), Marking: name(label + " marking")}
	}
	times := func(label string) time.Time {
		return time.Unix(rapid.Int64Range(1, 4e9).Draw(t, label), 0).UTC()
	}
	m := ss12000.Meta{ID: must.Draw(t, "id"), Created: times("created"), Modified: times("modified")}
	days := func() (string, string) { return day.Draw(t, "start"), day.Draw(t, "end") }
	duty := func() *ss12000.Duty {
		d := &ss12000.Duty{Meta: m, Person: ss12000.Ref{ID: must.Draw(t, "of")}, Unit: ref("unit"), Role: name("role")}
		d.Start, d.End = days()
		if rapid.Bool().Draw(t, "assigned") {
			d.Assignments = []ss12000.Assignment{{Group: ref("group"), Role: name("as"), Start: day.Draw(t, "from")}}
		}
		return d
	}
	switch rapid.SampledFrom(ss12000.Resources()).Draw(t, "of") {
	case ss12000.Organisations:
		o := &ss12000.Organisation{
			Meta: m, Name: name("name"), Type: name("type"), Code: name("code"), OrganisationNo: name("no"), MunicipalityCode: name("municipality"),
			Parent: ref("parent"), SchoolUnitCode: name("unit code"), SchoolTypes: rapid.SliceOfN(must, 0, 2).Draw(t, "types"),
		}
		if len(o.SchoolTypes) == 0 {
			o.SchoolTypes = nil
		}
		o.Start, o.End = days()
		return o
	case ss12000.Persons:
		p := &ss12000.Person{
			Meta: m, GivenName: personal("given"), MiddleName: personal("middle"), FamilyName: personal("family"), CivicNo: personal("no"),
			BirthDate: personal("born"), Sex: name("sex"), Marking: name("marking"), Status: name("status"),
		}
		if rapid.Bool().Draw(t, "more") {
			p.EPPNs = []roster.Personal{"a@b.example"}
			p.Identifiers = []ss12000.Identifier{{Value: personal("value"), Context: name("context")}}
			p.Emails = []ss12000.Email{{Value: "c@d.example", Type: name("kind")}}
			e := ss12000.Enrolment{
				Unit: ref("at"), SchoolType: name("school type"), SchoolYear: rapid.StringMatching(`|[0-9]|10|7A`).Draw(t, "year"),
				Cancelled: rapid.Bool().Draw(t, "cancelled"), EducationCode: name("education"), Programme: ref("programme"),
			}
			e.Start, e.End = days()
			p.Enrolments = []ss12000.Enrolment{e}
			d := duty()
			d.Person = ss12000.Ref{ID: p.ID}
			p.Duties = []*ss12000.Duty{d}
		}
		return p
	case ss12000.Groups:
		g := &ss12000.Group{Meta: m, Name: name("name"), Type: name("type"), SchoolType: name("school type"), Unit: ref("unit")}
		g.Start, g.End = days()
		if rapid.Bool().Draw(t, "members") {
			g.Memberships = []ss12000.Membership{{Person: ref("member"), End: day.Draw(t, "until")}}
		}
		return g
	case ss12000.Duties:
		d := duty()
		if rapid.Bool().Draw(t, "who") {
			d.Who = &ss12000.Person{Meta: m, GivenName: personal("given")}
		}
		return d
	case ss12000.Activities:
		a := &ss12000.Activity{Meta: m, Name: name("name"), Type: name("type"), Unit: ref("unit"), Syllabus: ref("syllabus")}
		a.Start, a.End = days()
		if rapid.Bool().Draw(t, "taught") {
			a.Groups = []ss12000.Ref{{ID: must.Draw(t, "group")}}
			a.Teachers = []ss12000.Teacher{{Duty: ref("duty"), Start: day.Draw(t, "since")}}
			a.Duties = []*ss12000.Duty{duty()}
		}
		return a
	case ss12000.Placements:
		p := &ss12000.Placement{Meta: m, Child: ref("child"), Unit: ref("unit"), Group: ref("group"), SchoolType: name("school type")}
		p.Start, p.End = days()
		return p
	case ss12000.Syllabuses:
		return &ss12000.Syllabus{
			Meta: m, SchoolType: name("school type"), SubjectCode: name("subject"), SubjectName: name("subject name"), CourseCode: name("course"),
			CourseName: name("course name"), Official: rapid.Bool().Draw(t, "official"),
		}
	default:
		return &ss12000.Programme{Meta: m, Name: name("name"), Type: name("type"), Code: name("code"), SchoolType: name("school type")}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := objects(t)
		body := append(ss12000.Append([]byte(`{"data":[`), want), `],"pageToken":null}`...)
		var got []ss12000.Object
		p, err := ss12000.ReadPage(want.Resource(), strings.NewReader(string(body)), func(o ss12000.Object) error {
			got = append(got, o)
			return nil
		})
		if diff := cmp.Diff([]ss12000.Object{want}, got, reveal); err != nil || diff != "" || len(p.Odd) > 0 {
			t.Fatalf("%v, odd %v, %s\n%s", err, p.Odd, diff, body)
		}
	})
}

func TestWhatIsNotUTF8IsWrittenAsUTF8(t *testing.T) {
	body := ss12000.Append(nil, &ss12000.Group{Meta: id("g"), Name: "7\xc5"})
	if all, _ := read(t, ss12000.Groups, "["+string(body)+"]"); all[0].(*ss12000.Group).Name != "7\uFFFD" {
		t.Errorf("%s", body)
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add(uint8(7), `{"data":[{"id":"p","meta":{"modified":"2026-09-01T06:30:00Z"},"enrolments":[{"enroledAt":{"id":"o"}}]}],"pageToken":"x"}`)
	f.Add(uint8(6), `[{"id":"g","groupMemberships":[{"person":{"id":"p"}}]}]`)
	f.Add(uint8(0), `{"data":{"persons":["p"]},"pageToken":null}`)
	f.Fuzz(func(t *testing.T, n uint8, body string) {
		of := ss12000.Resources()[int(n)%len(ss12000.Resources())]
		var first []ss12000.Object
		p, err := ss12000.ReadPage(of, strings.NewReader(body), func(o ss12000.Object) error {
			first = append(first, o)
			return nil
		})
		if err != nil {
			return
		}
		if next := ss12000.NextToken([]byte(body)); next != p.Token {
			t.Errorf("the page has the token %q, and the next one is asked for with %q", p.Token, next)
		}
		again := []byte{'['}
		for i, o := range first {
			if i > 0 {
				again = append(again, ',')
			}
			again = ss12000.Append(again, o)
		}
		i := 0
		if _, err := ss12000.ReadPage(of, strings.NewReader(string(append(again, ']'))), func(o ss12000.Object) error {
			if o.Head().ID != first[i].Head().ID {
				t.Errorf("%q is read, written and read as %q", first[i].Head().ID, o.Head().ID)
			}
			i++
			return nil
		}); err != nil || i != len(first) {
			t.Errorf("what was written is not read: %v, %d of %d", err, i, len(first))
		}
	})
}

func FuzzReadDeleted(f *testing.F) {
	f.Add(`{"data":{"persons":["p",{"id":"q"}],"activitites":["a"],"rooms":[1]},"pageToken":null}`)
	f.Add(`{"pageToken":"x","data":[{"entityType":"Group","id":"g"},{"entity":"other","id":""},null]}`)
	f.Fuzz(func(t *testing.T, body string) {
		gone := ss12000.Deleted{}
		p, err := ss12000.ReadDeleted(strings.NewReader(body), gone)
		n := 0
		for of, ids := range gone {
			if n += len(ids); !slices.Contains(ss12000.Resources(), of) || slices.Contains(ids, "") {
				t.Errorf("%q in %q", ids, of)
			}
		}
		if n != p.Count {
			t.Errorf("%d are counted, and %d are there", p.Count, n)
		}
		if err != nil {
			return
		}
		if next := ss12000.NextToken([]byte(body)); next != p.Token {
			t.Errorf("the page has the token %q, and the next one is asked for with %q", p.Token, next)
		}
	})
}
