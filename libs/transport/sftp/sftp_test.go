package sftp_test

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/libs/transport/sftp"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noPause makes a client that does not wait between tries.
var noPause = sftp.Options{Now: time.Now, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}

// secret puts text into a file and returns the reference.
func secret(t testing.TB, text string) tenant.Secret {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	write(t, name, []byte(text))
	return tenant.Secret("file:" + name)
}

// forSSHD returns settings for a real sshd.
func forSSHD(s *testbed.Server) sftp.Config {
	return sftp.Config{Host: s.Host, Port: s.Port, User: s.User, Key: tenant.Secret("file:" + s.KeyFile), HostKeys: s.Fingerprints}
}

const password = "correct horse åäö"

// serve starts the in-process server over a directory of its own, and returns settings for it.
func serve(t testing.TB, o sftpserver.Options) (*sftpserver.Server, sftp.Config, string) {
	t.Helper()
	o.Dir, o.User, o.Password = t.TempDir(), "alvis", password
	s, err := sftpserver.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	cfg := sftp.Config{User: o.User, Password: secret(t, password), HostKeys: []string{s.Fingerprint()}}
	cfg.Host, cfg.Port = hostPort(t, s.Addr())
	return s, cfg, o.Dir
}

// behind returns the settings with a proxy in front of the server.
func behind(t testing.TB, cfg sftp.Config, cuts ...testbed.Cut) (*testbed.Proxy, sftp.Config) {
	t.Helper()
	p := testbed.NewProxy(t, net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)), cuts...)
	cfg.Host, cfg.Port = p.Host, p.Port
	return p, cfg
}

func hostPort(t testing.TB, addr string) (string, int) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return host, n
}

func write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeAt writes a file with a time of change.
func writeAt(t testing.TB, name string, data []byte, at time.Time) {
	t.Helper()
	write(t, name, data)
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

func random(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func readAll(t testing.TB, s *sftp.Spool) []byte {
	t.Helper()
	defer s.Close()
	b, err := io.ReadAll(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantReason checks code and fault of an error, and that it holds no secret.
func wantReason(t testing.TB, err error, code reason.Code, fault reason.Fault) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	if got := reason.Of(err).Code; got != code {
		t.Errorf("code is %s, want %s: %v", got, code, err)
	}
	if got := reason.FaultOf(err); got != fault {
		t.Errorf("fault is %s, want %s: %v", got, fault, err)
	}
	if strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "{") {
		t.Errorf("error holds the password, or an argument that was not filled in: %v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	pin := "SHA256:" + strings.Repeat("A", 43)
	good := sftp.Config{Host: "sftp.example.org", User: "u", Password: "env:P", HostKeys: []string{pin}}
	tests := map[string]struct {
		change func(*sftp.Config)
		want   []string
	}{
		"good":                  {func(*sftp.Config) {}, nil},
		"padded fingerprint":    {func(c *sftp.Config) { c.HostKeys[0] += "=" }, nil},
		"no pin yet":            {func(c *sftp.Config) { c.HostKeys = nil }, nil},
		"a line of known_hosts": {func(c *sftp.Config) { c.HostKeys[0] = "sftp.example.org " + publicKey }, nil},
		"a hashed known_hosts": {func(c *sftp.Config) {
			c.HostKeys[0] = "|1|6T8S7w5jLbsmlqj5hQqkTPLqQTk=|VZ1wGbTPX4ru2gM3Ew/4P+ZCvRQ= " + publicKey
		}, nil},
		"an authorized key":      {func(c *sftp.Config) { c.HostKeys[0] = publicKey + " a comment" }, nil},
		"nothing":                {func(c *sftp.Config) { *c = sftp.Config{} }, []string{"host", "user", "password"}},
		"a URL":                  {func(c *sftp.Config) { c.Host = "sftp://u@h/" }, []string{"host"}},
		"port":                   {func(c *sftp.Config) { c.Port = 70000 }, []string{"port"}},
		"the secret itself":      {func(c *sftp.Config) { c.Password = password }, []string{"password"}},
		"passphrase without key": {func(c *sftp.Config) { c.KeyPassphrase = "env:P" }, []string{"keyPassphrase"}},
		"not a key":              {func(c *sftp.Config) { c.HostKeys = append(c.HostKeys, "MD5:aa") }, []string{"hostKeys[1]"}},
		"half a fingerprint":     {func(c *sftp.Config) { c.HostKeys[0] = pin[:20] }, []string{"hostKeys[0]"}},
		"a certificate's line":   {func(c *sftp.Config) { c.HostKeys[0] = "@cert-authority * " + publicKey }, []string{"hostKeys[0]"}},
		"F69 time without unit":  {func(c *sftp.Config) { c.ConnectTimeout, c.IdleTimeout = 30, -1 }, []string{"connectTimeout", "idleTimeout"}},
		"several at once":        {func(c *sftp.Config) { c.Host, c.Port, c.User = "", -1, " " }, []string{"host", "port", "user"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := good
			c.HostKeys = append([]string(nil), good.HostKeys...)
			tt.change(&c)
			p := tenant.NewProblems()
			c.Validate(p)
			var got []string
			for _, problem := range p.List() {
				got = append(got, problem.Path)
				if strings.Contains(problem.What, password) {
					t.Errorf("a problem shows the secret: %s", problem)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("problems (-want +got):\n%s\n%v", d, p.Err())
			}
		})
	}
}

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAIBAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

func TestConfigYAML(t *testing.T) {
	const text = `
host: sftp.example.org
user: school
password: env:ALVIS_PASSWORD
hostKeys: [` + publicKey + `]
connectTimeout: 5s
idleTimeout: 2m
`
	var got sftp.Config
	if err := yaml.UnmarshalWithOptions([]byte(text), &got, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	want := sftp.Config{
		Host: "sftp.example.org", User: "school", Password: "env:ALVIS_PASSWORD", HostKeys: []string{publicKey},
		ConnectTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("settings (-want +got):\n%s", d)
	}
}

func TestSelectionValidate(t *testing.T) {
	tests := map[string]struct {
		sel  sftp.Selection
		want []string
	}{
		"good":          {sftp.Selection{Dir: "/", Patterns: []string{"*.xml", "*.zip"}, Settle: time.Second}, nil},
		"nothing":       {sftp.Selection{}, []string{"directory", "files"}},
		"bad pattern":   {sftp.Selection{Dir: "/", Patterns: []string{"*.xml", "[", "a/b", ""}}, []string{"files[1]", "files[2]", "files[3]"}},
		"negative time": {sftp.Selection{Dir: "/", Patterns: []string{"*"}, MaxAge: -1, Settle: 5}, []string{"maxAge", "settle"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := tenant.NewProblems()
			tt.sel.Validate(p)
			var got []string
			for _, problem := range p.List() {
				got = append(got, problem.Path)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}
