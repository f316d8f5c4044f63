package memory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/services/source-memory/memory"
)

func TestConformance(t *testing.T) {
	r := &register{path: filepath.Join(t.TempDir(), "register.json"), entries: map[string]*entry{}}
	sourcetest.Test(t, sourcetest.Under{
		Connector: memory.Connector(),
		Settings:  "file: " + r.path,
		Refused:   map[string]string{"file: ''": "file", "{}": "file", "file: [1]": ""},
		Register:  r,
		Steps:     map[sourcetest.Fault]string{sourcetest.Nothing: "file", sourcetest.Rights: "file", sourcetest.Garbage: "head"},
		Against:   "a file",
	})
}

// register keeps a file as the people who keep a register would: what changes gets a new version, and what is gone is
// marked as deleted.
type register struct {
	path    string
	version int
	since   int
	entries map[string]*entry // by list and id
	order   []string
	good    []byte       // what the file held before it was broken
	back    func() error // to who runs the test, from who may read nothing
	at      time.Time
}

// entry is an entry as it stands in the file.
type entry struct {
	list    string
	id      string
	sum     string
	version int
	deleted bool
	fields  map[string]any
}

// Hold writes a town.
func (r *register) Hold(t sourcetest.Town) error {
	r.version++
	r.at = t.At
	r.order = nil
	for _, u := range t.Units {
		r.set("units", u.ID, map[string]any{"name": u.Name})
	}
	for _, p := range t.Persons {
		marking := roster.MarkingNone
		if p.Protected {
			marking = roster.MarkingConfidential
		}
		r.set("persons", p.ID, map[string]any{
			"civicNo": p.CivicNo, "givenName": p.GivenName, "familyName": p.FamilyName, "email": p.Email, "role": p.Role,
			"unit": p.Unit, "end": p.End, "marking": marking,
		})
	}
	for _, g := range t.Groups {
		members := []map[string]any{}
		for _, m := range g.Members {
			members = append(members, map[string]any{"person": m.Person, "role": m.Role})
		}
		r.set("groups", g.ID, map[string]any{"name": g.Name, "type": "Klass", "unit": g.Unit, "members": members})
	}
	there := map[string]bool{}
	for _, key := range r.order {
		there[key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(r.entries)) {
		if e := r.entries[key]; !there[key] {
			if !e.deleted {
				*e = entry{list: e.list, id: e.id, version: r.version, deleted: true}
			}
			r.order = append(r.order, key)
		}
	}
	return r.write(r.text(r.order))
}

func (r *register) set(list, id string, fields map[string]any) {
	key := list + "/" + id
	r.order = append(r.order, key)
	sum := fmt.Sprint(fields)
	if e := r.entries[key]; e == nil || e.sum != sum {
		r.entries[key] = &entry{list: list, id: id, sum: sum, version: r.version, fields: fields}
	}
}

// text returns the register with some entries.
func (r *register) text(keys []string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "{\n\"version\": %d,\n\"since\": %d", r.version, r.since)
	for _, list := range []string{"units", "persons", "groups"} {
		fmt.Fprintf(&b, ",\n%q: [", list)
		comma := ""
		for _, key := range keys {
			e := r.entries[key]
			if e.list != list {
				continue
			}
			fields := map[string]any{"id": e.id, "version": e.version}
			if e.deleted {
				fields["deleted"] = true
			}
			maps.Copy(fields, e.fields)
			line, err := json.Marshal(fields)
			if err != nil {
				line = []byte(err.Error())
			}
			b.WriteString(comma + "\n")
			b.Write(line)
			comma = ","
		}
		b.WriteString("\n]")
	}
	b.WriteString("\n}\n")
	return []byte(b.String())
}

// write puts the file there in one step, with the time of the town.
func (r *register) write(text []byte) error {
	r.good = text
	tmp := r.path + ".tmp"
	return errors.Join(os.WriteFile(tmp, text, 0o600), os.Chtimes(tmp, r.at, r.at), os.Rename(tmp, r.path))
}

// Break breaks the file.
func (r *register) Break(f sourcetest.Fault) (string, error) {
	over := func(text string) (string, error) { return "", os.WriteFile(r.path, []byte(text), 0o600) }
	half := string(r.good[:len(r.good)/2])
	switch f {
	case sourcetest.Nothing:
		return "", errors.Join(os.Remove(r.path), os.Mkdir(r.path, 0o700))
	case sourcetest.Rights:
		err := os.Chmod(r.path, 0)
		if err == nil {
			r.back, err = testbed.Unprivileged()
		}
		return "", err
	case sourcetest.Empty:
		return over(string(r.text(nil)))
	case sourcetest.Cut:
		return over(half)
	case sourcetest.Garbage:
		return over("Kanarina,Voljärsdotter\n")
	case sourcetest.GarbageLate:
		return over(half[:strings.LastIndexByte(half, '\n')] + "\n{\"id\": 186001011003}" + string(r.good[len(half):]))
	case sourcetest.Unreachable, sourcetest.SignIn, sourcetest.OtherPeer:
		return "a file has no peer", nil
	default:
		return "a file answers at once", nil
	}
}

// Mend puts the file back.
func (r *register) Mend() error {
	if r.back != nil {
		if err := r.back(); err != nil {
			return err
		}
		r.back = nil
	}
	if info, err := os.Stat(r.path); err == nil && info.IsDir() {
		if err := os.Remove(r.path); err != nil {
			return err
		}
	}
	return r.write(r.good)
}

// read reads a text as somebody's file.
func read(t *testing.T, text string) (docs []fact.Doc, res source.Result, err error) {
	t.Helper()
	s, err := memory.Connector().New().Open(source.Env{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	f, ok := s.(source.FileReader)
	if !ok {
		t.Fatal("it reads no file that a person holds")
	}
	res, err = f.ReadFile(t.Context(), "mine.json", strings.NewReader(text), func(d fact.Doc) error {
		docs = append(docs, d)
		return nil
	})
	return docs, res, err
}

const head = `{"version": 3, "since": 1, `

func TestWhatIsNoRegisterIsNotBelieved(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want reason.Code
		says string
	}{
		"nothing":                {"", reason.TruncatedFile, "line 1"},
		"F31 cut off":            {head + "\n\"units\": [\n{\"id\": \"u", reason.TruncatedFile, "line 3"},
		"F31 cut between lists":  {head + `"units": [], "persons": []`, reason.TruncatedFile, "line 1"},
		"no version":             {`{"units": [], "persons": [], "groups": []}`, reason.Unreadable, `"version" is to stand here`},
		"a version of the past":  {`{"version": 1, "since": 2, "units": []`, reason.Unreadable, "at least since"},
		"no persons":             {head + `"units": [], "groups": []}`, reason.Unreadable, `"persons" is to stand here`},
		"F44 a list twice":       {head + `"units": [], "units": [], "persons": [], "groups": []}`, reason.Unreadable, `"persons" is to stand here`},
		"F44 a number for text":  {head + `"units": [], "persons": [{"id": "p", "civicNo": 189001019802}], "groups": []}`, reason.Unreadable, "another type"},
		"an unknown key":         {head + `"units": [], "persons": [{"id": "p", "189001019802": 1}], "groups": []}`, reason.Unreadable, "not known"},
		"something after it all": {head + `"units": [], "persons": [], "groups": []} {}`, reason.Unreadable, "after its end"},
		"something else":         {"<html/>", reason.Unreadable, "not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			_, res, err := read(t, c.text)
			if reason.Of(err).Code != c.want || res.Complete || len(res.Cursor) > 0 {
				t.Fatalf("got %v, complete %v, cursor %q; want %s", err, res.Complete, res.Cursor, c.want)
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "mine.json") {
				t.Errorf("the error is %q, want it to say %q", err, c.says)
			}
			if strings.Contains(err.Error(), "189001019802") {
				t.Errorf("R8: the error shows a number: %v", err)
			}
		})
	}
}

func TestAFileThatAPersonHoldsIsReadWhole(t *testing.T) {
	docs, res, err := read(t, head+`"units": [], "persons": [{"id": "p", "version": 1, "username": "testa"}, {"id": "q", "version": 3, "deleted": true}], "groups": []}`)
	if err != nil || !res.Complete || res.Seen["persons"] != 2 || len(docs) != 1 || docs[0].ID != "person/p" || docs[0].Where != "persons[0]" {
		t.Fatalf("got %v, %+v, %v", docs, res, err)
	}
	if p, _ := docs[0].Facts[0].(fact.Person); p.Username != "testa" {
		t.Errorf("the user name is %q", p.Username)
	}
}

func TestALineThatBreaksIsNoEndOfTheFile(t *testing.T) {
	s, err := memory.Connector().New().Open(source.Env{})
	if err != nil {
		t.Fatal(err)
	}
	f, _ := s.(source.FileReader)
	broken := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(head)))
	if _, err := f.ReadFile(t.Context(), "mine.json", broken, nil); reason.Of(err).Code != reason.TransferCut || !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got %v, want %s", err, reason.TransferCut)
	}
}
