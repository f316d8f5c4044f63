package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// ErrNamesChanged says that somebody else has given names since they were read.
var ErrNamesChanged = errors.New("somebody else gave names meanwhile")

// NameStore keeps whose each user name of a tenant is, for all its links.
type NameStore interface {
	// Version returns the version of what Load would return.
	Version(ctx context.Context) (uint64, error)
	// Load returns every claim, and the version that Save expects.
	Load(ctx context.Context) ([]names.Claim, uint64, error)
	// Save puts claims in the place of those of the same names, and returns the version after that. It ends with
	// ErrNamesChanged when somebody else has saved something since version; a part of the claims may stand then.
	Save(ctx context.Context, claims []names.Claim, version uint64) (uint64, error)
}

// naming is whom a link's mapping hears of when it asks for a user name. A name is given in memory while the link plans, and
// is the person's once it is saved: before the target hears of it, so that whoever dies in between leaves a name that is the
// same person's when it is planned again.
type naming struct {
	rules *names.Rules
	book  *names.Book
	saved map[names.Owner]string // what everybody was called when the book was last equal to the store

	version uint64
	free    map[string]struct{} // names that the target was asked about, and nothing there had
	taken   map[string]struct{} // those that something there had
	unasked map[string]struct{} // those that it could not be asked about

	ref    roster.Ref // the entity that is mapped now
	peeks  bool       // it is not to have a name that it does not have
	askers map[roster.Ref][]names.Owner
}

// newNaming returns the names of some claims.
func newNaming(rules *names.Rules, claims []names.Claim, version uint64) *naming {
	n := &naming{rules: rules, free: map[string]struct{}{}, taken: map[string]struct{}{}, unasked: map[string]struct{}{}, askers: map[roster.Ref][]names.Owner{}}
	n.read(claims, version)
	return n
}

// read takes over what is saved, and returns whose name it changes. What the target was heard to have stays taken.
func (n *naming) read(claims []names.Claim, version uint64) (changed []roster.Ref) {
	before := n.saved
	n.book, n.version = names.NewBook(claims), version
	n.note()
	for _, name := range slices.Sorted(maps.Keys(n.taken)) {
		n.book.Foreign(name)
	}
	for o, name := range n.saved {
		if was, known := before[o]; before != nil && (!known || was != name) {
			changed = append(changed, roster.Ref{Kind: roster.KindPerson, Key: o.Person})
		}
	}
	for o := range before {
		if _, still := n.saved[o]; !still {
			changed = append(changed, roster.Ref{Kind: roster.KindPerson, Key: o.Person})
		}
	}
	return changed
}

// note takes down that the book is equal to the store.
func (n *naming) note() {
	n.saved = map[names.Owner]string{}
	for _, c := range n.book.Claims() {
		if c.Owner != (names.Owner{}) && !c.Former {
			n.saved[c.Owner] = c.Name
		}
	}
}

// mapping notes which entity is mapped, and whether it is only looked at: who is out of scope gets no name by that.
func (n *naming) mapping(ref roster.Ref, peeks bool) {
	if n != nil {
		n.ref, n.peeks = ref, peeks
		delete(n.askers, ref)
	}
}

// UserName returns what a person is called in a role. It is claimed in memory.
func (v view) UserName(person roster.Key, role roster.Role) names.Name {
	n := v.names
	if n == nil {
		return names.Name{}
	}
	o := names.Owner{Person: n.person(v, person), Role: role}
	n.inherit(v, o.Person)
	s := v.subject(o)
	if n.peeks && len(n.book.Of(o)) == 0 {
		return n.peek(s)
	}
	name, ok := n.book.Name(o, n.rules, s, v.Today())
	if ok && !slices.Contains(n.askers[n.ref], o) {
		n.askers[n.ref] = append(n.askers[n.ref], o)
	}
	return name
}

// person returns the key that a person has now, of one that a target may know her or him by.
func (n *naming) person(v view, k roster.Key) roster.Key {
	if n.ref.Kind == roster.KindPerson && v.anchors.of(n.ref.Key) == k {
		return n.ref.Key
	}
	if v.Roster.Person(k) != nil {
		return k
	}
	now, _ := v.Became(k)
	return now
}

// inherit gives a person the names of the keys that she or he had before. Somebody who still stands under such a key keeps
// them, unless the registers' own words say that the record there is about to be replaced.
func (n *naming) inherit(v view, person roster.Key) {
	former := v.State(roster.Ref{Kind: roster.KindPerson, Key: person}).Former
	if len(former) == 0 {
		return
	}
	has := func(k roster.Key) bool {
		return slices.ContainsFunc(nameRoles, func(r roster.Role) bool { return len(n.book.Of(names.Owner{Person: k, Role: r})) > 0 })
	}
	for _, k := range former {
		stands := v.Roster.Person(k) != nil && !v.Roster.Superseded(roster.Ref{Kind: roster.KindPerson, Key: k})
		if !stands && has(k) && !has(person) {
			n.book.Move(k, person)
		}
	}
}

// namingLimit is how often a round is planned anew because somebody else gave names or had them.
const namingLimit = 200

// nameRoles are the roles in which a person has names.
var nameRoles = []roster.Role{roster.RoleNone, roster.RolePupil, roster.RoleStaff}

// subject returns whom a name is for. It is as the registers say: what targets made of it is not what it is made of.
func (v view) subject(o names.Owner) names.Subject {
	p := v.PersonWithout(o.Person, v.made)
	s := names.Subject{Person: p, Role: o.Role}
	if p == nil {
		return s
	}
	if i := slices.IndexFunc(p.Personas, func(x roster.Persona) bool { return x.Role == o.Role }); i >= 0 {
		s.Persona = p.Personas[i]
	}
	var unit roster.Key
	if o.Role == roster.RoleStaff {
		d, _ := roster.PrimaryDuty(p, v.Today())
		unit = d.DutyAt
	} else {
		e, _ := roster.PrimaryEnrolment(p, v.Today())
		unit = e.EnroledAt
	}
	s.Unit = v.Roster.Organisation(unit)
	return s
}

// peek returns what a person would be called.
func (n *naming) peek(s names.Subject) names.Name {
	for name := range n.rules.Candidates(s) {
		if _, taken := n.book.Owner(name); !taken {
			return names.Name{Current: name}
		}
	}
	return names.Name{}
}

// fresh returns whose names are new, by name: nobody knows whether something in the target has them.
func (n *naming) fresh() map[string]names.Owner {
	out := map[string]names.Owner{}
	for _, c := range n.book.Pending() {
		_, free := n.free[c.Name]
		if c.Owner != (names.Owner{}) && !c.Former && n.saved[c.Owner] != c.Name && !free {
			out[c.Name] = c.Owner
		}
	}
	for name := range n.unasked {
		if o, ok := n.book.Owner(name); ok && o != (names.Owner{}) {
			out[name] = o
		}
	}
	return out
}

// sayNames says what persons are called by; other words may call them otherwise.
func (l *Link) sayNames(to io.Writer) {
	for _, r := range nameRoles {
		fmt.Fprintf(to, "names %s %s %s\n", r, l.o.NameRules.Version(r), l.o.NameRules.Policy(r))
	}
}

// Names tells whether the link gives user names.
func (l *Link) Names() bool { return l.named() }

func (l *Link) named() bool {
	return l.o.Made.Names != nil && l.o.NameRules != nil && l.o.Made.Applier != nil
}

// loadNames reads whose the names are.
func (l *Link) loadNames(ctx context.Context) error {
	l.naming = nil
	if !l.named() {
		return nil
	}
	claims, version, err := l.o.Names.Load(ctx)
	if err != nil {
		return fmt.Errorf("load the names: %w", err)
	}
	l.naming = newNaming(l.o.NameRules, claims, version)
	return nil
}

// refreshNames reads the names again where somebody else has given some, and has those looked at who are called otherwise.
func (c *calls) refreshNames(ctx context.Context, w *work) error {
	n := c.link.naming
	if n == nil {
		return nil
	}
	version, err := c.link.o.Names.Version(ctx)
	if err != nil || version == n.version {
		return err
	}
	return c.rereadNames(ctx, w)
}

func (c *calls) rereadNames(ctx context.Context, w *work) error {
	claims, version, err := c.link.o.Names.Load(ctx)
	if err != nil {
		return fmt.Errorf("load the names: %w", err)
	}
	for _, ref := range c.link.naming.read(claims, version) {
		w.add(ref)
	}
	return nil
}

// seedNames has those persons be called what their accounts are called whose names nobody gave: accounts that were taken
// over, and those of a tenant that lost its names. A name that an account has is not ended. The caller is inside read.
func (c *calls) seedNames(f *Feed, refs []roster.Ref) {
	n := c.link.naming
	if n == nil || c.link.o.Made.Overlay == nil {
		return
	}
	v := c.link.eyes(f, c.anchors)
	for _, ref := range refs {
		if ref.Kind != roster.KindPerson {
			continue
		}
		for _, id := range c.book.of(ref) {
			e := c.book.entries[id]
			if !e.Held || len(e.Fields) == 0 {
				continue
			}
			p, ok := c.link.o.Made.Overlay(heldOf(e))
			o := names.Owner{Person: ref.Key, Role: p.Role}
			if _, given := n.saved[o]; ok && given && !e.Untouched {
				n.book.Back(o)
			} else if ok && p.Username != "" {
				n.inherit(v, ref.Key)
				n.book.Adopt(o, p.Username.Reveal(), n.rules, v.subject(o), v.Today())
			}
		}
	}
}

// sureOfNames sees to that every name that the intents use is the person's and nobody else's: those that are new are asked
// for in the target, and all are saved. It reports true when something was found otherwise than the plan has it, so that
// it is to be made again. What is left of the intents can be carried out; unsure is what has a name of which nobody could
// tell whether it is taken.
func (c *calls) sureOfNames(ctx context.Context, intents []intent, w *work, s *Settled) (left []intent, unsure []intent, why error, again bool, err error) {
	n := c.link.naming
	if n == nil {
		return intents, nil, nil, false, nil
	}
	for i := range intents {
		if v := intents[i].verb; v == Create || v == Update {
			for _, o := range n.askers[intents[i].resource.Entity] {
				n.book.Back(o)
			}
		}
	}
	if again, err = c.meetNamed(ctx, intents, w.force, s); err != nil || again {
		return nil, nil, nil, again, err
	}
	again, why = c.askForNames(ctx, intents, s)
	if ctx.Err() != nil {
		return nil, nil, nil, false, context.Cause(ctx)
	}
	if again {
		return nil, nil, nil, true, nil
	}
	if c.link.o.Mode != ModePreview {
		if again, err = c.saveNames(ctx, w); err != nil || again {
			return nil, nil, nil, again, err
		}
	}
	if len(n.unasked) == 0 {
		return intents, nil, nil, false, nil
	}
	for _, in := range intents {
		doubtful := slices.ContainsFunc(n.askers[in.resource.Entity], func(o names.Owner) bool {
			return slices.ContainsFunc(n.book.Of(o), func(x names.Claim) bool { _, doubt := n.unasked[x.Name]; return doubt && !x.Former })
		})
		if doubtful && (in.verb == Create || in.verb == Update) {
			unsure = append(unsure, in)
		} else {
			left = append(left, in)
		}
	}
	return left, unsure, why, false, nil
}

// meetNamed asks the target for what it holds of its own of those who are to have an account, before they have a name: who
// has an account already is called what it is called. It reports whether somebody has.
func (c *calls) meetNamed(ctx context.Context, intents []intent, force bool, s *Settled) (found bool, err error) {
	if _, matches := c.link.o.Made.Applier.(Matcher); c.link.naming == nil || !matches {
		return false, nil
	}
	var creates []intent
	for _, in := range intents {
		if in.verb == Create && !in.match && !c.asked(in) && len(c.link.naming.askers[in.resource.Entity]) > 0 {
			creates = append(creates, in)
		}
	}
	if len(creates) == 0 {
		return false, nil
	}
	left, err := c.meet(ctx, creates, force, s, &c.again)
	if err != nil {
		return false, err
	}
	for _, in := range left {
		c.met[in.resource.ID] = struct{}{}
	}
	return c.cut || s.Halted != nil || slices.ContainsFunc(creates, func(in intent) bool { return c.book.holds(in.resource.ID) }), nil
}

// asked tells whether the target was asked in this round for what is to be made, and has nothing that is it.
func (c *calls) asked(in intent) bool { _, ok := c.met[in.resource.ID]; return ok }

// askForNames asks the target which of the new names something has that is not the person's. It asks as everything does that
// a target is asked: nothing while it wants no calls, one name until a silent one has answered, and nothing before somebody is
// contained, so that c.cut says so. It reports whether the plan is to be made again, or the link is halted; err is why some
// could not be asked about.
func (c *calls) askForNames(ctx context.Context, intents []intent, s *Settled) (again bool, err error) {
	n, preview := c.link.naming, c.link.o.Mode == ModePreview
	namer, ok := c.link.o.Made.Applier.(Namer)
	if !ok {
		return false, nil
	}
	fresh := n.fresh()
	rest := slices.Sorted(maps.Keys(fresh))
	clear(n.unasked)
	for _, name := range rest {
		n.unasked[name] = struct{}{}
	}
	if len(rest) == 0 {
		return false, nil
	}
	mine := map[string]roster.Key{} // by the target's own id
	for _, e := range c.book.entries {
		if e.Held && e.Native != "" && e.Entity.Kind == roster.KindPerson {
			mine[e.Native] = e.Entity.Key
		}
	}
	for len(rest) > 0 {
		if c.cut = c.cut || !preview && c.urgent(); c.cut {
			return true, nil
		}
		if err := c.resting(); err != nil {
			return again, err
		}
		list := rest[:min(len(rest), c.health.nameSize())]
		has, err := namer.Taken(ctx, list)
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if !preview {
			c.heardNames(ctx, intents, err, s)
		}
		if err != nil {
			return again || s.Halted != nil, err
		}
		for _, name := range list {
			delete(n.unasked, name)
			if native, taken := has[name]; taken && (native == "" || mine[native] != fresh[name].Person) {
				n.lose(name)
				again = true
			} else {
				n.free[name] = struct{}{}
			}
		}
		rest = rest[len(list):]
	}
	return again, nil
}

// lose notes that something in the target has a name.
func (n *naming) lose(name string) {
	n.taken[name] = struct{}{}
	n.book.Foreign(name)
}

// unnamed notes that nobody could tell whether a new name is taken: it is asked again later.
func (c *calls) unnamed(ctx context.Context, in intent, why error, s *Settled, next *work) error {
	known := c.book.entries[in.resource.ID]
	if e := c.postponed(in, known); e != nil {
		c.put(*e)
		return nil
	}
	switch {
	case known == nil:
		c.put(Entry{ID: in.resource.ID, Entity: in.resource.Entity, Anchor: in.entry.Anchor, State: Waiting})
	case known.NextTry.After(c.link.o.Now()):
		return nil
	}
	return c.record(ctx, in, Outcome{Err: why}, s, next)
}

// saveNames saves what is new. It reports true when somebody else has given names meanwhile, which were read then.
func (c *calls) saveNames(ctx context.Context, w *work) (again bool, err error) {
	n := c.link.naming
	pending := n.book.Pending()
	if len(pending) == 0 {
		return false, nil
	}
	version, err := c.link.o.Names.Save(ctx, pending, n.version)
	switch {
	case errors.Is(err, ErrNamesChanged):
		return true, c.rereadNames(ctx, w)
	case err != nil:
		return false, fmt.Errorf("save the names: %w", err)
	}
	n.version = version
	n.book.Saved()
	n.note()
	return false, nil
}

// nameTaken notes that the target has refused an operation because something there has the name.
func (c *calls) nameTaken(in intent, why reason.Reason) {
	n := c.link.naming
	if n == nil || why.Code != reason.NameTaken {
		return
	}
	name := ""
	if c.link.o.Made.Overlay != nil {
		p, _ := c.link.o.Made.Overlay(Held{ID: in.resource.ID, Fields: in.resource.Fields})
		name = p.Username.Reveal()
	} else if owners := n.askers[in.resource.Entity]; len(owners) == 1 {
		name = n.saved[owners[0]]
	}
	if o, ok := n.book.Owner(name); ok && o.Person == in.resource.Entity.Key {
		n.lose(name)
	}
}

// endNames ends the claims of those whose last account is gone, as far as this link knows; a link that holds another one
// takes that back. Their names are given to nobody for years.
func (c *calls) endNames(ctx context.Context) error {
	n := c.link.naming
	if n == nil || len(c.bereft) == 0 || c.link.o.Mode == ModePreview {
		return nil
	}
	for again := true; again; {
		for o := range c.bereft {
			if !c.hasAccount(o) {
				n.book.End(o, roster.Today(c.link.o.Now()))
			}
		}
		var err error
		if again, err = c.saveNames(ctx, &c.again); err != nil {
			return err
		}
	}
	clear(c.bereft)
	return nil
}

// bereave notes that an account is gone, when it is.
func (c *calls) bereave(e *Entry, now Entry) {
	if c.link.naming == nil || !e.Held || now.Held || e.Entity.Kind != roster.KindPerson || !c.isAccount(e.ID.Kind) {
		return
	}
	roles := nameRoles
	if c.link.o.Made.Overlay != nil && len(e.Fields) > 0 {
		if p, ok := c.link.o.Made.Overlay(heldOf(e)); ok {
			roles = []roster.Role{p.Role}
		}
	}
	for _, r := range roles {
		c.bereft[names.Owner{Person: e.Entity.Key, Role: r}] = struct{}{}
	}
}

func (c *calls) isAccount(kind string) bool {
	return len(c.link.o.Made.Accounts) == 0 || slices.Contains(c.link.o.Made.Accounts, kind)
}

// hasAccount tells whether the target holds an account of a person in a role, or may.
func (c *calls) hasAccount(o names.Owner) bool {
	for _, id := range c.book.byEntity[roster.Ref{Kind: roster.KindPerson, Key: o.Person}] {
		e := c.book.entries[id]
		if !e.Held && e.State != InFlight || !c.isAccount(id.Kind) {
			continue
		}
		if c.link.o.Made.Overlay == nil || len(e.Fields) == 0 {
			return true // it does not tell in which role
		}
		if p, ok := c.link.o.Made.Overlay(heldOf(e)); ok && p.Role == o.Role {
			return true
		}
	}
	return false
}
