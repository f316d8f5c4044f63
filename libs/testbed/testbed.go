// Package testbed starts real peers for tests: each on a loopback address and a free port, in a directory of its own,
// stopped by the process that was started. Only tests import it.
//
// A peer whose program is missing skips the test with a reason; with TESTBED=required in the environment it fails the
// test, so that a green run means that the peers ran.
package testbed

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
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

// FreeAddr returns an address on the loopback interface that is free, for a program that listens there later, and again after
// a restart.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", freePort(t))
}

// The ports of programs: below those that the system gives to connections, of which one could take the place of a program that
// is away for a moment. Each process that tests begins at another one.
const (
	firstPort, ports = 10_000, 20_000
	portsOfProcess   = 50
)

var nextPort = sync.OnceValue(func() *atomic.Int64 {
	var n atomic.Int64
	n.Store(int64(os.Getpid()) * portsOfProcess)
	return &n
})

func freePort(t testing.TB) int {
	t.Helper()
	for range ports {
		port := firstPort + int(nextPort().Add(1)%ports)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
