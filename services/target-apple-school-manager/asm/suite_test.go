package asm

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/files"
	"eventful.se/ess/libs/target/targettest"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
)

func TestSuite(t *testing.T) {
	const password = "hemligt-prov"
	targettest.Test(t, targettest.Under{
		Connector: Connector(),
		Peer: func(t *testing.T) (targettest.Peer, string) {
			d := newDrop(t, password)
			return d, d.settings()
		},
		Refused: map[string]string{
			"{}":                         "sftp.host",
			reachable + "upload: ftp":    "upload",
			reachable + "every: 5ns":     "every",
			reachable + "groupTypes: []": "groupTypes",
			reachable + "columns: {locations.csv: [location_id]}": "columns[locations.csv]",
		},
		Secrets: []string{password},
		Claims: targettest.Claims{
			Units: true, Pupils: true, Staff: true, Groups: true,
			Shows: []targettest.Attribute{
				targettest.GivenName, targettest.FamilyName, targettest.Username, targettest.Email, targettest.GroupName, targettest.UnitName,
			},
			Disables: true, // Apple keeps who is left out for 120 days
			Verifies: true, // where files stay, as here
			Deadline: 3 * time.Second,
		},
		Against: "an SFTP server with Apple's drop folder; nobody reads what is there",
	})
}

// drop is Apple's drop folder on an SFTP server. What Apple would read is the last zip.
type drop struct {
	dir, secret, password string
	server                *sftpserver.Server

	mu     sync.Mutex
	fault  targettest.Fault
	writes int
	freed  chan struct{} // closed when nobody is to hang any more
}

const somebodyElses = "not-ours.csv"

func newDrop(t *testing.T, password string) *drop {
	t.Helper()
	dir := t.TempDir()
	d := &drop{dir: filepath.Join(dir, "sftp", "dropbox"), secret: filepath.Join(dir, "password"), password: password, freed: make(chan struct{})}
	err := errors.Join(os.MkdirAll(d.dir, 0o700), os.WriteFile(filepath.Join(d.dir, somebodyElses), []byte("a,b"), 0o600), d.Heal())
	if err != nil {
		t.Fatal(err)
	}
	d.server, err = sftpserver.Start(t.Context(), sftpserver.Options{
		Dir: filepath.Dir(d.dir), User: "school", Password: password, Before: d.before, Wrap: d.wrap,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(d.Heal(), d.server.Close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *drop) settings() string {
	return "sftp: " + d.sftp() + "\nconsumes: false\nevery: 0s\nsisUsername: username\n"
}

// sftp are the settings by which the server is reached.
func (d *drop) sftp() string {
	host, port, _ := net.SplitHostPort(d.server.Addr())
	return fmt.Sprintf("{host: %s, port: %s, user: school, password: 'file:%s', hostKeys: ['%s'], connectTimeout: 3s, idleTimeout: 1s}",
		host, port, d.secret, d.server.Fingerprint())
}

// before is asked before each request.
func (d *drop) before(method, _ string) error {
	d.mu.Lock()
	if method == "Put" {
		d.writes++
	}
	fault, freed := d.fault, d.freed
	d.mu.Unlock()
	switch {
	case fault == targettest.Broken && method == "Put", fault == targettest.HalfBatch && method == "Write", fault == targettest.LostAnswer && method == "Stat":
		return errors.New("failure")
	case fault == targettest.Hang && method == "Put":
		<-freed
	}
	return nil
}

// wrap is asked for each connection.
func (d *drop) wrap(c net.Conn) net.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fault == targettest.Garbage {
		return babble{c}
	}
	return c
}

// babble answers like something that is no SFTP server.
type babble struct{ net.Conn }

func (b babble) Write(p []byte) (int, error) {
	_, err := b.Conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	return len(p), err
}

func (d *drop) Fail(f targettest.Fault, _ target.ID) error {
	switch f {
	case targettest.RefuseOne:
		return targettest.Cannot("Apple takes a zip whole or not at all, and tells people in its portal, not us")
	case targettest.Throttle, targettest.Bare:
		return targettest.Cannot("an SFTP server cannot ask to wait")
	case targettest.SignIn:
		return os.WriteFile(d.secret, []byte("another"), 0o600)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
	return nil
}

func (d *drop) Heal() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = ""
	close(d.freed)
	d.freed = make(chan struct{})
	return os.WriteFile(d.secret, []byte(d.password), 0o600)
}

func (d *drop) Tamper(how targettest.Tampering, _ target.ID) error {
	if how == targettest.Change {
		return targettest.Cannot("a zip is known by its name, which says what is in it; nobody reads it back")
	}
	zips, err := filepath.Glob(filepath.Join(d.dir, "ess-*.zip"))
	for _, z := range zips {
		err = errors.Join(err, os.Remove(z))
	}
	return err
}

func (d *drop) Writes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes
}

func (d *drop) Others() (string, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return "", err
	}
	text := ""
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "ess-") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(d.dir, e.Name()))
		if err != nil {
			return "", err
		}
		text += e.Name() + ": " + string(data) + "\n"
	}
	return text, nil
}

// Holds reads the files as Apple would.
func (d *drop) Holds() ([]target.Held, error) {
	list, err := d.Files()
	rows := map[string][]map[string][]string{}
	for name, data := range list {
		if rows[name], err = readRows(data); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return heldOf(rows), err
}

// Files returns what is in the last zip.
func (d *drop) Files() (map[string][]byte, error) {
	zips, err := filepath.Glob(filepath.Join(d.dir, "ess-*.zip"))
	if err != nil || len(zips) == 0 {
		return nil, err
	}
	var last string
	var at time.Time
	for _, z := range zips {
		info, err := os.Stat(z)
		if err != nil {
			return nil, err
		}
		if !info.ModTime().Before(at) {
			last, at = z, info.ModTime()
		}
	}
	body, err := os.ReadFile(last)
	if err != nil {
		return nil, err
	}
	list, err := files.Unpack(body)
	out := map[string][]byte{}
	for _, f := range list {
		out[f.Name] = f.Data
	}
	return out, err
}

var numbered = regexp.MustCompile(`^(location_id|instructor_id)_\d+$`)

// readRows returns the rows of a file: the values by column, those of numbered columns together.
func readRows(data []byte) (rows []map[string][]string, err error) {
	all, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, values := range all[1:] {
		row := map[string][]string{}
		for i, v := range values {
			if column := numbered.ReplaceAllString(all[0][i], "$1"); v != "" {
				row[column] = append(row[column], v)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func heldOf(rows map[string][]map[string][]string) (out []target.Held) {
	courses := map[string]map[string][]string{}
	for _, c := range rows["courses.csv"] {
		courses[c["course_id"][0]] = c
	}
	for _, f := range []struct{ file, kind, id string }{
		{"locations.csv", "location", "location_id"},
		{"students.csv", "student", "person_id"},
		{"staff.csv", "staff", "person_id"},
		{"classes.csv", "class", "class_id"},
		{"rosters.csv", "roster", "roster_id"},
	} {
		for _, row := range rows[f.file] {
			h := target.Held{ID: target.ID{Kind: f.kind, Key: row[f.id][0]}}
			delete(row, f.id)
			if f.kind == "class" {
				course := courses[row["course_id"][0]]
				row["course_name"], row["course_number"] = course["course_name"], course["course_number"]
			}
			for column, values := range row {
				for _, v := range values {
					if column == "instructor_id" {
						h.Sets = append(h.Sets, target.Set{Name: "instructors", Members: []target.ID{{Kind: "staff", Key: v}}})
					} else {
						h.Fields = append(h.Fields, target.Field{Name: column, Value: roster.Personal(v)})
					}
				}
			}
			out = append(out, h)
		}
	}
	return out
}
