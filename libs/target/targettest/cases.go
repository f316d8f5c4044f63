package targettest

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/conformance/golden"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// Filer is a peer that gets files. A golden case then expects these, byte for byte, and not what [Peer.Holds] makes of them.
type Filer interface {
	// Files returns what lies there now, by name; nothing before anything was delivered.
	Files() (map[string][]byte, error)
}

// Cases has the real engine make a target equal to the roster of each golden case in testdata/cases, and compares what the
// other side then holds with what the case expects. In the folder of a case are
//
//	settings.yaml   the connector's settings, with ${NAME} for a value of the other side
//	roster.yaml     the roster and the day; see [ReadRoster]
//	before.yaml     the roster of an earlier day, which the target was made equal to then; left out, it holds nothing. Who
//	                stands in it and not in roster.yaml has left the register, or is who says so by former
//	expected.yaml   what the other side holds: resources with fields and sets; and what the ledger knows of each that is not
//	                simply there: withheld, waiting, parked, disabled, with the reason. Ids of the roster stand in place of keys
//	expected/       the files of a [Filer]
//
// The link has the usual stages of leaving and no limits.
func Cases(t *testing.T, c target.Connector, peer func(*testing.T) (p Peer, values map[string]string)) {
	t.Helper()
	golden.Each(t, []string{"settings.yaml", "roster.yaml", "before.yaml"}, func(t *testing.T, in golden.Case) map[string]string {
		var values map[string]string
		s := &suite{under: Under{Connector: c, Peer: func(t *testing.T) (p Peer, settings string) {
			p, values = peer(t)
			return p, in.Settings(t, values)
		}}}
		w := s.world(t)
		w.options.Lifecycle = target.Lifecycle{Stages: target.DefaultStages()}
		read := func(file string) Written {
			r, err := ReadRoster(filepath.Join(in.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		now := read("roster.yaml")
		if in.Has("before.yaml") {
			before := read("before.yaml")
			w.be(before.Today)
			w.put(before.Records...)
			now.after(before)
		}
		w.be(now.Today)
		return w.expectation(w.put(now.Records...), now.IDs, values)
	})
}

// after leaves what a source would publish after what it published before: what changed, and the tombstones of what stands
// no more.
func (w *Written) after(before Written) {
	said := map[string]bool{}
	for _, r := range before.Records {
		said[string(roster.AppendJSON(nil, &r, true))] = true
	}
	became := map[roster.Key]roster.Key{}
	for _, r := range w.Records {
		for _, k := range r.Former {
			became[k] = r.Ref.Key
		}
	}
	w.Records = slices.DeleteFunc(w.Records, func(r roster.Record) bool { return said[string(roster.AppendJSON(nil, &r, true))] })
	for _, r := range before.Records {
		if _, stands := w.IDs[r.Ref.Key]; !stands {
			r = gone(r)
			if k, ok := became[r.Ref.Key]; ok {
				r.Tombstone = &roster.Tombstone{Reason: roster.TombstoneBecame, Became: k}
			}
			w.Records = append(w.Records, r)
		}
		w.IDs[r.Ref.Key] = before.IDs[r.Ref.Key]
	}
}

// be moves the clock to noon of a day.
func (w *world) be(d roster.Date) { w.pass(d.Start().Add(12 * time.Hour).Sub(w.now())) }

// expectation is what became of a roster, as a case expects it.
type expectation struct {
	Halted    *golden.Why `yaml:"halted,omitempty"`
	Resources []held      `yaml:"resources,omitempty"`
	Ledger    []known     `yaml:"ledger,omitempty"`
}

type held struct {
	Resource string        `yaml:"resource"`
	Disabled bool          `yaml:"disabled,omitempty"`
	Fields   yaml.MapSlice `yaml:"fields,omitempty"`
	Sets     yaml.MapSlice `yaml:"sets,omitempty"`
}

type known struct {
	Resource string      `yaml:"resource"`
	State    string      `yaml:"state"`
	Reason   *golden.Why `yaml:"reason,omitempty"`
}

func (w *world) expectation(s target.Settled, ids map[roster.Key]string, values map[string]string) map[string]string {
	w.t.Helper()
	var pairs []string
	for key, id := range ids {
		pairs = append(pairs, key.String(), id)
	}
	named := strings.NewReplacer(pairs...)
	because := func(r *reason.Reason) *golden.Why {
		if r == nil {
			return nil
		}
		y := &golden.Why{Code: string(r.Code)}
		for _, a := range r.Args {
			y.Add(a.Name, named.Replace(a.Value), values)
		}
		return y
	}
	e := expectation{Halted: because(s.Halted)}
	files := map[string]string{}
	if f, ok := w.peer.(Filer); ok {
		list, err := f.Files()
		if err != nil {
			w.t.Fatalf("the peer of the test cannot tell which files it has: %v", err)
		}
		for name, data := range list {
			files[path.Join(golden.Folder, name)] = string(data)
		}
	} else {
		for id, h := range w.held() {
			e.Resources = append(e.Resources, held{
				Resource: named.Replace(id.String()), Disabled: h.Disabled, Fields: together(lines(h.Fields), named, false), Sets: together(members(h.Sets), named, true),
			})
		}
		slices.SortFunc(e.Resources, func(a, b held) int { return strings.Compare(a.Resource, b.Resource) })
	}
	for _, x := range w.ledgerEntries() {
		if x.State != target.Applied || x.Reason != nil {
			e.Ledger = append(e.Ledger, known{named.Replace(x.ID.String()), string(x.State), because(x.Reason)})
		}
	}
	slices.SortFunc(e.Ledger, func(a, b known) int { return strings.Compare(a.Resource, b.Resource) })
	files[golden.Expected] = golden.Text(w.t, e)
	return files
}

// ledgerEntries returns what the ledger knows.
func (w *world) ledgerEntries() []target.Entry {
	w.t.Helper()
	book, err := w.ledger.Look(w.t.Context(), w.suite.link())
	if err != nil {
		w.t.Fatal(err)
	}
	h, err := target.Hold(w.t.Context(), book)
	if err != nil {
		w.t.Fatal(err)
	}
	return h.Entries()
}

// together has the values of a name in one place: a field as it is, or as a list where there are several; a set as a list.
func together(pairs [][2]string, named *strings.Replacer, set bool) (out yaml.MapSlice) {
	values := map[string][]string{}
	for _, p := range pairs {
		values[p[0]] = append(values[p[0]], named.Replace(p[1]))
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		slices.Sort(values[name])
		if len(values[name]) == 1 && !set {
			out = append(out, yaml.MapItem{Key: name, Value: values[name][0]})
		} else {
			out = append(out, yaml.MapItem{Key: name, Value: values[name]})
		}
	}
	return out
}
