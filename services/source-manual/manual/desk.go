package manual

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

// Body returns a decision as it lies on a desk: YAML, in the form that is JSON too.
func (f *Decisions) Body() (roster.Personal, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(plain(reflect.ValueOf(f).Elem())); err != nil {
		return "", fmt.Errorf("write a decision: %w", err)
	}
	return roster.Personal(bytes.TrimSpace(b.Bytes())), nil
}

// plain returns a value of this package's types with its texts revealed, without what is empty.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Struct:
		out := map[string]any{}
		for key, field := range fieldsOf(v) {
			if x := plain(field); x != nil {
				out[key] = x
			}
		}
		if len(out) > 0 {
			return out
		}
	case reflect.Slice:
		var out []any
		for i := range v.Len() {
			out = append(out, plain(v.Index(i)))
		}
		if len(out) > 0 {
			return out
		}
	case reflect.Map:
		out := map[string]any{}
		for i := v.MapRange(); i.Next(); {
			out[i.Key().String()] = i.Value().String()
		}
		if len(out) > 0 {
			return out
		}
	default:
		if v.String() != "" {
			return v.String()
		}
	}
	return nil
}

// len counts the decisions.
func (f *Decisions) len() int {
	return len(f.Persons) + len(f.KeepUntil) + len(f.Memberships) + len(f.Overrides) + len(f.Exclude) + len(f.Suspend) + len(f.Protect) + len(f.SameAs)
}

// states adds the ids of the persons whom the decisions state.
func (f *Decisions) states(own map[roster.Personal]bool) {
	for _, list := range [][]Person{f.Persons, f.KeepUntil} {
		for i := range list {
			if who := list[i].Person; who.Source == "" && who.Key == "" && who.ID != "" {
				own[who.ID] = true
			}
		}
	}
}

// OnDesk is a decision by command, as it lies on the desk.
type OnDesk struct {
	source.Decision
	*Decisions // with one decision in it
}

// ReadDesk reads the decisions on a desk. One with anything wrong in it makes all of them unreadable: what it decides is
// not known, and to leave it out could be to take it back.
func ReadDesk(list []source.Decision, today roster.Date) ([]OnDesk, error) {
	own := map[roster.Personal]bool{}
	out := make([]OnDesk, len(list))
	for i, d := range list {
		out[i] = OnDesk{d, &Decisions{}}
		err := Parse(onDesk(d.ID), []byte(d.Body.Reveal()), out[i].Decisions, func(p tenant.Problems) {
			if out[i].len() != 1 {
				p.Add("it has %d decisions, want one", out[i].len())
			}
		})
		if err != nil {
			return nil, err
		}
		out[i].states(own)
	}
	for _, d := range out {
		if err := d.valid(onDesk(d.ID), today, own); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func onDesk(id string) string { return "decision " + id }

// Valid checks decisions that are to be put on a desk beside those that lie there.
func (f *Decisions) Valid(today roster.Date, beside []OnDesk) error {
	own := map[roster.Personal]bool{}
	f.states(own)
	for _, d := range beside {
		d.states(own)
	}
	return f.valid("the decision", today, own)
}

func (f *Decisions) valid(name string, today roster.Date, own map[roster.Personal]bool) error {
	p := tenant.NewProblems()
	f.check(p, today, own)
	var what []string
	for _, x := range p.List() {
		what = append(what, x.String())
	}
	if len(what) > 0 {
		return unreadable(name, strings.Join(what, "; "))
	}
	return nil
}

// readDesk returns the docs of the decisions by command. They are called by their ids, for a file may say the same.
func (m *manual) readDesk(ctx context.Context, seen map[string]int) (docs []fact.Doc, err error) {
	if m.desk == nil {
		return nil, nil
	}
	list, err := m.desk.Decisions(ctx)
	if err != nil {
		return nil, err
	}
	read, err := ReadDesk(list, roster.Today(m.now()))
	if err != nil {
		return nil, err
	}
	for _, d := range read {
		for _, doc := range d.docs(seen) {
			doc.ID, doc.Where = "desk/"+d.ID, onDesk(d.ID)
			docs = append(docs, doc)
		}
	}
	return docs, nil
}

// What tells of a decision its list, who decided about whom until when, and what else it refers to.
func (d OnDesk) What() (list string, about Dated, others []Ref) {
	switch f := d.Decisions; {
	case len(f.Persons) > 0:
		return "persons", f.Persons[0].Dated, nil
	case len(f.KeepUntil) > 0:
		return "keepUntil", f.KeepUntil[0].Dated, nil
	case len(f.Memberships) > 0:
		return "memberships", f.Memberships[0].Dated, []Ref{f.Memberships[0].Group}
	case len(f.Overrides) > 0:
		return "overrides", f.Overrides[0].Dated, nil
	case len(f.Exclude) > 0:
		return "exclude", f.Exclude[0], nil
	case len(f.Suspend) > 0:
		return "suspend", f.Suspend[0], nil
	case len(f.Protect) > 0:
		return "protect", Dated{Decision: f.Protect[0].Decision, Person: f.Protect[0].Person}, nil
	case len(f.SameAs) > 0:
		return "sameAs", Dated{Decision: f.SameAs[0].Decision, Person: f.SameAs[0].Person}, []Ref{f.SameAs[0].Other}
	default:
		return "", about, nil
	}
}
