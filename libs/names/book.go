package names

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"eventful.se/ess/libs/roster"
)

// Book is who has which name of a tenant, in memory. What it answers depends on its claims and on the order in which it
// is asked only: who asks for several persons asks in the sorted order of their keys. It is not safe for concurrent use.
//
// A name is free when nobody has it, or when its last account was deleted so long ago that its reserve is over. What
// somebody had before, an alias and what is somebody's outside of ESS are not free. A person who comes back gets the
// name of before, whenever that is, unless another one has got it in between.
type Book struct {
	claims  map[string]*Claim
	owners  map[Owner][]*Claim // sorted by when they were given; at most one of them is not former
	saved   map[string]Claim   // of those that changed, what was saved: zero for none
	touched map[Owner]struct{}
}

// NewBook returns a book of saved claims, in any order. Where two are of one name, the later one counts: a name is given
// anew only when it was free.
func NewBook(list []Claim) *Book {
	b := &Book{map[string]*Claim{}, map[Owner][]*Claim{}, map[string]Claim{}, map[Owner]struct{}{}}
	list = slices.Clone(list)
	slices.SortFunc(list, func(x, y Claim) int {
		return cmp.Or(cmp.Compare(x.Since, y.Since), strings.Compare(x.Name, y.Name), x.Owner.compare(y.Owner))
	})
	for _, c := range list {
		if c.Name = key(c.Name); c.Name == "" {
			continue
		}
		if old := b.claims[c.Name]; old != nil {
			b.unlink(old)
		}
		b.link(&c)
	}
	for _, claims := range b.owners {
		current := slices.IndexFunc(claims, func(c *Claim) bool { return !c.Former })
		for i, c := range claims {
			if !c.Former && i > current {
				claims[current].Former, current = true, i // two at a time were never given: the later one counts
			}
		}
	}
	return b
}

// key is a name as the book compares it: targets do not tell capital letters apart.
func key(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

func (o Owner) compare(p Owner) int {
	return cmp.Or(o.Person.Compare(p.Person), strings.Compare(string(o.Role), string(p.Role)))
}

func (c *Claim) compare(d *Claim) int {
	return cmp.Or(cmp.Compare(c.Since, d.Since), strings.Compare(c.Name, d.Name))
}

func (b *Book) link(c *Claim) {
	b.claims[c.Name] = c
	if c.Owner == (Owner{}) {
		return
	}
	list := b.owners[c.Owner]
	i, _ := slices.BinarySearchFunc(list, c, (*Claim).compare)
	b.owners[c.Owner] = slices.Insert(list, i, c)
}

func (b *Book) unlink(c *Claim) {
	delete(b.claims, c.Name)
	list := slices.DeleteFunc(b.owners[c.Owner], func(d *Claim) bool { return d == c })
	if len(list) == 0 {
		delete(b.owners, c.Owner)
		return
	}
	b.owners[c.Owner] = list
}

// change notes what was saved of a name, before it changes.
func (b *Book) change(name string) {
	c := b.claims[name]
	if _, known := b.saved[name]; !known {
		if b.saved[name] = (Claim{}); c != nil {
			b.saved[name] = *c
		}
	}
	if c != nil {
		b.touched[c.Owner] = struct{}{}
	}
}

// put makes a claim what it is from now on; a claim of somebody else on the name is gone.
func (b *Book) put(c Claim) *Claim {
	b.change(c.Name)
	if old := b.claims[c.Name]; old != nil {
		b.unlink(old)
	}
	b.link(&c)
	b.touched[c.Owner] = struct{}{}
	return &c
}

// current returns what the owner is called, or nil.
func (b *Book) current(o Owner) *Claim {
	for _, c := range b.owners[o] {
		if !c.Former {
			return c
		}
	}
	return nil
}

const year = 10_000 // a date is the number YYYYMMDD

// over tells whether a name that had an owner is free again.
func (c *Claim) over(r *Rules, today roster.Date) bool {
	return !c.Ended.IsOpen() && today > c.Ended+roster.Date(r.reserve*year)
}

// Name returns what the owner is called: the name of before, as far as the policy says so, else the first candidate that
// is free, or was the owner's before, which is claimed. False where there is none. That an account is made again of who
// had none any more is told by [Book.Back].
func (b *Book) Name(o Owner, r *Rules, s Subject, today roster.Date) (Name, bool) {
	c := b.current(o)
	switch {
	case c == nil:
		c = b.give(o, r, s, today)
	case r.Policy(s.Role) == Keep || s.Person == nil:
	case c.Rules != r.Version(s.Role):
		again := *c // other patterns rename nobody who is called the same
		again.Wanted, again.Rules = r.Wanted(s), r.Version(s.Role)
		c = b.put(again)
	case c.Wanted != r.Wanted(s):
		if other := b.give(o, r, s, today); other != nil {
			c = other
		}
	}
	if c != nil && c.over(r, today) { // it could be given to another one
		again := *c
		again.Ended = 0
		c = b.put(again)
	}
	if c == nil {
		return Name{}, false
	}
	n := Name{Current: c.Name}
	if r.Policy(s.Role) != Rename {
		for _, f := range b.owners[o] {
			if f.Former {
				n.Former = append(n.Former, f.Name)
			}
		}
	}
	return n, true
}

// give claims the first candidate that the owner can have. What the owner was called is a former name from then on.
func (b *Book) give(o Owner, r *Rules, s Subject, today roster.Date) *Claim {
	for name := range r.candidates(s) {
		held := b.claims[name]
		free := held == nil || held.Owner == o || held.Owner != (Owner{}) && held.over(r, today)
		if free && !r.blocked.has(name) {
			return b.become(o, name, r.Wanted(s), r.Version(s.Role), today)
		}
	}
	return nil
}

// become makes a name what the owner is called.
func (b *Book) become(o Owner, name, wanted, version string, today roster.Date) *Claim {
	if c := b.current(o); c != nil && c.Name != name {
		was := *c
		was.Former = true
		b.put(was)
	}
	since := today
	if held := b.claims[name]; held != nil && held.Owner == o {
		since = held.Since
	}
	return b.put(Claim{Name: name, Owner: o, Wanted: wanted, Rules: version, Since: since})
}

// Adopt makes a name the owner's because an account that the owner has already is called so. It fails when the name is
// another one's; one that was somebody's outside of ESS turns out to be the owner's.
func (b *Book) Adopt(o Owner, name string, r *Rules, s Subject, today roster.Date) bool {
	name = key(name)
	held := b.claims[name]
	if name == "" || held != nil && held.Owner != o && held.Owner != (Owner{}) && !held.over(r, today) {
		return false
	}
	if c := b.current(o); c == nil || c.Name != name {
		b.become(o, name, r.Wanted(s), r.Version(s.Role), today)
	}
	return true
}

// Foreign notes that a name is somebody's outside of ESS. Whoever it was given to gets another one.
func (b *Book) Foreign(name string) {
	if name = key(name); name == "" {
		return
	}
	if c := b.claims[name]; c == nil || c.Owner != (Owner{}) {
		b.put(Claim{Name: name})
	}
}

// End notes that the last account of an owner was deleted on a day. From then on the reserve of the names runs.
func (b *Book) End(o Owner, day roster.Date) { b.setEnded(o, day) }

// Back notes that the owner has an account, or is about to. The names are kept as long as there is one.
func (b *Book) Back(o Owner) { b.setEnded(o, 0) }

func (b *Book) setEnded(o Owner, day roster.Date) {
	for _, c := range slices.Clone(b.owners[o]) {
		if c.Ended.IsOpen() != day.IsOpen() {
			other := *c
			other.Ended = day
			b.put(other)
		}
	}
}

// Move gives all names of a person to the key that the person has now, in every role. Where that has a name already, and
// an account, it stays so, and the others become former ones.
func (b *Book) Move(from, to roster.Key) {
	if from == to || from.IsZero() || to.IsZero() {
		return
	}
	for _, role := range roles() {
		heir := Owner{to, role}
		for _, c := range slices.Clone(b.owners[Owner{from, role}]) {
			moved := *c
			moved.Owner = heir
			if has := b.current(heir); has != nil && !moved.Former {
				if has.Ended.IsOpen() || !moved.Ended.IsOpen() {
					moved.Former = true
				} else {
					was := *has
					was.Former = true
					b.put(was)
				}
			}
			b.put(moved)
		}
		if has := b.current(heir); has != nil && has.Ended.IsOpen() {
			b.Back(heir)
		}
	}
}

// Owner returns whose a name is; zero for somebody's outside of ESS. False where nobody ever had it.
func (b *Book) Owner(name string) (Owner, bool) {
	c := b.claims[key(name)]
	if c == nil {
		return Owner{}, false
	}
	return c.Owner, true
}

// Of returns the claims of an owner, those given first first; of the zero Owner, what is foreign, sorted by name.
func (b *Book) Of(o Owner) (list []Claim) {
	if o != (Owner{}) {
		for _, c := range b.owners[o] {
			list = append(list, *c)
		}
		return list
	}
	for _, c := range b.Claims() {
		if c.Owner == o {
			list = append(list, c)
		}
	}
	return list
}

// Claims returns all claims, sorted by name.
func (b *Book) Claims() []Claim {
	list := make([]Claim, 0, len(b.claims))
	for _, name := range slices.Sorted(maps.Keys(b.claims)) {
		list = append(list, *b.claims[name])
	}
	return list
}

// Pending returns the claims that are new or changed since they were saved, sorted by name.
func (b *Book) Pending() (list []Claim) {
	for _, name := range slices.Sorted(maps.Keys(b.saved)) {
		if c := b.claims[name]; c != nil && *c != b.saved[name] {
			list = append(list, *c)
		}
	}
	return list
}

// Changed returns, sorted, whose claims are no longer those that were saved, who lost one too; the zero Owner where it is
// foreign ones.
func (b *Book) Changed() []Owner {
	return slices.SortedFunc(maps.Keys(b.touched), Owner.compare)
}

// Saved notes that all claims have been saved.
func (b *Book) Saved() {
	clear(b.saved)
	clear(b.touched)
}
