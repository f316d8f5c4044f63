package store

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// Two servers on one directory destroy what each has acknowledged: the second one is refused, and says who is first.
func TestADirectoryHasOneServer(t *testing.T) {
	dir := t.TempDir()
	first, err := Embedded(ServerOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Shutdown()
	second, err := Embedded(ServerOptions{Dir: dir})
	if err == nil {
		second.Shutdown()
		t.Fatal("two servers on one directory")
	}
	for _, want := range []string{dir, fmt.Sprintf("process %d", os.Getpid()), "stop that one first"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	s, err := Connect(t.Context(), Options{Server: first, Name: "test"})
	if err != nil {
		t.Fatalf("the first server suffers from the second: %v", err)
	}
	s.Close()
	first.Shutdown()
	if second, err = Embedded(ServerOptions{Dir: dir}); err != nil {
		t.Fatalf("after the first has stopped: %v", err)
	}
	second.Shutdown()
	if _, err := Embedded(ServerOptions{Dir: dir, ConfigFile: "/does/not/exist"}); err == nil {
		t.Fatal("a server without its configuration")
	}
	third, err := Embedded(ServerOptions{Dir: dir})
	if err != nil {
		t.Fatalf("after one that did not start: %v", err)
	}
	third.Shutdown()
}

// A process that is being started has the files of the one that starts it for a moment.
func TestADirectoryIsFreeAtOnceAlthoughAChildHasItsLockToo(t *testing.T) {
	dir := t.TempDir()
	f, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	child, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(child)
	if _, err := lock(dir); err == nil {
		t.Error("two have the directory")
	}
	unlock(f)
	next, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	unlock(next)
}
