package roster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Precedence says which source is believed where several state the same attribute: an earlier one wins, attribute by
// attribute. Sources that it does not name follow in the order of [Source.Compare].
type Precedence []Source

// Compare orders sources by precedence.
func (p Precedence) Compare(a, b Source) int {
	return cmp.Or(cmp.Compare(p.rank(a), p.rank(b)), a.Compare(b))
}

func (p Precedence) rank(s Source) int {
	if i := slices.Index(p, s); i >= 0 {
		return i
	}
	return len(p)
}

// State says whether an entity stands.
type State string

// The states.
const (
	Standing   State = "standing"
	Tombstoned State = "tombstoned" // what a target holds for the entity goes (rule R6)
	Missing    State = "missing"    // no record says anything: no reason to remove anything
)

// Merged is what all records of one entity say together. It shares what it can with the records: read it, never write
// it. Exactly one of Organisation, Person and Group is set while the entity stands, and none otherwise.
type Merged struct {
	State  State
	Reason TombstoneReason // why the entity is gone; empty unless tombstoned
	Became Key             // the key that the entity has now, with TombstoneBecame
	// Protected says that a marking or a tombstone of any source protects the person (rule R9).
	Protected bool
	// Conflict says that records under this key speak of two people: the first source's person stands alone, and what
	// the others say is not mixed in, but for protection; or that a statement would join the key to that of somebody
	// else: then both stand as if it had not been made.
	Conflict bool
	Former   []Key // keys that the entity had before, sorted; those that are joined to it too
	// Directives are those of all records, also of days that have passed, by the precedence of their sources.
	Directives []Directive

	Organisation *Organisation
	Person       *Person
	Group        *Group
}

// Merge makes one of the records of one entity on a day, in any order: at most one a source, or, of a person with joined
// keys, one a source and key.
//
//   - A protected tombstone of any source takes the person away, whatever others say; else a marking of any source
//     that protects stands in the merged person (rule R9).
//   - An entity stands when a record that is neither tombstone nor overlay stands. It is tombstoned when there are
//     only tombstones. An overlay makes nobody exist, and its own tombstone takes nobody away.
//   - An attribute is the first source's that has it; of Sex, a known one goes before [Unknown]. Enrolments, duties
//     and members are united; what two sources state alike, but for the doc, is one.
//   - A persona is merged role by role, never across. What a source states under [RoleNone] holds for each persona
//     that the same source states, where that has nothing of its own, and stays a persona of its own only when the
//     source states no other.
//   - An overlay comes after every register, whatever the precedence: it fills what no register states of a persona
//     that is there. A persona is there when a register states it, or an enrolment (pupil) or duty (staff) does.
//   - A directive holds to the end of its day, and then has no effect. A record that keeps a person until a day that
//     has passed is a tombstone [TombstoneLeft]; an overlay that overrides until a day that has passed says nothing
//     but its marking. An override wins over every source; a person who stands and is excluded is tombstoned; one who
//     is suspended as well stands. None of them makes anybody exist.
//   - An overlay of a group adds its members to a group that stands.
//   - Two birth dates, or names that have nothing in common, under one key are a conflict; see [Merged.Conflict].
func Merge(p Precedence, today Date, records []*Record) Merged {
	if len(records) > 1 && !slices.IsSortedFunc(records, p.compareRecords) {
		records = slices.SortedFunc(slices.Values(records), p.compareRecords)
	}
	return mergeSorted(today, records)
}

func mergeSorted(today Date, records []*Record) Merged {
	m := Merged{State: Missing}
	parts := parts{standing: make([]*Record, 0, 4)}
	for _, r := range records {
		m.Former = append(m.Former, r.Former...)
		m.Directives = append(m.Directives, r.Directives...)
		m.Protected = m.Protected || r.protects()
		if t := parts.add(r, today); t != nil && (m.State == Missing || t.Reason.weight() > m.Reason.weight()) {
			m.State, m.Reason, m.Became = Tombstoned, t.Reason, t.Became
		}
	}
	m.Former = order(m.Former, Key.Compare)
	standing := parts.standing
	switch {
	case m.Reason == TombstoneProtected || len(standing) == 0:
		return m
	case parts.excluded && !parts.suspended:
		m.State, m.Reason, m.Became = Tombstoned, TombstoneExcluded, Key{}
		return m
	}
	m.State, m.Reason, m.Became = Standing, "", Key{}
	switch first := standing[0]; {
	case first.Person != nil:
		m.person(&parts)
	case first.Group != nil:
		m.Group = first.Group
		if len(standing)+len(parts.overlays) > 1 {
			m.Group = mergeGroups(slices.Concat(standing, parts.overlays))
		}
	case first.Organisation != nil:
		m.Organisation = first.Organisation
		if len(standing) > 1 {
			m.Organisation = mergeOrganisations(standing)
		}
	default:
		m.State = Missing
	}
	return m
}

// parts are the records of an entity by what they do on a day.
type parts struct {
	standing, overlays, overrides []*Record
	lapsed                        []*Record // of these only the marking counts
	excluded, suspended           bool
}

// add takes a record, and returns the tombstone that it is.
func (p *parts) add(r *Record, today Date) *Tombstone {
	if r.Tombstone != nil {
		if r.Overlay && r.Tombstone.Reason != TombstoneProtected {
			return nil
		}
		return r.Tombstone
	}
	if len(r.Directives) > 0 {
		p.excluded = p.excluded || r.directed(Exclude, today)
		p.suspended = p.suspended || r.directed(Suspend, today)
		if r.Person != nil && r.directed(Override, today) {
			p.overrides = append(p.overrides, r)
		}
	}
	switch {
	case r.Overlay && r.lapsed(Override, today):
		p.lapsed = append(p.lapsed, r)
	case r.Overlay && r.directed(Override, today): // it does not fill, it wins
	case r.Overlay:
		p.overlays = append(p.overlays, r)
	case r.lapsed(KeepUntil, today):
		p.lapsed = append(p.lapsed, r)
		return &Tombstone{Reason: TombstoneLeft}
	default:
		p.standing = append(p.standing, r)
	}
	return nil
}

func (p Precedence) compareRecords(a, b *Record) int { return p.Compare(a.Source, b.Source) }

// weight says which reason is told where tombstones give several.
func (r TombstoneReason) weight() int {
	return slices.Index([]TombstoneReason{TombstoneBecame, TombstoneErased, TombstoneProtected}, r)
}

func (r *Record) protects() bool {
	return r.Tombstone != nil && r.Tombstone.Reason == TombstoneProtected || r.Person != nil && r.Person.Marking.Protects()
}

func (m *Merged) person(parts *parts) {
	standing, overlays := parts.standing, parts.overlays
	agreeing := standing[:1:1] // grows beside standing, which is still needed whole
	for _, r := range standing[1:] {
		if slices.ContainsFunc(agreeing, func(a *Record) bool { return conflict(a.Person, r.Person) }) {
			m.Conflict = true
		} else {
			agreeing = append(agreeing, r)
		}
	}
	m.Person = standing[0].Person
	marking := m.Person.Marking
	if m.Protected && !marking.Protects() {
		for _, r := range slices.Concat(standing, overlays, parts.overrides, parts.lapsed) {
			if r.Person != nil && r.Person.Marking.Protects() {
				marking = r.Person.Marking
				break
			}
		}
	}
	if len(agreeing) == 1 && len(overlays)+len(parts.overrides) == 0 && !parts.suspended && !needsSpreading(m.Person.Personas) && marking == m.Person.Marking {
		return
	}
	m.Person = mergePersons(agreeing, overlays)
	for _, r := range slices.Backward(parts.overrides) {
		m.Person.override(r.Person)
	}
	m.Person.Suspended = parts.suspended
	if marking.Protects() {
		m.Person.Marking = marking
	}
}

func mergePersons(registers, overlays []*Record) *Person {
	merged := *registers[0].Person
	merged.Personas = nil
	for _, r := range registers {
		merged.Personas = fillPersonas(merged.Personas, spread(r.Person.Personas), anyRole)
	}
	for _, r := range registers[1:] {
		p := r.Person
		if merged.CivicNo.IsZero() {
			merged.CivicNo = p.CivicNo
		}
		first(&merged.GivenName, p.GivenName)
		first(&merged.MiddleName, p.MiddleName)
		first(&merged.FamilyName, p.FamilyName)
		first(&merged.DisplayName, p.DisplayName)
		first(&merged.BirthDate, p.BirthDate)
		first(&merged.Marking, p.Marking)
		if merged.Sex == "" || merged.Sex == Unknown && p.Sex != "" {
			merged.Sex = p.Sex
		}
		merged.Enrolments = unite(merged.Enrolments, p.Enrolments, func(e Enrolment) Enrolment { e.Doc = ""; return e }, Enrolment.compare)
		merged.Duties = unite(merged.Duties, p.Duties, func(d Duty) Duty { d.Doc = ""; return d }, Duty.compare)
		merged.Extra = uniteExtra(merged.Extra, p.Extra)
	}
	there := func(r Role) bool {
		return r == RoleNone || r == RolePupil && len(merged.Enrolments) > 0 || r == RoleStaff && len(merged.Duties) > 0
	}
	for _, r := range overlays {
		if r.Person != nil {
			merged.Personas = fillPersonas(merged.Personas, spread(r.Person.Personas), there)
			merged.Extra = uniteExtra(merged.Extra, r.Person.Extra)
		}
	}
	return &merged
}

func anyRole(Role) bool { return true }

func needsSpreading(list []Persona) bool {
	return len(list) > 1 && slices.ContainsFunc(list, func(p Persona) bool { return p.Role == RoleNone })
}

// spread lets what one source states under no role fill the personas that the same source states.
func spread(list []Persona) []Persona {
	if !needsSpreading(list) {
		return list
	}
	var out []Persona
	for _, p := range list {
		if p.Role == RoleNone {
			continue
		}
		for _, none := range list {
			if none.Role == RoleNone {
				p.fill(none)
			}
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return list
	}
	return out
}

// fillPersonas fills the personas of list from those of the same role, and adds those of a role that list lacks where
// add allows it. The result is sorted by role.
func fillPersonas(list, from []Persona, add func(Role) bool) []Persona {
	for _, p := range from {
		i, ok := slices.BinarySearchFunc(list, p.Role, func(q Persona, r Role) int { return cmp.Compare(q.Role, r) })
		if ok {
			list[i].fill(p)
		} else if add(p.Role) {
			list = slices.Insert(list, i, p)
		}
	}
	return list
}

func mergeOrganisations(records []*Record) *Organisation {
	merged := *records[0].Organisation
	for _, r := range records[1:] {
		o := r.Organisation
		if o == nil {
			continue
		}
		first(&merged.DisplayName, o.DisplayName)
		first(&merged.Type, o.Type)
		first(&merged.Parent, o.Parent)
		first(&merged.Interval, o.Interval)
		merged.UnitCodes = unite(merged.UnitCodes, o.UnitCodes, same, cmp.Compare[string])
		merged.SchoolTypes = unite(merged.SchoolTypes, o.SchoolTypes, same, cmp.Compare[SchoolType])
		merged.Extra = uniteExtra(merged.Extra, o.Extra)
	}
	return &merged
}

func mergeGroups(records []*Record) *Group {
	merged := *records[0].Group
	for _, r := range records[1:] {
		g := r.Group
		if g == nil {
			continue
		}
		first(&merged.DisplayName, g.DisplayName)
		first(&merged.Type, g.Type)
		first(&merged.Organisation, g.Organisation)
		first(&merged.SchoolType, g.SchoolType)
		first(&merged.Subject, g.Subject)
		first(&merged.SchoolYear, g.SchoolYear)
		first(&merged.Interval, g.Interval)
		merged.Members = unite(merged.Members, g.Members, func(m Membership) Membership { m.Doc = ""; return m }, Membership.compare)
		merged.Extra = uniteExtra(merged.Extra, g.Extra)
	}
	return &merged
}

// first keeps what is there already.
func first[T comparable](have *T, other T) { *have = cmp.Or(*have, other) }

func same[T any](v T) T { return v }

// unite returns a new list of what stands in a or b, in order. Items whose identities are equal are one: a's.
func unite[T comparable](a, b []T, identity func(T) T, compare func(a, b T) int) []T {
	out := make([]T, 0, len(a)+len(b))
	seen := make(map[T]bool, len(a)+len(b))
	for _, list := range [][]T{a, b} {
		for _, v := range list {
			if id := identity(v); !seen[id] {
				seen[id] = true
				out = append(out, v)
			}
		}
	}
	return order(out, compare)
}

func uniteExtra(a, b Extra) Extra {
	if len(a) == 0 || len(b) == 0 {
		if len(a) == 0 {
			return b
		}
		return a
	}
	out := maps.Clone(b)
	maps.Copy(out, a)
	return out
}

// conflict tells whether two persons under one key must be two people.
func conflict(a, b *Person) bool {
	if a == nil || b == nil {
		return a != b
	}
	return a.BirthDate != "" && b.BirthDate != "" && a.BirthDate != b.BirthDate || unlike(a, b)
}

// unlike tells whether two persons have names and no part of one resembles a part of the other.
func unlike(a, b *Person) bool {
	as, bs := nameParts(a), nameParts(b)
	if len(as) == 0 || len(bs) == 0 {
		return false
	}
	for _, x := range as {
		if slices.ContainsFunc(bs, func(y string) bool { return resemble(x, y) }) {
			return false
		}
	}
	return true
}

// nameParts returns the folded words of a person's names.
func nameParts(p *Person) []string {
	all := p.GivenName.Reveal() + " " + p.MiddleName.Reveal() + " " + p.FamilyName.Reveal() + " " + p.DisplayName.Reveal()
	return strings.FieldsFunc(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(all)), func(r rune) bool { return !unicode.IsLetter(r) })
}

// resemble tells whether two folded words may be spellings of one name: the same first three letters, or so few
// letters exchanged, added or left out that most of the longer one stands.
func resemble(a, b string) bool {
	x, y := []rune(a), []rune(b)
	if len(x) >= 3 && len(y) >= 3 && slices.Equal(x[:3], y[:3]) {
		return true
	}
	return distance(x, y)*3 <= max(len(x), len(y))
}

// distance is Levenshtein's, of words; longer than any name, they differ altogether.
func distance(a, b []rune) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return max(len(a), len(b))
	}
	var row [longest + 1]int
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			change := diagonal
			if x != y {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Format prints the state, and the entity with masks.
func (m Merged) Format(f fmt.State, _ rune) {
	object(f, func(j *encoder) {
		j.text("state", string(m.State))
		j.text("reason", string(m.Reason))
		j.key("became", m.Became)
		j.flag("protected", m.Protected)
		j.flag("conflict", m.Conflict)
		j.keys("former", m.Former)
		j.directives(m.Directives)
		switch {
		case m.Organisation != nil:
			j.organisation(m.Organisation)
		case m.Person != nil:
			j.person(m.Person)
		case m.Group != nil:
			j.group(m.Group)
		}
	})
}
