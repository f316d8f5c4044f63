package service

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// WhyLink is how the person stands to a link.
type WhyLink struct {
	Link      string        `json:"link"`
	Stands    Presence      `json:"stands"`
	Mode      target.Mode   `json:"mode"`
	Scope     target.Scope  `json:"scope"`
	Filter    string        `json:"filter,omitempty"`
	Short     []Told        `json:"short,omitempty"` // what keeps it from being as the roster has it
	Cursor    uint64        `json:"cursor"`
	Delivered time.Time     `json:"delivered,omitzero"` // the last complete set
	Held      []WhyHeld     `json:"held,omitempty"`
	Resources []WhyResource `json:"resources"`
}

// Presence says in a word how a target has the person.
type Presence string

// The presences.
const (
	There   Presence = "there"   // as the roster has it
	Older   Presence = "older"   // with older data
	Partly  Presence = "partly"  // but not in every group, or not with all that belongs to the person
	Closing Presence = "closing" // on the way out, or off
	Absent  Presence = "absent"
)

// WhyResource is something that the target holds, or might, because of the person.
type WhyResource struct {
	Resource string     `json:"resource"`
	Of       string     `json:"of"`             // the entity that it is of
	Name     string     `json:"name,omitempty"` // of that group or unit
	Own      bool       `json:"own"`            // it is there for this person and nobody else
	State    string     `json:"state"`
	Held     bool       `json:"held"`   // the target has it
	Wished   bool       `json:"wished"` // the target should have it
	Why      []Told     `json:"why,omitempty"`
	WaitsFor []string   `json:"waitsFor,omitempty"`
	Sets     []WhySet   `json:"sets,omitempty"`
	Differs  []string   `json:"differs,omitempty"` // fields that the target has otherwise
	Fields   []WhyField `json:"fields,omitempty"`  // where values were asked for
	Attempts int        `json:"attempts,omitempty"`
	NextTry  time.Time  `json:"nextTry,omitzero"`
	Cause    *WhyCause  `json:"cause,omitempty"` // the change that made the last operation
	ID       target.ID  `json:"-"`
}

// States of a resource beside those of [target.EntryState].
const (
	stateWished  = "wished"  // nothing is known of it in the ledger
	stateUnasked = "unasked" // the ledger has it, and nobody wishes it
)

// WhySet says whether the person is in a set of a group.
type WhySet struct {
	Set    string `json:"set"`
	Wished bool   `json:"wished"`
	Held   bool   `json:"held"`
}

// WhyField is a field as the target has it, and as it should.
type WhyField struct {
	Name string `json:"name"`
	Has  string `json:"has"`
	Want string `json:"want"`
}

// WhyCause is a change of the log.
type WhyCause struct {
	Run string    `json:"run,omitempty"`
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
}

func (e *explainer) links(ctx context.Context, silent []roster.Source) ([]WhyLink, error) {
	out := []WhyLink{}
	for _, l := range e.d.Links {
		if len(e.q.Links) > 0 && !slices.Contains(e.q.Links, l.Ref()) {
			continue
		}
		link := e.tenant.Links[l.Ref()]
		if link == nil {
			return nil, fmt.Errorf("this program has no connector for %s", l.Target)
		}
		var given []names.Claim
		if link.Names() {
			var err error
			if given, _, err = e.h.Store.Names(e.d.Tenant).Load(ctx); err != nil {
				return nil, fmt.Errorf("link %s: %w", l.Ref(), err)
			}
		}
		x, err := link.Explain(target.Inquiry{Keys: e.keys, Before: e.before, Find: e.finder(ctx, l.Ref(), link), Names: given})
		if err != nil {
			return nil, fmt.Errorf("link %s: %w", l.Ref(), err)
		}
		out = append(out, e.link(l, x, silent))
	}
	return out, nil
}

// finder returns what looks into a link's ledger: by id, or of a target that takes complete sets into the delivered one.
func (e *explainer) finder(ctx context.Context, ref roster.Source, link *target.Link) func([]target.ID, []roster.Ref) ([]target.Entry, error) {
	ledger := e.h.Store.Ledger(e.d.Tenant)
	if !link.Sets() {
		return func(ids []target.ID, _ []roster.Ref) ([]target.Entry, error) { return ledger.Entries(ctx, ref, ids) }
	}
	looked := false
	return func(_ []target.ID, of []roster.Ref) ([]target.Entry, error) {
		set := e.marks[ref].Set.Blob
		if looked || set == "" {
			return nil, nil
		}
		looked = true
		blob, size, err := ledger.Delivered(ctx, ref, set)
		if err != nil {
			return nil, fmt.Errorf("the last delivered set: %w", err)
		}
		return target.FindInSet(blob, size, of)
	}
}

func (e *explainer) link(l tenant.Link, x target.Explained, silent []roster.Source) WhyLink {
	mark := e.marks[l.Ref()]
	w := WhyLink{
		Link: l.Ref().String(), Scope: x.Scope, Filter: x.Filter, Cursor: mark.Cursor.Seq, Delivered: mark.Set.At,
		Held: e.held(e.holds[l.Ref()]), Resources: []WhyResource{},
	}
	mode := target.Mode(l.Mode)
	if l.Mode == tenant.Active && len(silent) > 0 {
		mode = target.ModePreview
	}
	if e.paused[store.LinkPlace(e.d.Tenant, l.Ref())] {
		mode = target.ModePaused
	}
	w.Mode = mark.Status.Shown(mode)
	for _, r := range x.Resources {
		w.Resources = append(w.Resources, e.resource(r))
	}
	w.Stands = e.standing(x)
	if w.Stands != There {
		w.Short = e.shortOf(w, x, l, mark, silent)
	}
	return w
}

func (e *explainer) resource(r target.ExplainedResource) WhyResource {
	w := WhyResource{Resource: r.ID.String(), ID: r.ID, Of: r.Of.String(), Own: r.Own, State: stateWished, Differs: r.Differs}
	if g := e.roster.Group(r.Of.Key); g != nil {
		w.Name = g.DisplayName
	} else if o := e.roster.Organisation(r.Of.Key); o != nil {
		w.Name = o.DisplayName
	}
	w.Wished = r.Wish != nil && r.Wish.Withheld == nil
	if r.Wish != nil && r.Wish.Withheld != nil {
		w.State = string(target.Withheld)
		w.Why = append(w.Why, *told(r.Wish.Withheld))
	}
	for _, s := range r.Sets {
		w.Sets = append(w.Sets, WhySet{s.Name, s.Wished, s.Held})
	}
	for _, id := range r.Unmet {
		w.WaitsFor = append(w.WaitsFor, id.String())
	}
	en := r.Entry
	if en == nil {
		return e.withFields(w, r)
	}
	if w.Held = en.Held; w.Held || w.Wished || r.Wish == nil {
		w.State = string(en.State)
	}
	if r.Wish == nil && en.State == target.Applied && en.Reason == nil {
		w.State = stateUnasked
	}
	// A reason in the ledger counts for as long as what it speaks of does: what was withheld is wished now.
	stale := w.Wished && en.State == target.Withheld
	if en.Reason != nil && !stale && !slices.ContainsFunc(w.Why, func(t Told) bool { return t.Code == en.Reason.Code }) {
		w.Why = append(w.Why, *told(en.Reason))
	}
	if stale {
		w.State = stateWished
	}
	w.Attempts, w.NextTry = en.Attempts, en.NextTry
	if en.Cause.Seq > 0 {
		w.Cause = &WhyCause{en.Cause.Run, en.Cause.Seq, en.Cause.When}
	}
	return e.withFields(w, r)
}

// withFields adds what the target has of the person's own, and should, where values were asked for.
func (e *explainer) withFields(w WhyResource, r target.ExplainedResource) WhyResource {
	if !e.q.Personal || !e.hers(r.Of) {
		return w
	}
	var has, want target.Fields
	if r.Entry != nil {
		has = r.Entry.Fields
	}
	if w.Wished {
		want = r.Wish.Resource.Fields
	}
	value := func(list target.Fields, name string) string {
		var values []string
		for _, f := range list {
			if f.Name == name {
				values = append(values, e.fieldShown(f.Value))
			}
		}
		return strings.Join(values, ", ")
	}
	for _, f := range slices.Concat(want, has) {
		if !slices.ContainsFunc(w.Fields, func(o WhyField) bool { return o.Name == f.Name }) {
			w.Fields = append(w.Fields, WhyField{f.Name, value(has, f.Name), value(want, f.Name)})
		}
	}
	return w
}

// fieldShown masks an identity number wherever a mapping put it.
func (e *explainer) fieldShown(v roster.Personal) string {
	switch roster.ParseCivicNo(v.Reveal(), e.today).Kind() {
	case roster.Personnummer, roster.Samordningsnummer, roster.Temporary:
		return v.String()
	}
	if p := e.roster.Person(e.keys[0]); p != nil && p.CivicNo.Reveal() == v.Reveal() {
		return v.String()
	}
	return v.Reveal()
}

// standing says in a word how the target has the person.
func (e *explainer) standing(x target.Explained) Presence {
	var held, closing, older, missing bool
	for _, r := range x.Resources {
		has, wished := r.Entry != nil && r.Entry.Held, r.Wish != nil && r.Wish.Withheld == nil
		if e.hers(r.Of) {
			switch {
			case has && (!wished || r.Entry.State == target.Disabled || r.Entry.State == target.Contained || r.Entry.State == target.Aliased):
				held, closing = true, true
			case has:
				held, older = true, older || len(r.Differs) > 0
			case wished:
				missing = true
			}
			continue
		}
		missing = missing || r.Own && wished && !has
		for _, s := range r.Sets {
			missing = missing || s.Wished && !s.Held
		}
	}
	switch {
	case !held:
		return Absent
	case closing:
		return Closing
	case older:
		return Older
	case missing:
		return Partly
	default:
		return There
	}
}

// shortOf says what keeps a target from having the person as the roster does, the gravest first.
func (e *explainer) shortOf(w WhyLink, x target.Explained, l tenant.Link, mark target.Mark, silent []roster.Source) (list []Told) {
	say := func(code reason.Code, args ...any) {
		r := reason.New(code, args...)
		list = append(list, *told(&r))
	}
	add := func(t Told) {
		if !slices.ContainsFunc(list, func(o Told) bool { return o.What[reason.English] == t.What[reason.English] }) {
			list = append(list, t)
		}
	}
	switch {
	case w.Mode == target.ModePaused:
		say(reason.LinkPaused)
	case w.Mode == target.ModePreview && l.Mode == tenant.Active:
		say(reason.NoProtectedRoutine, "source", silent[0])
	case w.Mode == target.ModePreview:
		say(reason.LinkInPreview)
	case w.Mode == target.ModeHalted && mark.Status.Reason != nil:
		add(*told(mark.Status.Reason))
	}
	switch x.Scope {
	case target.OutByRule:
		say(reason.OutsideFilter, "filter", x.Filter)
	case target.OutByUnit:
		say(reason.UnitLeftOut)
	case target.Unanswered:
		say(reason.FilterFailed)
	}
	doubt := false // something is wished, and nothing says why it is not there
	for i, r := range w.Resources {
		troubled := len(r.Why) > 0 && (e.hers(x.Resources[i].Of) || r.Own || slices.ContainsFunc(w.Resources, func(o WhyResource) bool { return slices.Contains(o.WaitsFor, r.Resource) }) || !r.Held)
		for _, t := range r.Why {
			if scope := t.Code == reason.OutOfScope && (x.Scope == target.OutByRule || x.Scope == target.OutByUnit); troubled && !scope {
				add(t)
			}
		}
		switch {
		case len(r.Why)+len(r.WaitsFor) > 0:
		case r.State == stateUnasked:
			say(reason.NoLongerWished)
		case r.Wished && !r.Held && (r.Own || e.hers(x.Resources[i].Of)):
			doubt = true
		case len(r.Differs) > 0:
			doubt = true
		default:
			doubt = doubt || slices.ContainsFunc(r.Sets, func(s WhySet) bool { return s.Wished && !s.Held })
		}
	}
	for _, h := range w.Held {
		say(reason.LinkHolds, "count", len(w.Held), "digest", h.Digest)
		break
	}
	if m := e.roster.State(e.person()); len(w.Resources) == 0 && x.Scope == target.Inside && m.State == roster.Standing {
		say(reason.NothingWished)
	}
	if acts := w.Mode == target.ModeActive || w.Mode == target.ModeHeld; !doubt || !acts || len(list) > 0 {
		return list // what is wished and not there is so for the reasons above
	}
	switch last := e.last(); {
	case mark.Cursor.Seq < last:
		say(reason.LinkBehind, "cursor", mark.Cursor.Seq, "seq", last)
	case w.Stands == Older:
		say(reason.OlderState, "fields", e.differs(w))
	default:
		say(reason.NotSentYet)
	}
	return list
}

func (e *explainer) differs(w WhyLink) string {
	var names []string
	for _, r := range w.Resources {
		names = append(names, r.Differs...)
	}
	return strings.Join(names, ", ")
}

// last returns the newest change of the person, or of a group that names her or him.
func (e *explainer) last() (seq uint64) {
	groups := map[roster.Ref]bool{}
	for _, k := range e.roster.Groups(e.keys[0]) {
		groups[roster.Ref{Kind: roster.KindGroup, Key: k}] = true
	}
	for _, ev := range e.events {
		if e.hers(ev.Ref) || groups[ev.Ref] {
			seq = max(seq, ev.Seq)
		}
	}
	return seq
}
