package golden

import (
	"os"
	"os/exec"
	"testing"
)

// RunPlanted runs a top-level test of the same test binary in a process of its own, in a folder that has cases, so that the
// tests of a runner prove that a case can fail. It returns whether the test passed, and everything that it printed.
func RunPlanted(t *testing.T, test, dir string, args ...string) (passed bool, printed string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"-test.run=^" + test + "$", "-test.count=1", "-test.timeout=2m"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return err == nil, string(out)
}
