package conformance

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// planted names what is broken on purpose in a process that [Planted] started.
const planted = "CONFORMANCE_PLANTED"

// Planted returns, in a process that [RunPlanted] started, the name that it was given, else nothing.
func Planted() string { return os.Getenv(planted) }

// RunPlanted runs a top-level test of the same test binary in a process of its own in which [Planted] returns name, and
// returns the report of the suite in it and everything that was printed; where cases are named, only they run. So a
// suite's own tests prove that it catches a connector that is broken on purpose, by which case, and with which words:
//
//	func TestTheSuiteCatches(t *testing.T) {
//		if name := conformance.Planted(); name != "" {
//			sourcetest.Test(t, broken[name])
//			return
//		}
//		for name := range broken {
//			report, printed := conformance.RunPlanted(t, "TestTheSuiteCatches", name, want[name])
//			…
//		}
//	}
func RunPlanted(t *testing.T, test, name string, cases ...string) (Report, string) {
	t.Helper()
	dir := t.TempDir()
	only := "^" + test + "$"
	var patterns []string
	for _, c := range cases {
		patterns = append(patterns, "^"+regexp.QuoteMeta(c)+"$")
	}
	if len(cases) > 0 {
		only += "/(" + strings.Join(patterns, "|") + ")" // without which each would be a test of its own
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+only, "-test.v", "-test.count=1", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), planted+"="+name, BoardDir+"="+dir)
	printed, err := cmd.CombinedOutput()
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	if len(files) != 1 {
		t.Fatalf("%s with %q wrote %d reports, want one: %v\n%s", test, name, len(files), err, printed)
	}
	data, err := os.ReadFile(files[0])
	var r Report
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r, string(printed)
}
