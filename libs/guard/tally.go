package guard

import "time"

// Tally counts what is asked for beside what was let through within [Window], bucket by bucket, against limits. What was
// let through already, as its mark tells, counts once.
type Tally struct {
	limits Limits
	live   map[Bucket]int
	before map[Bucket]map[uint64]bool
	asked  map[Bucket]int
	passed map[Bucket][]uint64
	now    time.Time
}

// Tally returns the count of what was let through. Of live stands how much there is of each kind and school form, under a
// bucket without an operation.
func (k Kept) Tally(limits Limits, live map[Bucket]int, now time.Time) *Tally {
	t := &Tally{limits: limits, live: live, before: k.Window(now), asked: map[Bucket]int{}, passed: map[Bucket][]uint64{}, now: now}
	for b, marks := range t.before {
		t.asked[b] = len(marks)
	}
	return t
}

// Ask counts something that is asked for.
func (t *Tally) Ask(mark uint64, in ...Bucket) {
	for _, b := range in {
		if !t.before[b][mark] {
			t.asked[b]++
		}
	}
}

// Asked returns how many of a bucket were let through or are asked for.
func (t *Tally) Asked(b Bucket) int { return t.asked[b] }

// Over tells whether that is more than may pass without asking. What was deleted within the window was there at its
// beginning.
func (t *Tally) Over(b Bucket) bool {
	of := t.live[Bucket{Kind: b.Kind, Form: b.Form, Operation: ""}] + len(t.before[Bucket{Kind: b.Kind, Form: b.Form, Operation: Delete}])
	return t.asked[b] > t.limits.Allowed(b, of)
}

// Pass notes that something is let through.
func (t *Tally) Pass(mark uint64, in ...Bucket) {
	for _, b := range in {
		if !t.before[b][mark] {
			t.passed[b] = append(t.passed[b], mark)
		}
	}
}

// Passed returns what is let through and was not counted before.
func (t *Tally) Passed() (list []Passed) {
	for b, marks := range t.passed {
		list = append(list, Passed{At: t.now, Bucket: b, Marks: marks})
	}
	return list
}

// Carry returns the decisions that still live: those on what is asked for, and those on what was not looked at. Of the
// frozen set it returns what was not looked at: that is neither asked for nor taken back.
func (k Kept) Carry(asked map[Item]bool, unseen func(Item) bool, now time.Time) (decisions []Decision, held []HeldItem) {
	for _, d := range k.Decisions {
		if now.Sub(d.At) <= Window && (asked[d.Item] || unseen(d.Item)) {
			decisions = append(decisions, d)
		}
	}
	if k.Hold == nil {
		return decisions, nil
	}
	for _, i := range k.Hold.Items {
		if !asked[i.Item] && unseen(i.Item) {
			held = append(held, i)
		}
	}
	return decisions, held
}

// Next returns what is to be kept after a look: the frozen set, the decisions that live, and what was let through. It
// reports false when that is what is kept already and no more is known of it.
func (k Kept) Next(hold *Hold, decisions []Decision, passed []Passed, now time.Time) (Kept, bool) {
	if hold == nil && k.Hold == nil && len(passed) == 0 && len(decisions) == len(k.Decisions) {
		return k, false
	}
	next := Kept{Version: k.Version, Hold: hold, Decisions: decisions}
	for _, p := range k.Passed {
		if now.Sub(p.At) <= Window {
			next.Passed = append(next.Passed, p)
		}
	}
	next.Passed = append(next.Passed, passed...)
	return next, true
}
