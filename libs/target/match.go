package target

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/reason"
)

const (
	// lookAgainAfter is how long an answer of a [Matcher] holds: what it found may be called otherwise by then, and what it
	// did not find may be there.
	lookAgainAfter = 24 * time.Hour
	// nearest is how many candidates are kept for a person to look at.
	nearest = 5
)

// planMatch has the target's own be found. What the link made, when its settings were others, is the customer's from now on.
func planMatch(w Wish, known *Entry) intent {
	e := Entry{ID: w.Resource.ID, Entity: w.Resource.Entity, State: Waiting}
	if known != nil {
		e = *known
		if e.State == Matched {
			e.Reason = nil
		}
		if known.Held && known.State != Matched {
			e = Entry{ID: known.ID, Entity: known.Entity, Native: known.Native, Held: true, Fields: known.Fields, State: Matched}
		}
	}
	return intent{match: true, resource: w.Resource, entry: e}
}

// planForgotten ends what the ledger knows of something that is not ours. Its native id stays known for as long as sets of
// the ledger have it as a member, so that it can be taken out of them.
func planForgotten(e *Entry, why *reason.Reason, t terms) intent {
	next := Entry{ID: e.ID, Entity: e.Entity, State: Gone}
	switch {
	case why != nil:
		next.Native, next.State, next.Reason = e.Native, Withheld, why
	case t.member != nil && t.member(e.ID):
		next.Native, next.State = e.Native, Matched
	}
	return intent{resource: Resource{ID: e.ID, Entity: e.Entity}, entry: next}
}

// memberOf returns what tells whether a set of the ledger has something as a member.
func (b *book) memberOf() func(ID) bool {
	var members map[ID]struct{}
	return func(id ID) bool {
		if members == nil {
			members = map[ID]struct{}{}
			for _, e := range b.entries {
				for _, s := range e.Sets {
					for _, m := range s.Members {
						members[m] = struct{}{}
					}
				}
			}
		}
		_, ok := members[id]
		return ok
	}
}

// meet asks the target for what it holds of its own: for what is to be used as it is, and, before anything is made, for what
// is to be taken over. What is taken over is ours by the ledger from then on, and is looked at again as such, by the guard
// too. It returns the intents that are left to be carried out. In a preview what would be taken over is among them, and
// what is about nothing but the ledger.
func (c *calls) meet(ctx context.Context, intents []intent, force bool, s *Settled, next *work) ([]intent, error) {
	m, _ := c.link.o.Made.Applier.(Matcher)
	left := make([]intent, 0, len(intents))
	var asked []intent
	for _, in := range intents {
		switch {
		case in.match && m == nil:
			c.unmatched(in, nil)
		case in.match && c.matchDue(in, force), !in.match && m != nil && in.verb == Create && c.unanswered(in, force) && !c.asked(in):
			asked = append(asked, in)
		case in.match, c.parkedBy(in):
			c.keep(in)
		default:
			left = append(left, in)
		}
	}
	found, err := c.askForOwn(ctx, m, asked, s, next)
	if err != nil {
		return nil, err
	}
	asked = asked[:len(found)]
	claims := map[string]int{} // how many ask for what a target's own id names
	for i := range asked {
		if one, ok := only(asked[i].resource.ID, found[i]); ok {
			claims[one.Native]++
		}
	}
	for i, in := range asked {
		twice := func(f Found) bool {
			by, taken := c.book.natives[f.Native]
			return taken && by != in.resource.ID || claims[f.Native] > 1
		}
		if in.match {
			c.use(in, found[i], twice, next)
		} else if c.takeOver(&in, found[i], twice, next) {
			left = append(left, in)
			if c.cut { // it is not asked again when the round is made anew
				c.met[in.resource.ID] = struct{}{}
			}
		}
	}
	if c.link.o.Mode == ModePreview {
		for _, in := range intents {
			if e := c.book.entries[in.resource.ID]; e != nil && (in.match || len(e.Near) > 0) {
				in.verb, in.entry = "", *e
				left = append(left, in)
			}
		}
	}
	return left, nil
}

// askForOwn asks the target for what it holds of its own, and returns what it found for the first of those that are asked for:
// for all of them, unless it does not answer or somebody is to be contained meanwhile, so that c.cut says so. Nothing is
// made of the others before they are asked for again.
func (c *calls) askForOwn(ctx context.Context, m Matcher, asked []intent, s *Settled, next *work) (found [][]Found, err error) {
	for len(found) < len(asked) {
		rest := asked[len(found):]
		if c.cut = c.cut || c.link.o.Mode != ModePreview && c.urgent(); c.cut {
			return found, nil
		}
		if c.health.paused.After(c.link.o.Now()) {
			for _, in := range rest {
				c.put(*c.postponed(in, c.book.entries[in.resource.ID]))
			}
			return found, nil
		}
		kind := rest[0].resource.ID.Kind
		chunk := rest[:min(len(rest), c.health.matchSize(kind))]
		begun := c.link.o.Now()
		answers, err := matched(ctx, m, chunk)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c.heardMatch(ctx, chunk, c.link.o.Now().Sub(begun), err, s)
		if err != nil {
			for _, in := range rest {
				if err := c.unasked(ctx, in, err, s, next); err != nil {
					return nil, err
				}
			}
			return found, nil
		}
		found = append(found, answers...)
	}
	return found, nil
}

func matched(ctx context.Context, m Matcher, chunk []intent) ([][]Found, error) {
	wanted := make([]Resource, len(chunk))
	for i, in := range chunk {
		wanted[i] = in.resource
	}
	found, err := m.Match(ctx, wanted)
	if err == nil && len(found) != len(wanted) {
		err = fmt.Errorf("the sink matched %d of %d resources", len(found), len(wanted))
	}
	return found, err
}

// matchDue tells whether what is to be used as it is has to be asked for: never yet, as something else, or long ago.
func (c *calls) matchDue(in intent, force bool) bool {
	known := c.book.entries[in.resource.ID]
	return force || known == nil || known.Refused != wishDigest(in.resource.Fields, nil) || !known.NextTry.After(c.link.o.Now())
}

// unanswered tells whether it has to be asked for before it is made. What the target refuses to have made as it is, and
// what waits for another try, need not; and what was let go of or in flight is found by its id.
func (c *calls) unanswered(in intent, force bool) bool {
	known := c.book.entries[in.resource.ID]
	switch {
	case known == nil || force || known.State == Matched:
		return true
	case known.State == Released || known.Begun || known.State == InFlight:
		return false
	case len(known.Near) > 0:
		return c.matchDue(in, force)
	case known.NextTry.After(c.link.o.Now()):
		return false
	case known.Refused == "":
		return true
	}
	stand, _ := c.book.standing(in.resource.Sets, c.contained, c.going)
	return known.Refused != wishDigest(in.resource.Fields, stand)
}

// parkedBy tells whether a person has to say which of the target's own it is before it is made.
func (c *calls) parkedBy(in intent) bool {
	known := c.book.entries[in.resource.ID]
	return in.verb == Create && known != nil && len(known.Near) > 0
}

// keep leaves everything as it was answered.
func (c *calls) keep(in intent) {
	if in.match {
		c.put(in.entry)
	}
}

// unasked notes that the target did not answer.
func (c *calls) unasked(ctx context.Context, in intent, err error, s *Settled, next *work) error {
	if c.book.entries[in.resource.ID] == nil {
		c.put(Entry{ID: in.resource.ID, Entity: in.resource.Entity, Anchor: in.entry.Anchor, State: Waiting})
	}
	return c.record(ctx, in, Outcome{Err: err}, s, next)
}

// only returns what is certainly meant: what has our id there, or the one thing with an equal key.
func only(id ID, found []Found) (one Found, ok bool) {
	n := 0
	for _, f := range found {
		if f.ID == id {
			return f, true
		}
		if f.By != "" {
			one, n = f, n+1
		}
	}
	return one, n == 1
}

// use takes down what is to be used as it is. What was found once is it for as long as it is among those that are found.
func (c *calls) use(in intent, found []Found, twice func(Found) bool, next *work) {
	known := c.book.entries[in.resource.ID]
	one, ok := only(in.resource.ID, found)
	if known != nil && known.State == Matched && known.Held {
		for _, f := range found {
			if f.Native == known.Native && f.By != "" {
				one, ok = f, true
			}
		}
	}
	if !ok || twice(one) {
		if known != nil && known.Held {
			c.depart(in.resource.ID, next)
		}
		c.unmatched(in, found)
		return
	}
	e := Entry{
		ID: in.resource.ID, Entity: in.resource.Entity, Anchor: in.entry.Anchor, Native: one.Native, Held: true, Fields: one.Fields,
		State: Matched, Cause: in.cause, FoundBy: one.By,
	}
	if known != nil && known.State == Matched {
		e.Cause = known.Cause
	}
	c.answered(&e, in)
	c.put(e)
	c.arrive(e.ID, next)
}

// answered has an entry hold until the wish is another, or a day has passed.
func (c *calls) answered(e *Entry, in intent) {
	e.Refused, e.NextTry = wishDigest(in.resource.Fields, nil), c.link.o.Now().Add(lookAgainAfter).Truncate(time.Hour)
}

// arrive has looked at again what waits for something that stands now.
func (c *calls) arrive(id ID, next *work) {
	for ref := range c.waiters[id] {
		next.add(ref)
	}
	delete(c.waiters, id)
}

// depart has looked at again what refers to something that does not stand any more.
func (c *calls) depart(id ID, next *work) {
	for _, e := range c.book.entries {
		if slices.Contains(e.Needs, id) || slices.ContainsFunc(e.Sets, func(s Set) bool { return slices.Contains(s.Members, id) }) {
			next.add(e.Entity)
		}
	}
}

// unmatched parks a resource that is to be used as it is, and of which the target has none or several.
func (c *calls) unmatched(in intent, found []Found) {
	code := reason.Unmatched
	if slices.ContainsFunc(found, func(f Found) bool { return f.By != "" }) {
		code = reason.Ambiguous
	}
	c.undecided(in, found, reason.New(code, "candidates", idsIn(found)))
}

// undecided parks a resource until the target or the wish is another, with what a person has to decide between.
func (c *calls) undecided(in intent, found []Found, why reason.Reason) {
	e := Entry{ID: in.resource.ID, Entity: in.resource.Entity, Anchor: in.entry.Anchor, State: Parked, Reason: &why}
	if known := c.book.entries[e.ID]; known != nil {
		e.Native, e.Cause = known.Native, known.Cause
	}
	for _, f := range closest(found) {
		e.Near = append(e.Near, Candidate{Native: f.Native, Fields: f.Fields, By: f.By, Refused: f.Refused})
	}
	c.answered(&e, in)
	c.put(e)
}

// closest returns what is shown of what was found: what has an equal key, or else what comes near.
func closest(found []Found) []Found {
	equal := slices.DeleteFunc(slices.Clone(found), func(f Found) bool { return f.By == "" })
	if len(equal) == 0 {
		equal = found
	}
	return equal[:min(len(equal), nearest)]
}

// idsIn names what was found by the target's own ids, which say nothing of a person.
func idsIn(found []Found) string {
	var ids []string
	for _, f := range closest(found) {
		ids = append(ids, f.Native)
	}
	if len(ids) == 0 {
		return "–"
	}
	return strings.Join(ids, ", ")
}

// takeOver decides about what is to be made: it is made where the target has nothing that is it, and else taken over, or
// parked for a person. It reports whether the intent is to be carried out.
func (c *calls) takeOver(in *intent, found []Found, twice func(Found) bool, next *work) bool {
	id := in.resource.ID
	known := c.book.entries[id]
	one, ok := only(id, found)
	own := ok && one.ID == id
	switch {
	case !slices.ContainsFunc(found, func(f Found) bool { return f.By != "" || f.ID == id }):
		if known != nil && (known.Held || !known.NextTry.IsZero() || len(known.Near) > 0) { // made anew, or for the first time
			c.put(Entry{ID: id, Entity: in.resource.Entity, State: Gone})
			in.entry.Native, in.entry.NextTry, in.entry.Refused = "", time.Time{}, ""
		}
		return true
	case !ok, twice(one):
		c.undecided(*in, found, reason.New(reason.Ambiguous, "candidates", idsIn(found)))
		return false
	case one.Refused != "" && !own:
		c.undecided(*in, found, reason.New(reason.AdoptionRefused, "candidate", one.Native, "what", one.Refused))
		return false
	}
	e := Entry{
		ID: id, Entity: in.resource.Entity, Anchor: in.entry.Anchor, Native: one.Native, Held: true, Fields: one.Fields,
		Sets: c.members(id.Kind, one.Sets, nil), State: Applied, Needs: in.resource.Needs, As: in.entry.As,
	}
	if one.Disabled {
		e.State = Disabled
	}
	if !own {
		e.FoundBy, e.Untouched = one.By, true
	}
	c.put(e)
	c.arrive(id, next)
	if c.link.o.Mode == ModePreview {
		in.verb = Update
		return true
	}
	next.add(in.resource.Entity)
	return false
}

// Foreign is the kind of a member of a set that is not ours, as a sink tells of it in [Held]: its key is the target's own id.
// A set that is to be exact loses it.
const Foreign = "foreign"

// members returns the sets that the target holds in the words of the link: what is used as it is goes by our id, and of a
// kind whose sets keep what others added only what we added counts.
func (c *calls) members(kind string, sets, added []Set) []Set {
	keep := slices.Contains(c.link.o.Made.KeepsMembers, kind)
	out := make([]Set, 0, len(sets))
	for _, s := range sets {
		o := Set{Name: s.Name}
		mine := map[ID]struct{}{}
		for _, a := range added {
			if a.Name == s.Name {
				for _, m := range a.Members {
					mine[m] = struct{}{}
				}
			}
		}
		for _, m := range s.Members {
			if m.Kind == Foreign {
				if id, known := c.book.natives[m.Key]; known {
					m = id
				}
			}
			if _, ours := mine[m]; ours || !keep {
				o.Members = append(o.Members, m)
			}
		}
		slices.SortFunc(o.Members, ID.Compare)
		out = append(out, o)
	}
	return out
}

// nativesOf returns the target's own ids of what an operation refers to, as far as they are known.
func (c *calls) nativesOf(op Operation) map[ID]string {
	out := map[ID]string{}
	add := func(id ID) {
		if id.Kind == Foreign {
			out[id] = id.Key
		} else if e := c.book.entries[id]; e != nil && e.Native != "" {
			out[id] = e.Native
		}
	}
	for _, need := range op.Resource.Needs {
		add(need)
	}
	for _, s := range slices.Concat(op.Resource.Sets, op.SetsDrop) {
		for _, m := range s.Members {
			add(m)
		}
	}
	return out
}

func equalCandidate(a, b Candidate) bool {
	return a.Native == b.Native && a.By == b.By && a.Refused == b.Refused && slices.Equal(a.Fields, b.Fields)
}

// meetAll is meet for a preview: of all kinds at once.
func (c *calls) meetAll(ctx context.Context, intents []intent, s *Settled) ([]intent, error) {
	byKind := map[string][]intent{}
	var rest []intent
	for _, in := range intents {
		if in.match || in.verb == Create {
			byKind[in.resource.ID.Kind] = append(byKind[in.resource.ID.Kind], in)
		} else {
			rest = append(rest, in)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		left, err := c.meet(ctx, byKind[kind], false, s, &work{})
		if err != nil {
			return nil, err
		}
		rest = append(rest, left...)
	}
	return rest, nil
}
