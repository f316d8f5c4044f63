package service

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// ErrNobody says that nothing is known of a person, or nothing that anybody is told: of who is protected the answer is the
// same as of who does not exist (rule R9).
var ErrNobody = errors.New("no source has the person")

// Why says how it comes that the targets of a tenant have a person, or do not, from the reading of the sources to what
// each link knows. It names the person by key. Values are masked unless they were asked for; identity numbers always are.
type Why struct {
	Tenant  string      `json:"tenant"`
	Person  string      `json:"person"` // the key under which she or he stands
	Keys    []string    `json:"keys"`   // that one, and those that were and are hers or his too
	At      time.Time   `json:"at"`
	Short   []Told      `json:"short,omitempty"` // why the person is in no target, or not as the register has it
	Sources []WhySource `json:"sources"`
	Merged  WhyPerson   `json:"merged"`
	Links   []WhyLink   `json:"links"`
}

// WhySource is what a source says of the person, and how far that can be relied on.
type WhySource struct {
	Source    string       `json:"source"`
	State     source.State `json:"state,omitempty"` // of the last read; empty when there was none
	Read      time.Time    `json:"read,omitzero"`
	Believed  time.Time    `json:"believed,omitzero"`
	Trouble   *Told        `json:"trouble,omitempty"` // why the last read was not believed
	Paused    bool         `json:"paused,omitempty"`
	Records   []WhyRecord  `json:"records"`
	Findings  []WhyFinding `json:"findings,omitempty"`
	Held      []WhyHeld    `json:"held,omitempty"`
	removed   bool         // the document does not have it any more
	reference roster.Source
}

// WhyRecord is what a source says under one of the keys.
type WhyRecord struct {
	Key       string                 `json:"key"`
	Stands    bool                   `json:"stands"`
	Tombstone roster.TombstoneReason `json:"tombstone,omitempty"`
	Overlay   bool                   `json:"overlay,omitempty"` // it adds to a person, and makes nobody exist
	Unread    string                 `json:"unreadable,omitempty"`
	Run       string                 `json:"run,omitempty"`
	Seq       uint64                 `json:"seq"`
	At        time.Time              `json:"at"`
}

// WhyFinding is what the last read found wrong about the person.
type WhyFinding struct {
	Severity fact.Severity     `json:"severity"`
	Effect   fact.Effect       `json:"effect"`
	State    source.IssueState `json:"state"`
	Since    time.Time         `json:"since,omitzero"`
	Where    string            `json:"where,omitempty"`
	Told
}

// WhyHeld is something about the person that waits for a decision.
type WhyHeld struct {
	Operation guard.Operation `json:"operation"`
	Digest    string          `json:"digest"`
	Since     time.Time       `json:"since"`
	Verdict   guard.Verdict   `json:"verdict,omitempty"` // decided, and not done yet
}

// WhyPerson is what the sources say together.
type WhyPerson struct {
	State      roster.State           `json:"state"`
	Reason     roster.TombstoneReason `json:"reason,omitempty"`
	Conflict   bool                   `json:"conflict,omitempty"`
	Directives []WhyDirective         `json:"directives,omitempty"`
	Attributes []WhyAttribute         `json:"attributes,omitempty"`
	Places     []WhyPlace             `json:"places,omitempty"`
	Groups     []WhyPlace             `json:"groups,omitempty"`
}

// WhyDirective is a decision by hand.
type WhyDirective struct {
	Kind   roster.DirectiveKind `json:"kind"`
	Until  string               `json:"until,omitempty"`
	Source string               `json:"source"`
	Holds  bool                 `json:"holds"`
}

// WhyAttribute is an attribute, and whose word it is.
type WhyAttribute struct {
	Name   string   `json:"name"`
	Value  string   `json:"value,omitempty"` // *** unless it was asked for; empty where nobody states it
	Source string   `json:"source,omitempty"`
	Others []string `json:"others,omitempty"` // sources that say otherwise
}

// WhyPlace is a unit or a group that the person is, was or will be in.
type WhyPlace struct {
	Key   string `json:"key"`
	Name  string `json:"name,omitempty"`
	As    string `json:"as"` // what the person is there, with school form and year, or the type of the group
	From  string `json:"from,omitempty"`
	Until string `json:"until,omitempty"`
	Now   bool   `json:"now"`
}

// Question is what is asked about a person.
type Question struct {
	Key      roster.Key
	Links    []roster.Source // only these; all of the document where there are none
	Personal bool            // values are shown, but for the identity number
}

// Explain says why the targets of a tenant have a person as they do. It reads what concerns her or him and not the tenant
// as a whole, needs no secret, and changes nothing. It ends with ErrNobody where there is nobody to tell of.
func (h *Host) Explain(ctx context.Context, d *tenant.Document, q Question, sources []source.Connector, targets []target.Connector) (*Why, error) {
	e := &explainer{h: h, d: d, q: q, today: roster.Today(h.Now())}
	if err := e.gather(ctx); err != nil {
		return nil, err
	}
	var err error
	if e.tenant, err = e.open(targets); err != nil {
		return nil, err
	}
	e.tenant.feed.Fill(ctx, e.events)
	e.roster = e.tenant.feed.Roster()
	if e.unspoken() {
		return nil, ErrNobody
	}
	w := &Why{Tenant: d.Tenant, At: h.Now(), Person: e.person().String(), Links: []WhyLink{}}
	for _, k := range e.keys {
		w.Keys = append(w.Keys, k.String())
	}
	w.Sources = e.sources()
	w.Merged = e.merged()
	w.Short = e.short(w.Sources)
	if w.Links, err = e.links(ctx, Silent(d, sources)); err != nil {
		return nil, err
	}
	return w, nil
}

// explainer is one call of Explain.
type explainer struct {
	h     *Host
	d     *tenant.Document
	q     Question
	today roster.Date

	mu     sync.Mutex // guards what gather fills
	keys   []roster.Key
	events []roster.Event
	before []roster.Record
	origin map[roster.Source]*origin
	marks  map[roster.Source]target.Mark
	holds  map[roster.Source]guard.Kept // of links
	paused map[store.Place]bool

	tenant *Tenant
	roster *roster.Roster
}

// origin is what the runs of a source came to.
type origin struct {
	newest, believed *source.Run
	found            *source.Found
	kept             guard.Kept
}

func (e *explainer) person() roster.Ref {
	return roster.Ref{Kind: roster.KindPerson, Key: e.keys[0]}
}

func (e *explainer) hers(ref roster.Ref) bool {
	return ref.Kind == roster.KindPerson && slices.Contains(e.keys, ref.Key)
}

// gather reads all that is needed, at once what does not hang on something else.
func (e *explainer) gather(ctx context.Context) error {
	log := e.h.Store.Log(e.d.Tenant)
	if _, err := log.End(ctx); err != nil {
		return err
	}
	e.origin, e.holds, e.paused = map[roster.Source]*origin{}, map[roster.Source]guard.Kept{}, map[store.Place]bool{}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.near(ctx, log) })
	group.Go(func() (err error) {
		e.marks, err = e.h.Store.Ledger(e.d.Tenant).Marks(ctx)
		return err
	})
	group.Go(func() error {
		asks, err := e.h.Store.Control().List(ctx, e.d.Tenant)
		if reason.Of(err).Code == reason.LogMissing { // nobody can pause anything
			return nil
		}
		for _, a := range asks {
			if a.Pauses() {
				e.paused[a.Place] = true
			}
		}
		return err
	})
	for _, s := range e.d.Precedence() {
		o := &origin{}
		e.origin[s] = o
		group.Go(func() (err error) {
			if o.newest, o.believed, err = e.h.Store.Runs(e.d.Tenant).Last(ctx, s); err != nil || o.newest == nil {
				return err
			}
			if o.found, err = e.h.Store.Runs(e.d.Tenant).Found(ctx, s, ""); err != nil {
				return err
			}
			o.kept, err = e.h.Store.Holds(e.d.Tenant).Kept(ctx, s)
			return err
		})
	}
	for _, l := range e.d.Links {
		group.Go(func() error {
			kept, err := e.h.Store.LinkHolds(e.d.Tenant).Kept(ctx, l.Ref())
			e.mu.Lock()
			defer e.mu.Unlock()
			e.holds[l.Ref()] = kept
			return err
		})
	}
	return group.Wait()
}

// near reads the person under all keys, the units, the groups that name the person, and everybody in these.
func (e *explainer) near(ctx context.Context, log *store.Log) error {
	if err := e.closure(ctx, log); err != nil {
		return err
	}
	take := func(ev roster.Event) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.events = append(e.events, ev)
	}
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error { return log.Naming(inner, roster.KindOrganisation, roster.Source{}, nil, take) })
	members, from := map[roster.Ref]bool{}, map[roster.Source]bool{}
	group.Go(func() error {
		words := make([][]byte, len(e.keys))
		for i := range e.keys {
			words[i] = e.keys[i][:]
		}
		return log.Naming(inner, roster.KindGroup, roster.Source{}, words, func(ev roster.Event) {
			take(ev)
			if from[ev.Source] = true; ev.Record == nil || ev.Record.Group == nil {
				return
			}
			for _, m := range ev.Record.Group.Members {
				if ref := (roster.Ref{Kind: roster.KindPerson, Key: m.Person}); !e.hers(ref) {
					members[ref] = true
				}
			}
		})
	})
	if err := group.Wait(); err != nil {
		return err
	}
	for _, s := range e.d.Precedence() {
		from[s] = true
	}
	return log.Each(ctx, slices.SortedFunc(maps.Keys(members), roster.Ref.Compare), slices.SortedFunc(maps.Keys(from), roster.Source.Compare), take)
}

// closure reads what is said of the person under every key that is hers or his: which another one became, which is
// joined to it, or which it had before.
func (e *explainer) closure(ctx context.Context, log *store.Log) error {
	todo, seen := []roster.Key{e.q.Key}, map[roster.Key]bool{}
	for len(todo) > 0 {
		k := todo[0]
		todo = todo[1:]
		if seen[k] || k.IsZero() {
			continue
		}
		seen[k] = true
		e.keys = append(e.keys, k)
		note := func(ev roster.Event) {
			e.mu.Lock()
			e.events = append(e.events, ev)
			e.mu.Unlock()
			if r := ev.Record; r != nil {
				todo = append(append(todo, r.Former...), r.SameAs...)
				if r.Tombstone != nil {
					todo = append(todo, r.Tombstone.Became)
				}
			}
		}
		ref := roster.Ref{Kind: roster.KindPerson, Key: k}
		stands := false
		err := log.About(ctx, ref, func(ev roster.Event) {
			note(ev)
			stands = stands || ev.Record != nil && ev.Record.Tombstone == nil && !ev.Record.Overlay
		})
		if err == nil && !stands {
			err = log.History(ctx, ref, func(r roster.Record) {
				if r.Person != nil && !r.Overlay {
					e.before = append(e.before, r)
				}
			})
		}
		// That another key is the same person's stands under that one, and people say it by hand.
		for _, s := range e.d.Precedence() {
			if err == nil && s.System == tenant.ManualSystem {
				err = log.Naming(ctx, roster.KindPerson, s, [][]byte{k[:]}, func(ev roster.Event) { todo = append(todo, ev.Ref.Key) })
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open opens the links of the document as for a preview, with the units that it names as the log knows them: their keys
// hang on a secret, and stand in the log.
func (e *explainer) open(targets []target.Connector) (*Tenant, error) {
	d := *e.d
	d.Units = nil
	if len(e.q.Links) > 0 {
		d.Links = slices.DeleteFunc(slices.Clone(d.Links), func(l tenant.Link) bool { return !slices.Contains(e.q.Links, l.Ref()) })
	}
	quiet := *e.h
	quiet.purpose, quiet.Complete = toPreview, false
	t, err := quiet.Open(&d, nil, targets)
	if err != nil {
		return nil, err
	}
	t.feed.WithUnits(e.d.UnitRulesBy(e.unit))
	return t, nil
}

// unit returns the key of a unit that the document names, zero where the log has none.
func (e *explainer) unit(s roster.Source, id string) roster.Key {
	for _, ev := range e.events {
		if r := ev.Record; r != nil && r.Organisation != nil && r.Source == s && slices.ContainsFunc(r.Origins, func(o roster.Origin) bool { return o.ID.Reveal() == id }) {
			return ev.Ref.Key
		}
	}
	return roster.Key{}
}

// unspoken puts the key first under which the person stands, and tells whether there is nobody to tell of.
func (e *explainer) unspoken() bool {
	if now, moved := e.roster.Became(e.keys[0]); moved {
		e.keys = slices.DeleteFunc(e.keys, func(k roster.Key) bool { return k == now })
		e.keys = append([]roster.Key{now}, e.keys...)
	}
	known := false
	for _, k := range e.keys {
		m := e.roster.State(roster.Ref{Kind: roster.KindPerson, Key: k})
		if m.Protected {
			return true
		}
		known = known || m.State != roster.Missing
	}
	for _, ev := range e.events {
		known = known || e.hers(ev.Ref)
	}
	for _, o := range e.origin {
		known = known || o.found != nil && slices.ContainsFunc(o.found.Issues, func(i source.Issue) bool { return e.hers(i.Ref) && i.State != source.IssueGone })
		known = known || o.kept.Hold != nil && slices.ContainsFunc(o.kept.Hold.Items, func(i guard.HeldItem) bool { return e.hers(i.Ref) })
	}
	return !known
}

func (e *explainer) sources() []WhySource {
	order := e.d.Precedence()
	for _, ev := range e.events {
		if e.hers(ev.Ref) && !slices.Contains(order, ev.Source) {
			order = append(order, ev.Source)
		}
	}
	out := make([]WhySource, 0, len(order))
	for _, s := range order {
		w := WhySource{Source: s.String(), reference: s, Records: []WhyRecord{}, Paused: e.paused[store.SourcePlace(e.d.Tenant, s)]}
		o := e.origin[s]
		if w.removed = o == nil; w.removed {
			o = &origin{}
		}
		if r := o.newest; r != nil {
			w.State, w.Read = r.State, r.Started
			if !r.Believed() {
				w.Trouble = told(r.Reason)
			}
		}
		if o.believed != nil {
			w.Believed = o.believed.Started
		}
		for _, ev := range e.events {
			if e.hers(ev.Ref) && ev.Source == s {
				w.Records = append(w.Records, recordOf(ev))
			}
		}
		if o.found != nil {
			for _, i := range o.found.Issues {
				if e.hers(i.Ref) && i.State != source.IssueGone {
					w.Findings = append(w.Findings, WhyFinding{i.Severity, i.Effect, i.State, i.Since, i.Where, *told(&i.Reason)})
				}
			}
		}
		w.Held = e.held(o.kept)
		out = append(out, w)
	}
	return out
}

func recordOf(ev roster.Event) WhyRecord {
	r := WhyRecord{Key: ev.Ref.Key.String(), Run: ev.Run, Seq: ev.Seq, At: ev.Time}
	switch {
	case ev.Record == nil:
		r.Unread = reason.Of(ev.Unreadable).Text(reason.English)
	case ev.Record.Tombstone != nil:
		r.Tombstone, r.Overlay = ev.Record.Tombstone.Reason, ev.Record.Overlay
	default:
		r.Stands, r.Overlay = true, ev.Record.Overlay
	}
	return r
}

// held returns what of a frozen set is about the person.
func (e *explainer) held(k guard.Kept) (list []WhyHeld) {
	if k.Hold == nil {
		return nil
	}
	verdicts := k.Verdicts(e.h.Now())
	for _, i := range k.Hold.Items {
		if e.hers(i.Ref) {
			list = append(list, WhyHeld{i.Operation, k.Hold.Digest, k.Hold.Since, verdicts[i.Item]})
		}
	}
	return list
}

// short says why no target has the person, as far as the sources and the decisions by hand tell.
func (e *explainer) short(sources []WhySource) (list []Told) {
	m := e.roster.State(e.person())
	say := func(code reason.Code, args ...any) {
		r := reason.New(code, args...)
		list = append(list, *told(&r))
	}
	until := func(kind roster.DirectiveKind) string {
		for _, d := range m.Directives {
			if d.Kind == kind && d.Holds(e.today) {
				return orElse(d.Until.String(), "–")
			}
		}
		return "–"
	}
	switch {
	case m.Reason == roster.TombstoneExcluded:
		say(reason.ExcludedByHand, "until", until(roster.Exclude))
	case m.Reason == roster.TombstoneErased:
		say(reason.ErasedPerson)
	case m.Person != nil && m.Person.Suspended:
		say(reason.SuspendedByHand, "until", until(roster.Suspend))
	}
	for _, s := range sources {
		for _, f := range s.Findings {
			if f.Effect == fact.KeptBack {
				list = append(list, f.Told)
			}
		}
		for _, x := range s.Held {
			say(reason.ChangeWaits, "source", s.Source, "operation", x.Operation, "digest", x.Digest)
		}
		byHand := m.Reason == roster.TombstoneExcluded || m.Reason == roster.TombstoneErased
		if m.State == roster.Standing || byHand || s.removed || s.reference.System == tenant.ManualSystem {
			continue
		}
		left := slices.ContainsFunc(s.Records, func(r WhyRecord) bool { return r.Tombstone == roster.TombstoneLeft })
		switch {
		case left:
			say(reason.LeftRegister, "source", s.Source)
		case s.Read.IsZero():
			say(reason.SourceNeverRead, "source", s.Source)
		case s.Trouble != nil:
			list = append(list, *s.Trouble)
		case len(s.Records)+len(s.Findings)+len(s.Held) == 0:
			say(reason.NothingStated, "source", s.Source, "when", clock(s.Read))
		}
	}
	if m.Conflict {
		say(reason.RegistersDisagree)
	}
	return list
}
