package target_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// errKilled is what a process sees of its own death: nothing it does after that has any effect.
var errKilled = errors.New("killed")

var register = roster.Source{System: "test", Instance: "default"}

// school is a mapping as small as can be: units, users of who stands, and groups that need their unit and have their
// members as a set.
type school struct{ version string }

func (s school) Version() string { return cmp.Or(s.version, "1") }

func (school) Map(v target.View, e roster.Ref) []target.Wish {
	id := func(kind string, k roster.Key) target.ID { return target.ID{Kind: kind, Key: k.String()} }
	r := target.Resource{ID: id(string(e.Kind), target.Anchor(v, e.Key)), Entity: e}
	switch e.Kind {
	case roster.KindOrganisation:
		o := v.Organisation(e.Key)
		if o == nil {
			return nil
		}
		r.Fields = target.Fields{{Name: "name", Value: roster.Personal(o.DisplayName)}}
	case roster.KindPerson:
		p := v.Person(e.Key)
		if p == nil {
			return nil
		}
		if p.MiddleName == "left" {
			why := reason.New(reason.NoActiveRole)
			return []target.Wish{{Resource: r, Withheld: &why, Fate: target.Leaves}}
		}
		if p.FamilyName == "" {
			why := reason.New(reason.NeedsMissing, "resource", "family name")
			return []target.Wish{{Resource: r, Withheld: &why, Fate: target.Stays}}
		}
		r.Fields = target.Fields{{Name: "family", Value: p.FamilyName}}
	case roster.KindGroup:
		g := v.Group(e.Key)
		if g == nil {
			return nil
		}
		r.Fields = target.Fields{{Name: "name", Value: roster.Personal(g.DisplayName)}}
		r.Needs = []target.ID{id("organisation", g.Organisation)}
		members := target.Set{Name: "members"}
		for _, m := range g.Members {
			if m.Interval.Contains(v.Today()) {
				members.Members = append(members.Members, id("person", target.Anchor(v, m.Person)))
			}
		}
		slices.SortFunc(members.Members, target.ID.Compare)
		r.Sets = []target.Set{members}
	}
	return []target.Wish{{Resource: r}}
}

// directory is a target that takes calls, in memory.
type directory struct {
	mu      sync.Mutex
	held    map[target.ID]target.Held
	creates map[target.ID]int
	off     map[target.ID]bool // disabled or contained
	alias   map[target.ID]bool // of what is contained, what goes on by its alias
	away    map[target.ID]bool // where those lie who have left
	left    []string           // since when and why somebody was kept out
	kinds   []string           // where they are others than those of the mapping school
	calls   int
	fail    func(op target.Operation) error
	after   func(op target.Operation) error // of what was done: the answer that is lost on its way
	hook    func(step string) error
	serial  int
}

func newDirectory() *directory {
	return &directory{held: map[target.ID]target.Held{}, creates: map[target.ID]int{}, off: map[target.ID]bool{}, alias: map[target.ID]bool{}, away: map[target.ID]bool{}}
}

// set changes how the directory answers.
func (d *directory) set(fail func(target.Operation) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

func (d *directory) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// enabled tells whether the directory holds something that can be used.
func (d *directory) enabled(id target.ID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, held := d.held[id]
	return held && (!d.off[id] || d.alias[id])
}

func (d *directory) Kinds() []string {
	if d.kinds != nil {
		return d.kinds
	}
	return []string{"organisation", "person", "group"}
}

func (d *directory) Apply(_ context.Context, ops []target.Operation) []target.Outcome {
	out := make([]target.Outcome, len(ops))
	for i, op := range ops {
		if d.hook != nil {
			if err := d.hook("before apply"); err != nil {
				out[i].Err = err
				continue
			}
		}
		out[i] = d.apply(op)
		if d.after != nil && out[i].Err == nil {
			out[i].Err = d.after(op)
		}
	}
	return out
}

func (d *directory) apply(op target.Operation) target.Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.fail != nil {
		if err := d.fail(op); err != nil {
			return target.Outcome{Err: err}
		}
	}
	id := op.Resource.ID
	switch op.Verb {
	case target.Disable, target.Move:
		d.off[id], d.away[id] = true, op.Verb == target.Move
		d.left = append(d.left, fmt.Sprint(op.Verb, " ", op.Left, " ", op.Why))
	case target.Contain:
		h := d.held[id]
		d.off[id], d.alias[id] = true, op.Alias
		h.Fields = target.Fields{{Name: "family", Value: roster.Personal("neutral-" + h.Native)}}
		d.held[id] = h
	case target.Delete:
		delete(d.held, id)
		delete(d.off, id)
		return target.Outcome{}
	case target.Create:
		d.creates[id]++
		d.serial++
		d.held[id] = target.Held{ID: id, Native: fmt.Sprint("n", d.serial), Fields: op.Resource.Fields, Sets: op.Resource.Sets}
	default:
		if d.off[id] != op.Enable {
			return target.Outcome{Err: fmt.Errorf("disabled is %t, and enable %t", d.off[id], op.Enable)}
		}
		delete(d.off, id)
		delete(d.alias, id)
		delete(d.away, id)
		h := d.held[id]
		h.ID, h.Fields, h.Sets = id, op.Resource.Fields, op.Resource.Sets
		d.held[id] = h
	}
	return target.Outcome{Native: d.held[id].Native}
}

func (d *directory) Lookup(_ context.Context, id target.ID, _ string) (target.Held, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h, ok := d.held[id]
	if !ok {
		return h, target.ErrNotFound
	}
	h.Disabled = d.off[id] && !d.alias[id]
	return h, nil
}

// text returns all that the directory holds, a line each.
func (d *directory) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []string
	for id, h := range d.held {
		lines = append(lines, line(id, h.Fields, h.Sets))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func line(id target.ID, fields target.Fields, sets []target.Set) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", id)
	for _, f := range fields {
		fmt.Fprintf(&b, " %s=%s", f.Name, f.Value.Reveal())
	}
	for _, s := range sets {
		fmt.Fprintf(&b, " %s=%v", s.Name, s.Members)
	}
	return b.String()
}

// inbox is a target that takes complete sets, in memory.
type inbox struct {
	mu      sync.Mutex
	files   map[string]string
	uploads []string
	refuse  func(target.Resource) *target.Problem
	fail    error
	hook    func(step string) error
}

func newInbox() *inbox { return &inbox{files: map[string]string{}} }

// set changes how the inbox answers.
func (i *inbox) set(refuse func(target.Resource) *target.Problem, fail error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.refuse, i.fail = refuse, fail
}

// onStep has every step of an upload seen first.
func (i *inbox) onStep(hook func(step string) error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.hook = hook
}

func (i *inbox) step(name string) error {
	i.mu.Lock()
	hook := i.hook
	i.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(name)
}

func (i *inbox) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.uploads)
}

func (i *inbox) Render(set []target.Resource) (target.Package, []target.Problem) {
	i.mu.Lock()
	defer i.mu.Unlock()
	lines := make([]string, len(set))
	var problems []target.Problem
	for j, r := range set {
		lines[j] = line(r.ID, r.Fields, r.Sets)
		if i.refuse != nil {
			if p := i.refuse(r); p != nil {
				problems = append(problems, *p)
			}
		}
	}
	body := strings.Join(lines, "\n")
	sum := sha256.Sum256([]byte(body))
	digest := hex.EncodeToString(sum[:8])
	return target.Package{Name: digest + ".txt", Digest: digest, Body: []byte(body)}, problems
}

func (i *inbox) Deliver(_ context.Context, p target.Package) error {
	if err := i.step("before upload"); err != nil {
		return err
	}
	i.mu.Lock()
	if i.fail != nil {
		i.mu.Unlock()
		return i.fail
	}
	i.files[p.Name] = string(p.Body)
	i.uploads = append(i.uploads, p.Name)
	i.mu.Unlock()
	return i.step("after upload")
}

func (i *inbox) Delivered(_ context.Context, p target.Package) (bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, ok := i.files[p.Name]
	return ok, nil
}

func (i *inbox) last() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.uploads) == 0 {
		return ""
	}
	return i.files[i.uploads[len(i.uploads)-1]]
}
