package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/target/targettest"
)

// workspace returns a copy of the services beside the real libs and proto, so that a scaffold has a place of its own.
func workspace(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "services"), os.DirFS(filepath.Join(root, "services"))); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "services", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	mod = bytes.ReplaceAll(mod, []byte("=> ../"), []byte("=> "+root+"/")) // as the other two modules have it
	work := fmt.Sprintf("go 1.26.0\n\nuse (\n\t%q\n\t%q\n\t./services\n)\n", filepath.Join(root, "proto"), filepath.Join(root, "libs"))
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	for name, data := range map[string][]byte{"go.work": []byte(work), "README.md": readme, "services/go.mod": mod} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// in runs the go command in a workspace.
func in(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(dir, "go.work"), "BOARD_DIR="+filepath.Join(dir, "board"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// What is made compiles, is listed, and passes its suite; the two halves of one system stand beside each other.
func TestWhatIsMadePassesItsSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("does not apply: it builds and runs two suites, which -short leaves out")
	}
	dir := workspace(t)
	for _, kind := range []Kind{Source, Target} {
		var out, errs bytes.Buffer
		if status := run(t.Context(), []string{string(kind), "--name", "prov-system", "--title", "Provsystemet", "--root", dir}, &out, &errs); status != 0 {
			t.Fatalf("%s: %s", kind, errs.String())
		}
		if says := "services/" + string(kind) + "-prov-system/provsystem/config.go\n"; !strings.Contains(out.String(), says) {
			t.Errorf("it does not say that it made %s:\n%s", says, out.String())
		}
	}
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"source", "--name", "prov-api", "--like", "quiculum", "--root", dir}, &out, &errs); status != 0 {
		t.Fatalf("one more register of SS 12000: %s", errs.String())
	}
	made := []string{"./services/source-prov-system/...", "./services/target-prov-system/...", "./services/source-prov-api/..."}
	in(t, dir, append([]string{"vet", "./services/connectors"}, made...)...)
	in(t, dir, append([]string{"test", "-count=1"}, made...)...)
	for path, has := range map[string]string{
		"services/connectors/connectors.go":                         `targetprovsystem "eventful.se/ess/services/target-prov-system/provsystem"`,
		"services/source-prov-system/provsystem/provsystem.go":      `"Provsystemet"`,
		"services/source-prov-system/sample.yaml":                   "schema.json\n# Provsystemet: one source of a tenant.",
		"services/source-prov-api/sample.yaml":                      "- system: prov-api\n",
		"services/source-prov-api/provapi/provapi.go":               `System: "prov-api",`,
		"services/target-prov-system/sample.yaml":                   "- target: prov-system\n",
		"services/target-prov-system/main.go":                       "// Command target-prov-system keeps Provsystemet equal to the roster.\n",
		"services/target-prov-system/provsystem/provsystem.go":      "// Package provsystem keeps Provsystemet equal to the roster.\n",
		"services/source-prov-system/README.md":                     "# source-prov-system\n",
		"README.md":                                                 "| Provsystemet | target: " + Mark,
		"board/source-prov-system.TestConformance.json":             `"connector": "source-prov-system"`,
		"board/target-prov-system.TestSuite.json":                   `"connector": "target-prov-system"`,
		"services/source-prov-system/provsystem/provsystem_test.go": "func TestConformance",
	} {
		data, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil || !strings.Contains(string(data), has) {
			t.Errorf("%s has no %q (%v)", path, has, err)
		}
	}
	for path, text := range texts(t, filepath.Join(dir, "services", "source-prov-api")) {
		text = strings.ReplaceAll(text, "ss12000server.Quiculum", "") // the server that it is like
		if left := regexp.MustCompile(`(?i)quiculum`).FindString(text); left != "" {
			t.Errorf("%s still speaks of %q", path, left)
		}
	}
	for _, kind := range []string{"source", "target"} {
		for path, text := range texts(t, filepath.Join(dir, "services", kind+"-prov-system")) {
			if left := regexp.MustCompile(`(source|target)-memory|[pP]ackage memory|memory\.(go|Connector)`).FindString(text); left != "" {
				t.Errorf("%s still speaks of %q", path, left)
			}
		}
	}
}

func TestWhatCannotBeMadeIsRefusedAndNothingIsWritten(t *testing.T) {
	dir := workspace(t)
	before := texts(t, dir)
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no kind":                  {[]string{"--name", "x"}, "accepts 1 arg"},
		"another kind":             {[]string{"sauce", "--name", "x"}, `invalid argument "sauce"`},
		"no name":                  {[]string{"source"}, `name is ""`},
		"a name in capitals":       {[]string{"source", "--name", "Alvis"}, `name is "Alvis": write lower-case letters`},
		"a name that ends so":      {[]string{"source", "--name", "alvis-"}, `name is "alvis-"`},
		"a name that is a path":    {[]string{"source", "--name", "../x"}, `name is "../x"`},
		"one that is there":        {[]string{"target", "--name", "memory"}, "services/target-memory is there already"},
		"a title that breaks Go":   {[]string{"source", "--name", "x", "--title", `a"b`}, "title is"},
		"like nothing there is":    {[]string{"source", "--name", "x", "--like", "y"}, "there is no services/source-y to copy: name a source that is there"},
		"like what is no name":     {[]string{"source", "--name", "x", "--like", "../y"}, `like is "../y"`},
		"a package with a hyphen":  {[]string{"source", "--name", "x", "--package", "a-b"}, `package is "a-b"`},
		"a word of Go":             {[]string{"source", "--name", "func"}, `uses the word "func" for something else: give the package another name`},
		"a word of the template":   {[]string{"target", "--name", "unit"}, `uses the word "unit" for something else`},
		"no workspace":             {[]string{"source", "--name", "x", "--root", t.TempDir()}, "there is no go.work"},
		"everything at once, said": {[]string{"source", "--name", "X", "--package", "Y"}, "package is"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			args := c.args
			if !slices.Contains(args, "--root") {
				args = append(args, "--root", dir)
			}
			if status := run(t.Context(), args, &out, &errs); status == 0 || !strings.Contains(errs.String(), c.says) {
				t.Errorf("status %d, it says %q, want %q", status, errs.String(), c.says)
			}
		})
	}
	if after := texts(t, dir); len(after) != len(before) {
		t.Errorf("there are %d files, and there were %d", len(after), len(before))
	}
}

// What a scaffold leaves to its author is written before a connector is in the tree.
func TestNoConnectorHasSomethingLeftToWrite(t *testing.T) {
	paths, err := filepath.Glob("../*-*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no connectors: %v", err)
	}
	for _, folder := range append(paths, "../../README.md") {
		for path, text := range texts(t, folder) {
			for i, line := range strings.Split(text, "\n") {
				if _, what, ok := strings.Cut(line, Mark); ok {
					t.Errorf("%s:%d: still to be written:%s", path, i+1, what)
				}
			}
		}
	}
}

// The guide tells of every method and claim of the suites, quotes cases that there are, and links to what is there.
func TestTheGuideSaysWhatTheSuitesAsk(t *testing.T) {
	const guide = "../../docs/add-a-connector.md"
	text := texts(t, guide)[guide]
	for what, of := range map[string]reflect.Type{
		"the register of a source": reflect.TypeFor[sourcetest.Register](), "a claim of a source": reflect.TypeFor[sourcetest.Claims](),
		"the peer of a target": reflect.TypeFor[targettest.Peer](), "a claim of a target": reflect.TypeFor[targettest.Claims](),
	} {
		var names []string
		if of.Kind() == reflect.Interface {
			for m := range of.Methods() {
				names = append(names, m.Name)
			}
		} else {
			for f := range of.Fields() {
				names = append(names, f.Name)
			}
		}
		for _, name := range names {
			if !strings.Contains(text, "`"+name+"`") {
				t.Errorf("the guide says nothing of %s, which is of %s", name, what)
			}
		}
	}
	suites := strings.Join(slices.Collect(maps.Values(texts(t, "../../libs/source/sourcetest"))), "") + strings.Join(slices.Collect(maps.Values(texts(t, "../../libs/target/targettest"))), "")
	_, mistakes, _ := strings.Cut(text, "## Mistakes that others made")
	quoted := regexp.MustCompile(`\| "(.+)" \|\n`).FindAllStringSubmatch(mistakes, -1)
	if len(quoted) < 11 {
		t.Errorf("the guide names %d cases that catch mistakes, want 11", len(quoted))
	}
	for _, q := range quoted {
		name, _, _ := strings.Cut(q[1], ": ") // after it comes a fault of the register
		if !strings.Contains(suites, `"`+name) {
			t.Errorf("no suite has the case %q", q[1])
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("../../docs", link[1])); err != nil {
			t.Errorf("a link of the guide leads nowhere: %v", err)
		}
	}
}

// texts returns what stands in a file, or in the files of a folder.
func texts(t *testing.T, folder string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		out[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
