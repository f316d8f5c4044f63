package testbed

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// Options say what [SSHD] starts.
type Options struct {
	HostKeys []string // kinds of host key: ed25519, ecdsa, rsa; ed25519 when empty
	Config   []string // lines of sshd_config that go before ours
	ReadOnly bool     // the server changes nothing
}

// Server is a running sshd that serves SFTP to one user by key. It is not confined: Root is an absolute path on the
// machine, and where a relative path begins.
type Server struct {
	Addr         string // host:port
	Host         string
	Port         int
	Fingerprints []string // SHA256:… of the host keys, in the order of Options.HostKeys
	KnownHosts   []string // the same keys as lines of known_hosts
	User         string
	KeyFile      string // the user's private key, PEM
	Root         string // the directory to put files into
	log          *syncBuffer
}

// Log returns what sshd has said.
func (s *Server) Log() string { return s.log.String() }

// SSHD starts OpenSSH's sshd with internal-sftp; see [Need] for a machine without it.
func SSHD(t testing.TB, o Options) *Server {
	t.Helper()
	program := Need(t, "sshd")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" { // sshd as root refuses to start without its privilege separation directory
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	s := &Server{Host: "127.0.0.1", Port: freePort(t), User: me.Username, KeyFile: filepath.Join(dir, "key"), Root: filepath.Join(dir, "root"), log: &syncBuffer{}}
	s.Addr = fmt.Sprintf("%s:%d", s.Host, s.Port)
	if err := os.Mkdir(s.Root, 0o755); err != nil {
		t.Fatal(err)
	}
	public := writeKey(t, s.KeyFile, "ed25519")
	writeFile(t, filepath.Join(dir, "authorized"), ssh.MarshalAuthorizedKey(public))
	internal := "internal-sftp -d " + s.Root
	if o.ReadOnly {
		internal += " -R"
	}
	config := append(slices.Clone(o.Config), // sshd takes the first value of a setting
		fmt.Sprint("Port ", s.Port), "ListenAddress "+s.Host, "PidFile none", "UsePAM no", "StrictModes no",
		"PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin prohibit-password", "LogLevel VERBOSE",
		"AuthorizedKeysFile "+filepath.Join(dir, "authorized"), "ForceCommand "+internal, "Subsystem sftp internal-sftp",
	)
	if len(o.HostKeys) == 0 {
		o.HostKeys = []string{"ed25519"}
	}
	for _, kind := range o.HostKeys {
		file := filepath.Join(dir, "host-"+kind)
		key := writeKey(t, file, kind)
		config = append(config, "HostKey "+file)
		s.Fingerprints = append(s.Fingerprints, ssh.FingerprintSHA256(key))
		s.KnownHosts = append(s.KnownHosts, fmt.Sprintf("[%s]:%d %s", s.Host, s.Port, bytes.TrimSpace(ssh.MarshalAuthorizedKey(key))))
	}
	file := filepath.Join(dir, "sshd_config")
	writeFile(t, file, []byte(strings.Join(config, "\n")+"\n"))

	cmd := exec.Command(program, "-D", "-e", "-f", file)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	// A session's process outlives its parent and would hold the pipe of the log open.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-exited })
	s.await(t, exited)
	return s
}

// await returns when sshd takes connections.
func (s *Server) await(t testing.TB, exited <-chan struct{}) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		select {
		case <-exited:
			t.Fatalf("sshd ended:\n%s", s.Log())
		default:
		}
		if conn, err := net.Dial("tcp", s.Addr); err == nil {
			conn.Close()
			return
		}
	}
	t.Fatalf("sshd took no connection within 20 s:\n%s", s.Log())
}

// writeKey makes a private key of a kind, writes it as PEM, and returns its public half.
func writeKey(t testing.TB, file, kind string) ssh.PublicKey {
	t.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		t.Fatalf("no kind of key %q", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, pem.EncodeToMemory(block))
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func writeFile(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// syncBuffer is a buffer that a process writes to while a test reads it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
