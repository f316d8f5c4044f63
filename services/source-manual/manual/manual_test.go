package manual

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

var (
	ours  = roster.Source{System: "manual", Instance: "default"}
	alvis = roster.Source{System: "alvis", Instance: "default"}
)

func now() time.Time { return time.Date(2026, 9, 15, 12, 0, 0, 0, time.UTC) }

func keyer(t testing.TB) *roster.Keyer {
	t.Helper()
	k, err := roster.NewKeyer([]byte(strings.Repeat("p", roster.MinPepper)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// assemble reads a text as the runtime reads the file.
func assemble(t testing.TB, text string) (fact.Result, error) {
	t.Helper()
	a := fact.NewAssembler(fact.Options{Source: ours, Keyer: keyer(t), Today: roster.Today(now())})
	m := &manual{now: now}
	r, err := m.ReadFile(t.Context(), "manual.yaml", strings.NewReader(text), a.Add)
	if r.Complete != (err == nil) {
		t.Errorf("R3: complete is %v with the error %v", r.Complete, err)
	}
	return a.Assemble(), err
}

func who(t testing.TB, s roster.Source, id, number string) roster.Ref {
	return roster.Ref{Kind: roster.KindPerson, Key: keyer(t).Person(s, id, roster.ParseCivicNo(number, roster.Today(now())))}
}

func TestTheSampleIsTaken(t *testing.T) {
	data, err := os.ReadFile("../sample-manual.yaml")
	if err != nil {
		t.Fatal(err)
	}
	res, err := assemble(t, string(data))
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Findings) > 0 || len(res.KeptBack) > 0 {
		t.Errorf("findings %v, kept back %v", res.Findings, res.KeptBack)
	}
	k := keyer(t)
	got := map[roster.Ref]string{}
	for _, r := range res.Records {
		for _, d := range r.Directives {
			if d.Owner == "" || d.Reason == "" {
				t.Errorf("R12: %v has no owner or no reason", d.Kind)
			}
			got[r.Ref] += string(d.Kind) + " " + d.Until.String()
		}
		if r.Overlay {
			got[r.Ref] += ", of another"
		}
	}
	want := map[roster.Ref]string{
		who(t, ours, "id/vikarie-1", ""):                         "keepUntil 2026-12-18",
		who(t, alvis, "", "189001019802"):                        "keepUntil 2026-11-30",
		{Kind: roster.KindGroup, Key: k.Group(alvis, "g-1", "")}: "member 2026-12-18, of another",
		who(t, alvis, "", "20150314TF01"):                        "override 2026-10-31, of another",
		who(t, alvis, "p-77", ""):                                "exclude 2027-06-30, of another",
		who(t, alvis, "", "188001019812"):                        "suspend 2026-10-15, of another",
		who(t, alvis, "", "189505059809"):                        "protect , of another",
		who(t, alvis, "", "189102029809"):                        "sameAs , of another",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, r := range res.Records {
		switch r.Ref {
		case who(t, alvis, "", "189505059809"):
			if r.Person.Marking != roster.MarkingProtected {
				t.Errorf("R9: the marking is %q", r.Person.Marking)
			}
		case who(t, alvis, "", "189102029809"):
			if want := []roster.Key{who(t, alvis, "", "20150314TF02").Key}; !cmp.Equal(want, r.SameAs) {
				t.Errorf("the same as %v, want %v", r.SameAs, want)
			}
		case who(t, alvis, "", "20150314TF01"):
			if r.Person.GivenName != "Märta" || len(r.Person.Personas) != 1 {
				t.Error("the override says something else")
			}
		case roster.Ref{Kind: roster.KindGroup, Key: k.Group(alvis, "g-1", "")}:
			if m := r.Group.Members; len(m) != 1 || m[0].Person != who(t, ours, "id/vikarie-1", "").Key || m[0].Interval.End != 2026_12_18 {
				t.Errorf("the members are %v", m)
			}
		case who(t, ours, "id/vikarie-1", ""):
			if d := r.Person.Duties; len(d) != 1 || d[0].DutyAt != k.Organisation(alvis, "u-1") {
				t.Errorf("the duties are %v", d)
			}
		}
	}
}

const decided = "    owner: Skolchefen\n    reason: beslut\n"

func TestEverythingWrongIsToldWithPathAndLine(t *testing.T) {
	const person = "  - person: {number: 18900101-9802}\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"no decision": {"# nothing\n", nil},
		"several at once": {
			"exclude:\n" + person + "    until: soon\nsuspend:\n  - {}\n",
			[]string{
				"line 2, exclude[0].owner: is required", "line 2, exclude[0].reason: is required", "line 3, exclude[0].until: is no day",
				"line 5, suspend[0].person: write a number", "line 5, suspend[0].until: is required",
			},
		},
		"an unknown key, and another": {
			"exclude:\n" + person + "    ends: x\nforget: []\n", []string{"line 3, exclude[0].?3: the key is not known", "line 4, ?4: the key is not known"},
		},
		"no list, no mapping, no text": {
			"exclude: Testa\nsuspend: [Testa]\nprotect: [{owner: [Testa]}]\n",
			[]string{"line 1, exclude: write a list", "line 2, suspend[0]: write keys", "line 3, protect[0].owner: write a text"},
		},
		"no YAML":                            {"exclude: [Testa\n", []string{"it is not YAML"}},
		"two documents":                      {"exclude: []\n---\nTesta: []\n", []string{"more than one document"}},
		"a key twice":                        {"exclude: []\nexclude: []\n", []string{"line 2"}},
		"a wrong check digit":                {"exclude:\n  - person: {number: 18900101-9803}\n    until: 2026-12-31\n" + decided, []string{"line 2, exclude[0].person.number: is no identity number"}},
		"ten digits":                         {"exclude:\n  - person: {number: 900101-9802}\n    until: 2026-12-31\n" + decided, []string{"exclude[0].person.number: is no identity number of twelve"}},
		"a TF number alone":                  {"exclude:\n  - person: {number: 20150314-TF01}\n    until: 2026-12-31\n" + decided, []string{"exclude[0].person.source: is required"}},
		"an id of nobody":                    {"exclude:\n  - person: {id: x}\n    until: 2026-12-31\n" + decided, []string{"exclude[0].person.id: is no id of a person in this file"}},
		"a source of no form":                {"exclude:\n  - person: {source: alvis, id: x}\n    until: 2026-12-31\n" + decided, []string{"exclude[0].person.source: is not of the form"}},
		"twice the same":                     {"exclude:\n" + person + "    until: 2026-12-31\n" + decided + person + "    until: 2026-12-31\n" + decided, []string{"line 6, exclude[1]: the same is decided twice"}},
		"kept and stated":                    {"persons:\n" + person + "    givenName: T\n    until: 2026-12-31\n" + decided + "keepUntil:\n" + person + "    givenName: T\n    until: 2026-12-31\n" + decided, []string{"keepUntil[0]: the same is decided twice"}},
		"R8 a number in words":               {"exclude:\n" + person + "    until: 2026-12-31\n    owner: O\n    reason: gäller 900101-9802\n", []string{"line 5, exclude[0].reason: looks as if"}},
		"a long reason":                      {"exclude:\n" + person + "    until: 2026-12-31\n    owner: O\n    reason: " + strings.Repeat("å", 201) + "\n", []string{"exclude[0].reason: is longer than 200"}},
		"nothing overridden":                 {"overrides:\n" + person + "    until: 2026-12-31\n" + decided, []string{"overrides[0]: overrides nothing"}},
		"R9 protection that ends":            {"protect:\n" + person + "    until: 2026-12-31\n" + decided, []string{"protect[0].?3: the key is not known"}},
		"R9 a marking that does not protect": {"protect:\n" + person + "    marking: Ingen\n" + decided, []string{"protect[0].marking: is none of"}},
		"the same as itself":                 {"sameAs:\n" + person + "    other: {number: '189001019802'}\n" + decided, []string{"sameAs[0]: person and other are the same"}},
		"a group of nobody":                  {"memberships:\n" + person + "    group: {id: g}\n    role: chef\n    until: 2026-12-31\n" + decided, []string{"memberships[0].group.source: is required", "memberships[0].role: is none of"}},
		"a person without name": {
			"persons:\n" + person + "    until: 2026-12-31\n    sex: X\n    personas: [{role: chef}]\n" + decided,
			[]string{"persons[0].sex: is none of", "persons[0].personas[0].role: is none of", "persons[0].givenName: is required"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := assemble(t, c.text+"...\n")
			if len(c.want) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			why := reason.Of(err)
			if why.Code != reason.Unreadable {
				t.Fatalf("got %v, want an unreadable file", err)
			}
			text := why.Text(reason.English)
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("it says\n%s\nwant it to say\n%s", strings.ReplaceAll(text, "; ", "\n"), want)
				}
			}
			for _, secret := range []string{"Testa", "9802", "9803"} {
				if strings.Contains(err.Error()+text, secret) {
					t.Errorf("R8: it shows %q: %s", secret, text)
				}
			}
		})
	}
}

func TestAFileThatIsNotWholeChangesNothing(t *testing.T) {
	whole := "exclude: []\nsuspend: []\n...\n"
	for n := range len(whole) - 1 {
		if _, err := assemble(t, whole[:n]); reason.Of(err).Code != reason.TruncatedFile && n < len(whole)-1 {
			t.Errorf("cut off after %d characters: %v", n, err)
		}
	}
	if _, err := assemble(t, whole); err != nil {
		t.Error(err)
	}
}

func TestReadNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, make([]byte, maxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]reason.Code{filepath.Join(dir, "none.yaml"): reason.NoFile, dir: reason.NoFile, large: reason.FileTooLarge} {
		s, err := (&Config{File: path}).Open(source.Env{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Read(t.Context(), nil, func(fact.Doc) error { return nil })
		if got := reason.Of(err).Code; got != want || r.Complete {
			t.Errorf("%s: got %q (%v), want %q", filepath.Base(path), got, err, want)
		}
		steps := 0
		if err := s.(source.Checker).Check(t.Context(), func(string, string, error) { steps++ }); err == nil || steps == 0 {
			t.Errorf("%s: the check says %v in %d steps", filepath.Base(path), err, steps)
		}
	}
}

func TestAReadEndsWhenAsked(t *testing.T) {
	data, err := os.ReadFile("../sample-manual.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := &manual{now: now}
	full := errors.New("full")
	if _, err := m.ReadFile(t.Context(), "x", strings.NewReader(string(data)), func(fact.Doc) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.ReadFile(ctx, "x", strings.NewReader(string(data)), func(fact.Doc) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestSettings(t *testing.T) {
	data, err := os.ReadFile("../sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d, err := tenant.Parse([]byte("tenant: sample\npepper: file:/run/secrets/pepper\n" + string(data)))
	if err != nil {
		t.Fatal(err)
	}
	c := defaults()
	if err := tenant.Decode(d.Sources[0].Settings, c); err != nil {
		t.Fatal(err)
	}
	p := tenant.NewProblems()
	if c.Validate(p); p.Err() != nil {
		t.Error(p.Err())
	}
	for instance, want := range map[string]bool{Instance: true, "extra": false} {
		if _, err := defaults().Open(source.Env{Source: roster.Source{System: "manual", Instance: instance}}); (err == nil) != want {
			t.Errorf("without a file, the instance %s: %v", instance, err)
		}
	}
	if err := yaml.UnmarshalWithOptions([]byte("path: x"), defaults(), yaml.Strict()); err == nil {
		t.Error("an unknown key is taken")
	}
	if s := Connector().Defaults.Schedule; source.CheckSchedule(s) != nil || !strings.Contains(string(data), `# schedule: "`+s+`"`) {
		t.Errorf("the sample does not show the schedule %q, or it is none", s)
	}
}

// FuzzParse: whatever a file holds, it is taken or refused, and a refusal shows nothing of it.
func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("../sample-manual.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	f.Add("exclude: [{person: &a {number: *a}}]\n...")
	f.Add("? [a]\n: b\n...")
	f.Add("<<: {exclude: []}\n...")
	f.Fuzz(func(t *testing.T, text string) {
		m := &manual{now: now}
		r, err := m.ReadFile(t.Context(), "x", strings.NewReader(text), func(d fact.Doc) error {
			if d.ID == "" || len(d.Facts) == 0 {
				t.Errorf("a doc without id or facts: %v", d.Where)
			}
			return nil
		})
		if r.Complete != (err == nil) {
			t.Errorf("complete is %v with the error %v", r.Complete, err)
		}
	})
}
