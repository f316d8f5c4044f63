package alvis

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
)

func TestConformance(t *testing.T) {
	r := &register{dir: t.TempDir(), key: hostKey(t), addr: "127.0.0.1:0"}
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.server.Close() })
	r.addr = r.server.Addr()
	sourcetest.Test(t, sourcetest.Under{
		Connector: Connector(),
		Settings:  r.settings(t),
		Refused: map[string]string{
			"{}": "sftp.host",
			"sftp: {host: sftp.example, user: kommun, password: hunter2}": "sftp.password",
			reachable + "directory: ''":                                   "directory",
			reachable + "maxAge: -1h":                                     "maxAge",
			reachable + "limits: {maxBytes: 0}":                           "limits.maxBytes",
			reachable + "profile: {delta: sometimes}":                     "profile.delta",
			reachable + "settle: soon":                                    "",
		},
		Secrets:  []string{password, "hunter2"},
		Register: r,
		Against:  "IMS Enterprise files on an SFTP server in the test's process",
		Steps: map[sourcetest.Fault]string{
			sourcetest.Unreachable: "connect", sourcetest.SignIn: "sign-in", sourcetest.OtherPeer: "host key",
			sourcetest.Rights: "directory", sourcetest.Nothing: "newest",
		},
		Claims: sourcetest.Claims{
			NoDelta: "an export is read whole, and gives no cursor",
			// Groups and memberships are kept until the export has ended well: what one says depends on a group that may
			// stand after it.
			PerPerson: 512,
		},
	})
}

const password = "hush-by-the-sea"

// register is Alvis, which exports, and GotIT's server, on which the export lies.
type register struct {
	dir    string
	key    ssh.Signer
	addr   string
	server *sftpserver.Server
	before atomic.Pointer[func(method string) error] // what happens before a request
	hung   chan struct{}                             // closed when the server answers again
	export []byte
	at     time.Time
}

func hostKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// start starts the server as it should be, but for what change does.
func (r *register) start(change ...func(*sftpserver.Options)) (err error) {
	o := sftpserver.Options{
		Dir: r.dir, User: "kommun", Password: password, HostKey: r.key, Addr: r.addr,
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

func (r *register) restart(change ...func(*sftpserver.Options)) error {
	return errors.Join(r.server.Close(), r.start(change...))
}

func (r *register) settings(t *testing.T) string {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	// The suite lets days pass without an export.
	return fmt.Sprintf("sftp: {host: %s, port: %s, user: kommun, password: 'file:%s', hostKeys: ['%s'], connectTimeout: 5s}\nsettle: 5ms\nmaxAge: 0s\n",
		host, port, secret, r.server.Fingerprint())
}

// Hold exports a town.
func (r *register) Hold(t sourcetest.Town) error {
	r.export, r.at = exportOf(t), t.At
	return r.put(r.export)
}

func (r *register) put(data []byte) error {
	path := filepath.Join(r.dir, "export.xml")
	return errors.Join(os.WriteFile(path, data, 0o600), os.Chtimes(path, r.at, r.at))
}

// Break breaks the server or the export.
func (r *register) Break(f sourcetest.Fault) (string, error) {
	when := func(do func(method string) error) (string, error) {
		r.before.Store(&do)
		return "", nil
	}
	half := r.export[:len(r.export)/2]
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
	case sourcetest.Nothing:
		return "", os.Remove(filepath.Join(r.dir, "export.xml"))
	case sourcetest.Empty:
		return "", r.put(exportOf(sourcetest.Town{At: r.at}))
	case sourcetest.Cut:
		return "", r.put(half)
	case sourcetest.Garbage:
		return "", r.put([]byte("<html>Kanarina Voljärsdotter</html>"))
	case sourcetest.GarbageLate:
		return "", r.put(append([]byte(string(half)+" < Kanarina & "), r.export[len(half):]...))
	case sourcetest.Hang:
		r.hung = make(chan struct{})
		until := r.hung
		return when(func(string) error { <-until; return nil })
	case sourcetest.Slow:
		return when(func(string) error { time.Sleep(20 * time.Millisecond); return nil })
	default:
		return "", fmt.Errorf("no such fault: %q", f)
	}
}

// Mend starts the server anew, with the export that it had.
func (r *register) Mend() error {
	r.before.Store(nil)
	if r.hung != nil {
		close(r.hung)
		r.hung = nil
	}
	return errors.Join(ignoreClosed(r.server.Close()), r.start(), r.put(r.export))
}

// ignoreClosed lets a server be closed twice.
func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// exportOf writes a town as Alvis exports it.
func exportOf(t sourcetest.Town) []byte {
	var b strings.Builder
	id := func(s string) string { return "<sourcedid><source>Prov</source><id>" + s + "</id></sourcedid>" }
	member := func(person, role, end string) {
		if end != "" {
			end = `<timeframe><end restrict="1">` + end + "</end></timeframe>"
		}
		fmt.Fprintf(&b, "<member>%s<idtype>1</idtype><role roletype=%q><status>1</status>%s</role></member>\n", id(person), role, end)
	}
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<enterprise><properties><datasource>Prov</datasource><type>full</type><datetime>%s</datetime></properties>
`, t.At.Format(time.RFC3339))
	for _, p := range t.Persons {
		fmt.Fprintf(&b, `<person>%s<userid useridtype="PID">%s</userid><name><n><family>%s</family><given>%s</given></n></name><email>%s</email></person>
`, id(p.ID), p.CivicNo, text(p.FamilyName), text(p.GivenName), text(p.Email))
	}
	for _, u := range t.Units {
		fmt.Fprintf(&b, `<group>%s<grouptype><scheme>pifu-ims-go-org</scheme><typevalue level="2">Skola</typevalue></grouptype><description><short>%s</short></description></group>
`, id(u.ID), text(u.Name))
	}
	for _, g := range t.Groups {
		fmt.Fprintf(&b, `<group>%s<grouptype><scheme>pifu-ims-go-grp</scheme><typevalue level="2">Kurs</typevalue></grouptype><description><short>%s</short></description><relationship relation="1">%s<label>x</label></relationship></group>
`, id(g.ID), text(g.Name), id(g.Unit))
	}
	for _, u := range t.Units {
		b.WriteString("<membership>" + id(u.ID) + "\n")
		for _, p := range t.Persons {
			if p.Unit == u.ID {
				member(p.ID, map[roster.Role]string{roster.RolePupil: "01", roster.RoleStaff: "02"}[p.Role], p.End)
			}
		}
		b.WriteString("</membership>\n")
	}
	for _, g := range t.Groups {
		b.WriteString("<membership>" + id(g.ID) + "\n")
		for _, m := range g.Members {
			member(m.Person, map[roster.MemberRole]string{roster.MemberPupil: "01", roster.MemberTeacher: "02"}[m.Role], "")
		}
		b.WriteString("</membership>\n")
	}
	b.WriteString("</enterprise>\n")
	return []byte(b.String())
}

func text(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return err.Error()
	}
	return b.String()
}
