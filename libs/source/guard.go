package source

import (
	"slices"
	"time"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Where a group's pupils count as another group's, and from how many on.
const (
	exchangedShare = 0.6
	exchangedFrom  = 5
)

// guarding is what the guard judges: the changes that a read asks for, and what they would change.
//
// The dangerous part of a read is held, not the read: what is over a limit is frozen, and creates, harmless updates and
// the containment of protected persons publish. Only where the read itself is in doubt all of it is frozen but
// containments. What a person approved publishes in either case.
type guarding struct {
	limits   guard.Limits
	now      time.Time
	complete bool // the read was
	first    bool // the log holds nothing of a read that was believed: its creates are no reason to doubt
	// unknown says that no run is known that was believed, whatever the log holds: what is kept beside it is lost, also
	// what a source of decisions reads. Nothing dangerous passes before a person has looked.
	unknown  bool
	rekeyed  int // groups that have another key than before, and are no new generation
	changes  []Change
	heads    map[roster.Ref]Head
	before   before
	kept     guard.Kept
	keptBack int // live persons of the log whom the read keeps back
	hash     func(*roster.Record) string
}

// before is what the log held before: how much of a kind and school form, and the records that are to change.
type before struct {
	live map[guard.Bucket]int // of buckets without an operation
	old  map[roster.Ref]*roster.Record
}

// judgement is what the guard says.
type judgement struct {
	publish []Change
	used    map[guard.Item]bool // items that publish because they were approved
	held    []guard.HeldItem
	doubt   *reason.Reason
	passed  []guard.Passed // what of publish counts against limits
	valid   []guard.Decision
}

// cluster is one change with those that must stand with it.
type cluster struct {
	changes   []Change
	items     []guard.Item
	kind      roster.Kind
	ops       []guard.Operation // the dangerous ones, the gravest first
	forms     []roster.SchoolType
	creates   bool
	contains  bool // always publishes
	exchanged bool // a group whose pupils are others now
	approved  bool
	rejected  bool
	frozen    bool // was held before, and was not approved
	over      bool // a limit
	held      bool
}

// judge decides.
func (g *guarding) judge() judgement {
	clusters := g.clusters()
	tally := g.kept.Tally(g.limits, g.before.live, g.now)
	doubt := g.weigh(clusters, tally)
	for i := range clusters {
		c := &clusters[i]
		dangerous := c.over || c.frozen || c.rejected
		c.held = !c.contains && !c.approved && (dangerous || doubt != nil)
	}
	g.holdCompanions(clusters)
	j := judgement{doubt: doubt, used: map[guard.Item]bool{}}
	out := g.outs(clusters)
	asked := map[guard.Item]bool{}
	for i := range clusters {
		c := &clusters[i]
		for _, item := range c.items {
			asked[item] = true
		}
		if c.held {
			for n, item := range c.items {
				h := guard.HeldItem{Item: item, Doubted: !c.over && !c.frozen && !c.rejected}
				h.Unit, h.Class = g.whereabouts(&c.changes[n], out.classes)
				j.held = append(j.held, h)
			}
			continue
		}
		if c.approved {
			for _, item := range c.items {
				j.used[item] = true
			}
		} else if !c.contains {
			tally.Pass(c.items[0].Mark(), c.buckets()...)
		}
		for _, change := range c.changes {
			change.Approved = c.approved
			if g.keepMembers(&change, out.held) {
				j.publish = append(j.publish, change)
			}
		}
	}
	j.passed = tally.Passed()
	g.carryOver(&j, asked)
	return j
}

// carryOver says which decisions still live, and, because a read that was not complete shows only a part, what of the
// earlier frozen set it says nothing about.
func (g *guarding) carryOver(j *judgement, asked map[guard.Item]bool) {
	stated := map[roster.Ref]bool{}
	for item := range asked {
		stated[item.Ref] = true
	}
	unseen := func(i guard.Item) bool { return !g.complete && !stated[i.Ref] && g.heads[i.Ref].Seq == i.Expect }
	var held []guard.HeldItem
	j.valid, held = g.kept.Carry(asked, unseen, g.now)
	j.held = append(j.held, held...)
}

// clusters puts together what must stand together, and says of each what it does.
func (g *guarding) clusters() []cluster {
	verdicts := g.kept.Verdicts(g.now)
	frozen := map[roster.Ref]bool{}
	if g.kept.Hold != nil {
		for _, i := range g.kept.Hold.Items {
			if !i.Doubted {
				frozen[i.Ref] = true
			}
		}
	}
	gone, became := map[roster.Key]bool{}, map[roster.Key]roster.Key{}
	for i := range g.changes {
		if r := &g.changes[i].Record; r.Tombstone != nil && r.Ref.Kind == roster.KindPerson {
			gone[r.Ref.Key] = r.Tombstone.Reason != roster.TombstoneBecame
			if r.Tombstone.Reason == roster.TombstoneBecame {
				became[r.Ref.Key] = r.Tombstone.Became
			}
		}
	}
	var list []cluster
	for start := 0; start < len(g.changes); {
		end := start + 1
		for end < len(g.changes) && g.changes[end].Joined {
			end++
		}
		c := cluster{changes: g.changes[start:end], kind: g.changes[start].Record.Ref.Kind}
		for i := range c.changes {
			g.describe(&c, &c.changes[i], gone, became)
		}
		c.settle(verdicts, frozen)
		list = append(list, c)
		start = end
	}
	return list
}

// describe adds to a cluster what one of its changes does.
func (g *guarding) describe(c *cluster, change *Change, gone map[roster.Key]bool, became map[roster.Key]roster.Key) {
	r, head := &change.Record, g.heads[change.Record.Ref]
	old := g.before.old[r.Ref]
	add := func(ops ...guard.Operation) {
		for _, o := range ops {
			if !slices.Contains(c.ops, o) {
				c.ops = append(c.ops, o)
			}
		}
	}
	switch t := r.Tombstone; {
	case t != nil && (t.Reason == roster.TombstoneLeft || change.Vanished):
		add(guard.Delete)
	case t != nil && t.Reason == roster.TombstoneBecame:
		add(guard.Identity)
	case t != nil:
		c.contains = true
	case head.Protected: // back again, and never gone
	case head.Seq == 0 || head.Tombstone:
		c.creates = true
	case old != nil:
		if head.SourceID != "" && change.SourceID != "" && head.SourceID != change.SourceID {
			add(guard.Identity)
		}
		add(differences(old, r, roster.Today(g.now))...)
		if r.Group != nil && old.Group != nil {
			var emptied bool
			emptied, c.exchanged = exchange(old.Group, r.Group, gone, became)
			if emptied {
				add(guard.Emptied)
			}
			if untaught(old.Group, r.Group, roster.Today(g.now), gone) {
				add(guard.Lost)
			}
		}
	}
	if r.Person != nil && (r.Person.Marking.Protects() || r.Overlay && suspends(r)) {
		c.contains = true
	}
	if old == nil {
		old = r
	}
	for _, f := range formsOf(old) {
		if !slices.Contains(c.forms, f) {
			c.forms = append(c.forms, f)
		}
	}
}

// suspends tells whether somebody decided that the person is to be let in nowhere: it acts at once, however many it is.
func suspends(r *roster.Record) bool {
	return slices.ContainsFunc(r.Directives, func(d roster.Directive) bool { return d.Kind == roster.Suspend })
}

// settle names the items of a cluster, once all of it is known, and what was decided about them.
func (c *cluster) settle(verdicts map[guard.Item]guard.Verdict, frozen map[roster.Ref]bool) {
	op := guard.Update
	switch {
	case len(c.ops) > 0:
		order := guard.Dangerous()
		slices.SortFunc(c.ops, func(x, y guard.Operation) int { return slices.Index(order, x) - slices.Index(order, y) })
		op = c.ops[0]
	case c.creates:
		op = guard.Create
	}
	c.approved = true
	for i := range c.changes {
		item := guard.Item{Ref: c.changes[i].Record.Ref, Expect: c.changes[i].Expect, Operation: op, Hash: c.changes[i].Hash}
		c.items = append(c.items, item)
		c.approved = c.approved && verdicts[item] == guard.Approved
		c.rejected = c.rejected || verdicts[item] == guard.Rejected
		c.frozen = c.frozen || len(c.ops) > 0 && frozen[item.Ref]
	}
}

// buckets returns where a cluster counts.
func (c *cluster) buckets() []guard.Bucket {
	var list []guard.Bucket
	for _, op := range c.ops {
		list = append(list, guard.Bucket{Kind: c.kind, Form: guard.AllForms, Operation: op})
		for _, f := range c.forms {
			list = append(list, guard.Bucket{Kind: c.kind, Form: f, Operation: op})
		}
	}
	return list
}

// weigh marks the clusters that are over a limit, and tells why the read is in doubt, if it is. What was approved or
// rejected and what is contained is not counted; what is frozen and waits is, for a read that lacks many and then lacks
// some more is no better.
func (g *guarding) weigh(clusters []cluster, tally *guard.Tally) *reason.Reason {
	creates, exchanged := 0, 0
	for i := range clusters {
		c := &clusters[i]
		if c.approved || c.rejected || c.contains {
			continue
		}
		tally.Ask(c.items[0].Mark(), c.buckets()...)
		if c.exchanged {
			exchanged++
		}
		if c.kind == roster.KindPerson && c.creates && len(c.ops) == 0 {
			creates++
		}
	}
	identities := 0
	for i := range clusters {
		c := &clusters[i]
		for _, b := range c.buckets() {
			if c.approved || c.contains || !g.unknown && !tally.Over(b) {
				continue
			}
			c.over = true
			if b.Operation == guard.Identity && tally.Over(b) {
				identities = max(identities, tally.Asked(b))
			}
		}
	}
	all := func(o guard.Operation) guard.Bucket {
		return guard.Bucket{Kind: roster.KindPerson, Form: guard.AllForms, Operation: o}
	}
	persons := g.before.live[all("")]
	because := func(code reason.Code, count int) *reason.Reason {
		why := reason.New(code, "count", count)
		return &why
	}
	switch {
	case g.keptBack > g.limits.Allowed(all(guard.KeptBack), persons):
		return because(reason.TooManyKeptBack, g.keptBack)
	case identities > 0:
		return because(reason.TooManyIdentities, identities)
	case g.rekeyed > 0:
		return because(reason.GroupsRekeyed, g.rekeyed)
	case exchanged > 0:
		return because(reason.GroupsExchanged, exchanged)
	case !g.first && creates > g.limits.Allowed(all(guard.Create), persons):
		return because(reason.TooManyNew, creates)
	default:
		return nil
	}
}

// holdCompanions holds the tombstones of groups and organisations that somebody belongs to whose own change is held: a
// class does not go before its pupils.
func (g *guarding) holdCompanions(clusters []cluster) {
	for again := true; again; {
		again = false
		needed := g.needed(clusters)
		for i := range clusters {
			c := &clusters[i]
			lead := &c.changes[0].Record
			if c.held || lead.Tombstone == nil || lead.Tombstone.Reason != roster.TombstoneLeft || lead.Ref.Kind == roster.KindPerson {
				continue
			}
			if needed[lead.Ref] || g.names(lead.Ref, needed) {
				c.held, c.frozen, again = true, true, true
			}
		}
	}
}

// needed returns the entities whose changes are held, and the organisations that they belong to.
func (g *guarding) needed(clusters []cluster) map[roster.Ref]bool {
	refs := map[roster.Ref]bool{}
	unit := func(k roster.Key) { refs[roster.Ref{Kind: roster.KindOrganisation, Key: k}] = true }
	for i := range clusters {
		if !clusters[i].held {
			continue
		}
		for n := range clusters[i].changes {
			ref := clusters[i].changes[n].Record.Ref
			refs[ref] = true
			switch old := g.before.old[ref]; {
			case old == nil:
			case old.Person != nil:
				for _, e := range old.Person.Enrolments {
					unit(e.EnroledAt)
				}
				for _, d := range old.Person.Duties {
					unit(d.DutyAt)
				}
			case old.Group != nil:
				unit(old.Group.Organisation)
			case old.Organisation != nil:
				unit(old.Organisation.Parent)
			}
		}
	}
	return refs
}

// names tells whether a group has one of the persons as a member.
func (g *guarding) names(group roster.Ref, persons map[roster.Ref]bool) bool {
	old := g.before.old[group]
	return old != nil && old.Group != nil && slices.ContainsFunc(old.Group.Members, func(m roster.Membership) bool {
		return persons[roster.Ref{Kind: roster.KindPerson, Key: m.Person}]
	})
}

// outs is what the other changes have to know of what is held.
type outs struct {
	held    map[roster.Key]bool       // persons
	classes map[roster.Key]roster.Key // of a person: the class before
}

func (g *guarding) outs(clusters []cluster) outs {
	o := outs{map[roster.Key]bool{}, map[roster.Key]roster.Key{}}
	for i := range clusters {
		for n := range clusters[i].changes {
			ref := clusters[i].changes[n].Record.Ref
			if clusters[i].held && ref.Kind == roster.KindPerson {
				o.held[ref.Key] = true
			}
			old := g.before.old[ref]
			if old == nil || old.Group == nil || old.Group.Type != roster.Class {
				continue
			}
			for _, m := range old.Group.Members {
				if c, ok := o.classes[m.Person]; m.Role == roster.MemberPupil && (!ok || ref.Key.Compare(c) < 0) {
					o.classes[m.Person] = ref.Key
				}
			}
		}
	}
	return o
}

// whereabouts returns the unit and the class under which a person looks for a change; none for a protected person.
func (g *guarding) whereabouts(c *Change, classes map[roster.Key]roster.Key) (unit, class roster.Key) {
	r := g.before.old[c.Record.Ref]
	if r == nil {
		r = &c.Record
	}
	switch {
	case r.Organisation != nil:
		unit = r.Ref.Key
	case r.Group != nil:
		if unit = r.Group.Organisation; r.Group.Type == roster.Class {
			class = r.Ref.Key
		}
	case r.Person == nil || r.Person.Marking.Protects():
	default:
		class = classes[r.Ref.Key]
		if len(r.Person.Enrolments) > 0 {
			unit = r.Person.Enrolments[0].EnroledAt
		} else if len(r.Person.Duties) > 0 {
			unit = r.Person.Duties[0].DutyAt
		}
	}
	return unit, class
}

// keepMembers lets a changed group keep the members whose own change is held: absence inside a record is not believed
// either (rule R3). It tells whether there is still something to publish.
func (g *guarding) keepMembers(c *Change, held map[roster.Key]bool) bool {
	old := g.before.old[c.Record.Ref]
	if len(held) == 0 || old == nil || old.Group == nil || c.Record.Group == nil {
		return true
	}
	group := *c.Record.Group
	members := slices.Clone(group.Members)
	for _, m := range old.Group.Members {
		if held[m.Person] && !slices.ContainsFunc(group.Members, func(n roster.Membership) bool { return n.Person == m.Person && n.Role == m.Role }) {
			members = append(members, m)
		}
	}
	if len(members) == len(group.Members) {
		return true
	}
	group.Members = members
	c.Record.Group = &group
	c.Record.Normalize()
	c.Hash = g.hash(&c.Record)
	return c.Hash != g.heads[c.Record.Ref].Hash
}
