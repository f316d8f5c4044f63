package sourcetest

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/conformance/golden"
	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// Side is the other side of a golden case.
type Side struct {
	// Values are what stands for ${NAME} in the settings of the cases: what only this side knows, such as its port.
	Values map[string]string
	// Hold makes it hold exactly the files of a folder, with a time at which they changed last; see [Folder].
	Hold func(files string, at time.Time) error
}

// Folder returns a [Side.Hold] for a register that is the files of a folder.
func Folder(dir string) func(files string, at time.Time) error {
	return func(files string, at time.Time) error {
		old, err := os.ReadDir(dir)
		for _, f := range old {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, f.Name())))
		}
		err = errors.Join(err, os.CopyFS(dir, os.DirFS(files)))
		list, listErr := os.ReadDir(dir)
		err = errors.Join(err, listErr)
		for _, f := range list {
			err = errors.Join(err, os.Chtimes(filepath.Join(dir, f.Name()), at, at))
		}
		return err
	}
}

// Cases reads each golden case in testdata/cases by the runtime itself into a log in memory, and compares what the run came
// to with what the case expects. In the folder of a case are
//
//	settings.yaml   the connector's settings, with ${NAME} for a value of the other side
//	input/          what the register says: files as they came
//	before/         what it said an hour earlier; left out, nothing was read before
//	expected.yaml   state and reason of the run, its findings, and the records that then stand, as [roster.AppendJSON]
//	                spells them, in the words of SS 12000, with the source's own ids in place of keys; each with its key
//	                under the pepper of the suite, and a tombstone where one came
//
// The clock stands at noon in Stockholm on 14 October 2026, and the guard of the runtime has its usual limits.
func Cases(t *testing.T, c source.Connector, serve func(*testing.T) Side) {
	t.Helper()
	golden.Each(t, []string{"settings.yaml", "input", "before"}, func(t *testing.T, in golden.Case) map[string]string {
		side := serve(t)
		s := &suite{
			Under: Under{Connector: c, Settings: in.Settings(t, side.Values)},
			heard: &heard{said: map[string]bool{}}, numbers: map[string]bool{},
		}
		w := s.world(t, t.Context())
		w.limits = nil
		read := func(part string) source.Run {
			if err := side.Hold(filepath.Join(in.Dir, part), w.now); err != nil {
				t.Fatalf("the other side does not take %s: %v", part, err)
			}
			run, err := w.run()
			if err != nil {
				t.Fatal(err)
			}
			return run
		}
		var before []roster.Record
		if in.Has("before") {
			w.now = noon.Add(-time.Hour)
			if run := read("before"); !run.Believed() {
				t.Fatalf("what the register said before is not believed: %s", why(run))
			}
			before = w.log.Standing()
		}
		w.now = noon
		run := read("input")
		return map[string]string{golden.Expected: golden.Text(t, w.outcome(run, before, side.Values))}
	})
}

// outcome is what a read came to, as a case expects it.
type outcome struct {
	State    source.State    `yaml:"state"`
	Reason   *golden.Why     `yaml:"reason,omitempty"`
	Complete bool            `yaml:"complete"`
	Seen     map[string]int  `yaml:"seen,omitempty"`
	Counts   map[string]int  `yaml:"counts,omitempty"`
	Findings []finding       `yaml:"findings,omitempty"`
	Records  []yaml.MapSlice `yaml:"records,omitempty"`
}

type finding struct {
	golden.Why `yaml:",inline"`
	Severity   string `yaml:"severity"`
	Effect     string `yaml:"effect"`
	About      string `yaml:"about,omitempty"`
	Where      string `yaml:"where,omitempty"`
	Count      int    `yaml:"count,omitempty"`
	State      string `yaml:"state,omitempty"` // when it is not new
}

func (w *world) outcome(run source.Run, before []roster.Record, values map[string]string) outcome {
	w.t.Helper()
	after := w.log.Standing()
	all := slices.Clone(after)
	for _, r := range before {
		if gone := w.log.Tombstone(r.Ref); gone != nil {
			all = append(all, roster.Record{Ref: r.Ref, Source: r.Source, Tombstone: gone})
		}
	}
	names := w.names(append(before, after...))
	slices.SortStableFunc(all, func(a, b roster.Record) int {
		return cmp.Or(cmp.Compare(slices.Index(roster.Kinds(), a.Ref.Kind), slices.Index(roster.Kinds(), b.Ref.Kind)),
			cmp.Compare(names[a.Ref.Key], names[b.Ref.Key]), a.Ref.Compare(b.Ref))
	})
	o := outcome{State: run.State, Complete: run.Complete, Seen: run.Seen, Counts: run.Counts}
	because := func(r reason.Reason) golden.Why {
		y := golden.Why{Code: string(r.Code)}
		for _, a := range r.Args {
			y.Add(a.Name, a.Value, values)
		}
		return y
	}
	if run.Reason != nil {
		y := because(*run.Reason)
		o.Reason = &y
	}
	if run.Found != nil {
		for _, i := range run.Found.Issues {
			f := finding{Why: because(i.Reason), Severity: string(i.Severity), Effect: string(i.Effect), Where: i.Where, Count: i.Count, State: string(i.State)}
			if i.Ref != (roster.Ref{}) {
				f.About = string(i.Ref.Kind) + " " + cmp.Or(names[i.Ref.Key], i.Ref.Key.String())
			}
			if i.State == source.IssueNew {
				f.State = ""
			}
			o.Findings = append(o.Findings, f)
		}
	}
	for _, r := range all {
		o.Records = append(o.Records, w.record(r, names))
	}
	return o
}

// names are the ids by which the source calls what it states. A key of a finding may be of somebody who does not stand.
func (w *world) names(records []roster.Record) map[roster.Key]string {
	names := map[roster.Key]string{}
	for _, r := range records {
		if len(r.Origins) > 0 {
			names[r.Ref.Key] = r.Origins[0].ID.Reveal()
		}
	}
	for _, d := range w.last.docs {
		for _, f := range d.Facts {
			if p, ok := f.(fact.Person); ok {
				k := w.keyer.Person(w.name, p.ID, roster.ParseCivicNo(p.CivicNo, roster.Today(w.now)))
				names[k] = cmp.Or(names[k], p.ID)
			}
		}
	}
	return names
}

// record is a record as a case expects it: without the source, which is always the same, and where it stands in a file.
func (w *world) record(r roster.Record, names map[roster.Key]string) yaml.MapSlice {
	w.t.Helper()
	text := roster.AppendJSON(nil, &r, true)
	for key, name := range names {
		if slices.Contains(slices.Concat([]roster.Key{became(r)}, r.Former, r.SameAs), key) {
			continue // the same person by another key: which one is what matters
		}
		quoted, err := yaml.MarshalWithOptions(name, yaml.JSON())
		if err != nil {
			w.t.Fatalf("%v", err)
		}
		text = bytes.ReplaceAll(text, []byte(`"`+key.String()+`"`), bytes.TrimSpace(quoted))
	}
	var read struct {
		Kind   string        `yaml:"kind"`
		Key    string        `yaml:"key"`
		Record yaml.MapSlice `yaml:"record"`
	}
	if err := yaml.UnmarshalWithOptions(text, &read, yaml.UseOrderedMap()); err != nil {
		w.t.Fatalf("%v", err)
	}
	out := yaml.MapSlice{{Key: read.Kind, Value: read.Key}, {Key: "key", Value: r.Ref.Key.String()}}
	return append(out, without(read.Record)...)
}

// became returns the key that an entity has now, if a tombstone says so.
func became(r roster.Record) (k roster.Key) {
	if r.Tombstone != nil {
		k = r.Tombstone.Became
	}
	return k
}

// without leaves out where something stands in a file, in a record and in what is in it.
func without(m yaml.MapSlice) (out yaml.MapSlice) {
	for _, item := range m {
		switch item.Key {
		case "source", "origins", "doc":
			continue
		}
		if list, ok := item.Value.([]any); ok {
			for i, x := range list {
				if inner, ok := x.(yaml.MapSlice); ok {
					list[i] = without(inner)
				}
			}
		}
		out = append(out, item)
	}
	return out
}
