package rostercsv_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/csv"
	"errors"
	"fmt"
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
	"eventful.se/ess/services/source-oneroster-csv/rostercsv"
)

func TestConformance(t *testing.T) {
	r := newRegister(t)
	sourcetest.Test(t, sourcetest.Under{
		Connector: rostercsv.Connector(),
		// The suite lets days pass without an export.
		Settings: r.settings() + "settle: 5ms\nmaxAge: 0s\n",
		Refused: map[string]string{
			"{}": "sftp.host",
			"sftp: {host: sftp.example, user: kommun, password: hunter2}":  "sftp.password",
			r.settings() + "files: []":                                     "files",
			r.settings() + "spread: -1h":                                   "spread",
			r.settings() + "limits: {maxUnpacked: 0}":                      "limits.maxUnpacked",
			r.settings() + "profile: {civicNoFrom: [username]}":            "profile.civicNoFrom[0]",
			r.settings() + "profile: {roles: {mentor: someone}}":           "profile.roles.mentor",
			r.settings() + "profile: {marking: {column: metadata.secret}}": "profile.marking",
		},
		Secrets:  []string{password, "hunter2"},
		Register: r,
		Against:  "zip archives of OneRoster 1.2 on an SFTP server in the test's process; whole reads of both versions on OpenSSH's sshd",
		Steps: map[sourcetest.Fault]string{
			sourcetest.Unreachable: "connect", sourcetest.SignIn: "sign-in", sourcetest.OtherPeer: "host key",
			sourcetest.Rights: "directory", sourcetest.Nothing: "newest",
		},
		Claims: sourcetest.Claims{NoDelta: "a set has no mark of how far it was read, and gives no cursor"},
	})
}

const password = "hush-by-the-sea"

// register is a system that exports OneRoster CSV, and the SFTP server on which the export lies.
type register struct {
	dir    string
	secret string // the file with the password
	key    ssh.Signer
	addr   string
	server *sftpserver.Server
	before atomic.Pointer[func(method string) error] // what happens before a request
	hung   chan struct{}                             // closed when the server answers again
	export []byte
	town   sourcetest.Town
}

func newRegister(t *testing.T) *register {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	r := &register{dir: t.TempDir(), secret: filepath.Join(t.TempDir(), "password"), key: key, addr: "127.0.0.1:0"}
	if err := errors.Join(os.WriteFile(r.secret, []byte(password), 0o600), r.start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.server.Close() })
	r.addr = r.server.Addr()
	return r
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

func (r *register) settings() string { return "sftp: " + r.sftp() + "\n" }

func (r *register) sftp() string {
	host, port, _ := strings.Cut(r.addr, ":")
	return fmt.Sprintf("{host: %s, port: %s, user: kommun, password: 'file:%s', hostKeys: ['%s'], connectTimeout: 5s}",
		host, port, r.secret, r.server.Fingerprint())
}

// Hold exports a town.
func (r *register) Hold(t sourcetest.Town) (err error) {
	r.town = t
	if r.export, err = packed(setOf(t)); err != nil {
		return err
	}
	return r.put(r.export)
}

func (r *register) put(data []byte) error {
	path := filepath.Join(r.dir, "export.zip")
	return errors.Join(os.WriteFile(path, data, 0o600), os.Chtimes(path, r.town.At, r.town.At))
}

// Break breaks the server or the export.
func (r *register) Break(f sourcetest.Fault) (string, error) {
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
		return "", os.Remove(filepath.Join(r.dir, "export.zip"))
	case sourcetest.Empty:
		return "", r.putSet(setOf(sourcetest.Town{}))
	case sourcetest.Cut:
		return "", r.put(r.export[:len(r.export)/2])
	case sourcetest.Garbage:
		return "", r.put([]byte("<html>Kanarina Voljärsdotter</html>"))
	case sourcetest.GarbageLate:
		set := setOf(r.town)
		half := len(set["users.csv"]) * 3 / 4
		set["users.csv"] = set["users.csv"][:half] + ` Kanarina "Voljärsdotter" ` + set["users.csv"][half:]
		return "", r.putSet(set)
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
	err := r.server.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil // it was down
	}
	return errors.Join(err, r.start(), r.put(r.export))
}

func (r *register) putSet(set map[string]string) error {
	data, err := packed(set)
	return errors.Join(err, r.put(data))
}

// packed makes an archive.
func packed(set map[string]string) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range set {
		w, err := z.Create(name)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

// setOf writes a town as OneRoster 1.2.
func setOf(t sourcetest.Town) map[string]string {
	texts := map[string]*strings.Builder{}
	file := func(name, header string) func(...string) {
		var b strings.Builder
		b.WriteString(header + "\n")
		texts[name] = &b
		w := csv.NewWriter(&b)
		return func(fields ...string) {
			if err := w.Write(fields); err != nil {
				b.WriteString(err.Error())
			}
			w.Flush()
		}
	}
	manifest := file("manifest.csv", "propertyName,value")
	manifest("oneroster.version", "1.2")
	for _, name := range []string{"orgs", "users", "roles", "classes", "enrollments"} {
		manifest("file."+name, "bulk")
	}
	org := file("orgs.csv", "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId")
	for _, u := range t.Units {
		org(u.ID, "", "", u.Name, "school", "", "")
	}
	user := file("users.csv", "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,email,password")
	role := file("roles.csv", "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId")
	for _, p := range t.Persons {
		user(p.ID, "", "", "true", "", "{civicNo:"+p.CivicNo+"}", p.GivenName, p.FamilyName, p.Email, "hunter2")
		role("r-"+p.ID, "", "", p.ID, "primary", map[roster.Role]string{roster.RolePupil: "student", roster.RoleStaff: "teacher"}[p.Role], "", p.End, p.Unit, "")
	}
	class := file("classes.csv", "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds")
	enrollment := file("enrollments.csv", "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate")
	for _, g := range t.Groups {
		class(g.ID, "", "", g.Name, "", "", "", "scheduled", "", g.Unit, "")
		for _, m := range g.Members {
			role := map[roster.MemberRole]string{roster.MemberPupil: "student", roster.MemberTeacher: "teacher"}[m.Role]
			enrollment("e-"+g.ID+"-"+m.Person, "", "", g.ID, g.Unit, m.Person, role, "", "", "")
		}
	}
	set := map[string]string{}
	for name, b := range texts {
		set[name] = b.String()
	}
	return set
}
