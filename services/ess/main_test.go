package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"eventful.se/ess/libs/testbed"
)

// programs is where every program lies, built as it is shipped, and nats-server beside them.
var programs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "ess-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		programs = dir
		build := exec.Command("go", "build", "-o", dir, ".", "../essctl", "../source-alvis", "../source-educloud", "../source-manual", "../source-memory",
			"../target-apple-school-manager", "../target-active-directory", "../target-memory")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
			return 1
		}
		if _, err := testbed.BuildNATS(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// outcome is what a program that ended left behind.
type outcome struct {
	status         int
	stdout, stderr string
}

// ess runs the program to its end.
func ess(t testing.TB, args ...string) outcome { return essReading(t, "", args...) }

// essReading runs the program to its end, with something on standard input.
func essReading(t testing.TB, stdin string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(programs, "ess"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || !exit.Exited()) {
		t.Fatalf("ess %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// child is a program that runs until it is told to stop, or killed.
type child struct {
	cmd  *exec.Cmd
	log  transcript
	gone chan struct{} // closed when the process has ended
}

// start starts one of the programs, which is killed at the end of the test if it still runs.
func start(t testing.TB, environment []string, program string, args ...string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(filepath.Join(programs, program), args...), gone: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), environment...)
	c.cmd.Stdout, c.cmd.Stderr = &c.log, &c.log
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = c.cmd.Wait() // how it ended is asked of the ProcessState
		close(c.gone)
	}()
	t.Cleanup(c.kill)
	return c
}

// kill ends the process as a power cut would, and returns when it is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.gone
}

// terminate asks the process to stop, and returns its exit status and how long it took.
func (c *child) terminate(t testing.TB) (status int, took time.Duration) {
	t.Helper()
	begun := time.Now()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("SIGTERM: %v\n%s", err, c.log.String())
	}
	select {
	case <-c.gone:
	case <-time.After(30 * time.Second):
		t.Fatalf("the program did not end after SIGTERM:\n%s", c.log.String())
	}
	return c.cmd.ProcessState.ExitCode(), time.Since(begun)
}

// await returns when the program has logged a line that has every one of the parts.
func (c *child) await(t testing.TB, parts ...string) {
	t.Helper()
	until(t, "a line with "+strings.Join(parts, ", "), &c.log, func() bool {
		select {
		case <-c.gone:
			if !c.log.has(parts) {
				t.Fatalf("the program ended and had no line with %q:\n%s", parts, c.log.String())
			}
		default:
		}
		return c.log.has(parts)
	})
}

// patience is how long a test waits for what has to come, on a machine that has much else to do.
const patience = 90 * time.Second

// until returns when done does; it fails the test when that takes too long, with what the program said.
func until(t testing.TB, what string, log fmt.Stringer, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within %s:\n%s", what, patience, log)
		}
	}
}

// transcript is what a program writes, to be read while it does.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// has tells whether a whole line has every one of the parts.
func (l *transcript) has(parts []string) bool {
	lines := strings.SplitAfter(l.String(), "\n")
next:
	for _, line := range lines[:len(lines)-1] {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue next
			}
		}
		return true
	}
	return false
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
