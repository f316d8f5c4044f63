package municipality

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/ims"
	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest/sqltest"
	"eventful.se/ess/libs/source/sqlviews"
)

// assemble makes the records of what a reader emits, all under one source.
func assemble(t *testing.T, m *Municipality, read func(emit func(fact.Doc) error) []fact.Finding) map[roster.Ref]*roster.Record {
	t.Helper()
	keyer, err := roster.NewKeyer(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	asm := fact.NewAssembler(fact.Options{Source: roster.Source{System: "prov", Instance: "default"}, Keyer: keyer, Today: m.Day})
	if findings := read(asm.Add); len(findings) > 0 {
		t.Errorf("findings %+v", findings)
	}
	records := map[roster.Ref]*roster.Record{}
	for _, r := range asm.Assemble().Records {
		for i := range r.Origins {
			r.Origins[i].Doc = ""
		}
		records[r.Ref] = &r
	}
	return records
}

func throughIMS(t *testing.T, m *Municipality) map[roster.Ref]*roster.Record {
	p := ims.Alvis()
	p.SecurityMarking = "extension/securitymarking"
	p.Keep = nil // the mark, once more
	return assemble(t, m, func(emit func(fact.Doc) error) []fact.Finding {
		sum, err := ims.Read(t.Context(), bytes.NewReader(write(t, m, IMSOptions{})), ims.Options{Profile: p, File: "alvis.xml"}, emit)
		if err != nil {
			t.Fatal(err)
		}
		return sum.Findings
	})
}

// throughSS12000 reads the objects as they are written on the wire.
func throughSS12000(t *testing.T, m *Municipality) map[roster.Ref]*roster.Record {
	return assemble(t, m, func(emit func(fact.Doc) error) []fact.Finding {
		mapper := ss12000.NewMapper(ss12000.Reading{Profile: ss12000.Default(), Today: m.Day}, emit)
		all := m.SS12000()
		for _, of := range ss12000.Resources() {
			body := []byte("[")
			for _, o := range all {
				if o.Resource() == of {
					if len(body) > 1 {
						body = append(body, ',')
					}
					body = ss12000.Append(body, o)
				}
			}
			page, err := ss12000.ReadPage(of, bytes.NewReader(append(body, ']')), mapper.Add)
			if err != nil {
				t.Fatalf("%s: %v", of, err)
			}
			mapper.Odd(page.Odd)
		}
		if missing := mapper.Missing(); len(missing) > 0 {
			t.Errorf("missing %v", missing)
		}
		sum, err := mapper.Finish()
		if err != nil {
			t.Fatal(err)
		}
		return sum.Findings
	})
}

// throughSQL reads the tables out of a real database.
func throughSQL(t *testing.T, db *sqltest.Register, m *Municipality) map[roster.Ref]*roster.Record {
	var text bytes.Buffer
	if err := m.EncodeSQL(&text, nil); err != nil {
		t.Fatal(err)
	}
	if err := db.Exec("DROP SCHEMA ess CASCADE", text.String(), sqltest.Grants); err != nil {
		t.Fatal(err)
	}
	cfg := sqlviews.Default()
	if err := yaml.Unmarshal([]byte(db.Reach()), &cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Profile.Before, cfg.Profile.After = 36500, 36500
	return assemble(t, m, func(emit func(fact.Doc) error) []fact.Finding {
		res, err := sqlviews.New(cfg, source.Env{Now: func() time.Time { return m.Time }}).Read(t.Context(), nil, emit)
		if err != nil || !res.Complete {
			t.Fatalf("complete: %t (%v)", res.Complete, err)
		}
		return res.Findings
	})
}

// beyondIMS takes from a record what an IMS export of Alvis cannot say, and counts it. The days and docs of enrolments,
// duties and memberships are compared; which doc said it is each format's own.
func beyondIMS(r *roster.Record, said map[string]int) {
	take := func(what string, there bool) {
		if there {
			said[what]++
		}
	}
	switch {
	case r.Organisation != nil:
		take("school types of a unit", len(r.Organisation.SchoolTypes) > 0)
		r.Organisation.SchoolTypes = nil
	case r.Person != nil:
		for i := range r.Person.Enrolments {
			e := &r.Person.Enrolments[i]
			take("school type of an enrolment", e.SchoolType != "")
			take("school year of an enrolment", e.SchoolYear != "")
			e.SchoolType, e.SchoolYear, e.Doc = "", "", ""
		}
		for i := range r.Person.Duties {
			r.Person.Duties[i].Doc = ""
		}
		slices.SortFunc(r.Person.Enrolments, func(x, y roster.Enrolment) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
		slices.SortFunc(r.Person.Duties, func(x, y roster.Duty) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
	case r.Group != nil:
		take("school type of a group", r.Group.SchoolType != "")
		take("subject of a group", r.Group.Subject != "")
		r.Group.SchoolType, r.Group.Subject = "", ""
		for i := range r.Group.Members {
			r.Group.Members[i].Doc = ""
		}
	}
}

// The same municipality is the same roster through an Alvis export, through SS 12000 and through a database, but for what
// IMS cannot say, and for a database that has to say no of who is not protected.
func TestTheSameMunicipalityThroughAll(t *testing.T) {
	db := sqltest.New(t)
	reveal := cmp.Options{
		cmp.Comparer(func(x, y roster.Personal) bool { return x.Reveal() == y.Reveal() }),
		cmp.Comparer(func(x, y roster.CivicNo) bool { return x.Reveal() == y.Reveal() }),
		cmp.Comparer(func(x, y roster.Key) bool { return x == y }),
	}
	said, inTables := map[string]int{}, map[string]int{}
	for _, shape := range []Shape{ShapeAdult, ShapeSchools} {
		for _, protected := range []Protected{ProtectedNone, ProtectedFlag, ProtectedOmits} {
			town := New(Options{Pupils: 120, Seed: 5, Shape: shape, Protected: protected})
			for _, day := range []int{0, 13, 335} {
				t.Run(fmt.Sprint(shape, protected, day), func(t *testing.T) {
					m := town.After(day)
					want, got, tables := throughIMS(t, m), throughSS12000(t, m), throughSQL(t, db, m)
					if len(want) < 120 {
						t.Fatalf("only %d records", len(want))
					}
					for _, r := range want {
						beyondIMS(r, map[string]int{})
					}
					for _, r := range got {
						beyondIMS(r, said)
					}
					for _, r := range tables {
						beyondIMS(r, inTables)
						if r.Person != nil && protected != ProtectedFlag {
							if r.Person.Marking != roster.MarkingNone {
								t.Errorf("the marking of %v is %q", r.Ref, r.Person.Marking)
							}
							r.Person.Marking = ""
						}
					}
					for ref, r := range want {
						if diff := cmp.Diff(r, got[ref], reveal); diff != "" {
							t.Fatalf("%v (-Alvis +SS 12000)\n%s", ref, diff)
						}
						if diff := cmp.Diff(r, tables[ref], reveal); diff != "" {
							t.Fatalf("%v (-Alvis +SQL)\n%s", ref, diff)
						}
					}
					if len(got) != len(want) || len(tables) != len(want) {
						t.Errorf("%d records through SS 12000, %d through SQL, %d through Alvis", len(got), len(tables), len(want))
					}
				})
			}
		}
	}
	beyond := []string{"school type of a group", "school type of an enrolment", "school types of a unit", "school year of an enrolment", "subject of a group"}
	if diff := cmp.Diff(beyond, slices.Sorted(maps.Keys(said))); diff != "" {
		t.Errorf("what SS 12000 says and IMS cannot: %s", diff)
	}
	if diff := cmp.Diff(said, inTables); diff != "" {
		t.Errorf("what SS 12000 says beyond IMS, and a database does not (-SS 12000 +SQL): %s", diff)
	}
}

func TestWriteDirOfSQL(t *testing.T) {
	m, dir := New(Options{Pupils: 1200, Seed: 7}), t.TempDir()
	last, total := 0, 0
	paths, err := m.WriteDir(dir, FormatSQL, func(done, of int) { last, total = done, of })
	if err != nil || len(paths) != 1 || last != total || total == 0 {
		t.Fatalf("wrote %q, progress ended at %d of %d (%v)", paths, last, total, err)
	}
	text, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := m.EncodeSQL(&want, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want.Bytes()) {
		t.Error("the file is not what EncodeSQL writes")
	}
	if err := m.EncodeSQL(&fullDisk{100_000}, nil); !errors.Is(err, errFull) {
		t.Errorf("with room for 100000 bytes: error %v", err)
	}
}

func TestIDsOfObjectsAreUnique(t *testing.T) {
	for _, shape := range []Shape{ShapeAdult, ShapeSchools} {
		for _, day := range []int{0, 100, 335} {
			seen := map[string]bool{}
			for _, o := range New(Options{Pupils: 400, Seed: 9, Shape: shape}).After(day).SS12000() {
				id := string(o.Resource()) + "/" + o.Head().ID
				if seen[id] {
					t.Errorf("%s, day %d: %s stands twice", shape, day, id)
				}
				seen[id] = true
			}
		}
	}
}

func TestWriteDirOfSS12000(t *testing.T) {
	m, dir := New(Options{Pupils: 1200, Seed: 7}), t.TempDir()
	last, total := 0, 0
	paths, err := m.WriteDir(dir, FormatSS12000, func(done, of int) { last, total = done, of })
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		of := ss12000.Resource(strings.TrimSuffix(filepath.Base(path), ".json"))
		page, err := ss12000.ReadPage(of, bytes.NewReader(body), func(o ss12000.Object) error {
			if !o.Head().Modified.Equal(m.Time) {
				t.Errorf("%s is of %s", o.Head().ID, o.Head().Modified)
			}
			return nil
		})
		if err != nil || len(page.Odd) > 0 {
			t.Errorf("%s: %v, odd %v", path, err, page.Odd)
		}
		n += page.Count
	}
	if want := len(m.SS12000()); n != want || last != want || total != want || len(paths) != len(ss12000.Resources()) {
		t.Errorf("%d files hold %d objects of %d, and progress ended at %d of %d", len(paths), n, want, last, total)
	}
}
