// Package testbed starts real peers for tests: each on a loopback address and a free port, in a directory of its own,
// stopped by the process that was started. Only tests import it.
//
// A peer whose program is missing skips the test with a reason; with TESTBED=required in the environment it fails the
// test, so that a green run means that the peers ran.
package testbed

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Need returns the path of a program, or skips the test; it fails the test when TESTBED=required.
func Need(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	// Where servers live, and an ordinary user's PATH does not lead.
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/lib/openssh"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	if os.Getenv("TESTBED") == "required" {
		t.Fatalf("%s is not installed, and TESTBED=required", name)
	}
	t.Skipf("%s is not installed: this test needs the real program", name)
	return ""
}

// freePort returns a port that was free a moment ago, for programs that cannot report one that they chose.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
