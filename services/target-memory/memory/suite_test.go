package memory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
	"eventful.se/ess/services/target-memory/memory"
)

func TestSuite(t *testing.T) {
	targettest.Test(t, targettest.Under{
		Connector: memory.Connector(),
		Peer: func(t *testing.T) (targettest.Peer, string) {
			p := newPeer(t)
			return p, fmt.Sprintf("file: %s\ntrouble: %s\ntimeout: 1500ms\npageSize: 3\n", p.file, p.trouble)
		},
		Refused: map[string]string{
			"{}":                                "file",
			"file: ' '":                         "file",
			"{file: x, timeout: 5ns}":           "timeout",
			"{file: x, pageSize: -1}":           "pageSize",
			"{file: x, rate: -1}":               "rate",
			"{file: x, rate: .nan}":             "rate",
			"{file: x, rate: .inf}":             "rate",
			"{file: x, members: some}":          "members",
			"{file: x, match: {unit: [name]}}":  "match.unit",
			"{file: x, match: {user: [shoes]}}": "match.user[0]",
		},
		Claims: targettest.Claims{
			Units: true, Pupils: true, Staff: true, Groups: true,
			Shows: []targettest.Attribute{
				targettest.GivenName, targettest.FamilyName, targettest.Username, targettest.Email, targettest.GroupName, targettest.UnitName,
			},
			Disables: true, Aliases: true, Lists: true, Verifies: true, Moves: true, Finds: "match: {user: [email]}",
			Rate:     &targettest.Rate{Settings: "rate: 4", PerSecond: 4, Burst: 4, Shared: true},
			Deadline: 1500 * time.Millisecond,
		},
		Against: "a directory in a file, with its own rules and ids",
	})
}

// peer is the file as somebody sees it who opens it in an editor.
type peer struct{ file, trouble string }

// others are objects that were there before us; one is a user, and one a unit that nobody calls by an external id.
const others = `{"serial": 2, "writes": 0, "objects": [
	{"id": "000001", "type": "unit", "attributes": {"name": "Förvaltningen"}},
	{"id": "000002", "type": "user", "unit": "000001", "attributes": {"username": "chefen", "givenName": "Chefa", "familyName": "Invented"}}
]}`

func newPeer(t *testing.T) peer {
	t.Helper()
	dir := t.TempDir()
	p := peer{filepath.Join(dir, "directory.json"), filepath.Join(dir, "trouble.yaml")}
	if err := os.WriteFile(p.file, []byte(others), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

type object struct {
	ID         string            `json:"id"`
	Type       string            `json:"type"`
	ExternalID string            `json:"externalId,omitempty"`
	Disabled   bool              `json:"disabled,omitempty"`
	Away       bool              `json:"away,omitempty"`
	Guarded    bool              `json:"guarded,omitempty"`
	Unit       string            `json:"unit,omitempty"`
	Attributes map[string]string `json:"attributes"`
	Members    []struct {
		Set  string `json:"set"`
		User string `json:"user"`
	} `json:"members,omitempty"`
}

type content struct {
	Serial  int      `json:"serial"`
	Calls   int      `json:"calls"`
	Writes  int      `json:"writes"`
	Objects []object `json:"objects"`
}

func (p peer) read() (c content, err error) {
	data, err := os.ReadFile(p.file)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(data, &c)
}

func (p peer) Holds() ([]target.Held, error) {
	c, err := p.read()
	key := func(id string) target.ID {
		i := slices.IndexFunc(c.Objects, func(o object) bool { return o.ID == id })
		if i < 0 {
			return target.ID{Kind: "dangling", Key: id}
		}
		if c.Objects[i].ExternalID == "" {
			return target.ID{Kind: target.Foreign, Key: id}
		}
		return target.ID{Kind: c.Objects[i].Type, Key: c.Objects[i].ExternalID}
	}
	var out []target.Held
	for _, o := range c.Objects {
		if o.ExternalID == "" {
			continue
		}
		h := target.Held{ID: key(o.ID), Native: o.ID, Disabled: o.Disabled}
		for name, value := range o.Attributes {
			if name == "shoes" { // of the customer's own, and no business of ours
				continue
			}
			h.Fields = append(h.Fields, target.Field{Name: name, Value: roster.Personal(value)})
		}
		if o.Unit != "" {
			h.Fields = append(h.Fields, target.Field{Name: "unit", Value: roster.Personal(key(o.Unit).Key)})
		}
		for _, m := range o.Members {
			h.Sets = append(h.Sets, target.Set{Name: m.Set, Members: []target.ID{key(m.User)}})
		}
		out = append(out, h)
	}
	return out, err
}

func (p peer) Others() (string, error) {
	c, err := p.read()
	c.Objects = slices.DeleteFunc(c.Objects, func(o object) bool { return o.ExternalID != "" })
	return fmt.Sprint(c.Objects), err
}

func (p peer) Plant(r target.Resource, guarded bool) (string, error) {
	c, err := p.read()
	if err != nil {
		return "", err
	}
	c.Serial++
	o := object{ID: fmt.Sprintf("%06d", c.Serial), Type: r.ID.Kind, Unit: "000001", Guarded: guarded, Attributes: map[string]string{"username": fmt.Sprint("eget", c.Serial), "shoes": "42"}}
	for _, f := range r.Fields {
		if f.Name == "email" {
			o.Attributes["email"] = f.Value.Reveal()
		}
	}
	c.Objects = append(c.Objects, o)
	return o.ID, p.write(c)
}

func (p peer) Own(native string) (string, error) {
	c, err := p.read()
	i := slices.IndexFunc(c.Objects, func(o object) bool { return o.ID == native })
	if err != nil || i < 0 {
		return "gone", err
	}
	return fmt.Sprint(c.Objects[i]), nil
}

func (p peer) Away(id target.ID) (bool, error) {
	c, err := p.read()
	return slices.ContainsFunc(c.Objects, func(o object) bool { return o.Type == id.Kind && o.ExternalID == id.Key && o.Away }), err
}

func (p peer) Calls() int {
	c, _ := p.read()
	return c.Calls
}

func (p peer) Writes() int {
	c, _ := p.read()
	return c.Writes
}

func (p peer) Fail(f targettest.Fault, of target.ID) error {
	text, ok := map[targettest.Fault]string{
		targettest.RefuseOne:  "{status: 422, of: " + of.Key + "}",
		targettest.HalfBatch:  "{status: 500, skip: 1}",
		targettest.Throttle:   "{status: 429, after: " + targettest.Wait.String() + "}",
		targettest.Bare:       "{status: 429}",
		targettest.Broken:     "{status: 500}",
		targettest.Garbage:    "{status: 0}",
		targettest.Hang:       "{hang: true}",
		targettest.SignIn:     "{status: 401}",
		targettest.LostAnswer: "{status: 500, done: true}",
	}[f]
	if !ok {
		return fmt.Errorf("no such fault: %s", f)
	}
	return os.WriteFile(p.trouble, []byte(text), 0o600)
}

func (p peer) Heal() error {
	if err := os.Remove(p.trouble); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (p peer) Tamper(how targettest.Tampering, id target.ID) error {
	c, err := p.read()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(c.Objects, func(o object) bool { return o.Type == id.Kind && o.ExternalID == id.Key })
	if i < 0 {
		return fmt.Errorf("no %s", id)
	}
	if how == targettest.Change {
		for name, value := range c.Objects[i].Attributes {
			c.Objects[i].Attributes[name] = strings.ToUpper(value) + "?"
		}
	} else {
		gone := c.Objects[i].ID
		c.Objects = slices.Delete(c.Objects, i, i+1)
		for j, o := range c.Objects { // as the directory itself does
			c.Objects[j].Members = slices.DeleteFunc(o.Members, func(m struct {
				Set  string `json:"set"`
				User string `json:"user"`
			},
			) bool {
				return m.User == gone
			})
		}
	}
	return p.write(c)
}

func (p peer) write(c content) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(p.file, data, 0o600)
}
