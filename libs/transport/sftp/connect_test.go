package sftp_test

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/libs/transport/sftp"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
)

// everything selects any file of a directory.
func everything(dir string) sftp.Selection {
	return sftp.Selection{Dir: dir, Patterns: []string{"*"}}
}

func TestHostKey(t *testing.T) {
	server := testbed.SSHD(t, testbed.Options{HostKeys: []string{"ed25519", "ecdsa", "rsa"}})
	write(t, server.Root+"/a.xml", nil)
	ed25519, ecdsa, rsa := server.Fingerprints[0], server.Fingerprints[1], server.Fingerprints[2]
	other := "SHA256:" + strings.Repeat("A", 43)
	tests := map[string]struct {
		pins  []string
		code  reason.Code // empty for success
		shown string      // fingerprint in the reason
	}{
		"pinned":                           {[]string{ed25519}, "", ""},
		"no pin":                           {nil, reason.HostKeyUnknown, ed25519},
		"F46 changed":                      {[]string{other}, reason.HostKeyChanged, ed25519},
		"F47 second pin":                   {[]string{other, ed25519}, "", ""},
		"a key that is not shown first":    {[]string{ecdsa}, "", ""},
		"a key that is shown last":         {[]string{rsa}, "", ""},
		"a line of known_hosts":            {[]string{server.KnownHosts[2]}, "", ""},
		"an authorized key":                {[]string{server.KnownHosts[1][strings.Index(server.KnownHosts[1], " ")+1:]}, "", ""},
		"a pin that cannot be read at all": {[]string{"nonsense"}, reason.Unexpected, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := forSSHD(server)
			cfg.HostKeys = tt.pins
			_, err := sftp.New(cfg, noPause).Newest(t.Context(), everything(server.Root))
			switch {
			case tt.code == "" && err != nil:
				t.Fatal(err)
			case tt.code == reason.Unexpected:
				if err == nil {
					t.Error("no error")
				}
			case tt.code != "":
				wantReason(t, err, tt.code, reason.Misconfigured)
				if got := reason.Of(err).Arg("fingerprint"); got != tt.shown {
					t.Errorf("fingerprint is %s, want %s", got, tt.shown)
				}
			}
		})
	}
	if strings.Count(server.Log(), "Accepted publickey") != 6 {
		t.Errorf("want a sign-in for each of 6 pinned keys and none besides:\n%s", server.Log())
	}
}

func TestSignIn(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("a passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	locked := secret(t, string(pem.EncodeToMemory(block)))
	missing := tenant.Secret("file:" + t.TempDir() + "/none")
	tests := map[string]struct {
		change func(*sftp.Config)
		code   reason.Code // empty for success
	}{
		"password":            {func(*sftp.Config) {}, ""},
		"key with passphrase": {func(c *sftp.Config) { c.Password, c.Key, c.KeyPassphrase = "", locked, secret(t, "a passphrase") }, ""},
		"refused key, then password": {func(c *sftp.Config) {
			c.Key = otherKey(t)
		}, ""},
		"F48 wrong password":     {func(c *sftp.Config) { c.Password = secret(t, "wrong") }, reason.WrongCredentials},
		"F48 wrong user":         {func(c *sftp.Config) { c.User = "root" }, reason.WrongCredentials},
		"F48 wrong key":          {func(c *sftp.Config) { c.Password, c.Key = "", otherKey(t) }, reason.WrongCredentials},
		"F68 secret missing":     {func(c *sftp.Config) { c.Password = missing }, reason.SecretUnusable},
		"F68 secret empty":       {func(c *sftp.Config) { c.Password = secret(t, "\n") }, reason.SecretUnusable},
		"F68 not a key":          {func(c *sftp.Config) { c.Key = secret(t, password) }, reason.SecretUnusable},
		"F68 no passphrase":      {func(c *sftp.Config) { c.Key = locked }, reason.SecretUnusable},
		"F68 wrong passphrase":   {func(c *sftp.Config) { c.Key, c.KeyPassphrase = locked, secret(t, password) }, reason.SecretUnusable},
		"passphrase missing":     {func(c *sftp.Config) { c.Key, c.KeyPassphrase = locked, missing }, reason.SecretUnusable},
		"F68 line end in secret": {func(c *sftp.Config) { c.Password = secret(t, password+"\r\n") }, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var connections atomic.Int32
			count := func(c net.Conn) net.Conn { connections.Add(1); return c }
			_, cfg, dir := serve(t, sftpserver.Options{AuthorizedKey: signer.PublicKey(), Wrap: count})
			write(t, dir+"/a.xml", []byte("<a/>"))
			tt.change(&cfg)
			_, err := sftp.New(cfg, noPause).Fetch(t.Context(), fileOf(t, dir, "a.xml"), sftp.Limits{})
			if tt.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantReason(t, err, tt.code, reason.Misconfigured)
			if n := connections.Load(); n > 1 {
				t.Errorf("%d connections: a refused sign-in was tried again", n)
			}
		})
	}
}

// otherKey returns a key that no server knows.
func otherKey(t testing.TB) tenant.Secret {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return secret(t, string(pem.EncodeToMemory(block)))
}

// TestPasswordIsSentOnce is F48: a server that offers the password in two ways must not see a wrong one twice.
func TestPasswordIsSentOnce(t *testing.T) {
	for name, interactive := range map[string]bool{"both ways": false, "interactive only": true} {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Int32
			config := &ssh.ServerConfig{}
			if !interactive {
				config.PasswordCallback = func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) {
					seen.Add(1)
					return nil, errors.New("refused")
				}
			}
			config.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
				answers, err := ask("", "", []string{"Password: "}, []bool{false})
				if err == nil && answers[0] == password {
					seen.Add(1)
				}
				return nil, errors.New("refused")
			}
			cfg := sshServer(t, config)
			_, err := sftp.New(cfg, noPause).Stat(t.Context(), "/a")
			wantReason(t, err, reason.WrongCredentials, reason.Misconfigured)
			if seen.Load() != 1 {
				t.Errorf("the password was seen %d times, want once", seen.Load())
			}
		})
	}
}

// sshServer starts an SSH server for one connection, without SFTP.
func sshServer(t testing.TB, config *ssh.ServerConfig) sftp.Config {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config.AddHostKey(signer)
	cfg := listen(t, func(conn net.Conn) {
		if c, _, _, err := ssh.NewServerConn(conn, config); err == nil {
			c.Close()
		}
	})
	cfg.HostKeys = []string{ssh.FingerprintSHA256(signer.PublicKey())}
	return cfg
}

// listen starts a TCP server that handles each connection and then closes it.
func listen(t testing.TB, handle func(net.Conn)) sftp.Config {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			handle(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	cfg := sftp.Config{User: "alvis", Password: secret(t, password), HostKeys: []string{"SHA256:" + strings.Repeat("A", 43)}}
	cfg.Host, cfg.Port = hostPort(t, l.Addr().String())
	return cfg
}

func TestUnreachable(t *testing.T) {
	gone := listen(t, func(net.Conn) {})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Host, gone.Port = hostPort(t, l.Addr().String())
	l.Close()
	quiet := make(chan struct{})
	silent := listen(t, func(net.Conn) { <-quiet })
	t.Cleanup(func() { close(quiet) }) // before listen waits
	silent.ConnectTimeout = 100 * time.Millisecond
	noName := gone
	noName.Host = "sftp.invalid"
	tests := map[string]sftp.Config{
		"nobody listens":             gone,
		"no such name":               noName,
		"silence until the time-out": silent,
		"closed before the banner":   listen(t, func(net.Conn) {}),
		"closed after the banner":    listen(t, func(c net.Conn) { fmt.Fprint(c, "SSH-2.0-x\r\n") }),
		"not SSH at all":             listen(t, func(c net.Conn) { fmt.Fprint(c, strings.Repeat("HTTP/1.1 400 Bad Request\r\n", 99)) }),
	}
	for name, cfg := range tests {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			_, err := sftp.New(cfg, sftp.Options{}).Fetch(t.Context(), sftp.File{Path: "/a"}, sftp.Limits{})
			wantReason(t, err, reason.Unreachable, reason.Transient)
			if next := reason.Of(err).Next(reason.English); !strings.Contains(next, "allow list") {
				t.Errorf("the advice is %q, want the allow list in it", next)
			}
			if d := time.Since(begun); d > 5*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

// TestUnreachableWhileSigningIn cuts the connection at each byte of the way to a signed-in session, in steps.
func TestUnreachableWhileSigningIn(t *testing.T) {
	_, cfg, dir := serve(t, sftpserver.Options{})
	write(t, dir+"/a.xml", nil)
	for n := int64(1); n < 1500; n += 61 {
		for _, cut := range []testbed.Cut{{Down: n}, {Up: n}} {
			_, cfg := behind(t, cfg, cut)
			_, err := sftp.New(cfg, noPause).Stat(t.Context(), "/a.xml")
			if err == nil {
				continue // fewer bytes than n were needed
			}
			if code := reason.Of(err).Code; code != reason.Unreachable {
				t.Errorf("cut at %+v: %v", cut, err)
			}
		}
	}
}

func TestAccountWithoutSFTP(t *testing.T) {
	server := testbed.SSHD(t, testbed.Options{Config: []string{"ForceCommand /bin/false"}})
	_, err := sftp.New(forSSHD(server), noPause).Stat(t.Context(), "/")
	wantReason(t, err, reason.NotPermitted, reason.Misconfigured)
}

func TestNoCommonAlgorithm(t *testing.T) {
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.Ciphers = []string{ssh.InsecureCipherTripleDESCBC}
	_, err := sftp.New(sshServer(t, config), noPause).Stat(t.Context(), "/")
	wantReason(t, err, reason.NoCommonAlgorithm, reason.Misconfigured)
}

func TestCancelIsPrompt(t *testing.T) {
	hang := make(chan struct{})
	reached := make(chan struct{}, 100)
	_, cfg, dir := serve(t, sftpserver.Options{Before: func(method, _ string) error {
		if method == "Get" || method == "List" || method == "Put" {
			reached <- struct{}{}
			<-hang
		}
		return nil
	}})
	defer close(hang)
	write(t, dir+"/a.xml", random(t, 1000))
	c := sftp.New(cfg, sftp.Options{})
	tests := map[string]func(context.Context) error{
		"newest": func(ctx context.Context) error { _, err := c.Newest(ctx, everything("/")); return err },
		"fetch": func(ctx context.Context) error {
			_, err := c.Fetch(ctx, fileOf(t, dir, "a.xml"), sftp.Limits{})
			return err
		},
		"check": func(ctx context.Context) error { return c.Check(ctx, everything("/"), func(string, string, error) {}) },
	}
	for name, do := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			result := make(chan error, 1)
			go func() { result <- do(ctx) }()
			<-reached
			cancel()
			select {
			case err := <-result:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("error is %v, want one of the context", err)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("did not return within 5 s")
			}
		})
	}
	t.Run("while settling", func(t *testing.T) {
		server, cfg, dir := serve(t, sftpserver.Options{})
		defer server.Close()
		write(t, dir+"/a.xml", nil)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		sel := everything("/")
		sel.Settle = time.Hour
		if _, err := sftp.New(cfg, sftp.Options{}).Newest(ctx, sel); !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	hang := make(chan struct{})
	_, cfg, dir := serve(t, sftpserver.Options{Before: func(method, _ string) error {
		if method == "Get" {
			<-hang
		}
		return nil
	}})
	defer close(hang)
	write(t, dir+"/a.xml", random(t, 1000))
	cfg.IdleTimeout = 100 * time.Millisecond
	_, err := sftp.New(cfg, noPause).Fetch(t.Context(), fileOf(t, dir, "a.xml"), sftp.Limits{})
	wantReason(t, err, reason.TransferCut, reason.Transient)
}

func TestKeptAliveWhileSettling(t *testing.T) {
	server := testbed.SSHD(t, testbed.Options{})
	write(t, server.Root+"/a.xml", nil)
	cfg := forSSHD(server)
	cfg.IdleTimeout = 300 * time.Millisecond
	sel := everything(server.Root)
	sel.Settle = time.Second
	if _, err := sftp.New(cfg, sftp.Options{}).Newest(t.Context(), sel); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	_, good, dir := serve(t, sftpserver.Options{Before: func(method, name string) error {
		if method == "List" && name == "/secret" {
			return os.ErrPermission
		}
		return nil
	}})
	write(t, dir+"/a.xml", []byte("<a/>"))
	if err := os.Mkdir(dir+"/secret", 0o700); err != nil {
		t.Fatal(err)
	}
	xml := sftp.Selection{Dir: "/", Patterns: []string{"*.xml"}}
	tests := map[string]struct {
		change func(*sftp.Config)
		sel    sftp.Selection
		want   string // the steps; the last one with ! when it failed
	}{
		"all well":         {func(*sftp.Config) {}, xml, "connect, host key, sign-in, directory, newest"},
		"directory only":   {func(*sftp.Config) {}, sftp.Selection{Dir: "/"}, "connect, host key, sign-in, directory"},
		"unreachable":      {func(c *sftp.Config) { c.Host = "sftp.invalid" }, xml, "connect!"},
		"host key unknown": {func(c *sftp.Config) { c.HostKeys = nil }, xml, "connect, host key!"},
		"host key changed": {func(c *sftp.Config) { c.HostKeys = []string{publicKey} }, xml, "connect, host key!"},
		"secret":           {func(c *sftp.Config) { c.Password = "env:ESS_NOT_SET" }, xml, "sign-in!"},
		"sign-in":          {func(c *sftp.Config) { c.User = "other" }, xml, "connect, host key, sign-in!"},
		"not permitted":    {func(*sftp.Config) {}, everything("/secret"), "connect, host key, sign-in, directory!"},
		"no directory":     {func(*sftp.Config) {}, everything("/none"), "connect, host key, sign-in, directory!"},
		"no file":          {func(*sftp.Config) {}, sftp.Selection{Dir: "/", Patterns: []string{"*.zip"}}, "connect, host key, sign-in, directory, newest!"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := good
			tt.change(&cfg)
			var steps []string
			var failed error
			err := sftp.New(cfg, noPause).Check(t.Context(), tt.sel, func(name, detail string, err error) {
				if err != nil {
					name, failed = name+"!", err
				} else if detail == "" {
					t.Errorf("step %s says nothing", name)
				}
				if name == "connect" && !strings.Contains(detail, "from 127.0.0.1:") {
					t.Errorf("connect does not tell our address: %s", detail)
				}
				steps = append(steps, name)
			})
			if d := cmp.Diff(tt.want, strings.Join(steps, ", ")); d != "" {
				t.Errorf("steps (-want +got):\n%s", d)
			}
			if !errors.Is(err, failed) {
				t.Errorf("error is %v, that of the step %v", err, failed)
			}
			if failed != nil && !strings.Contains(err.Error(), strings.TrimSuffix(steps[len(steps)-1], "!")) {
				t.Errorf("error does not name the step: %v", err)
			}
		})
	}
}
