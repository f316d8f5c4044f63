// Package sftptest is the other side of every source that fetches an export from an SFTP server: such a server in the test's
// process, which the suite of [sourcetest] fills and breaks, and which golden cases fill.
package sftptest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
)

// Password is what the account of the connector signs in with.
const Password = "hush-by-the-sea"

// Export is what a register writes.
type Export struct {
	File string // its name
	// Of writes a town, and Late does so but for something that cannot be read behind the middle.
	Of, Late func(sourcetest.Town) ([]byte, error)
}

// Register is a system that exports, and the SFTP server on which the export lies.
type Register struct {
	Dir string // what the server serves

	export Export
	secret string // the file with the password
	key    ssh.Signer
	addr   string
	server *sftpserver.Server
	before atomic.Pointer[func(method string) error] // what happens before a request
	hung   chan struct{}                             // closed when the server answers again
	town   sourcetest.Town
	whole  []byte
}

// New starts a server without an export. It ends with the test.
func New(t testing.TB, e Export) *Register {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	r := &Register{Dir: t.TempDir(), export: e, secret: filepath.Join(t.TempDir(), "password"), key: key, addr: "127.0.0.1:0"}
	if err := errors.Join(os.WriteFile(r.secret, []byte(Password+"\n"), 0o600), r.start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.server.Close() })
	r.addr = r.server.Addr()
	return r
}

// start starts the server as it should be, but for what change does.
func (r *Register) start(change ...func(*sftpserver.Options)) (err error) {
	o := sftpserver.Options{
		Dir: r.Dir, User: "kommun", Password: Password, HostKey: r.key, Addr: r.addr,
		Before: func(method, _ string) error {
			if do := r.before.Load(); do != nil {
				return (*do)(method)
			}
			return nil
		},
	}
	for _, do := range change {
		do(&o)
	}
	r.server, err = sftpserver.Start(context.Background(), o)
	return err
}

func (r *Register) restart(change ...func(*sftpserver.Options)) error {
	return errors.Join(r.server.Close(), r.start(change...))
}

// SFTP returns the settings by which a client reaches the server, in one line of YAML.
func (r *Register) SFTP() string {
	host, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("{host: %s, port: %s, user: kommun, password: 'file:%s', hostKeys: ['%s'], connectTimeout: 5s}",
		host, port, r.secret, r.server.Fingerprint())
}

// Beside returns the other side of golden cases of a source that reads an API or files: a case holds what its settings
// read, and ${sftp} stands in them.
func Beside(t testing.TB, api sourcetest.Side) sourcetest.Side {
	t.Helper()
	r := New(t, Export{})
	files := sourcetest.Folder(r.Dir)
	values := maps.Clone(api.Values)
	values["sftp"] = r.SFTP()
	return sourcetest.Side{Values: values, Hold: func(folder string, at time.Time) error {
		return errors.Join(api.Hold(folder, at), files(folder, at))
	}}
}

// Steps returns the step of a check that fails by each fault.
func Steps() map[sourcetest.Fault]string {
	return map[sourcetest.Fault]string{
		sourcetest.Unreachable: "connect", sourcetest.SignIn: "sign-in", sourcetest.OtherPeer: "host key",
		sourcetest.Rights: "directory", sourcetest.Nothing: "newest",
	}
}

// Hold exports a town.
func (r *Register) Hold(t sourcetest.Town) (err error) {
	r.town = t
	if r.whole, err = r.export.Of(t); err != nil {
		return err
	}
	return r.put(r.whole)
}

func (r *Register) put(data []byte) error {
	path := filepath.Join(r.Dir, r.export.File)
	return errors.Join(os.WriteFile(path, data, 0o600), os.Chtimes(path, r.town.At, r.town.At))
}

func (r *Register) write(of func(sourcetest.Town) ([]byte, error), t sourcetest.Town) error {
	data, err := of(t)
	return errors.Join(err, r.put(data))
}

// Break breaks the server or the export.
func (r *Register) Break(f sourcetest.Fault) (string, error) {
	when := func(do func(method string) error) (string, error) {
		r.before.Store(&do)
		return "", nil
	}
	switch f {
	case sourcetest.Unreachable:
		return "", r.server.Close()
	case sourcetest.SignIn:
		return "", r.restart(func(o *sftpserver.Options) { o.Password = "another" })
	case sourcetest.OtherPeer:
		return "", r.restart(func(o *sftpserver.Options) { o.HostKey = nil })
	case sourcetest.Rights:
		return when(func(method string) error {
			if method == "List" {
				return os.ErrPermission
			}
			return nil
		})
	case sourcetest.Hang:
		r.hung = make(chan struct{})
		until := r.hung
		return when(func(string) error { <-until; return nil })
	case sourcetest.Slow:
		return when(func(string) error { time.Sleep(20 * time.Millisecond); return nil })
	case sourcetest.Nothing:
		return "", os.Remove(filepath.Join(r.Dir, r.export.File))
	case sourcetest.Empty:
		return "", r.write(r.export.Of, sourcetest.Town{At: r.town.At})
	case sourcetest.Cut:
		return "", r.put(r.whole[:len(r.whole)/2])
	case sourcetest.Garbage:
		return "", r.put([]byte("<html>Kanarina Voljärsdotter</html>"))
	case sourcetest.GarbageLate:
		return "", r.write(r.export.Late, r.town)
	default:
		return "", fmt.Errorf("no such fault: %q", f)
	}
}

// Mend starts the server anew, with the export that it had.
func (r *Register) Mend() error {
	r.before.Store(nil)
	if r.hung != nil {
		close(r.hung)
		r.hung = nil
	}
	err := r.server.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil // it was down
	}
	return errors.Join(err, r.start(), r.put(r.whole))
}
