package fact

import (
	"cmp"
	"slices"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// person is what a source says under one id of a person.
type person struct {
	id       string
	places   []place
	number   roster.CivicNo
	human    *human
	conflict bool // two clearly different persons were stated under this id
}

// human is a person in the making: all that a source says under one key.
type human struct {
	key      roster.Key
	persons  []*person // in the order of their ids
	origins  []roster.Origin
	former   []roster.Key
	what     roster.Person
	stated   []roster.Persona // by stated role; RoleNone where the source told none
	pupil    bool             // an enrolment says so, even one at an unknown unit
	staff    bool             // a duty says so
	conflict bool
	states   bool // a fact states the person, and not only something about one whom others state

	sameAs     []roster.Key
	directives []roster.Directive
}

func (h *human) ref() roster.Ref { return roster.Ref{Kind: roster.KindPerson, Key: h.key} }

// record returns the record, with the personas settled.
func (h *human) record() roster.Record {
	if h.what.Personas = h.personas(); !h.states && slices.Equal(h.what.Personas, []roster.Persona{{}}) {
		h.what.Personas = nil
	}
	return roster.Record{
		Ref: h.ref(), Origins: h.origins, Former: h.former, Overlay: !h.states, SameAs: h.sameAs, Directives: h.directives, Person: &h.what,
	}
}

// identify gives every person a number and a key, and brings those with one key together. An invalid number is kept but
// makes no key: 000000-0000 is on many cards and identifies nobody, and a key that hung on how many have it would change
// with somebody else's card.
func (a *Assembler) identify() {
	list := make([]*person, 0, len(a.persons))
	for id, p := range a.persons {
		if len(p.places) == 0 {
			delete(a.persons, id) // only docs that count no longer stated it
			continue
		}
		a.sortPlaces(p.places)
		list = append(list, p)
	}
	slices.SortFunc(list, func(x, y *person) int { return cmp.Compare(x.id, y.id) })
	for _, p := range list {
		p.number = a.numberOf(p)
		known := p.number
		if known.Kind() == roster.UnknownNumber {
			known = roster.CivicNo{}
		}
		key := a.foreign[foreignID{roster.KindPerson, p.id}].Key
		if key.IsZero() {
			key = a.opts.Keyer.Person(a.opts.Source, p.id, known)
		}
		if known != p.number {
			a.find(roster.Ref{Kind: roster.KindPerson, Key: key}, a.where(p), Warning, Noted, reason.InvalidNumber)
		}
		h := a.byKey[key]
		if h == nil {
			h = &human{key: key}
			a.byKey[key] = h
			a.humans = append(a.humans, h)
		}
		h.persons = append(h.persons, p)
		p.human = h
	}
}

func (a *Assembler) where(p *person) string {
	return a.docs[p.places[0].doc].Where
}

// numberOf returns the most certain of the numbers stated under an id, the first of equals.
func (a *Assembler) numberOf(p *person) (best roster.CivicNo) {
	for _, at := range p.places {
		n := a.docs[at.doc].number(at.fact)
		if n.IsZero() || n == best {
			continue
		}
		if certainty(n) == certainty(best) {
			a.find(roster.Ref{}, a.docs[at.doc].Where, Warning, Dropped, reason.ConflictingAttribute, "field", "civicNo")
		}
		if certainty(n) > certainty(best) {
			best = n
		}
	}
	return best
}

func certainty(n roster.CivicNo) int {
	return slices.Index([]roster.CivicNoKind{"", roster.UnknownNumber, roster.Temporary, roster.Samordningsnummer, roster.Personnummer}, n.Kind())
}

func (a *Assembler) civicNo(raw string) roster.CivicNo {
	return roster.ParseCivicNo(cleanID(raw), a.opts.Today)
}

func (a *Assembler) personAt(at place) Person { return a.docs[at.doc].Facts[at.fact].(Person) }

// joinPersons makes one person of what the docs say under each key. Where they speak of clearly different persons
// nothing is joined: the record is kept back.
func (a *Assembler) joinPersons() {
	for _, h := range a.humans {
		places := h.persons[0].places
		for _, p := range h.persons {
			h.conflict = h.conflict || p.conflict
			h.origins = append(h.origins, a.origins(p.id, p.places)...)
			if p != h.persons[0] {
				places = append(slices.Clip(places), p.places...)
			}
		}
		a.sortPlaces(places)
		h.conflict = h.conflict || a.contradictory(places)
		if h.conflict {
			a.find(h.ref(), a.where(h.persons[0]), Serious, KeptBack, reason.IdentityConflict)
			for _, at := range places {
				h.mark(a.personAt(at), cleaner{a, h.ref(), a.docs[at.doc].Where})
			}
			continue
		}
		h.what.CivicNo = h.persons[0].number
		for _, at := range places {
			e := a.docs[at.doc]
			h.join(a.personAt(at), cleaner{a, h.ref(), e.Where})
		}
	}
	for _, h := range a.humans {
		a.settleFormer(h)
	}
}

// contradictory tells whether any two of the statements are about clearly different persons. Each is compared with
// every other: the first may name nobody and go with both.
func (a *Assembler) contradictory(places []place) bool {
	if len(places) < 2 {
		return false
	}
	var others []identity
	seen := map[[3]string]bool{} // what an identity is made of
	for _, at := range places {
		f := a.personAt(at)
		made := [3]string{f.GivenName, f.DisplayName, f.BirthDate}
		if f.About || seen[made] { // about somebody: to give another name is what it may be for
			continue
		}
		seen[made] = true
		i := identityOf(f)
		if slices.ContainsFunc(others, func(o identity) bool { return contradict(o, i) }) {
			return true
		}
		others = append(others, i)
	}
	return false
}

func (h *human) join(f Person, c cleaner) {
	w := &h.what
	h.states = h.states || !f.About
	first(c, "givenName", &w.GivenName, c.personal("givenName", f.GivenName))
	first(c, "middleName", &w.MiddleName, c.personal("middleName", f.MiddleName))
	first(c, "familyName", &w.FamilyName, c.personal("familyName", f.FamilyName))
	first(c, "displayName", &w.DisplayName, c.personal("displayName", f.DisplayName))
	if d := c.date("birthDate", f.BirthDate); !d.IsOpen() {
		first(c, "birthDate", &w.BirthDate, roster.Personal(d.String()))
	}
	first(c, "sex", &w.Sex, roster.Sex(c.oneOf("sex", f.Sex, string(roster.Man), string(roster.Woman), string(roster.Unknown))))
	h.mark(f, c)
	h.joinPersona(f, c)
	w.Extra = c.extra(w.Extra, f.Extra)
	for _, id := range f.FormerIDs {
		if id = cleanID(id); id == "" {
			continue
		}
		o := c.a.opts
		h.former = append(h.former, o.Keyer.Person(o.Source, id, roster.CivicNo{}))
		// In some registers the id is the number.
		if n := c.a.civicNo(id); n.Kind() != roster.UnknownNumber {
			h.former = append(h.former, o.Keyer.Person(o.Source, id, n))
		}
	}
	h.former = append(h.former, f.FormerKeys...)
}

// mark takes in what a doc says of protection. Protected wins, whichever doc says it (rule R9), and what cannot be read
// wins over a mark that says no.
func (h *human) mark(f Person, c cleaner) {
	m := roster.SecurityMarking(c.oneOf("marking", f.Marking, string(roster.MarkingNone), string(roster.MarkingConfidential), string(roster.MarkingProtected)))
	if weight(m) > weight(h.what.Marking) {
		h.what.Marking = m
	}
}

func weight(m roster.SecurityMarking) int {
	switch {
	case m == "":
		return 0
	case !m.Protects():
		return 1
	case !m.Known():
		return 2
	default:
		return 3
	}
}

func (h *human) joinPersona(f Person, c cleaner) {
	role := roster.Role(c.oneOf("role", f.Role, string(roster.RolePupil), string(roster.RoleStaff)))
	if role != roster.RolePupil && role != roster.RoleStaff {
		role = roster.RoleNone
	}
	i := slices.IndexFunc(h.stated, func(p roster.Persona) bool { return p.Role == role })
	if i < 0 {
		i = len(h.stated)
		h.stated = append(h.stated, roster.Persona{Role: role})
	}
	p := &h.stated[i]
	first(c, "email", &p.Email, c.email(f.Email))
	first(c, "username", &p.Username, c.personal("username", f.Username))
	first(c, "eppn", &p.EPPN, c.personal("eppn", f.EPPN))
}

// personas returns a persona for each role that is stated, or follows from an enrolment or a duty. What the source
// says without telling the role holds for every role; where there is none it is a persona of its own.
func (h *human) personas() []roster.Persona {
	var none *roster.Persona
	list := make([]roster.Persona, 0, 2)
	for i := range h.stated {
		if h.stated[i].Role == roster.RoleNone {
			none = &h.stated[i]
		} else {
			list = append(list, h.stated[i])
		}
	}
	for _, role := range impliedRoles(h.pupil, h.staff) {
		if !slices.ContainsFunc(list, func(p roster.Persona) bool { return p.Role == role }) {
			list = append(list, roster.Persona{Role: role})
		}
	}
	if none == nil {
		none = &roster.Persona{}
	}
	if len(list) == 0 {
		return []roster.Persona{*none}
	}
	for i := range list {
		p := &list[i]
		p.Email = cmp.Or(p.Email, none.Email)
		p.Username = cmp.Or(p.Username, none.Username)
		p.EPPN = cmp.Or(p.EPPN, none.EPPN)
	}
	return list
}

// impliedRoles returns the roles that follow from enrolments and duties.
func impliedRoles(pupil, staff bool) (roles []roster.Role) {
	if pupil {
		roles = append(roles, roster.RolePupil)
	}
	if staff {
		roles = append(roles, roster.RoleStaff)
	}
	return roles
}

// settleFormer leaves out former keys that belong to a person whom the source still states.
func (a *Assembler) settleFormer(h *human) {
	slices.SortFunc(h.former, roster.Key.Compare)
	h.former = slices.DeleteFunc(slices.Compact(h.former), func(k roster.Key) bool {
		if k != h.key && a.byKey[k] != nil {
			a.find(h.ref(), a.where(h.persons[0]), Warning, Dropped, reason.StillStated)
		}
		return k == h.key || a.byKey[k] != nil
	})
}
