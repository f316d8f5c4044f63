package testbed_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"eventful.se/ess/libs/testbed"
)

// skipped records how a test was ended.
type skipped struct {
	testing.TB
	how string
}

func (s *skipped) Helper()               {}
func (s *skipped) Skipf(string, ...any)  { s.how = "skipped" }
func (s *skipped) Fatalf(string, ...any) { s.how = "failed"; panic(s) }

func TestNeed(t *testing.T) {
	need := func(value, name string) (how string) {
		t.Setenv("TESTBED", value)
		s := &skipped{TB: t}
		defer func() { _ = recover(); how = s.how }()
		testbed.Need(s, name)
		return s.how
	}
	for _, tt := range []struct{ value, name, want string }{
		{"", "no-such-program", "skipped"}, {"required", "no-such-program", "failed"}, {"required", "sh", ""},
	} {
		if got := need(tt.value, tt.name); got != tt.want {
			t.Errorf("TESTBED=%s, %s: %q, want %q", tt.value, tt.name, got, tt.want)
		}
	}
}

func TestProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	p := testbed.NewProxy(t, l.Addr().String(), testbed.Cut{Down: 7}, testbed.Cut{Up: 3}, testbed.Cut{})
	for i, want := range []int{7, 3, 10} {
		c, err := net.Dial("tcp", net.JoinHostPort(p.Host, strconv.Itoa(p.Port)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("0123456789")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 10)
		if n, _ := io.ReadFull(c, got); n > want || !bytes.HasPrefix([]byte("0123456789"), got[:n]) || i == 2 && n != want {
			t.Errorf("connection %d: %q, want at most %d bytes", i, got[:n], want)
		}
		c.Close()
	}
	if p.Accepted() != 3 {
		t.Errorf("%d connections, want 3", p.Accepted())
	}
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", net.JoinHostPort(p.Host, strconv.Itoa(p.Port)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	echo := func(c net.Conn) error {
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	old := dial()
	if err := echo(old); err != nil {
		t.Fatal(err)
	}
	p.Hang(true)
	p.Hang(true)
	if _, err := old.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := old.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("something came through a proxy that hangs: %v", err)
	}
	p.Hang(false)
	if err := old.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(old, make([]byte, 1)); err != nil {
		t.Errorf("what waited in a proxy that hung: %v", err)
	}
	p.Away(true)
	if err := echo(old); err == nil {
		t.Error("a connection goes on through a proxy that is away")
	}
	if err := echo(dial()); err == nil {
		t.Error("a connection was made through a proxy that is away")
	}
	p.Away(false)
	if err := echo(dial()); err != nil {
		t.Errorf("after it was away: %v", err)
	}
}
