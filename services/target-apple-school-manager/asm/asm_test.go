package asm

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/files"
	"eventful.se/ess/libs/tenant"
)

var update = flag.Bool("update", false, "write the expected files of the cases; read the difference before you commit it")

// decode returns the settings of a YAML text over the defaults.
func decode(t *testing.T, text string) *Config {
	t.Helper()
	c := Connector().New().(*Config)
	if err := yaml.UnmarshalWithOptions([]byte(text), c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, c *Config) *target.Target {
	t.Helper()
	made, err := c.Open(target.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestCases(t *testing.T) {
	cases, err := filepath.Glob("testdata/cases/*")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, dir := range cases {
		t.Run(filepath.Base(dir), func(t *testing.T) { testCase(t, dir) })
	}
}

// testCase maps roster.yaml with settings.yaml and compares the six files, and what was withheld and why, with expected/.
func testCase(t *testing.T, dir string) {
	settings, err := os.ReadFile(filepath.Join(dir, "settings.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c := decode(t, string(settings))
	p := tenant.NewProblems()
	c.SFTP.Host, c.SFTP.User, c.SFTP.Password = "upload.example", "user", "env:SECRET"
	if c.Validate(p); p.Err() != nil {
		t.Fatal(p.Err())
	}
	made := open(t, c)
	set, wishes := settle(made.Mapping, readRoster(t, filepath.Join(dir, "roster.yaml")))
	pack, problems := made.Deliverer.Render(set)

	got := map[string]string{"withheld.txt": withheld(wishes)}
	for _, p := range problems {
		got["problems.txt"] += p.Reason.String() + "\n"
	}
	if len(problems) == 0 {
		list, err := files.Unpack(pack.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			got[f.Name] = string(f.Data)
		}
	}
	if *update {
		write(t, filepath.Join(dir, "expected"), got)
	}
	if diff := cmp.Diff(read(t, filepath.Join(dir, "expected")), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func withheld(wishes []target.Wish) string {
	var out strings.Builder
	for _, w := range wishes {
		if w.Withheld != nil {
			fmt.Fprintf(&out, "%s: %s\n", w.Resource.ID, w.Withheld)
		}
	}
	return out.String()
}

func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		content[e.Name()] = string(data)
	}
	return content
}

func write(t *testing.T, dir string, content map[string]string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range content {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
