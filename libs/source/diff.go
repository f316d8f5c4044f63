package source

import (
	"context"
	"slices"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// statement is what a read says, made ready to be compared with the log.
type statement struct {
	reader    *Reader
	assembler *fact.Assembler
	complete  bool

	records  []roster.Record // without those kept back
	keptBack map[roster.Ref]bool
	// waiting are the digests of ids of persons that are kept back: whoever the log holds under them is not absent.
	waiting  map[string]bool
	base     []roster.Record // what an incomplete read was laid over
	findings []fact.Finding
	taken    int // findings that no comparison with the log added
	marks    marks
	// protected are the persons whom the read marks: nothing is told of them.
	protected map[roster.Ref]bool
	heads     map[roster.Ref]Head // of the log that the read was compared with last
	hidden    map[string]bool     // digests of ids under which the log holds protected persons
	returned  bool                // somebody was published who was protected before
}

// take takes over what was assembled, and keeps back of whom it is not known whether she or he is protected, and who
// lacks a required attribute: a new person waits, an existing one stays in the log as he or she is. It fails when what
// the read says of protection is not believed.
func (s *statement) take(res fact.Result) error {
	s.findings = res.Findings
	s.records, s.keptBack, s.waiting = res.Records[:0], map[roster.Ref]bool{}, map[string]bool{}
	s.protected = map[roster.Ref]bool{}
	for _, ref := range res.Protected {
		s.protected[ref] = true
	}
	for _, ref := range res.KeptBack {
		if !s.contains(ref) {
			s.keptBack[ref] = true
		}
	}
	for _, id := range res.KeptBackIDs {
		s.waiting[s.digest(roster.KindPerson, id)] = true
	}
	marks := marks{readable: len(s.protected)}
	for _, r := range res.Records {
		if r.Person != nil {
			marks.persons++
		}
		if s.contains(r.Ref) { // whatever else is wrong
			s.records = append(s.records, r)
			continue
		}
		if s.unclear(&r) {
			marks.unclear++
			s.keepBack(&r, reason.New(reason.MarkUnreadable), fact.Serious)
			continue
		}
		if r.Person != nil && r.Person.Marking != "" {
			marks.readable++
		}
		if missing := lacks(&r, s.reader.Defaults.Require); missing != "" {
			s.keepBack(&r, reason.New(reason.MissingRequired, "field", missing), fact.Warning)
			continue
		}
		if missing := lacks(&r, s.reader.Defaults.Recommend); missing != "" {
			why := reason.New(reason.MissingRecommended, "field", missing)
			s.findings = append(s.findings, fact.Finding{Reason: why, Severity: fact.Info, Effect: fact.Noted, Ref: r.Ref})
		}
		s.records = append(s.records, r)
	}
	s.taken, s.marks = len(s.findings), marks
	return s.check(marks)
}

// lacks returns the first of the attributes that the record of a person does not have, or nothing.
func lacks(r *roster.Record, attributes []Requirement) Requirement {
	if r.Person == nil || r.Overlay {
		return ""
	}
	for _, q := range attributes {
		there := true
		switch q {
		case RequireCivicNo:
			there = !r.Person.CivicNo.IsZero() && r.Person.CivicNo.Kind() != roster.UnknownNumber
		case RequireEmail:
			there = slices.ContainsFunc(r.Person.Personas, func(p roster.Persona) bool { return p.Email != "" })
		}
		if !there {
			return q
		}
	}
	return ""
}

func (s *statement) keepBack(r *roster.Record, why reason.Reason, sev fact.Severity) {
	s.keptBack[r.Ref] = true
	for _, o := range r.Origins {
		s.waiting[s.digest(r.Ref.Kind, o.ID)] = true
	}
	s.findings = append(s.findings, fact.Finding{Reason: why, Severity: sev, Effect: fact.KeptBack, Ref: r.Ref})
}

// digest returns what stands in the log for an id of the source.
func (s *statement) digest(k roster.Kind, id roster.Personal) string {
	return s.reader.Keyer.Digest("source-id", s.reader.Name.String(), string(k), id.Reveal())
}

// changes returns what to publish for the log to say what the source says, in its order: protected persons, who are
// contained before anything else happens; organisations, persons and groups that are new or differ, each with the tombstones of the keys it had before; then tombstones of what is gone,
// the other way round. What is held or refused as dangerous is to be taken out of the list that it returns.
func (s *statement) changes(ctx context.Context, scan Scan) ([]Change, error) {
	s.heads = scan.Heads
	s.hide()
	if !s.complete {
		if err := s.layOver(ctx); err != nil {
			return nil, err
		}
	}
	s.findings = s.findings[:s.taken]
	d := diff{statement: s, scan: scan, byID: map[string]int{}, stated: make(map[roster.Ref]bool, len(s.records)), became: map[roster.Key][]roster.Key{}}
	for i := range s.records {
		d.stated[s.records[i].Ref] = true
		if s.records[i].Person != nil {
			for _, o := range s.records[i].Origins {
				d.byID[s.digest(roster.KindPerson, o.ID)] = i
			}
		}
	}
	for ref := range s.protected { // also who is kept back
		d.stated[ref] = d.stated[ref] || s.contains(ref)
	}
	d.findAbsent()
	if err := d.findMoved(ctx); err != nil {
		return nil, err
	}
	if err := d.checkMarks(); err != nil {
		return nil, err
	}
	if err := d.findVanished(ctx); err != nil {
		return nil, err
	}
	return d.list(), nil
}

// layOver makes the statement anew: what the log holds of the source, with the docs of the read laid over it.
func (s *statement) layOver(ctx context.Context) error {
	s.base = nil
	err := s.reader.Log.Records(ctx, s.reader.Name, func(r roster.Record) error {
		s.base = append(s.base, r)
		return nil
	})
	if err != nil {
		return wrap("read the records in the log", err)
	}
	return s.take(s.assembler.AssembleOver(fact.Docs(s.base)))
}

// diff is one comparison of a statement with the log.
type diff struct {
	*statement
	scan   Scan
	stated map[roster.Ref]bool
	byID   map[string]int // digest of a person's id → index in records
	absent map[roster.Ref]bool
	became map[roster.Key][]roster.Key // key → those that it had before and that end with this read
	// vanished are those of absent who may be protected.
	vanished map[roster.Ref]bool
}

// findAbsent finds what the log holds and the source no longer has. Absence from a complete read means gone; laid over,
// gone is only what the log's own docs no longer state, because the source deleted them (rule R3).
func (d *diff) findAbsent() {
	d.absent = map[roster.Ref]bool{}
	consider := func(ref roster.Ref) {
		head, ok := d.scan.Heads[ref]
		if ok && !head.Tombstone && !d.stated[ref] && !d.keptBack[ref] && !d.waiting[head.SourceID] {
			d.absent[ref] = true
		}
	}
	if d.complete {
		for ref := range d.scan.Heads {
			consider(ref)
		}
		return
	}
	for i := range d.base {
		consider(d.base[i].Ref)
	}
}

// findMoved finds persons who have another key than before, because their number changed (F38): the source says so
// itself, or an id of the source is that of another key in the log. An id may also have been given to another person,
// so what was known under it must be alike; where that is unsure both stay as they are.
func (d *diff) findMoved(ctx context.Context) error {
	suspects := map[roster.Key]int{}
	for ref, head := range d.scan.Heads {
		if i, ok := d.byID[head.SourceID]; ok && head.SourceID != "" && d.absent[ref] && ref.Kind == roster.KindPerson {
			suspects[ref.Key] = i
		}
	}
	for key, i := range suspects {
		if d.contains(d.records[i].Ref) { // a new identity is unlike the old one on purpose
			delete(suspects, key)
			d.move(i, key)
		}
	}
	for i := range d.records {
		for _, key := range d.records[i].Former {
			ref := roster.Ref{Kind: roster.KindPerson, Key: key}
			if d.absent[ref] {
				delete(suspects, key)
				d.move(i, key)
			}
		}
	}
	if err := d.judge(ctx, suspects); err != nil {
		return err
	}
	d.findFormer()
	return nil
}

// findFormer finds the keys that earlier reads found persons to have had: those whose tombstones say, one by one, that
// they became the key that is stated. A key that left ends such a chain: whoever has the id after that is another.
func (d *diff) findFormer() {
	index := make(map[roster.Key]int)
	became := make(map[roster.Key]roster.Key)
	for i := range d.records {
		if r := &d.records[i]; r.Ref.Kind == roster.KindPerson {
			index[r.Ref.Key] = i
			for _, key := range d.became[r.Ref.Key] {
				became[key] = r.Ref.Key
			}
		}
	}
	for ref, head := range d.scan.Heads {
		if ref.Kind == roster.KindPerson && head.Tombstone && !head.Became.IsZero() && !d.stated[ref] {
			became[ref.Key] = head.Became
		}
	}
	for key, next := range became {
		for range became { // as many steps at most: a log may hold a ring
			if i, ok := index[next]; ok {
				d.addFormer(i, key)
				break
			}
			if next = became[next]; next.IsZero() {
				break
			}
		}
	}
}

// judge compares suspects with what the log knows of them.
func (d *diff) judge(ctx context.Context, suspects map[roster.Key]int) error {
	if len(suspects) == 0 {
		return nil
	}
	unsure := map[int]bool{}
	err := d.eachInLog(ctx, func(r roster.Record) error {
		i, ok := suspects[r.Ref.Key]
		if !ok || r.Person == nil {
			return nil
		}
		delete(suspects, r.Ref.Key)
		now := &d.records[i]
		switch fact.Compare(r.Person, now.Person) {
		case fact.Same:
			d.move(i, r.Ref.Key)
		case fact.Another:
			d.findings = append(d.findings, fact.Finding{Reason: reason.New(reason.IDReused), Severity: fact.Warning, Effect: fact.Noted, Ref: now.Ref})
		case fact.Unsure:
			unsure[i] = true
			delete(d.absent, r.Ref)
		}
		return nil
	})
	if err != nil {
		return wrap("read the records in the log", err)
	}
	for key, i := range suspects { // gone from the log since the scan; the publication will find out
		unsure[i] = true
		delete(d.absent, roster.Ref{Kind: roster.KindPerson, Key: key})
	}
	for i := range unsure {
		d.keepBack(&d.records[i], reason.New(reason.IdentityConflict), fact.Serious)
	}
	return nil
}

func (d *diff) eachInLog(ctx context.Context, each func(roster.Record) error) error {
	if d.complete {
		return d.reader.Log.Records(ctx, d.reader.Name, each)
	}
	for _, r := range d.base {
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

// move records that a person had another key.
func (d *diff) move(i int, key roster.Key) {
	r := &d.records[i]
	d.addFormer(i, key)
	d.became[r.Ref.Key] = append(d.became[r.Ref.Key], key)
	delete(d.absent, roster.Ref{Kind: roster.KindPerson, Key: key})
	d.findings = append(d.findings, fact.Finding{Reason: reason.New(reason.NumberChanged), Severity: fact.Info, Effect: fact.Noted, Ref: r.Ref})
}

func (d *diff) addFormer(i int, key roster.Key) {
	r := &d.records[i]
	if !slices.Contains(r.Former, key) {
		r.Former = append(slices.Clip(r.Former), key)
	}
}

// list returns the changes.
func (d *diff) list() []Change {
	changes := d.containments()
	for i := range d.records {
		r := &d.records[i]
		if d.keptBack[r.Ref] || d.contains(r.Ref) {
			continue
		}
		if r.Group != nil {
			d.leaveOut(r.Group)
		}
		r.Normalize()
		head := d.scan.Heads[r.Ref]
		hash := d.reader.Keyer.Hash(r)
		differs := head.Tombstone || head.Hash != hash
		if differs {
			changes = append(changes, Change{Record: *r, Hash: hash, SourceID: d.digest(r.Ref.Kind, r.Origins[0].ID), Expect: head.Seq})
		}
		for _, key := range d.became[r.Ref.Key] {
			c := d.tombstone(roster.Ref{Kind: roster.KindPerson, Key: key}, roster.Tombstone{Reason: roster.TombstoneBecame, Became: r.Ref.Key})
			c.Joined = differs
			changes = append(changes, c)
		}
	}
	kinds := roster.Kinds()
	slices.Reverse(kinds)
	for _, kind := range kinds {
		for _, ref := range d.absentOf(kind) {
			c := d.tombstone(ref, roster.Tombstone{Reason: roster.TombstoneLeft})
			if d.vanished[ref] {
				c = d.contain(ref, d.scan.Heads[ref].SourceID)
				c.Vanished = true
			}
			changes = append(changes, c)
		}
	}
	return changes
}

// absentOf returns what is gone of a kind, in the order of the keys.
func (d *diff) absentOf(kind roster.Kind) (refs []roster.Ref) {
	for ref := range d.absent {
		if ref.Kind == kind {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, roster.Ref.Compare)
	return refs
}

// tombstone returns the change that ends an entity. Without a source's id: whoever gets that id later need not be the
// one who had it.
func (d *diff) tombstone(ref roster.Ref, t roster.Tombstone) Change {
	r := roster.Record{Ref: ref, Source: d.reader.Name, Tombstone: &t}
	return Change{Record: r, Hash: d.reader.Keyer.Hash(&r), Expect: d.scan.Heads[ref].Seq}
}

// operation names what a change does, for the counts of a run: "person.created".
func operation(c Change, scan Scan) string {
	head, known := scan.Heads[c.Record.Ref]
	op := ".updated"
	switch t := c.Record.Tombstone; {
	case t != nil && t.Reason == roster.TombstoneBecame:
		op = ".became"
	case t != nil:
		op = ".deleted"
	case !known || head.Tombstone:
		op = ".created"
	}
	return string(c.Record.Ref.Kind) + op
}
