package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// small is a tenant with a register and a directory in files: the least that has everything. Each version of the register gives
// every person and group another name, which tells the version.
type small struct {
	dir     string
	persons int
	newest  atomic.Int64 // the version of the register
}

// object is an object of the directory.
type object struct {
	Type       string            `json:"type"`
	ExternalID string            `json:"externalId"`
	Attributes map[string]string `json:"attributes"`
}

func newSmall(t testing.TB, dir string, persons int) *small {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return &small{dir: dir, persons: persons}
}

func (s *small) path(name string) string { return filepath.Join(s.dir, name) }

// document is the tenant's, with more lines about it.
func (s *small) document(t testing.TB, name, pepper string) string {
	t.Helper()
	return fmt.Sprintf(`tenant: %s
title: Liten
service: gold
pepper: file:%s
protectedRoutine: Skolkontoret ringer driften samma dag
sources:
  - {system: manual}
  - {system: memory, schedule: "0 0 1 1 *", settings: {file: %s}}
links: [{target: memory, mode: active, settings: {file: %s, journal: %s}}]
`, name, pepper, s.path("register.json"), s.path("directory.json"), s.path("journal.json"))
}

func (s *small) version() int { return int(s.newest.Load()) }

func stamped(version int) string { return fmt.Sprintf("V%06d", version) }

// write writes the next version of the register.
func (s *small) write(t testing.TB) {
	t.Helper()
	version := int(s.newest.Add(1))
	var b strings.Builder
	fmt.Fprintf(&b, `{"version": %d, "since": 0, "units": [{"id": "u", "version": 1, "name": "Provskolan"}], "persons": [`, version)
	for n := range s.persons {
		fmt.Fprintf(&b, `%s{"id": "p-%d", "version": %d, "givenName": "Testa", "familyName": "%s", "username": "p-%d", "email": "p-%d@skola.example", "role": "pupil", "unit": "u", "marking": "Ingen"}`,
			comma(n), n, version, stamped(version), n, n)
	}
	b.WriteString(`], "groups": [`)
	for n := range s.groups() {
		fmt.Fprintf(&b, `%s{"id": "g-%d", "version": %d, "name": "%s", "type": "Klass", "unit": "u", "members": [`, comma(n), n, version, stamped(version))
		for m := n * classOf; m < min((n+1)*classOf, s.persons); m++ {
			fmt.Fprintf(&b, `%s{"person": "p-%d", "role": "pupil"}`, comma(m-n*classOf), m)
		}
		b.WriteString("]}")
	}
	b.WriteString("]}\n")
	if err := os.Rename(write(t, s.path("register.tmp"), b.String()), s.path("register.json")); err != nil {
		t.Fatal(err)
	}
}

// classOf is how many pupils are in a class.
const classOf = 10

func (s *small) groups() int { return (s.persons + classOf - 1) / classOf }

func comma(n int) string {
	if n == 0 {
		return ""
	}
	return ", "
}

// directory returns what the directory holds.
func (s *small) directory() (objects []object, err error) {
	data, err := os.ReadFile(s.path("directory.json"))
	if err != nil {
		return nil, err
	}
	var c struct{ Objects []object }
	err = json.Unmarshal(data, &c)
	return c.Objects, err
}

// delivered returns the oldest version that anything in the directory is of; 0 while something is missing.
func (s *small) delivered() int {
	objects, err := s.directory()
	if err != nil || len(objects) != 1+s.persons+s.groups() {
		return 0
	}
	oldest := s.version()
	for _, o := range objects {
		if v := versionOf(o); o.Type != "unit" {
			oldest = min(oldest, v)
		}
	}
	return oldest
}

// versionOf is the version of the register that an object of the directory is of.
func versionOf(o object) (v int) {
	_, _ = fmt.Sscanf(o.Attributes["familyName"]+o.Attributes["name"], "V%d", &v) // what has none is of none
	return v
}

// await returns when the directory equals the register.
func (s *small) await(t testing.TB, what string, log fmt.Stringer) {
	t.Helper()
	until(t, fmt.Sprintf("%s that equals version %d of the register", what, s.version()), log, func() bool { return s.delivered() == s.version() })
}

// checkJournal checks that no object was written as an older version after a newer one, and no two ways of one version, whoever wrote.
func (s *small) checkJournal(t testing.TB) (writes int) {
	t.Helper()
	data, err := os.ReadFile(s.path("journal.json"))
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		What   string
		Object object
	}
	last := map[string]object{}
	for text := range bytes.Lines(data) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatal(err)
		}
		writes++
		id := l.Object.Type + " " + l.Object.ExternalID
		before, again := last[id]
		was, is := versionOf(before), versionOf(l.Object)
		switch {
		case l.What == "remove":
			t.Errorf("%s: %s was removed", s.dir, id)
		case again && l.What == "add":
			t.Errorf("%s: %s was made twice", s.dir, id)
		case is < was:
			t.Errorf("%s: %s was written as of version %d after %d", s.dir, id, is, was)
		case is == was && again && fmt.Sprint(before.Attributes) != fmt.Sprint(l.Object.Attributes):
			t.Errorf("%s: %s was written in two ways for version %d", s.dir, id, is)
		}
		last[id] = l.Object
	}
	return writes
}
