package demo

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"eventful.se/ess/services/ess/municipality"
)

// file is a directory that can be spoiled.
type file struct {
	directoryFile
	known map[string]string
	town  *municipality.Municipality
}

// the returns the first object of a type that fits.
func (f *file) the(t *testing.T, kind string, fits func(directoryObject) bool) *directoryObject {
	t.Helper()
	for i, o := range f.Objects {
		if o.Type == kind && fits(o) {
			return &f.Objects[i]
		}
	}
	t.Fatalf("the directory has no such %s", kind)
	return nil
}

func used(o directoryObject) bool     { return !o.Disabled }
func disabled(o directoryObject) bool { return o.Disabled }
func full(o directoryObject) bool     { return len(o.Members) > 1 }

// drop takes objects out, and their places in groups.
func (f *file) drop(ids ...string) {
	gone := map[string]bool{}
	for _, id := range ids {
		gone[id] = true
	}
	var objects []directoryObject
	for _, o := range f.Objects {
		if gone[o.ID] {
			continue
		}
		places := o.Members
		o.Members = nil
		for _, m := range places {
			if !gone[m.User] {
				o.Members = append(o.Members, m)
			}
		}
		objects = append(objects, o)
	}
	f.Objects = objects
}

// add adds a copy of an object, changed.
func (f *file) add(o directoryObject, change func(*directoryObject)) {
	o.Attributes, o.ID = maps.Clone(o.Attributes), "999999"
	change(&o)
	f.Objects = append(f.Objects, o)
}

func (d delivery) verifyDirectory(t *testing.T) {
	content, err := VerifyDirectory(d.directory, d.town, d.day, nil)
	if err != nil {
		t.Fatalf("what the demo left: %v", err)
	}
	if content.Units == 0 || content.Groups == 0 || len(content.Accounts) == 0 || len(content.Disabled) == 0 || len(content.Places) == 0 || content.Calls == 0 {
		t.Fatalf("the directory shows %+v, want some of everything", content)
	}
	for name, spoil := range map[string]func(t *testing.T, f *file){
		"an account is missing": func(t *testing.T, f *file) { f.drop(f.the(t, "user", used).ID) },
		"an account stands twice": func(t *testing.T, f *file) {
			f.add(*f.the(t, "user", used), func(*directoryObject) {})
		},
		"an account of nobody": func(t *testing.T, f *file) {
			f.add(*f.the(t, "user", used), func(o *directoryObject) {
				o.Attributes["username"], o.Attributes["email"] = "surplus@ess.example", "surplus@ess.example"
			})
		},
		"an id is given twice": func(t *testing.T, f *file) {
			id := f.the(t, "unit", used).ID
			f.add(*f.the(t, "user", disabled), func(o *directoryObject) { o.ID = id })
		},
		"another first name": func(t *testing.T, f *file) { f.the(t, "user", used).Attributes["givenName"] = "Annan" },
		"another surname":    func(t *testing.T, f *file) { f.the(t, "user", used).Attributes["familyName"] = "Annan" },
		"another address":    func(t *testing.T, f *file) { f.the(t, "user", used).Attributes["email"] = "x@y.example" },
		"another user name":  func(t *testing.T, f *file) { f.the(t, "user", used).Attributes["username"] = "x@y.example" },
		"an account nowhere": func(t *testing.T, f *file) { f.the(t, "user", used).Unit = "" },
		"an account that cannot be used": func(t *testing.T, f *file) {
			f.the(t, "user", used).Disabled = true
		},
		"an account that can be used again": func(t *testing.T, f *file) {
			f.the(t, "user", disabled).Disabled = false
		},
		"a place is missing": func(t *testing.T, f *file) {
			g := f.the(t, "group", full)
			g.Members = g.Members[1:]
		},
		"a place of who has left": func(t *testing.T, f *file) {
			f.the(t, "group", full).Members[0].User = f.the(t, "user", disabled).ID
		},
		"a place of nobody": func(t *testing.T, f *file) { f.the(t, "group", full).Members[0].User = "nobody" },
		"a place in another set": func(t *testing.T, f *file) {
			m := &f.the(t, "group", full).Members[0]
			m.Set = map[string]string{"members": "owners", "owners": "members"}[m.Set]
		},
		"a group is missing":   func(t *testing.T, f *file) { f.drop(f.the(t, "group", used).ID) },
		"a group stands twice": func(t *testing.T, f *file) { f.add(*f.the(t, "group", used), func(*directoryObject) {}) },
		"a group has another name": func(t *testing.T, f *file) {
			f.the(t, "group", used).Attributes["name"] = "Annat"
		},
		"a group of another school": func(t *testing.T, f *file) {
			g := f.the(t, "group", used)
			g.Unit = f.the(t, "unit", func(o directoryObject) bool { return o.ID != g.Unit }).ID
		},
		"a school is missing":       func(t *testing.T, f *file) { f.drop(f.the(t, "unit", used).ID) },
		"a school has another name": func(t *testing.T, f *file) { f.the(t, "unit", used).Attributes["name"] = "Annan skola" },
		"a school too many": func(t *testing.T, f *file) {
			f.add(*f.the(t, "unit", used), func(o *directoryObject) { o.Attributes["name"] = "Annan skola" })
		},
		"an account is another one than before": func(t *testing.T, f *file) {
			f.known[f.the(t, "user", used).Attributes["username"]] = "000000"
		},
		"the account of who left is gone": func(t *testing.T, f *file) {
			id := f.the(t, "user", disabled).ID
			f.known["left@ess.example"] = id
			f.drop(id)
		},
		"a protected person can be seen": func(t *testing.T, f *file) {
			o := f.the(t, "user", disabled)
			for i := range f.town.Persons {
				if p := &f.town.Persons[i]; p.Marking.Protects() {
					o.Attributes["email"] = p.Email.Reveal()
				}
			}
		},
		"the register of another day": func(t *testing.T, f *file) {
			if _, err := f.town.Join(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &file{town: d.town.Clone(), known: maps.Clone(content.Accounts)}
			if err := json.Unmarshal(d.directory, &f.directoryFile); err != nil {
				t.Fatal(err)
			}
			spoil(t, f)
			data, err := json.Marshal(f.directoryFile)
			if err != nil {
				t.Fatal(err)
			}
			_, err = VerifyDirectory(data, f.town, d.day, f.known)
			if err == nil {
				t.Fatal("it is taken for equal")
			}
			for i := range d.town.Persons { // R8
				if p := &d.town.Persons[i]; p.Email != "" && strings.Contains(err.Error(), p.Email.Reveal()) {
					t.Errorf("the error names a person: %v", err)
				}
			}
		})
	}
	if _, err := VerifyDirectory([]byte(`{"objects": [`), d.town, d.day, nil); err == nil {
		t.Error("half a file is taken for equal")
	}
}

// What is told of two looks at a directory.
func TestSince(t *testing.T) {
	was := Directory{
		Accounts: map[string]string{"a": "1", "b": "2"}, Disabled: map[string]bool{"3": true, "4": false}, Places: map[string]bool{"g 1": true, "g 2": true},
	}
	for name, c := range map[string]struct {
		now  Directory
		want string
	}{
		"nothing": {was, ""},
		"one leaves and one returns": {
			Directory{Accounts: map[string]string{"a": "1", "c": "3"}, Disabled: map[string]bool{"2": true, "4": false}, Places: map[string]bool{"g 1": true, "g 3": true}},
			"account 2 is disabled, and stays for 180 days\naccount 3 is in use again, as it was\n+1 −1 places in groups",
		},
		"two leave": {Directory{Disabled: map[string]bool{"1": true, "2": true, "3": true}, Places: was.Places}, "2 accounts are disabled, and stay for 180 days"},
		"one is hidden": {
			Directory{Accounts: map[string]string{"a": "1"}, Disabled: map[string]bool{"2": false, "3": true, "4": false}, Places: map[string]bool{"g 1": true}},
			notTold,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(c.now.since(was), "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
