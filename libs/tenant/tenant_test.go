package tenant

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const good = `
tenant: lund-gy
title: Lund
pepper: env:PEPPER
sources:
  - system: alvis
    settings: {directory: /export}
links:
  - target: apple-school-manager
    instance: second
`

func TestParse(t *testing.T) {
	d, err := Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if d.Service != Silver || d.Sources[0].Ref().String() != "alvis/default" || d.Links[0].Ref().String() != "apple-school-manager/second" {
		t.Errorf("read %+v, %s, %s", d, d.Sources[0].Ref(), d.Links[0].Ref())
	}
	var settings struct {
		Directory string `yaml:"directory"`
	}
	if err := Decode(d.Sources[0].Settings, &settings); err != nil || settings.Directory != "/export" {
		t.Errorf("settings %+v, %v", settings, err)
	}
	var other struct {
		Folder string `yaml:"folder"`
	}
	if err := Decode(d.Sources[0].Settings, &other); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("F69: an unknown key is taken: %v", err)
	}
	if p := d.Precedence(); len(p) != 1 || p[0] != d.Sources[0].Ref() {
		t.Errorf("precedence %v", p)
	}
}

func TestParseSaysEverythingThatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string // parts of the error
	}{
		"empty":       {"", []string{"empty"}},
		"unknown key": {good + "peper: x\n", []string{"peper"}},
		"how a source is read": {`
tenant: lund
pepper: env:PEPPER
sources:
  - {system: alvis, protected: sometimes, groupIds: never, canaries: {units: [S1, ""], persons: [" p1"]}}
`, []string{
			`sources[0].protected: "sometimes"`, "flag, omits, none", `sources[0].groupIds: "never"`, "sources[0].canaries.units[1]", "sources[0].canaries.persons[0]",
		}},
		"many": {`
tenant: Lund Gy
service: bronze
pepper: hunter2
sources:
  - system: alvis
  - system: alvis
links:
  - target: a.b
`, []string{
			`tenant: "Lund Gy" may only have`, "pepper: is not a reference", "sources: bronze has one source",
			"sources[1]: alvis/default is there twice", `links[0].target: "a.b"`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			if err == nil {
				t.Fatal("taken")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows what may be a secret: %v", err)
			}
		})
	}
}

func TestLoadDir(t *testing.T) {
	dir := t.TempDir()
	if _, err := LoadDir(dir); err == nil || !strings.Contains(err.Error(), "no tenant") {
		t.Errorf("an empty folder: %v", err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.yaml", good)
	if docs, err := LoadDir(dir); err != nil || len(docs) != 1 {
		t.Errorf("%d documents, %v", len(docs), err)
	}
	write("b.yaml", good)
	if docs, err := LoadDir(dir); err == nil || !strings.Contains(err.Error(), "already in") || len(docs) != 0 {
		t.Errorf("one tenant twice: %d documents, %v", len(docs), err)
	}
	write("b.yaml", "tenant: lund-gy\n")
	if docs, err := LoadDir(dir); err == nil || !strings.Contains(err.Error(), "b.yaml") || len(docs) != 1 {
		t.Errorf("a bad document beside a good one: %d documents, %v", len(docs), err)
	}
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TENANT_TEST_SECRET", "hunter2")
	t.Setenv("TENANT_TEST_EMPTY", "")
	for s, want := range map[Secret]string{
		Secret("file:" + path): "hunter2", "env:TENANT_TEST_SECRET": "hunter2", "env:TENANT_TEST_EMPTY": "", "file:/does/not/exist": "",
		"hunter2": "", "": "", "env:": "",
	} {
		got, err := s.Reveal()
		if string(got) != want || (err != nil) != (want == "") {
			t.Errorf("%s is %q, %v; want %q", s, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
	at := time.Unix(1_800_000_000, 0)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
	for s, want := range map[Secret]time.Time{Secret("file:" + path): at, "file:/does/not/exist": {}, "env:TENANT_TEST_SECRET": {}} {
		if got := s.Written(); !got.Equal(want) {
			t.Errorf("%s was written %v, want %v", s, got, want)
		}
	}
	t.Run("R8 never printed", func(t *testing.T) {
		s := Secret("hunter2") // written in the place of a reference
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s), string(text), s.LogValue().String()} {
			if strings.Contains(got, "hunter2") || strings.Contains(got, "68756e746572") {
				t.Errorf("printed as %q", got)
			}
		}
	})
}

func TestLeavingAndModes(t *testing.T) {
	d, err := Parse([]byte(good + `
    gap: 14d
    leave: [{after: 0d, do: leaveGroups}, {after: 120d, do: delete}]
    mode: active
  - target: other
quiet: ["06-10..08-20", "12-20..01-07"]
`))
	if err != nil {
		t.Fatal(err)
	}
	if l := d.Links[0]; l.Mode != Active || l.Gap != 14 || len(l.Leave) != 2 || l.Leave[1] != (Stage{120, Delete}) {
		t.Errorf("link %+v", l)
	}
	if l := d.Links[1]; l.Mode != Preview || len(l.Leave) != 3 || l.Leave[1] != (Stage{30, Disable}) {
		t.Errorf("a link that says nothing: %+v", l)
	}
	if len(d.Quiet) != 2 || d.Quiet[1].To != (Day{1, 7}) {
		t.Errorf("quiet %+v", d.Quiet)
	}
	for name, c := range map[string]struct{ text, want string }{
		"mode":    {"    mode: dry\n", `links[0].mode: "dry"`},
		"step":    {"    leave: [{after: 0d, do: destroy}]\n", `links[0].leave[0].do: "destroy"`},
		"order":   {"    leave: [{after: 30d, do: delete}, {after: 60d, do: disable}]\n", "links[0].leave[1]: stands after"},
		"earlier": {"    leave: [{after: 30d, do: disable}, {after: 3d, do: delete}]\n", "links[0].leave[1]: stands after"},
		"days":    {"    gap: 14\n", "not a number of days"},
		"season":  {"quiet: [\"juni\"]\n", "not a span of days"},
		"leap":    {"quiet: [\"02-29..03-01\"]\n", "not a span of days"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse([]byte(good + c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v does not say %s", err, c.want)
			}
		})
	}
}

func TestSecretsOfSettings(t *testing.T) {
	type login struct{ Password, Key Secret }
	config := &struct {
		Login  login
		Ref    *login
		List   []Secret
		Named  map[string]Secret
		Any    any
		hidden Secret
		Text   string
	}{
		Login: login{Password: "env:A"}, Ref: &login{Key: "env:B"}, List: []Secret{"env:C", "env:A"}, Named: map[string]Secret{"x": "env:D"},
		Any: login{Key: "env:E"}, hidden: "env:F", Text: "env:G",
	}
	var got []string
	for _, s := range Secrets(config) {
		got = append(got, s.String())
	}
	if want := "env:A env:B env:C env:D env:E"; strings.Join(got, " ") != want || config.hidden == "" {
		t.Errorf("found %v, want %s", got, want)
	}
}
