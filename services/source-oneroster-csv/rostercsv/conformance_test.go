package rostercsv_test

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/testbed"
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
		Secrets:  []string{"hunter2"},
		Register: r,
		Against:  "zip archives of OneRoster 1.2 on OpenSSH's sshd, behind a relay in the test's process",
		Steps: map[sourcetest.Fault]string{
			sourcetest.Unreachable: "connect", sourcetest.SignIn: "sign-in", sourcetest.OtherPeer: "host key",
			sourcetest.Rights: "directory", sourcetest.Nothing: "newest",
		},
		Claims: sourcetest.Claims{NoDelta: "a set has no mark of how far it was read, and gives no cursor"},
	})
}

// register is a system that exports OneRoster CSV, and the servers that answer at the address of its SFTP server.
type register struct {
	good     *testbed.Server
	closed   *testbed.Server // knows nobody
	barred   *testbed.Server // lets us in, and not at the data
	stranger *testbed.Server // has a key that is not pinned
	relay    *relay
	export   []byte
	town     sourcetest.Town
}

func newRegister(t *testing.T) *register {
	t.Helper()
	r := &register{good: testbed.SSHD(t, testbed.Options{ReadOnly: true}), stranger: testbed.SSHD(t, testbed.Options{})}
	r.closed = testbed.SSHD(t, testbed.Options{Config: []string{"PubkeyAuthentication no", "PasswordAuthentication yes"}})
	r.barred = testbed.SSHD(t, testbed.Options{Config: []string{
		"AuthorizedKeysFile " + filepath.Join(filepath.Dir(r.good.KeyFile), "authorized"), "ForceCommand internal-sftp -P opendir",
	}})
	r.relay = newRelay(t, r.good.Addr)
	return r
}

func (r *register) settings() string {
	return "sftp: " + r.sftp() + "\ndirectory: " + r.good.Root + "\n"
}

func (r *register) sftp() string {
	pinned := []string{r.good.Fingerprints[0], r.closed.Fingerprints[0], r.barred.Fingerprints[0]}
	host, port, _ := strings.Cut(r.relay.addr, ":")
	return fmt.Sprintf("{host: %s, port: %s, user: %s, key: 'file:%s', hostKeys: ['%s'], connectTimeout: 5s}",
		host, port, r.good.User, r.good.KeyFile, strings.Join(pinned, "', '"))
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
	path := filepath.Join(r.good.Root, "export.zip")
	return errors.Join(os.WriteFile(path, data, 0o600), os.Chtimes(path, r.town.At, r.town.At))
}

// Break breaks the server or the export.
func (r *register) Break(f sourcetest.Fault) (string, error) {
	switch f {
	case sourcetest.Unreachable:
		return "", r.relay.down()
	case sourcetest.SignIn:
		r.relay.lead(r.closed.Addr)
	case sourcetest.OtherPeer:
		r.relay.lead(r.stranger.Addr)
	case sourcetest.Rights:
		r.relay.lead(r.barred.Addr)
	case sourcetest.Hang:
		r.relay.lead("")
	case sourcetest.Slow:
		r.relay.pause.Store(int64(10 * time.Millisecond))
	case sourcetest.Nothing:
		return "", os.Remove(filepath.Join(r.good.Root, "export.zip"))
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
	return "", nil
}

func (r *register) putSet(set map[string]string) error {
	data, err := packed(set)
	return errors.Join(err, r.put(data))
}

// Mend leads to the server again, with the export that it had.
func (r *register) Mend() error {
	r.relay.pause.Store(0)
	return errors.Join(r.relay.up(r.good.Addr), r.put(r.export))
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
	set := map[string]string{}
	file := func(name, header string) func(...string) {
		set[name] = header + "\n"
		return func(fields ...string) {
			var b strings.Builder
			w := csv.NewWriter(&b)
			if err := w.Write(fields); err != nil {
				b.WriteString(err.Error())
			}
			w.Flush()
			set[name] += b.String()
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
	return set
}
