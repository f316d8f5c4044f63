package golden_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eventful.se/ess/libs/conformance/golden"
)

// TestShouts is the runner of the cases below: what comes out is what goes in, in capitals. In this folder it has none.
func TestShouts(t *testing.T) {
	golden.Planted(t)
	golden.Each(t, []string{"settings.yaml", "word.yaml"}, func(t *testing.T, c golden.Case) map[string]string {
		in := struct {
			Word string `yaml:"word"`
		}{}
		c.Decode(t, "word.yaml", &in)
		loud := strings.ToUpper(in.Word)
		return map[string]string{
			"expected.yaml":      golden.Text(t, map[string]string{"loud": loud}),
			"expected/loud.txt":  loud,
			"expected/names.txt": c.Settings(t, map[string]string{"host": "there"}),
		}
	})
}

func TestACaseCanFail(t *testing.T) {
	right := map[string]string{
		"a/settings.yaml": "at: ${host}\n", "a/word.yaml": "word: hej\n",
		"a/expected.yaml": "loud: HEJ\n", "a/expected/loud.txt": "HEJ", "a/expected/names.txt": "at: there\n",
	}
	for name, c := range map[string]struct {
		files  map[string]string // laid over what is right; "-" takes one away
		update bool
		says   string // empty where it passes
	}{
		"all is right":                  {},
		"another value is expected":     {files: map[string]string{"a/expected.yaml": "loud: HOJ\n"}, says: "comes to something else"},
		"another file is expected":      {files: map[string]string{"a/expected/loud.txt": "HOJ"}, says: "comes to something else"},
		"a file too many is expected":   {files: map[string]string{"a/expected/low.txt": "hej"}, says: "low.txt"},
		"a file too few is expected":    {files: map[string]string{"a/expected/loud.txt": "-"}, says: "loud.txt"},
		"nothing is expected":           {files: map[string]string{"a/expected.yaml": "-"}, says: "expects nothing"},
		"a key that nobody knows":       {files: map[string]string{"a/word.yaml": "word: hej\nwrod: hej\n"}, says: "wrod"},
		"a file that nobody reads":      {files: map[string]string{"a/words.yaml": ""}, says: "words.yaml, which nobody reads"},
		"a value that nobody gives":     {files: map[string]string{"a/settings.yaml": "at: ${hots}\n"}, says: "${hots}"},
		"no settings":                   {files: map[string]string{"a/settings.yaml": "-"}, says: "the settings of its connector"},
		"an empty case":                 {files: map[string]string{"b/": ""}, says: "is empty"},
		"a file beside the cases":       {files: map[string]string{"readme.md": "x"}, says: "a case is a folder"},
		"update writes what comes out":  {files: map[string]string{"a/expected.yaml": "-", "a/expected/low.txt": "hej"}, update: true},
		"update believes no other word": {files: map[string]string{"a/word.yaml": "wrod: hej\n"}, update: true, says: "wrod"},
	} {
		t.Run(name, func(t *testing.T) {
			plot := golden.Plot{Test: "TestShouts", Dir: t.TempDir()}
			plant(t, plot, right)
			plant(t, plot, c.files)
			args := []string{}
			if c.update {
				args = append(args, "-update")
			}
			passed, printed := plot.Run(t, "", args...)
			if passed != (c.says == "") || !strings.Contains(printed, c.says) {
				t.Errorf("passed: %v, want it to say %q; it printed\n%s", passed, c.says, printed)
			}
			if !c.update || c.says != "" {
				return
			}
			if passed, printed = plot.Run(t, ""); !passed {
				t.Errorf("after an update it printed\n%s", printed)
			}
			if _, err := os.Stat(filepath.Join(plot.Dir, "testdata/cases/a/expected/low.txt")); err == nil {
				t.Error("an update left a file that nothing comes to any more")
			}
		})
	}
}

func TestNoCaseAtAllFails(t *testing.T) {
	if passed, printed := (golden.Plot{Test: "TestShouts", Dir: t.TempDir()}).Run(t, ""); passed || !strings.Contains(printed, "has no case") {
		t.Errorf("passed: %v; it printed\n%s", passed, printed)
	}
}

// plant writes and takes away files of cases.
func plant(t *testing.T, p golden.Plot, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(p.Dir, "testdata/cases", name)
		var err error
		switch {
		case text == "-":
			err = os.Remove(path)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o750)
		default:
			p.Write(t, name, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
