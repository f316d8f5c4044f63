package manual

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

// onTheDesk is a desk of bodies, or one that cannot be read.
type onTheDesk struct {
	bodies []string
	err    error
}

func (d onTheDesk) Decisions(context.Context) (list []source.Decision, err error) {
	for i, b := range d.bodies {
		list = append(list, source.Decision{ID: fmt.Sprint("d", i), At: now(), Body: roster.Personal(b)})
	}
	return list, d.err
}

// read reads a desk, and a file where there is one, as the runtime does.
func read(t *testing.T, d source.Desk, file string) (fact.Result, source.Result, error) {
	t.Helper()
	s, err := (&Config{File: file}).Open(source.Env{Source: ours, Now: now, Desk: d})
	if err != nil {
		t.Fatal(err)
	}
	a := fact.NewAssembler(fact.Options{Source: ours, Keyer: keyer(t), Today: roster.Today(now())})
	r, err := s.Read(t.Context(), nil, a.Add)
	return a.Assemble(), r, err
}

const her = "0b0e7f2a-5c1d-8d2e-9f3a-4b5c6d7e8f90"

const protected = `{"protect": [{"person": {"key": "` + her + `"}, "owner": "O", "reason": "R", "alias": ["google/default"]}]}`

func TestWhatIsDecidedByCommandIsRead(t *testing.T) {
	key, err := roster.ParseKey(her)
	if err != nil {
		t.Fatal(err)
	}
	res, r, err := read(t, onTheDesk{bodies: []string{
		protected,
		`{"exclude": [{"person": {"key": "` + her + `"}, "until": "2026-12-31", "owner": "O", "reason": "R"}]}`,
		`{"keepUntil": [{"person": {"key": "` + her + `", "number": "18900101-9802"}, "until": "2026-12-31", "owner": "O", "reason": "R", "givenName": "Testa", "extra": {"a \"key\"": "x"},
		   "enrolments": [{"unit": {"key": "` + her + `"}, "schoolType": "VUX"}]}]}`,
	}}, "")
	if err != nil || !r.Complete || r.Seen["protect"] != 1 || len(res.Records) != 1 || len(res.Findings) > 0 {
		t.Fatalf("%v, %+v, %d records, %v", err, r, len(res.Records), res.Findings)
	}
	got := res.Records[0]
	if got.Ref.Key != key || got.Overlay || !got.Person.Marking.Protects() || got.Person.CivicNo.Reveal() != "189001019802" ||
		len(got.Person.Enrolments) != 1 || got.Person.Enrolments[0].EnroledAt != key || got.Person.Extra[`a "key"`] != "x" {
		t.Errorf("the record is\n%v", got)
	}
	kinds := []string{}
	for _, d := range got.Directives {
		kinds = append(kinds, string(d.Kind)+d.Link)
	}
	if want := []string{"aliasgoogle/default", "exclude", "keepUntil", "protect"}; !slices.Equal(kinds, want) {
		t.Errorf("directives %v, want %v", kinds, want)
	}
}

func TestR3ADeskThatCannotBeReadTakesNothingBack(t *testing.T) {
	for name, d := range map[string]onTheDesk{
		"the store does not answer": {err: errors.New("no answer")},
		"no YAML":                   {bodies: []string{protected, "{"}},
		"of a newer program":        {bodies: []string{protected, `{"remember": [{}]}`}},
		"of nothing":                {bodies: []string{protected, `{}`}},
		"two in one":                {bodies: []string{`{"exclude": [{}, {}]}`}},
		"not valid":                 {bodies: []string{`{"exclude": [{"person": {"key": "x"}, "owner": "O", "reason": "R"}]}`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, r, err := read(t, d, "")
			if err == nil || r.Complete {
				t.Errorf("it is believed: %+v", r)
			}
			if strings.Contains(fmt.Sprint(err), her) {
				t.Errorf("R8: %v", err)
			}
		})
	}
}

// Protection by command does not wait until somebody mends a file; what the file said stays, for the read is not whole.
func TestR9ABrokenFileDoesNotKeepACommandFromActing(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.yaml")
	res, r, err := read(t, onTheDesk{bodies: []string{protected}}, missing)
	if err != nil || r.Complete || len(r.Findings) != 1 || r.Findings[0].Reason.Code != reason.NoFile || len(res.Records) != 1 {
		t.Errorf("%v, %+v, %d records", err, r, len(res.Records))
	}
	if _, r, err := read(t, onTheDesk{}, missing); reason.Of(err).Code != reason.NoFile || r.Complete {
		t.Errorf("with nothing on the desk: %v", err)
	}
}

func TestAFileAndACommandMaySayTheSame(t *testing.T) {
	file := write(t, "protect:\n  - {person: {key: "+her+"}, owner: O, reason: R}\n...\n")
	res, r, err := read(t, onTheDesk{bodies: []string{protected, protected}}, file)
	if err != nil || !r.Complete || r.Seen["protect"] != 3 || len(res.Records) != 1 || len(res.Findings) > 0 {
		t.Errorf("%v, %+v, %d records, %v", err, r, len(res.Records), res.Findings)
	}
}

// What a command writes is read as it was meant, whatever the texts hold.
func TestABodyIsReadAsItWasWritten(t *testing.T) {
	text := rapid.StringOfN(rapid.Rune(), 1, 20, -1)
	personal := rapid.Custom(func(t *rapid.T) roster.Personal {
		return roster.Personal(strings.ToValidUTF8(text.Draw(t, "text"), ""))
	})
	rapid.Check(t, func(t *rapid.T) {
		want := Decisions{
			KeepUntil: []Person{{
				Dated: Dated{
					Decision: Decision{personal.Draw(t, "owner"), personal.Draw(t, "reason")}, Until: "2026-12-31",
					Person: Ref{Key: her, Number: personal.Draw(t, "number")},
				},
				Attributes: Attributes{
					GivenName: personal.Draw(t, "name"), Personas: []Persona{{Role: "pupil", Email: personal.Draw(t, "email")}},
					Extra: map[string]roster.Personal{personal.Draw(t, "key").Reveal(): personal.Draw(t, "value")},
				},
				Enrolments: []Enrolment{{Unit: Ref{Key: her}, SchoolYear: "7"}},
			}},
			Protect: []Protect{{Alias: []string{"google/default", "no"}, Marking: personal.Draw(t, "marking").Reveal()}},
		}
		body, err := want.Body()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v", want, body), want.KeepUntil[0].GivenName.Reveal()+want.KeepUntil[0].Owner.Reveal()) {
			t.Fatalf("R8: it prints what it says")
		}
		var got Decisions
		if err := Parse("body", []byte(body.Reveal()), &got, func(tenant.Problems) {}); err != nil {
			t.Fatalf("%v\n%s", err, body.Reveal())
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Decisions{}), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("%s\n%s", d, body.Reveal())
		}
	})
}

func TestEveryListCountsAsDecisions(t *testing.T) {
	var f Decisions
	v := reflect.ValueOf(&f).Elem()
	n := 0
	for _, list := range fieldsOf(v) {
		list.Set(reflect.MakeSlice(list.Type(), 1, 1))
		if n++; f.len() != n {
			t.Errorf("%v is not counted", list.Type())
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manual.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
