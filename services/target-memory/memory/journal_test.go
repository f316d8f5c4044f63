package memory

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/target"
)

func TestTheJournalHasEveryWriteInItsOrder(t *testing.T) {
	c := defaults()
	dir := t.TempDir()
	c.File, c.Journal = filepath.Join(dir, "directory.json"), filepath.Join(dir, "journal.json")
	s := &sink{directory: directory{*c}}
	pupil := add(user, "1", field(username, "testa"), field(in, "u"))
	class := add(group, "g", field(name, "7A"), field(in, "u"))
	class.Resource.Sets = []target.Set{{Name: pupils, Members: []target.ID{pupil.Resource.ID}}}
	again, gone := pupil, pupil
	again.Verb, gone.Verb = target.Update, target.Delete
	s.Apply(t.Context(), []target.Operation{add(unit, "u", field(name, "Skolan")), pupil, add(user, "2", field(username, "TESTA"), field(in, "u"))})
	s.Apply(t.Context(), []target.Operation{class, again, gone, gone})
	data, err := os.ReadFile(c.Journal)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"what":"add","object":{"id":"000001","type":"unit","externalId":"u","attributes":{"name":"Skolan"}}}
{"what":"add","object":{"id":"000002","type":"user","externalId":"1","unit":"000001","attributes":{"username":"testa"}}}
{"what":"add","object":{"id":"000003","type":"group","externalId":"g","unit":"000001","attributes":{"name":"7A"},"members":[{"set":"members","user":"000002"}]}}
{"what":"replace","object":{"id":"000002","type":"user","externalId":"1","unit":"000001","attributes":{"username":"testa"}}}
{"what":"remove","object":{"id":"000002","type":"user","externalId":"1","unit":"000001","attributes":{"username":"testa"}}}
`
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(data), "\n")); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestWhatNoJournalCanKeepIsNotDone(t *testing.T) {
	c := defaults()
	c.File = filepath.Join(t.TempDir(), "directory.json")
	c.Journal = filepath.Join(filepath.Dir(c.File), "away", "journal.json")
	s := &sink{directory: directory{*c}}
	out := s.Apply(t.Context(), []target.Operation{add(unit, "u", field(name, "Skolan"))})
	if reason.Of(out[0].Err).Code != reason.NotPermitted {
		t.Errorf("it comes to %v", out[0].Err)
	}
	if _, err := os.Stat(c.File); err == nil {
		t.Error("the directory was written")
	}
}
