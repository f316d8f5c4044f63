package asm

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/files"
)

// parse reads a file by Apple's rule and nothing of ours: a value with a quote in front goes to the next quote, any
// other to the separator; a backslash keeps the character after it as it is.
func parse(text, separator string) (rows [][]string, err error) {
	var row []string
	for text != "" {
		var value strings.Builder
		quoted := text[0] == '"'
		if quoted {
			text = text[1:]
		}
		for {
			switch {
			case text == "":
				return nil, fmt.Errorf("row %d has no end", len(rows)+1)
			case text[0] == '\\' && len(text) > 1:
				value.WriteByte(text[1])
				text = text[2:]
				continue
			case quoted && text[0] == '"':
				quoted = false
				text = text[1:]
				if text == "" || (text[0] != '\n' && !strings.HasPrefix(text, separator)) {
					return nil, fmt.Errorf("row %d has text after a quote", len(rows)+1)
				}
				continue
			case !quoted && text[0] == '"':
				return nil, fmt.Errorf("row %d has a quote inside a value", len(rows)+1)
			case !quoted && text[0] == ' ':
				return nil, fmt.Errorf("row %d has a blank outside quotes", len(rows)+1)
			case !quoted && (text[0] == '\n' || strings.HasPrefix(text, separator)):
			default:
				value.WriteByte(text[0])
				text = text[1:]
				continue
			}
			break
		}
		row = append(row, value.String())
		if text[0] == '\n' {
			rows, row = append(rows, row), nil
			text = text[1:]
		} else if text = text[len(separator):]; text == "" {
			return nil, fmt.Errorf("the file ends after a separator")
		}
	}
	return rows, nil
}

func FuzzAppleReadsWhatWeWrite(f *testing.F) {
	f.Add("Anna-Karin", "Test von Testberg", true)
	f.Add(`O"Brien\`, "a,b;c\r\nd\te", false)
	f.Add("A\u030A\u00a0\ufeff\x00", "\xff=", true)
	f.Fuzz(func(t *testing.T, a, b string, semicolon bool) {
		separator := ","
		if semicolon {
			separator = ";"
		}
		a, b = clean(a), clean(b)
		if clean(a) != a || clean(b) != b {
			t.Fatalf("cleaned again, %q and %q are other texts", a, b)
		}
		if strings.ContainsFunc(a+b, func(r rune) bool { return !writable(r) }) {
			t.Fatalf("%q or %q would stop the pre-flight", a, b)
		}
		line := quote(nil, a, separator)
		line = append(line, separator...)
		line = append(quote(line, b, separator), '\n')
		rows, err := parse(string(line), separator)
		if err != nil || len(rows) != 1 || !slices.Equal(rows[0], []string{a, b}) {
			t.Errorf("%q, %q written %q came back as %q, %v", a, b, line, rows, err)
		}
	})
}

// anyRoster draws a roster with everything that a register may get wrong: roles at units that nobody knows, members who
// are no persons, both roles, dates in and out, odd names.
func anyRoster(t *rapid.T) *roster.Roster {
	today := roster.NewDate(2026, 9, 1)
	r := newRoster(today)
	names := func(prefix string, least int) []string {
		list := make([]string, rapid.IntRange(least, 6).Draw(t, prefix))
		for i := range list {
			list[i] = fmt.Sprint(prefix, i)
		}
		return list
	}
	one := func(list []string) string {
		return rapid.SampledFrom(append([]string{"unknown"}, list...)).Draw(t, "which")
	}
	interval := func() roster.Interval {
		return rapid.SampledFrom([]roster.Interval{{}, {Start: today}, {End: today}, {Start: today.AddDays(1)}, {End: today.AddDays(-1)}}).Draw(t, "interval")
	}
	text := rapid.OneOf(rapid.SampledFrom([]string{"Testa", "", "Test von Test", `"`, "å,ä;ö", "=1", "Ö"}), rapid.String())
	units, persons := names("unit", 0), names("person", 0)
	for _, u := range units {
		addUnit(r, u, roster.Organisation{
			DisplayName: text.Draw(t, "unit"), Interval: interval(),
			Type: rapid.SampledFrom([]roster.OrganisationType{roster.SchoolUnit, roster.SchoolUnit, roster.School}).Draw(t, "type"),
		})
	}
	for _, name := range persons {
		p := roster.Person{
			GivenName: roster.Personal(text.Draw(t, "given")), FamilyName: roster.Personal(text.Draw(t, "family")),
			Marking: rapid.SampledFrom([]roster.SecurityMarking{"", "", roster.MarkingNone, roster.MarkingConfidential}).Draw(t, "marking"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "enrolments") {
			p.Enrolments = append(p.Enrolments, roster.Enrolment{EnroledAt: key(roster.KindOrganisation, one(units)), Interval: interval(), SchoolYear: text.Draw(t, "year")})
		}
		for range rapid.IntRange(0, 2).Draw(t, "duties") {
			p.Duties = append(p.Duties, roster.Duty{DutyAt: key(roster.KindOrganisation, one(units)), Interval: interval()})
		}
		addPerson(r, name, p)
	}
	for _, name := range names("group", 0) {
		g := roster.Group{
			DisplayName: text.Draw(t, "group"), Organisation: key(roster.KindOrganisation, one(units)), Interval: interval(),
			Type:    rapid.SampledFrom([]roster.GroupType{roster.Class, roster.TeachingGroup, roster.OtherGroup}).Draw(t, "type"),
			Subject: rapid.SampledFrom([]string{"", "MA", "SV"}).Draw(t, "subject"),
		}
		for range rapid.IntRange(0, 8).Draw(t, "members") {
			role := rapid.SampledFrom([]roster.MemberRole{roster.MemberPupil, roster.MemberTeacher, roster.MemberMentor}).Draw(t, "role")
			g.Members = append(g.Members, roster.Membership{Person: key(roster.KindPerson, one(persons)), Role: role, Interval: interval()})
		}
		addGroup(r, name, g)
	}
	return r
}

func anyConfig(t *rapid.T) Config {
	c := *defaults()
	c.PersonaWins = rapid.SampledFrom([]roster.Role{roster.RoleStaff, roster.RolePupil}).Draw(t, "personaWins")
	c.Courses = rapid.SampledFrom([]Courses{CoursePerGroup, CoursePerSubject}).Draw(t, "courses")
	c.Separator = rapid.SampledFrom([]Separator{Comma, Semicolon}).Draw(t, "separator")
	return c
}

// TestEveryReferenceResolves reads the files back with the parser above and follows each reference: one that dangles
// makes Apple refuse the whole upload.
func TestEveryReferenceResolves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, c := anyRoster(t), anyConfig(t)
		m, err := newMapping(c)
		if err != nil {
			t.Fatal(err)
		}
		set, _ := settle(m, r)
		list, problems := newFormat(c).Files(set)
		if len(problems) > 0 {
			t.Fatalf("the pre-flight found %v", problems)
		}
		ids := map[string]map[string]bool{}
		tables := map[string][][]string{}
		for _, f := range list {
			rows, err := parse(string(f.Data), string(c.Separator))
			if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			id := rows[0][0]
			if ids[id] == nil {
				ids[id] = map[string]bool{}
			}
			for _, row := range rows[1:] {
				if len(row) != len(rows[0]) || row[0] == "" || ids[id][row[0]] {
					t.Fatalf("%s: a row has %d of %d values, or an id twice", f.Name, len(row), len(rows[0]))
				}
				ids[id][row[0]] = true
			}
			tables[f.Name] = rows
		}
		if len(tables) != 6 {
			t.Fatalf("%d files", len(tables))
		}
		for name, rows := range tables {
			for i, column := range rows[0][1:] {
				refers, ok := map[string]string{
					"location_id": "location_id", "course_id": "course_id", "class_id": "class_id", "student_id": "person_id", "instructor_id": "person_id",
				}[strings.TrimRight(column, "_0123456789")]
				for _, row := range rows[1:] {
					if ok && row[i+1] != "" && !ids[refers][row[i+1]] {
						t.Fatalf("%s: %s refers to nothing", name, column)
					}
				}
			}
		}
	})
}

// TestSameRosterSameBytes is rule R11: neither time nor order of the set shows in the package.
func TestSameRosterSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, c := anyRoster(t), anyConfig(t)
		render := func(shuffle bool) target.Package {
			m, err := newMapping(c)
			if err != nil {
				t.Fatal(err)
			}
			set, _ := settle(m, r)
			if shuffle {
				rand.New(rand.NewPCG(1, 2)).Shuffle(len(set), func(i, j int) { set[i], set[j] = set[j], set[i] })
			}
			p, problems := files.Sink{Format: newFormat(c), Packing: files.Zip}.Render(set)
			if len(problems) > 0 {
				t.Fatalf("the pre-flight found %v", problems)
			}
			return p
		}
		a, b := render(false), render(true)
		if a.Name != b.Name || a.Digest != b.Digest || !bytes.Equal(a.Body, b.Body) {
			t.Fatal("other bytes")
		}
	})
}

// TestTheMappingReadsNeighboursOnly holds the mapping to what the engine makes dirty: an entity and its neighbours.
func TestTheMappingReadsNeighboursOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRoster(t)
		m, err := newMapping(anyConfig(t))
		if err != nil {
			t.Fatal(err)
		}
		for ref := range r.Each() {
			m.Map(near{r, t, ref}, ref)
		}
	})
}

// near is a view that fails the test when the mapping of one entity reads what is not its neighbour.
type near struct {
	*roster.Roster
	t  *rapid.T
	of roster.Ref
}

func (n near) Organisation(k roster.Key) *roster.Organisation {
	p, g := n.Roster.Person(n.of.Key), n.Roster.Group(n.of.Key)
	isPersons := p != nil && (slices.ContainsFunc(p.Enrolments, func(e roster.Enrolment) bool { return e.EnroledAt == k }) ||
		slices.ContainsFunc(p.Duties, func(d roster.Duty) bool { return d.DutyAt == k }))
	isGroups := g != nil && g.Organisation == k
	if n.of.Key != k && !isPersons && !isGroups {
		n.t.Fatalf("%s reads the organisation %s", n.of, k)
	}
	return n.Roster.Organisation(k)
}

func (n near) Person(k roster.Key) *roster.Person {
	g := n.Roster.Group(n.of.Key)
	isMember := g != nil && slices.ContainsFunc(g.Members, func(m roster.Membership) bool { return m.Person == k })
	if n.of.Key != k && !isMember {
		n.t.Fatalf("%s reads the person %s", n.of, k)
	}
	return n.Roster.Person(k)
}

func (n near) Group(k roster.Key) *roster.Group {
	if n.of.Key != k && !slices.Contains(n.Roster.Groups(n.of.Key), k) {
		n.t.Fatalf("%s reads the group %s", n.of, k)
	}
	return n.Roster.Group(k)
}
