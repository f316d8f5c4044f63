package golden

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// flaw is the environment variable that names what is broken in a process that [Plot.Run] started.
const flaw = "GOLDEN_FLAW"

// Planted returns, in a process that [Plot.Run] started, what is broken there on purpose, which may be nothing. In any other
// process it skips the test: its cases are planted by another one.
func Planted(t *testing.T) string {
	t.Helper()
	name, ok := os.LookupEnv(flaw)
	if !ok {
		t.Skip("does not apply: it runs on the cases that another test plants")
	}
	return name
}

// Plot is a folder with planted cases and a test that runs on them, by which the tests of a runner prove that a case can
// fail:
//
//	func TestFakeCases(t *testing.T) { sourcetest.Cases(t, fake(golden.Planted(t)), …) }
//
//	func TestACaseCanFail(t *testing.T) {
//		plot := golden.Plot{Test: "TestFakeCases", Dir: t.TempDir()}
//		plot.Write(t, "renamed/settings.yaml", "name: x\n")
//		…
//		plot.Catches(t, "renamed", "givenName: Testa")
//	}
type Plot struct {
	Test string // a top-level test of this package
	Dir  string
}

// Write writes a file of a case.
func (p Plot) Write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.Dir, cases, name)
	err := os.MkdirAll(filepath.Dir(path), 0o750)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Run runs the test in a process of its own, in which [Planted] returns broken. It returns whether the test passed, and
// everything that it printed.
func (p Plot) Run(t *testing.T, broken string, args ...string) (passed bool, printed string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"-test.run=^" + p.Test + "$", "-test.count=1", "-test.timeout=2m"}, args...)...)
	cmd.Dir, cmd.Env = p.Dir, append(os.Environ(), flaw+"="+broken)
	out, err := cmd.CombinedOutput()
	return err == nil, string(out)
}

// Catches has a case written with -update, and proves that it passes then, and that it fails and shows the difference when
// any of the lines that came out is expected to be another.
func (p Plot) Catches(t *testing.T, name string, lines ...string) {
	t.Helper()
	for _, args := range [][]string{{"-update"}, nil} {
		if passed, printed := p.Run(t, "", args...); !passed {
			t.Fatalf("with %v it printed\n%s", args, printed)
		}
	}
	file := filepath.Join(name, Expected)
	data, err := os.ReadFile(filepath.Join(p.Dir, cases, file))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		t.Run(line, func(t *testing.T) {
			if !strings.Contains(string(data), line) {
				t.Fatalf("nothing expects %q:\n%s", line, data)
			}
			p.Write(t, file, strings.Replace(string(data), line, "planted", 1))
			if passed, printed := p.Run(t, ""); passed || !strings.Contains(printed, "planted") || !strings.Contains(printed, line) {
				t.Errorf("a wrong expectation passed or was not shown:\n%s", printed)
			}
		})
	}
	p.Write(t, file, string(data))
}

// Shows proves that the cases catch what is broken, by what each flaw has the difference show; nothing for a flaw that no
// case is about.
func (p Plot) Shows(t *testing.T, flaws map[string]string) {
	t.Helper()
	for broken, shows := range flaws {
		if passed, printed := p.Run(t, broken); passed != (shows == "") || !strings.Contains(printed, shows) {
			t.Errorf("%q: passed is %v, want it to show %q; it printed\n%s", broken, passed, shows, printed)
		}
	}
}
