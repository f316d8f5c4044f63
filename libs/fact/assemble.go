package fact

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Options say whose docs an [Assembler] reads, and how.
type Options struct {
	Source roster.Source
	Keyer  *roster.Keyer
	Today  roster.Date // settles the century of an identity number of ten digits
	// SchoolYear is the läsår (2026/2027) that is part of a group's key where the source gives next year's groups this
	// year's ids; empty otherwise.
	SchoolYear string
	// SchoolTypes are the source's own words for school forms, which come before the common synonyms: FSK is a
	// preschool in one register and a preschool class in the next.
	SchoolTypes map[string]string
	// Hidden tells of a person's id whether nothing may be told about who has it, so that a reference to a person who is
	// not stated is no finding; nil for nobody.
	Hidden func(id string) bool
}

// Result is what the docs come to.
type Result struct {
	Records  []roster.Record // normalised and valid; organisations, persons, groups, each by key
	Findings []Finding
	Counts   map[string]int // "organisations", "persons", "groups", "enrolments", "duties", "members", "keptBack"
	// KeptBack are entities that the source states but that no record is made of. They are not absent (rule R3).
	KeptBack []roster.Ref
	// KeptBackIDs are the ids by which the source calls the persons among KeptBack: under an earlier identity number
	// they may have another key in the log, which is not absent either.
	KeptBackIDs []roster.Personal
	// Protected are the persons whom a doc marks as protected, those among KeptBack too.
	Protected []roster.Ref
}

// Assembler makes records of docs. The docs come in any order; two docs with one id are one doc, and the later counts.
// It is used by one goroutine; [Assembler.Assemble] ends its use.
type Assembler struct {
	opts Options
	docs []*entry
	byID map[string]*entry // of the docs that count

	units    map[string]*unit
	persons  map[string]*person // by source id
	groups   map[string]*group
	humans   []*human // in the order of their first ids
	byKey    map[roster.Key]*human
	foreign  map[foreignID]foreignKey
	gone     map[string]bool // kind and id of what a deleted doc stated: that others still refer to it is no fault
	findings []Finding

	dates       map[string]known[roster.Date]
	schoolTypes map[string]known[roster.SchoolType]
	schoolYears map[[2]string]known[[2]string]
	groupTypes  map[string]known[roster.GroupType]
	dutyRoles   map[string]known[roster.DutyRole]
	memberRoles map[string]known[roster.MemberRole]
}

// entry is a doc and what is known about it.
type entry struct {
	Doc
	numbers  []roster.CivicNo // by the place of the person among its facts; shorter than these
	base     bool             // from the log, not from the read
	replaced bool
}

// number returns the identity number of the person who is a fact of the doc.
func (e *entry) number(fact int32) roster.CivicNo {
	if int(fact) >= len(e.numbers) {
		return roster.CivicNo{}
	}
	return e.numbers[fact]
}

// place points at a fact: doc and position in it.
type place struct{ doc, fact int32 }

// NewAssembler returns an assembler without docs.
func NewAssembler(o Options) *Assembler {
	return &Assembler{
		opts: o, byID: map[string]*entry{}, gone: map[string]bool{},
		units: map[string]*unit{}, persons: map[string]*person{}, groups: map[string]*group{}, foreign: map[foreignID]foreignKey{}, byKey: map[roster.Key]*human{},
		dates: map[string]known[roster.Date]{}, schoolTypes: map[string]known[roster.SchoolType]{},
		schoolYears: map[[2]string]known[[2]string]{}, groupTypes: map[string]known[roster.GroupType]{},
		dutyRoles: map[string]known[roster.DutyRole]{}, memberRoles: map[string]known[roster.MemberRole]{},
	}
}

// Add takes a doc. It fails on a doc without id and on a fact that is none of this package's types; that is a fault of
// the format, not of the data.
func (a *Assembler) Add(d Doc) error {
	if d.ID = cleanID(d.ID); d.ID == "" {
		return fmt.Errorf("doc at %q has no id", d.Where)
	}
	for _, f := range d.Facts {
		switch f.(type) {
		case Unit, Person, Group, Enrolment, Duty, Member, Foreign, Directive, SameAs:
		default:
			return fmt.Errorf("doc at %q states a %T, which is not a fact", d.Where, f)
		}
	}
	a.add(entry{Doc: d})
	return nil
}

// AssembleOver lays the docs that were added over base, doc by doc, and makes the records of both: what a read that saw
// only what changed comes to. Base is what [Docs] returns of the records in the log. It changes nothing in the
// assembler and may be called again with another base.
func (a *Assembler) AssembleOver(base []Doc) Result {
	b := NewAssembler(a.opts)
	for _, d := range base {
		b.add(entry{Doc: d, base: true})
	}
	for _, e := range a.docs {
		b.add(entry{Doc: e.Doc})
	}
	return b.Assemble()
}

// add takes a doc in. Its identity numbers are read here, while its source is waited for, and not when all docs are there.
func (a *Assembler) add(e entry) {
	for i, f := range e.Facts {
		if p, ok := f.(Person); ok && p.CivicNo != "" {
			e.numbers = append(append(e.numbers, make([]roster.CivicNo, i-len(e.numbers))...), a.civicNo(p.CivicNo))
		}
	}
	if old := a.byID[e.ID]; old != nil {
		a.replace(old, &e)
	}
	a.byID[e.ID] = &e
	a.docs = append(a.docs, &e)
}

// replace lets a later doc count instead of old.
func (a *Assembler) replace(old, by *entry) {
	old.replaced = true
	if by.Deleted {
		for _, f := range old.Facts {
			if kind, id := stated(f); kind != "" {
				a.gone[kind+id] = true
			}
		}
		return
	}
	if old.base || old.Deleted {
		return
	}
	a.find(roster.Ref{}, by.Where, Warning, Noted, reason.DuplicateDoc)
	// Two children under one id are not one child who was written twice; and of one who was, either doc may protect (R9).
	by.Facts = slices.Clone(by.Facts)
	for _, f := range old.Facts {
		p, ok := f.(Person)
		if !ok {
			continue
		}
		for i, g := range by.Facts {
			q, ok := g.(Person)
			if !ok || cleanID(p.ID) != cleanID(q.ID) {
				continue
			}
			if !p.About && !q.About && contradict(identityOf(p), identityOf(q)) {
				a.personOf(cleanID(p.ID)).conflict = true
			}
			was, is := roster.SecurityMarking(cleanID(p.Marking)), roster.SecurityMarking(cleanID(q.Marking))
			if was.Protects() && weight(was) > weight(is) {
				q.Marking = p.Marking
				by.Facts[i] = q
			}
		}
	}
}

// stated returns the entity that a fact states, if it states one.
func stated(f Fact) (kind, id string) {
	switch f := f.(type) {
	case Unit:
		return string(roster.KindOrganisation), cleanID(f.ID)
	case Person:
		return string(roster.KindPerson), cleanID(f.ID)
	case Group:
		return string(roster.KindGroup), cleanID(f.ID)
	}
	return "", ""
}

// Assemble makes the records: it resolves ids, joins what several docs say of one entity, and normalises. Where two
// docs differ on an attribute the one with the lower id wins, so that the order of the docs does not matter. What
// cannot be used is left out or kept back with a finding; nothing in the data is an error.
func (a *Assembler) Assemble() Result {
	a.byID = nil // what is not needed goes early: the docs are the larger half of the memory
	a.eachFact(a.collect)
	a.joinUnits()
	a.identify()
	a.joinPersons()
	a.joinGroups()
	a.eachFact(a.relate)
	a.docs = nil
	return a.result()
}

// eachFact calls f with every fact of the docs that count.
func (a *Assembler) eachFact(f func(place, *entry, Fact)) {
	for i, e := range a.docs {
		if !e.replaced && !e.Deleted {
			for j, x := range e.Facts {
				f(place{int32(i), int32(j)}, e, x)
			}
		}
	}
}

// collect gathers the entities.
func (a *Assembler) collect(at place, e *entry, f Fact) {
	kind, id := stated(f)
	if kind == "" {
		if f, ok := f.(Foreign); ok {
			a.collectForeign(e, f)
		}
		return
	}
	if id == "" {
		a.find(roster.Ref{}, e.Where, Serious, Dropped, reason.MissingID, "kind", kind)
		return
	}
	switch f.(type) {
	case Unit:
		u := a.units[id]
		if u == nil {
			u = &unit{id: id, key: a.opts.Keyer.Organisation(a.opts.Source, id)}
			a.units[id] = u
		}
		u.places = append(u.places, at)
	case Person:
		p := a.personOf(id)
		p.places = append(p.places, at)
	case Group:
		g := a.groups[id]
		if g == nil {
			g = &group{id: id, key: a.opts.Keyer.Group(a.opts.Source, id, a.opts.SchoolYear)}
			a.groups[id] = g
		}
		g.places = append(g.places, at)
	}
}

func (a *Assembler) personOf(id string) *person {
	p := a.persons[id]
	if p == nil {
		p = &person{id: id}
		a.persons[id] = p
	}
	return p
}

// sortPlaces puts what several docs say of one entity in the order of their ids.
func (a *Assembler) sortPlaces(list []place) {
	if len(list) > 1 {
		slices.SortFunc(list, func(x, y place) int {
			return cmp.Or(cmp.Compare(a.docs[x.doc].ID, a.docs[y.doc].ID), cmp.Compare(x.fact, y.fact))
		})
	}
}

// origins returns where an entity is stated.
func (a *Assembler) origins(id string, list []place) []roster.Origin {
	out := make([]roster.Origin, 0, len(list))
	for _, at := range list {
		o := roster.Origin{ID: roster.Personal(id), Doc: roster.Personal(a.docs[at.doc].ID)}
		if !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}

// find records a finding. The arguments of the reason are words of ours, never of the data (rule R8).
func (a *Assembler) find(ref roster.Ref, where string, s Severity, e Effect, c reason.Code, args ...any) {
	a.findings = append(a.findings, Finding{Reason: reason.New(c, args...), Severity: s, Effect: e, Ref: ref, Where: where})
}

// result normalises and validates the records and puts everything in order.
func (a *Assembler) result() Result {
	r := Result{Counts: map[string]int{}, Records: make([]roster.Record, 0, len(a.units)+len(a.humans)+len(a.groups))}
	take := func(rec roster.Record, plural string) {
		r.Counts[plural]++
		rec.Source = a.opts.Source
		rec.Normalize()
		if err := rec.Validate(); err != nil {
			a.find(rec.Ref, "", Serious, KeptBack, reason.InvalidRecord, "what", errors.Unwrap(err))
			r.keepBack(rec.Ref, rec.Origins)
			return
		}
		r.Records = append(r.Records, rec)
	}
	for _, u := range a.units {
		take(u.record(), "organisations")
	}
	for _, h := range a.humans {
		if m := h.what.Marking; m.Protects() && m.Known() {
			r.Protected = append(r.Protected, h.ref())
		}
		if h.conflict {
			r.Counts["persons"]++
			r.keepBack(h.ref(), h.origins)
			continue
		}
		rec := h.record()
		r.Counts["enrolments"] += len(rec.Person.Enrolments)
		r.Counts["duties"] += len(rec.Person.Duties)
		take(rec, "persons")
	}
	for _, g := range a.groups {
		r.Counts["members"] += len(g.what.Members)
		take(g.record(), "groups")
	}
	slices.SortFunc(r.Records, func(x, y roster.Record) int { return compareRefs(x.Ref, y.Ref) })
	slices.SortFunc(r.KeptBack, compareRefs)
	slices.SortFunc(r.Protected, compareRefs)
	slices.Sort(r.KeptBackIDs)
	r.Counts["keptBack"] = len(r.KeptBack)
	slices.SortStableFunc(a.findings, func(x, y Finding) int {
		return cmp.Or(compareRefs(x.Ref, y.Ref), cmp.Compare(x.Reason.Code, y.Reason.Code))
	})
	r.Findings = a.findings
	return r
}

func (r *Result) keepBack(ref roster.Ref, origins []roster.Origin) {
	r.KeptBack = append(r.KeptBack, ref)
	if ref.Kind == roster.KindPerson {
		for _, o := range origins {
			if !slices.Contains(r.KeptBackIDs, o.ID) {
				r.KeptBackIDs = append(r.KeptBackIDs, o.ID)
			}
		}
	}
}

// compareRefs orders as a run publishes: organisations, persons, groups, each by key.
func compareRefs(x, y roster.Ref) int {
	return cmp.Or(cmp.Compare(rank(x.Kind), rank(y.Kind)), x.Key.Compare(y.Key))
}

// rank is the place of a kind in [roster.Kinds], without the list.
func rank(k roster.Kind) int {
	switch k {
	case roster.KindOrganisation:
		return 1
	case roster.KindPerson:
		return 2
	case roster.KindGroup:
		return 3
	default:
		return 0
	}
}

var errNotAKeyRef = errors.New("not a reference by key")

// keyRef is how a doc of the log refers to an entity whose id in the source the log does not tell, because its record
// waits. No id of a source looks like it: they lose their control characters.
func keyRef(k roster.Key) string { return "\x00" + k.String() }

func parseKeyRef(id string) (roster.Key, error) {
	if s, ok := strings.CutPrefix(id, "\x00"); ok {
		return roster.ParseKey(s)
	}
	return roster.Key{}, errNotAKeyRef
}
