package sftpserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"eventful.se/ess/libs/transport/sftp/sftpserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "a password"

func start(t *testing.T, o sftpserver.Options) *sftpserver.Server {
	t.Helper()
	o.User, o.Password = "demo", password
	s, err := sftpserver.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func signIn(s *sftpserver.Server, user, password string) (*ssh.Client, error) {
	return ssh.Dial("tcp", s.Addr(), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.Password(password)}, Timeout: 5 * time.Second,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if got := ssh.FingerprintSHA256(key); got != s.Fingerprint() {
				return fmt.Errorf("host key is %s, the server says %s", got, s.Fingerprint())
			}
			return nil
		},
	})
}

func client(t *testing.T, s *sftpserver.Server) *sftp.Client {
	t.Helper()
	conn, err := signIn(s, "demo", password)
	if err != nil {
		t.Fatal(err)
	}
	c, err := sftp.NewClient(conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); conn.Close(); conn.Wait() })
	return c
}

// TestConfined is F51: no path and no link leads out of the directory.
func TestConfined(t *testing.T) {
	top := t.TempDir()
	inside, outside := filepath.Join(top, "inside"), filepath.Join(top, "outside")
	for _, dir := range []string{inside, outside} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"file": secret, "dir": outside, "up": "../outside", "new": filepath.Join(outside, "made")} {
		if err := os.Symlink(target, filepath.Join(inside, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(inside, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := client(t, start(t, sftpserver.Options{Dir: inside}))
	for _, name := range []string{"/file", "/dir/secret", "/up/secret", "../outside/secret", "/../outside/secret", "/dir/../../outside/secret", secret, "/new", "/dir/made"} {
		if f, err := c.Open(name); err == nil {
			b, err := io.ReadAll(f)
			t.Errorf("read %q through %s, %v", b, name, err)
		}
		if f, err := c.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC); err == nil {
			f.Close()
		}
		if info, err := c.Stat(name); err == nil && info.Size() == int64(len("secret")) {
			t.Errorf("saw the file through %s", name)
		}
		for what, err := range map[string]error{
			"truncate": c.Truncate(name, 0), "chmod": c.Chmod(name, 0o777), "chtimes": c.Chtimes(name, time.Now(), time.Now()),
			"mkdir": c.Mkdir(name), "symlink": c.Symlink(secret, "/made"), "link": c.Link(name, "/made"),
		} {
			if err == nil && name != "../outside/secret" {
				t.Errorf("%s of %s was done", what, name)
			}
		}
	}
	for _, to := range []string{"/dir/mine", "/up/mine", "../outside/mine"} {
		if err := c.PosixRename("/mine", to); err == nil {
			t.Errorf("renamed to %s", to)
		}
	}
	if entries, err := c.ReadDir("/dir"); err == nil {
		t.Errorf("listed %d entries outside", len(entries))
	}
	if b, err := os.ReadFile(secret); err != nil || string(b) != "secret" {
		t.Errorf("the file outside holds %q, %v", b, err)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) != 1 {
		t.Errorf("outside holds %v, %v", left, err)
	}
	for _, name := range []string{"/dir", "/file"} {
		_, err := c.Stat(name)
		if err == nil || strings.Contains(err.Error(), top) {
			t.Errorf("Stat of %s: %v, want an error without the machine's paths", name, err)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	c := client(t, start(t, sftpserver.Options{Dir: dir}))
	steps := []struct {
		name string
		do   func() error
	}{
		{"mkdir", func() error { return c.Mkdir("/d") }},
		{"create", func() error {
			f, err := c.Create("/d/a")
			if err != nil {
				return err
			}
			_, err = f.Write(bytes.Repeat([]byte("x"), 100_000))
			return errors.Join(err, f.Close())
		}},
		{"truncate", func() error { return c.Truncate("/d/a", 5) }},
		{"chtimes", func() error { return c.Chtimes("/d/a", time.Unix(1e9, 0), time.Unix(1e9, 0)) }},
		{"stat", func() error {
			info, err := c.Stat("d/a")
			if err == nil && (info.Size() != 5 || info.ModTime().Unix() != 1e9) {
				err = fmt.Errorf("is %d bytes of %s", info.Size(), info.ModTime())
			}
			return err
		}},
		{"rename", func() error { return c.Rename("/d/a", "/d/b") }},
		{"list", func() error {
			entries, err := c.ReadDir("/d")
			if err == nil && (len(entries) != 1 || entries[0].Name() != "b") {
				err = fmt.Errorf("has %v", entries)
			}
			return err
		}},
		{"remove", func() error { return c.Remove("/d/b") }},
		{"rmdir", func() error { return c.RemoveDirectory("/d") }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	for name, err := range map[string]error{"open": openErr(c), "remove": c.Remove("/none"), "rename": c.Rename("/none", "/x")} {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
}

func openErr(c *sftp.Client) error { _, err := c.Open("/none"); return err }

func TestSignIn(t *testing.T) {
	s := start(t, sftpserver.Options{Dir: t.TempDir()})
	for name, as := range map[string][2]string{"password": {"demo", "wrong"}, "user": {"other", password}, "nothing": {"", ""}} {
		if c, err := signIn(s, as[0], as[1]); err == nil {
			c.Close()
			t.Errorf("wrong %s was let in", name)
		}
	}
}

func TestOnlySFTP(t *testing.T) {
	s := start(t, sftpserver.Options{Dir: t.TempDir()})
	conn, err := signIn(s, "demo", password)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Wait()
	defer conn.Close()
	session, err := conn.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.Run("id"); err == nil {
		t.Error("a command was run")
	}
	if c, err := conn.Dial("tcp", s.Addr()); err == nil {
		c.Close()
		t.Error("a connection was forwarded")
	}
}

func TestManyClients(t *testing.T) {
	dir := t.TempDir()
	s := start(t, sftpserver.Options{Dir: dir})
	var wg sync.WaitGroup
	for i := range 16 {
		c := client(t, s)
		wg.Go(func() {
			name, want := fmt.Sprintf("/f%d", i), bytes.Repeat([]byte{byte(i)}, 200_000)
			f, err := c.Create(name)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := f.Write(want); err != nil {
				t.Error(err)
			}
			f.Close()
			if f, err = c.Open(name); err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s differs, error %v", name, err)
			}
		})
	}
	wg.Wait()
}

func TestStart(t *testing.T) {
	good := sftpserver.Options{Dir: t.TempDir(), User: "demo", Password: password}
	for name, change := range map[string]func(*sftpserver.Options){
		"no user":          func(o *sftpserver.Options) { o.User = "" },
		"no credential":    func(o *sftpserver.Options) { o.Password = "" },
		"no directory":     func(o *sftpserver.Options) { o.Dir += "/none" },
		"every address":    func(o *sftpserver.Options) { o.Addr = ":0" },
		"a public address": func(o *sftpserver.Options) { o.Addr = "0.0.0.0:0" },
		"no port":          func(o *sftpserver.Options) { o.Addr = "127.0.0.1" },
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			change(&o)
			if s, err := sftpserver.Start(t.Context(), o); err == nil {
				s.Close()
				t.Error("it started")
			}
		})
	}
}

func TestStop(t *testing.T) {
	for _, how := range []string{"context", "close", "both"} {
		t.Run(how, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, err := sftpserver.Start(ctx, sftpserver.Options{Dir: t.TempDir(), User: "demo", Password: password})
			if err != nil {
				t.Fatal(err)
			}
			c := client(t, s)
			idle, err := net.Dial("tcp", s.Addr()) // never signs in
			if err != nil {
				t.Fatal(err)
			}
			defer idle.Close()
			if how != "close" {
				cancel()
				c.Wait()
			}
			if how != "context" {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if _, err := c.ReadDir("/"); err == nil {
				t.Error("the connection lives on")
			}
			if conn, err := net.Dial("tcp", s.Addr()); err == nil {
				conn.Close()
				t.Error("it still listens")
			}
		})
	}
}
