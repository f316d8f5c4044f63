package testbed

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Postgres is a running PostgreSQL server that takes connections over TLS and without, by password but for its
// superuser, who needs none.
type Postgres struct {
	Addr      string // host:port
	Host      string
	Port      int
	CAFile    string // who signed its certificate, PEM
	Superuser string
	log       *syncBuffer
}

// Log returns what the server has said.
func (p *Postgres) Log() string { return p.log.String() }

// URL returns the address by which the superuser connects to a database.
func (p *Postgres) URL(database string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", p.Superuser, p.Addr, database)
}

// StartPostgres starts PostgreSQL; see [Need] for a machine without it. The server refuses to run as root, so root runs it
// as the user postgres.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	initdb, program := needPostgres(t, "initdb"), needPostgres(t, "postgres")
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	p := &Postgres{Host: "127.0.0.1", Port: freePort(t), Superuser: "superuser", log: &syncBuffer{}}
	p.Addr = net.JoinHostPort(p.Host, strconv.Itoa(p.Port))
	attributes := serverUser(t, dir)
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = dir, attributes, p.log, p.log
		return cmd
	}
	if err := run(initdb, "-D", data, "-U", p.Superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "-N").Run(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, p.Log())
	}
	const everybody = "all"
	ca := NewCA(t)
	p.CAFile = ca.File
	cert, key := ca.Issue(Cert{Names: []string{p.Host, "localhost"}})
	for name, content := range map[string]string{
		"server.crt": string(cert), "server.key": string(key),
		"pg_hba.conf": "host all " + p.Superuser + " 127.0.0.1/32 trust\nhost all " + everybody + " 127.0.0.1/32 scram-sha-256\n",
	} {
		file := filepath.Join(data, name)
		writeFile(t, file, []byte(content))
		own(t, file, attributes)
	}
	cmd := run(program, "-D", data, "-p", strconv.Itoa(p.Port), "-c", "listen_addresses="+p.Host, "-c", "unix_socket_directories=",
		"-c", "fsync=off", "-c", "ssl=on", "-c", "ssl_cert_file=server.crt", "-c", "ssl_key_file=server.key", "-c", "shared_buffers=32MB")
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT) // its own children end with it
		<-exited
	})
	p.await(t, exited)
	return p
}

// await returns when the server takes connections.
func (p *Postgres) await(t testing.TB, exited <-chan struct{}) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		select {
		case <-exited:
			t.Fatalf("postgres ended:\n%s", p.Log())
		default:
		}
		if strings.Contains(p.Log(), "ready to accept connections") {
			return
		}
	}
	t.Fatalf("postgres took no connection within a minute:\n%s", p.Log())
}

// needPostgres finds a program of PostgreSQL, which some systems keep apart by version.
func needPostgres(t testing.TB, name string) string {
	t.Helper()
	if found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); err == nil && len(found) > 0 {
		return found[len(found)-1]
	}
	return Need(t, name)
}

// serverUser returns who a server that refuses to be root runs as, and gives her a directory; nil for who runs the test.
func serverUser(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	if errUID != nil || errGID != nil {
		t.Fatalf("the user postgres has the ids %s and %s", u.Uid, u.Gid)
	}
	a := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	own(t, dir, a)
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return a
}

func own(t testing.TB, file string, a *syscall.SysProcAttr) {
	t.Helper()
	if a == nil {
		return
	}
	if err := os.Chown(file, int(a.Credential.Uid), int(a.Credential.Gid)); err != nil {
		t.Fatal(err)
	}
}
