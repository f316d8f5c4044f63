package testbed

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The domain of every [SambaAD].
const (
	SambaBaseDN        = "DC=skola,DC=test"
	SambaServerName    = "dc1.skola.test"
	SambaAdminUPN      = "Administrator@skola.test"
	SambaAdminPassword = "Adm1n-Pass!word"
)

// SambaOptions say what [StartSambaAD] starts.
type SambaOptions struct {
	Cert    Cert // its certificate; without Names it is good for the server's name and address
	NoNames bool // a certificate without subjectAltName
	CA      *CA  // who signs it; nil for one of its own
}

// SambaAD is a domain controller of Active Directory with a domain of its own: Samba, LDAP only, at a loopback address
// of its own because the ports are fixed (389 and 636).
//
// It is laxer than Windows: it takes long and odd account names, enables accounts without a password, has no limit of
// 1,000 entries or 1,500 values, and compares names without case but with accents. For that, see adfake.
type SambaAD struct {
	Addr              string // the address, without port
	URL               string // ldaps://Addr
	PlainURL          string // ldap://Addr, for StartTLS
	ServerName        string // the name in its certificate, beside the address
	CAFile            string // who signed its certificate, PEM
	BaseDN            string
	AdminUPN          string
	AdminPassword     string
	AdminPasswordFile string // the same in a file
	Dir               string // where it lives

	t    testing.TB
	log  syncBuffer
	mu   sync.Mutex
	cmd  *exec.Cmd     // nil while it does not run
	gone chan struct{} // closed when cmd has ended
	life io.Closer     // its standard input: it ends with the process that holds it
}

// StartSambaAD starts a domain controller, which ends with the test. The domain is provisioned once on a machine and
// copied for each server. Needs root, for the ports, and what scripts/testbed installs; see [Need].
func StartSambaAD(t testing.TB, o SambaOptions) *SambaAD {
	t.Helper()
	program := Need(t, "samba")
	Need(t, "samba-tool")
	needRoot(t)
	template := sambaTemplate(t, program)
	s := &SambaAD{Addr: freeLoopback(t), ServerName: SambaServerName, BaseDN: SambaBaseDN, AdminUPN: SambaAdminUPN, AdminPassword: SambaAdminPassword, t: t}
	s.URL, s.PlainURL = "ldaps://"+s.Addr, "ldap://"+s.Addr
	dir, err := os.MkdirTemp(sambaHome(t), "dc-") //nolint:usetesting // t.TempDir lies on a disk
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s.Dir = filepath.Join(dir, "dc")
	if out, err := exec.Command("cp", "-a", "--reflink=auto", template, s.Dir).CombinedOutput(); err != nil {
		t.Fatalf("copy of the template: %v: %s", err, out)
	}
	if o.CA == nil {
		o.CA = NewCA(t)
	}
	s.CAFile = o.CA.File
	if len(o.Cert.Names) == 0 && !o.NoNames {
		o.Cert.Names = []string{s.ServerName, s.Addr}
	}
	s.Certify(o.CA, o.Cert)
	s.AdminPasswordFile = filepath.Join(dir, "admin-password")
	writeFile(t, s.AdminPasswordFile, []byte(s.AdminPassword))
	writeFile(t, filepath.Join(s.Dir, "smb.conf"), []byte(sambaConfig(s.Dir, s.Addr)))
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// needRoot skips the test, or fails it when TESTBED=required, where the ports of LDAP cannot be had.
func needRoot(t testing.TB) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("TESTBED") == "required":
		t.Fatal("a domain controller needs root, and TESTBED=required")
	default:
		t.Skip("does not apply: a domain controller has ports that only root opens")
	}
}

// sambaHome returns the directory of all servers and templates of this user: in memory where that is possible, for a
// domain is 33 MB of small writes.
func sambaHome(t testing.TB) string {
	t.Helper()
	base := os.TempDir()
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		base = "/dev/shm"
	}
	dir := filepath.Join(base, "ess-testbed-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Getuid() || info.Mode() != os.ModeDir|0o700 {
		t.Fatalf("%s is not a directory of ours alone", dir)
	}
	return dir
}

// sambaTemplate returns a provisioned domain, which it makes when this version of Samba has none yet.
func sambaTemplate(t testing.TB, program string) string {
	t.Helper()
	version, err := exec.Command(program, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{
		"domain", "provision", "--realm=SKOLA.TEST", "--domain=SKOLA", "--server-role=dc", "--dns-backend=NONE",
		"--adminpass=" + SambaAdminPassword, "--host-name=dc1", "--host-ip=127.0.0.1",
		"--option=interfaces=lo", "--option=bind interfaces only=yes", "--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb",
		"--option=log file=/dev/null",
	}
	home := sambaHome(t)
	key := sha256.Sum256([]byte(string(version) + strings.Join(args, "\n")))
	dir := filepath.Join(home, fmt.Sprintf("template-%x", key[:6]))
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil { // ends with the file
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	making := dir + ".making"
	if err := os.RemoveAll(making); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("samba-tool", append(args, "--targetdir="+making)...).CombinedOutput(); err != nil {
		t.Fatalf("provisioning: %v\n%s", err, out)
	}
	if err := os.Rename(making, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sambaConfig returns the settings of a server that speaks LDAP and nothing else, and shares no file with another.
func sambaConfig(dir, addr string) string {
	return strings.NewReplacer("DIR", dir, "ADDR", addr).Replace(`[global]
	netbios name = DC1
	realm = SKOLA.TEST
	workgroup = SKOLA
	server role = active directory domain controller
	server services = ldap
	interfaces = ADDR/8
	bind interfaces only = yes
	private dir = DIR/private
	state directory = DIR/state
	cache directory = DIR/cache
	lock directory = DIR
	pid directory = DIR
	binddns dir = DIR/bind-dns
	ncalrpc dir = DIR/ncalrpc
	winbindd socket directory = DIR/winbindd
	log file = DIR/log.samba
	tls enabled = yes
	tls keyfile = DIR/private/tls/key.pem
	tls certfile = DIR/private/tls/cert.pem
	tls cafile = DIR/private/tls/ca.pem
	vfs objects = dfs_samba4 acl_xattr xattr_tdb
	ldb:nosync = true
	old password allowed period = 0
`)
}

// freeLoopback returns an address of this machine where nobody listens to the ports of LDAP.
func freeLoopback(t testing.TB) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.%d.%d.%d", 16+rand.IntN(239), rand.IntN(256), 1+rand.IntN(254))
		free := true
		for _, port := range []string{"389", "636", "3268", "3269"} {
			l, err := net.Listen("tcp", net.JoinHostPort(addr, port))
			if err != nil {
				free = false
				break
			}
			l.Close()
		}
		if free {
			return addr
		}
	}
	t.Fatal("no loopback address has the ports of LDAP free")
	return ""
}

// Certify gives the server another certificate, which it shows from its next start.
func (s *SambaAD) Certify(ca *CA, c Cert) {
	s.t.Helper()
	dir := filepath.Join(s.Dir, "private", "tls")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	authority, err := os.ReadFile(ca.File)
	if err != nil {
		s.t.Fatal(err)
	}
	cert, key := ca.Issue(c)
	writeFile(s.t, filepath.Join(dir, "ca.pem"), authority)
	writeFile(s.t, filepath.Join(dir, "cert.pem"), cert)
	writeFile(s.t, filepath.Join(dir, "key.pem"), key)
}

// Start starts the server where it does not run, and returns when it takes connections.
func (s *SambaAD) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		return
	}
	cmd := exec.Command(Need(s.t, "samba"), "-i", "-M", "single", "-s", filepath.Join(s.Dir, "smb.conf"), "-d", "1")
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	cmd.WaitDelay = time.Second
	life, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { cmd.Wait(); close(gone) }()
	s.cmd, s.gone, s.life = cmd, gone, life
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-gone:
			s.t.Fatalf("samba ended:\n%s", s.log.String())
		default:
		}
		if conn, err := net.Dial("tcp", net.JoinHostPort(s.Addr, "636")); err == nil {
			conn.Close()
			return
		}
	}
	s.t.Fatalf("samba took no connection within a minute:\n%s", s.log.String())
}

// Kill ends the server as a power cut would. What it has answered may be lost only if the machine fails too.
func (s *SambaAD) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	<-s.gone
	s.life.Close()
	s.cmd = nil
}

// Pause has the server hang, with its connections open, until resume is called.
func (s *SambaAD) Pause() (resume func()) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		s.t.Fatal("a server that does not run cannot hang")
	}
	process := s.cmd.Process
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	return func() { _ = process.Signal(syscall.SIGCONT) }
}

// Log returns what the server has said.
func (s *SambaAD) Log() string { return s.log.String() }
