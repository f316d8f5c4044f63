package target

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"eventful.se/ess/libs/roster"
)

// Overlays takes what targets know of personas back to the roster log.
type Overlays interface {
	// PublishOverlays publishes what one target knows, each entity where the log still holds what it expects. It returns
	// those of whom the log holds something else by now; the others stand.
	PublishOverlays(ctx context.Context, of roster.Source, list []Overlay) (refused []roster.Ref, err error)
}

// Overlay is what a target knows of a person, or a tombstone: it knows nothing any more.
type Overlay struct {
	Record roster.Record
	Expect uint64 // sequence of the target's last word on the person; 0 for none
	Run    string // the run of a register whose change had it known; empty where that is not known
}

// overlaid is whom a link has to compare with what the log holds of its own.
type overlaid struct {
	all  bool
	refs map[roster.Ref]struct{}
}

func (o *overlaid) add(ref roster.Ref) {
	if ref.Kind == roster.KindPerson {
		if o.refs == nil {
			o.refs = map[roster.Ref]struct{}{}
		}
		o.refs[ref] = struct{}{}
	}
}

func (o *overlaid) addAll(w work) {
	o.all = o.all || w.all
	for ref := range w.refs {
		o.add(ref)
	}
}

// publish has the log say what the target holds of the personas that were looked at. It comes before the cursor moves, and
// whoever dies before it looks at everybody on the next start (rule R2). Nothing is published that the log says already.
func (c *calls) publish(ctx context.Context) error {
	l := c.link
	if l.o.Overlays == nil || l.o.Made.Overlay == nil || l.o.Mode == ModePreview {
		c.overlaid = overlaid{}
		return nil
	}
	var list []Overlay
	if !l.o.Feed.read(func(f *Feed) {
		for ref := range l.sub.echoes {
			c.overlaid.add(ref)
		}
		clear(l.sub.echoes)
		if !c.overlaid.all && len(c.overlaid.refs) == 0 {
			return
		}
		var refs []roster.Ref
		if c.overlaid.all {
			refs = c.everything(f.roster, roster.KindPerson)
		} else {
			refs = sortedRefs(c.overlaid.refs)
		}
		for _, ref := range refs {
			if o, differs := c.overlay(f, ref); differs {
				list = append(list, o)
			}
		}
	}) {
		return nil // the next round looks at everything
	}
	if len(list) == 0 {
		c.overlaid = overlaid{}
		return nil
	}
	refused, err := l.o.Overlays.PublishOverlays(ctx, l.o.Target, list)
	if err != nil {
		return fmt.Errorf("publish what the target knows: %w", err)
	}
	c.overlaid = overlaid{}
	for _, ref := range refused { // the echo of what stands there wakes the link
		c.overlaid.add(ref)
	}
	return nil
}

// overlay returns what the log is to say of a person on behalf of the target, and whether it says something else. Of who is
// contained nothing stays there, and of whom the roster cannot tell now everything does. The caller is inside read.
func (c *calls) overlay(f *Feed, ref roster.Ref) (Overlay, bool) {
	var said *roster.Record
	for _, r := range f.roster.Records(ref) {
		if r.Overlay && r.Source == c.link.o.Target {
			said = r
		}
	}
	stands := said != nil && said.Tombstone == nil
	m := f.roster.State(ref)
	personas, run, known := c.personas(ref)
	switch {
	case m.Contained() || containedNow(f.roster, ref):
		personas = nil
	case !known, m.State == roster.Missing, !f.known(ref):
		return Overlay{}, false
	case stands && len(personas) > 0 && said.Person != nil && slices.Equal(said.Person.Personas, personas): // nearly all of them
		return Overlay{}, false
	}
	o := Overlay{Record: roster.Record{Ref: ref, Source: c.link.o.Target, Overlay: true}, Run: run, Expect: f.overlays[overlayOf{c.link.o.Target, ref}]}
	if len(personas) == 0 {
		o.Record.Tombstone = &roster.Tombstone{Reason: roster.TombstoneLeft}
		return o, stands
	}
	o.Record.Person = &roster.Person{Personas: personas}
	o.Record.Normalize()
	return o, !stands || said.Person == nil || !slices.Equal(said.Person.Personas, o.Record.Person.Personas)
}

// personas returns what the target holds of a person, role by role, and the run that made it so. It is not known while
// nobody can tell what became of an operation.
func (c *calls) personas(ref roster.Ref) (list []roster.Persona, run string, known bool) {
	for _, id := range c.book.of(ref) {
		e := c.book.entries[id]
		if e.Begun || e.State == InFlight {
			return nil, "", false
		}
		if !e.Held || len(e.Fields) == 0 {
			continue
		}
		p, ok := c.link.o.Made.Overlay(heldOf(e))
		twice := slices.ContainsFunc(list, func(q roster.Persona) bool { return q.Role == p.Role })
		if !ok || twice || p == (roster.Persona{Role: p.Role}) {
			continue
		}
		list = append(list, p)
		if run == "" {
			run = e.Cause.Run
		}
	}
	slices.SortFunc(list, func(p, q roster.Persona) int { return cmp.Compare(p.Role, q.Role) })
	return list, run, true
}

// heldOf returns what an entry knows that the target holds.
func heldOf(e *Entry) Held {
	return Held{ID: e.ID, Native: e.Native, Fields: e.Fields, Sets: e.Sets, Disabled: e.off()}
}
