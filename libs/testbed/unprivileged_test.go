package testbed_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"eventful.se/ess/libs/testbed"
)

func TestUnprivilegedMayNotReadWhatNobodyMay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "locked")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	was := os.Geteuid()
	back, err := testbed.Unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan error)
	go func() { // on whatever thread
		_, err := os.ReadFile(file)
		heard <- err
	}()
	if err := <-heard; !errors.Is(err, fs.ErrPermission) {
		t.Errorf("the file can be read (%v)", err)
	}
	if err := back(); err != nil || os.Geteuid() != was {
		t.Fatalf("back as user %d, was %d: %v", os.Geteuid(), was, err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Error(err)
	}
}
