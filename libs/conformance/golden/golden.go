// Package golden is what the golden cases of sources and of targets have in common: a folder is a case. It holds what goes
// in and, beside it, what is expected to come out, in files that a person reads; a bug report becomes such a folder.
//
//	testdata/cases/<case>/settings.yaml …     what goes in; a comment at the top says what the case is about
//	testdata/cases/<case>/expected.yaml       what comes out, and more of it in expected/, as it came
package golden

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// A flag of go test has to be there before its command line is read.
var update = flag.Bool("update", false, "write what golden cases are expected to come to; read the difference before you commit it")

// Update tells whether the tests are to write what they would compare with.
func Update() bool { return *update }

// Expected is the file that every case expects, and Folder where more files lie that it does.
const (
	Expected = "expected.yaml"
	Folder   = "expected"
)

// cases is where a package has its cases.
const cases = "testdata/cases"

// Case is one folder.
type Case struct{ Dir string }

// Each runs every folder in testdata/cases as a test by its name, and compares what run returns, by the paths of the
// files, with the files that the case expects; a difference fails the case, and with -update it is written in place of
// that. A case has no other files and folders than parts and what it expects. No case at all, an empty one and one that
// expects nothing fail: they would prove nothing.
func Each(t *testing.T, parts []string, run func(t *testing.T, c Case) map[string]string) {
	t.Helper()
	list, err := os.ReadDir(cases)
	if err != nil || len(list) == 0 {
		t.Fatalf("%s has no case: make a folder for the first one (%v)", cases, err)
	}
	for _, entry := range list {
		t.Run(entry.Name(), func(t *testing.T) {
			c := Case{filepath.Join(cases, entry.Name())}
			if err := c.check(parts); err != nil {
				t.Fatal(err)
			}
			got := run(t, c)
			if *update {
				if err := c.write(got); err != nil {
					t.Fatal(err)
				}
			}
			want, err := c.expected()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
				t.Errorf("%s comes to something else than it expects; where that is right, run this test with -update and read what changes (-expected +got):\n%s", c.Dir, diff)
			}
		})
	}
}

// check refuses what nobody would read.
func (c Case) check(parts []string) error {
	list, err := os.ReadDir(c.Dir)
	if err != nil {
		return fmt.Errorf("a case is a folder: %w", err)
	}
	if len(list) == 0 {
		return fmt.Errorf("%s is empty: a case has %s", c.Dir, strings.Join(parts, ", "))
	}
	for _, entry := range list {
		if !slices.Contains(parts, entry.Name()) && entry.Name() != Expected && entry.Name() != Folder {
			return fmt.Errorf("%s has %s, which nobody reads: a case has %s, %s and %s/", c.Dir, entry.Name(), strings.Join(parts, ", "), Expected, Folder)
		}
	}
	return nil
}

// expected reads the files that the case expects, by their paths in its folder.
func (c Case) expected() (map[string]string, error) {
	want := map[string]string{}
	read := func(name string) error {
		data, err := os.ReadFile(filepath.Join(c.Dir, name))
		want[filepath.ToSlash(name)] = string(data)
		return err
	}
	if err := read(Expected); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s expects nothing: write %s by running this test with -update, and read whether it is right", c.Dir, Expected)
	} else if err != nil {
		return nil, err
	}
	err := filepath.WalkDir(filepath.Join(c.Dir, Folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(c.Dir, path)
		return errors.Join(err, read(name))
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return want, err
}

// lines are the texts of files line by line, which a difference is read by.
func lines(files map[string]string) map[string][]string {
	out := map[string][]string{}
	for name, text := range files {
		out[name] = strings.Split(text, "\n")
	}
	return out
}

// write replaces what the case expects.
func (c Case) write(files map[string]string) error {
	err := os.RemoveAll(filepath.Join(c.Dir, Folder))
	for name, text := range files {
		path := filepath.Join(c.Dir, name)
		err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(text), 0o600))
	}
	return err
}

// Has tells whether the case has a file or folder.
func (c Case) Has(name string) bool {
	_, err := os.Stat(filepath.Join(c.Dir, name))
	return err == nil
}

// Settings returns settings.yaml with the values of the other side in place of ${NAME}.
func (c Case) Settings(t *testing.T, values map[string]string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(c.Dir, "settings.yaml"))
	if err != nil {
		t.Fatalf("a case has the settings of its connector: %v", err)
	}
	return regexp.MustCompile(`\$\{\w+\}`).ReplaceAllStringFunc(string(data), func(name string) string {
		value, ok := values[name[2:len(name)-1]]
		if !ok {
			t.Errorf("%s/settings.yaml has %s, which the other side of this test has no value for", c.Dir, name)
		}
		return value
	})
}

// Decode reads a YAML file of the case; a key that into does not know fails it.
func (c Case) Decode(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(c.Dir, name))
	if err == nil {
		err = yaml.UnmarshalWithOptions(data, into, yaml.Strict())
	}
	if err != nil {
		t.Fatalf("%s/%s cannot be read: %v", c.Dir, name, err)
	}
}

// Why is a reason as a case expects it.
type Why struct {
	Code string        `yaml:"code"`
	Args yaml.MapSlice `yaml:"args,omitempty"`
}

// Add adds an argument, with ${NAME} in place of what only the other side of this test knows: a folder, an address, a port.
// What is shorter than a port may stand anywhere, and stays.
func (w *Why) Add(name, value string, values map[string]string) {
	for known, is := range values {
		if len(is) >= len("2222") {
			value = strings.ReplaceAll(value, is, "${"+known+"}")
		}
	}
	w.Args = append(w.Args, yaml.MapItem{Key: name, Value: value})
}

// Text returns a value as the text of a YAML file.
func Text(t *testing.T, v any) string {
	t.Helper()
	data, err := yaml.MarshalWithOptions(v, yaml.IndentSequence(true))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
