package memory

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

func TestEveryAnswerSaysWhatTheLinkDoesNext(t *testing.T) {
	s := &sink{directory: directory{Config{File: "directory.json"}}}
	for name, c := range map[string]struct {
		answer answer
		fault  reason.Fault
		code   reason.Code
	}{
		"credentials":             {answer{status: 401}, reason.Misconfigured, reason.WrongCredentials},
		"gone behind our back":    {answer{status: 404}, reason.Conflict, reason.ItemChanged},
		"there already":           {answer{status: 409}, reason.Conflict, reason.ItemChanged},
		"the name is taken":       {answer{status: 409, what: username}, reason.Invalid, reason.NameTaken},
		"never as it is":          {answer{status: 422, what: "no such unit"}, reason.Invalid, reason.ItemRefused},
		"too many":                {answer{status: 429, after: time.Minute}, reason.Transient, reason.Throttled},
		"a fault of its own":      {answer{status: 500}, reason.Transient, reason.ServerRefused},
		"no sense":                {answer{status: 0, what: "it makes no sense"}, reason.Transient, reason.AnswerUnreadable},
		"one that nobody thought": {answer{status: 418}, reason.Transient, reason.ServerRefused},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.explain(c.answer, target.ID{Kind: user})
			if reason.FaultOf(err) != c.fault || reason.Of(err).Code != c.code || reason.AfterOf(err) != c.answer.after {
				t.Errorf("got %s, %s, after %v; want %s, %s, after %v", reason.FaultOf(err), reason.Of(err).Code, reason.AfterOf(err), c.fault, c.code, c.answer.after)
			}
			if text := reason.Of(err).Text(reason.Swedish); strings.ContainsAny(text, "{}") {
				t.Errorf("%q has a place that nobody filled", text)
			}
		})
	}
}

func open(t *testing.T, file string) *target.Target {
	t.Helper()
	c := defaults()
	c.File = file
	made, err := c.Open(target.Env{Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func add(kind, key string, f ...target.Field) target.Operation {
	return target.Operation{Verb: target.Create, Resource: target.Resource{ID: target.ID{Kind: kind, Key: key}, Fields: f}}
}

func field(name, value string) target.Field {
	return target.Field{Name: name, Value: roster.Personal(value)}
}

func TestNoTwoUsersHaveOneName(t *testing.T) {
	made := open(t, filepath.Join(t.TempDir(), "directory.json"))
	out := made.Applier.Apply(t.Context(), []target.Operation{
		add(unit, "u", field(name, "Skolan")),
		add(user, "1", field(username, "testa"), field(in, "u")),
		add(user, "2", field(username, "TESTA"), field(in, "u")),
		add(user, "3", field(username, "other"), field(in, "u")),
	})
	for i, o := range out {
		if got := reason.Of(o.Err).Code; (i == 2) != (o.Err != nil) || i == 2 && got != reason.NameTaken {
			t.Errorf("operation %d came to %v", i, o.Err)
		}
	}
}

func TestAMemberWhomNobodyKnowsIsRefusedAlone(t *testing.T) {
	made := open(t, filepath.Join(t.TempDir(), "directory.json"))
	known, unknown := target.ID{Kind: user, Key: "1"}, target.ID{Kind: user, Key: "2"}
	class := add(group, "g", field(name, "7A"), field(in, "u"))
	class.Resource.Sets = []target.Set{{Name: pupils, Members: []target.ID{known, unknown}}}
	out := made.Applier.Apply(t.Context(), []target.Operation{add(unit, "u", field(name, "Skolan")), add(user, "1", field(username, "testa"), field(in, "u")), class})
	if out[2].Err != nil || len(out[2].Refused) != 1 || out[2].Refused[unknown] == nil {
		t.Errorf("got %v and refused %v, want the group with one member and one refused", out[2].Err, out[2].Refused)
	}
	held, err := made.Applier.Lookup(t.Context(), class.Resource.ID, "")
	if err != nil || len(held.Sets) == 0 || len(held.Sets[0].Members) != 1 || held.Sets[0].Members[0] != known {
		t.Errorf("the directory has %v (%v)", held.Sets, err)
	}
}

// A batch that has to wait lets others use the directory meanwhile, and each of its operations is told what it came to.
func TestABatchIsNoLargerThanTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := defaults()
		c.File, c.Rate = filepath.Join(t.TempDir(), "directory.json"), 2
		budgets := budget.NewSet(time.Now, budget.Sleep)
		links := [2]target.Applier{}
		for i := range links {
			made, err := c.Open(target.Env{Now: time.Now, Budgets: budgets})
			if err != nil {
				t.Fatal(err)
			}
			links[i] = made.Applier
		}
		begun := time.Now()
		var group sync.WaitGroup
		group.Go(func() {
			for i, o := range links[0].Apply(t.Context(), []target.Operation{add(unit, "a"), add(unit, "b"), add(unit, "a"), add(unit, "c"), add(unit, "d")}) {
				if (i == 2) != (reason.FaultOf(o.Err) == reason.Conflict) || i != 2 && o.Native == "" {
					t.Errorf("operation %d came to %+v", i, o)
				}
			}
		})
		synctest.Wait()
		if _, err := links[1].Lookup(t.Context(), target.ID{Kind: unit, Key: "b"}, ""); err != nil {
			t.Errorf("the other link: %v", err)
		}
		group.Wait()
		if got := time.Since(begun); got != 2*time.Second {
			t.Errorf("six calls took %v, want 2s", got)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		out := links[0].Apply(ctx, []target.Operation{add(unit, "e"), add(unit, "f")})
		if out[0].Err != nil || out[0].Native == "" || reason.Of(out[1].Err).Code != reason.Throttled {
			t.Errorf("with time for one of two they came to %+v", out)
		}
	})
}

// Two who write at once, as two links with one file do, take turns.
func TestNothingIsLostByTwoAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "directory.json")
	var group sync.WaitGroup
	for _, prefix := range []string{"a", "b"} {
		made := open(t, file)
		group.Go(func() {
			for n := range 20 {
				out := made.Applier.Apply(t.Context(), []target.Operation{add(unit, prefix+string(rune('a'+n)), field(name, "Skolan"))})
				if out[0].Err != nil {
					t.Error(out[0].Err)
				}
			}
		})
	}
	group.Wait()
	n := 0
	err := open(t, file).Applier.(target.Lister).List(t.Context(), func(target.Held) error { n++; return nil })
	if err != nil || n != 40 {
		t.Errorf("%d units stand (%v), want 40", n, err)
	}
}

// What stands in a file that cannot be read is nobody's business but its owner's (R8).
func TestAFileThatIsNoDirectoryIsLeftAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "directory.json")
	const text = `{"objects": [{"id": "1", "attributes": {"givenName": "Hemligt"`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := open(t, file).Applier.Apply(t.Context(), []target.Operation{add(unit, "u")})
	if reason.Of(out[0].Err).Code != reason.AnswerUnreadable || strings.Contains(out[0].Err.Error(), "Hemligt") {
		t.Errorf("got %v", out[0].Err)
	}
	if now, err := os.ReadFile(file); err != nil || string(now) != text {
		t.Errorf("the file was changed (%v)", err)
	}
	if _, err := open(t, filepath.Join(file, "below")).Applier.Lookup(t.Context(), target.ID{}, ""); err == nil || errors.Is(err, target.ErrNotFound) {
		t.Errorf("a file that cannot be is an empty directory: %v", err)
	}
}

func TestTheSampleIsValidAndShowsTheDefaults(t *testing.T) {
	data, err := os.ReadFile("../sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// A line with a setting right behind its # holds the default.
	shown := regexp.MustCompile(`(?m)^( *)#(\w)`).ReplaceAllString(string(data), "$1$2")
	var d struct {
		Links []tenant.Link `yaml:"links"`
	}
	if err := yaml.UnmarshalWithOptions([]byte(shown), &d, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	c, p := defaults(), tenant.NewProblems()
	if err := tenant.Decode(d.Links[0].Settings, c); err != nil {
		t.Fatal(err)
	}
	if c.Validate(p); p.Err() != nil || d.Links[0].Target != Connector().System {
		t.Errorf("the sample is for %s and not valid: %v", d.Links[0].Target, p.Err())
	}
	want := defaults()
	want.File = c.File
	if !reflect.DeepEqual(c, want) || !strings.Contains(shown, "trouble:") {
		t.Errorf("the sample shows %+v, want %+v", *c, *want)
	}
}

func TestACheckTellsWhetherTheDirectoryAnswers(t *testing.T) {
	dir := t.TempDir()
	made := open(t, filepath.Join(dir, "directory.json"))
	check := func() (steps []string, err error) {
		err = made.Applier.(target.Checker).Check(t.Context(), func(name, detail string, err error) {
			steps = append(steps, name+": "+detail)
			if err != nil {
				steps = append(steps, "failed")
			}
		})
		return steps, err
	}
	steps, err := check()
	if err != nil || len(steps) != 1 || !strings.Contains(steps[0], "0 objects") {
		t.Errorf("of an empty directory: %q, %v", steps, err)
	}
	if held, err := os.ReadFile(filepath.Join(dir, "directory.json")); err != nil || strings.Contains(string(held), `"id"`) {
		t.Errorf("a check is a call and no more, and left %s, %v", held, err)
	}
	made = open(t, filepath.Join(dir, "none", "directory.json"))
	if steps, err := check(); reason.Of(err).Code != reason.NotPermitted || len(steps) != 2 {
		t.Errorf("without a folder: %q, %v", steps, err)
	}
}
