package roster

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	_ "eventful.se/ess/libs/testbed/underrace"
)

// naiveMerge is [Merge] as its rules read: every question asks all records anew, the first by precedence first.
func naiveMerge(p Precedence, today Date, records []*Record) Merged {
	records = slices.SortedFunc(slices.Values(records), func(a, b *Record) int { return p.Compare(a.Source, b.Source) })
	which := func(want func(*Record) bool) (out []*Record) {
		for _, r := range records {
			if want(r) {
				out = append(out, r)
			}
		}
		return out
	}
	says := func(r *Record, k DirectiveKind, held bool) bool { // holds now, or ever did
		return slices.ContainsFunc(r.Directives, func(d Directive) bool {
			return d.Kind == k && (held || d.Until == 0 || d.Until >= today)
		})
	}
	over := func(r *Record, k DirectiveKind) bool { return says(r, k, true) && !says(r, k, false) }
	alive := func(r *Record) bool { return r.Tombstone == nil }
	ended := func(r *Record) bool { return alive(r) && !r.Overlay && over(r, KeepUntil) }
	standing := which(func(r *Record) bool { return alive(r) && !r.Overlay && !ended(r) })
	wins := which(func(r *Record) bool { return alive(r) && r.Person != nil && says(r, Override, false) })
	fills := which(func(r *Record) bool {
		return alive(r) && r.Overlay && !says(r, Override, true)
	})
	spent := which(func(r *Record) bool { return ended(r) || alive(r) && r.Overlay && over(r, Override) })

	m := Merged{State: Missing}
	for _, r := range records {
		m.Former = append(m.Former, r.Former...)
		m.Directives = append(m.Directives, r.Directives...)
		m.Protected = m.Protected || r.Person != nil && r.Person.Marking != "" && r.Person.Marking != MarkingNone
	}
	slices.SortFunc(m.Former, Key.Compare)
	m.Former = slices.Compact(m.Former)
	for _, reason := range []TombstoneReason{TombstoneProtected, TombstoneErased, TombstoneBecame, TombstoneLeft} {
		for _, r := range which(func(r *Record) bool {
			return ended(r) || !alive(r) && (!r.Overlay || r.Tombstone.Reason == TombstoneProtected)
		}) {
			t := Tombstone{Reason: TombstoneLeft}
			if !alive(r) {
				t = *r.Tombstone
			}
			if m.State == Missing && t.Reason == reason {
				m.State, m.Reason, m.Became = Tombstoned, t.Reason, t.Became
			}
		}
	}
	m.Protected = m.Protected || m.Reason == TombstoneProtected
	suspended := len(which(func(r *Record) bool { return alive(r) && says(r, Suspend, false) })) > 0
	excluded := len(which(func(r *Record) bool { return alive(r) && says(r, Exclude, false) })) > 0
	switch {
	case m.Reason == TombstoneProtected || len(standing) == 0:
		return m
	case excluded && !suspended:
		m.State, m.Reason, m.Became = Tombstoned, TombstoneExcluded, Key{}
		return m
	}
	m.State, m.Reason, m.Became = Standing, "", Key{}
	switch {
	case standing[0].Organisation != nil:
		m.Organisation = naiveOrganisation(standing)
	case standing[0].Group != nil:
		m.Group = naiveGroup(append(slices.Clone(standing), fills...))
	default:
		var agree []*Record
		for _, r := range standing {
			if slices.ContainsFunc(agree, func(a *Record) bool { return conflict(a.Person, r.Person) }) {
				m.Conflict = true
			} else {
				agree = append(agree, r)
			}
		}
		m.Person = naivePerson(wins, agree, fills)
		m.Person.Suspended = suspended
		for _, r := range slices.Backward(slices.Concat(standing, fills, wins, spent)) {
			if r.Person != nil && r.Person.Marking.Protects() {
				m.Person.Marking = r.Person.Marking
			}
		}
	}
	return m
}

// stated returns the first value that a record states.
func stated[T comparable](records []*Record, value func(*Record) T) (first T) {
	for _, r := range slices.Backward(records) {
		if v := value(r); v != *new(T) {
			first = v
		}
	}
	return first
}

// all returns what records state in lists: that of one record as it is, of several each item once, by what it says.
func all[T comparable](records []*Record, list func(*Record) []T, says func(T) T, compare func(a, b T) int) (out []T) {
	if len(records) == 1 {
		return list(records[0])
	}
	said := map[T]bool{}
	for _, r := range records {
		for _, v := range list(r) {
			if !said[says(v)] {
				out = append(out, v)
			}
			said[says(v)] = true
		}
	}
	slices.SortFunc(out, compare)
	return out
}

func extras(records []*Record, of func(*Record) Extra) Extra {
	out := Extra{}
	for _, r := range slices.Backward(records) {
		maps.Copy(out, of(r))
	}
	return out.normal()
}

func naiveOrganisation(records []*Record) *Organisation {
	return &Organisation{
		DisplayName: stated(records, func(r *Record) string { return r.Organisation.DisplayName }),
		Type:        stated(records, func(r *Record) OrganisationType { return r.Organisation.Type }),
		Parent:      stated(records, func(r *Record) Key { return r.Organisation.Parent }),
		Interval:    stated(records, func(r *Record) Interval { return r.Organisation.Interval }),
		UnitCodes:   all(records, func(r *Record) []string { return r.Organisation.UnitCodes }, same, cmp.Compare[string]),
		SchoolTypes: all(records, func(r *Record) []SchoolType { return r.Organisation.SchoolTypes }, same, cmp.Compare[SchoolType]),
		Extra:       extras(records, func(r *Record) Extra { return r.Organisation.Extra }),
	}
}

func naiveGroup(records []*Record) *Group {
	return &Group{
		DisplayName:  stated(records, func(r *Record) string { return r.Group.DisplayName }),
		Type:         stated(records, func(r *Record) GroupType { return r.Group.Type }),
		Organisation: stated(records, func(r *Record) Key { return r.Group.Organisation }),
		SchoolType:   stated(records, func(r *Record) SchoolType { return r.Group.SchoolType }),
		Subject:      stated(records, func(r *Record) string { return r.Group.Subject }),
		SchoolYear:   stated(records, func(r *Record) string { return r.Group.SchoolYear }),
		Interval:     stated(records, func(r *Record) Interval { return r.Group.Interval }),
		Members: all(records, func(r *Record) []Membership { return r.Group.Members },
			func(m Membership) Membership { m.Doc = ""; return m }, Membership.compare),
		Extra: extras(records, func(r *Record) Extra { return r.Group.Extra }),
	}
}

// naivePerson makes a person of the records that win, those of registers, and those that only fill.
func naivePerson(wins, registers, fills []*Record) *Person {
	text := func(value func(*Person) Personal) Personal {
		return stated(slices.Concat(wins, registers), func(r *Record) Personal { return value(r.Person) })
	}
	p := &Person{
		CivicNo:     stated(registers, func(r *Record) CivicNo { return r.Person.CivicNo }),
		GivenName:   text(func(p *Person) Personal { return p.GivenName }),
		MiddleName:  text(func(p *Person) Personal { return p.MiddleName }),
		FamilyName:  text(func(p *Person) Personal { return p.FamilyName }),
		DisplayName: text(func(p *Person) Personal { return p.DisplayName }),
		BirthDate:   text(func(p *Person) Personal { return p.BirthDate }),
		Marking:     stated(registers, func(r *Record) SecurityMarking { return r.Person.Marking }),
		Enrolments: all(registers, func(r *Record) []Enrolment { return r.Person.Enrolments },
			func(e Enrolment) Enrolment { e.Doc = ""; return e }, Enrolment.compare),
		Duties: all(registers, func(r *Record) []Duty { return r.Person.Duties }, func(d Duty) Duty { d.Doc = ""; return d }, Duty.compare),
	}
	known := func(r *Record) Sex {
		if r.Person.Sex == Unknown {
			return ""
		}
		return r.Person.Sex
	}
	anySex := func(r *Record) Sex { return r.Person.Sex }
	p.Sex = cmp.Or(stated(wins, anySex), stated(registers, known), stated(registers, anySex))

	extra := func(r *Record) Extra {
		if r.Person == nil {
			return nil
		}
		return r.Person.Extra
	}
	p.Extra = extras(slices.Concat(wins, registers, fills), extra)

	for _, role := range []Role{RoleNone, RolePupil, RoleStaff} {
		// of returns the persona of a record in the role, filled from what it states under none.
		of := func(r *Record, wide bool) (Persona, bool) {
			if r.Person == nil {
				return Persona{}, false
			}
			var mine, none Persona
			has, others := false, false
			for _, x := range r.Person.Personas {
				switch x.Role {
				case RoleNone:
					none = x
					has = has || role == RoleNone
				case role:
					mine, has = x, true
					others = true
				default:
					others = true
				}
			}
			if role == RoleNone && others {
				has = false
			}
			if wide && !others && slices.ContainsFunc(r.Person.Personas, func(x Persona) bool { return x.Role == RoleNone }) {
				has = true // it states nothing but what holds for every role
			}
			mine.Role = role
			mine.fill(none)
			return mine, has
		}
		there := role == RoleNone || role == RolePupil && len(p.Enrolments) > 0 || role == RoleStaff && len(p.Duties) > 0
		is := Persona{Role: role}
		found := false
		for _, r := range registers {
			if x, has := of(r, false); has {
				found = true
				is.fill(x)
			}
		}
		for _, r := range fills {
			if x, has := of(r, false); has && (found || there) {
				found = true
				is.fill(x)
			}
		}
		if !found {
			continue
		}
		won := Persona{Role: role}
		for _, r := range wins {
			if x, has := of(r, true); has {
				won.fill(x)
			}
		}
		won.fill(is)
		p.Personas = append(p.Personas, won)
	}
	return p
}

// genStatements draws what several sources say of one entity, registers and overlays, and what people decided.
func genStatements() *rapid.Generator[[]*Record] {
	return rapid.Custom(func(t *rapid.T) (records []*Record) {
		kind := rapid.SampledFrom([]Kind{KindPerson, KindPerson, KindPerson, KindGroup, KindOrganisation}).Draw(t, "kind")
		nobody := rapid.IntRange(0, 5).Draw(t, "nobody is left") == 0
		for _, s := range []Source{alvis, skola, {"zeta", "default"}, ad, manual} {
			if rapid.IntRange(0, 3).Draw(t, "silent") == 0 {
				continue
			}
			r := genRecord(kind).Draw(t, "record")
			r.Source, r.Ref.Key = s, key(kind[0], 1)
			r.Overlay = kind == KindPerson && (s == ad || s == manual && rapid.Bool().Draw(t, "overlay")) || kind == KindGroup && s == manual
			if nobody || rapid.IntRange(0, 4).Draw(t, "gone") == 0 {
				r.Organisation, r.Person, r.Group = nil, nil, nil
				r.Tombstone = &Tombstone{Reason: rapid.SampledFrom([]TombstoneReason{TombstoneLeft, TombstoneErased, TombstoneBecame}).Draw(t, "reason")}
				if r.Tombstone.Reason == TombstoneBecame {
					r.Tombstone.Became = gen{t}.key('p')
				}
			}
			var before *Record
			if len(records) > 0 && rapid.Bool().Draw(t, "the same from another doc") {
				before = records[len(records)-1]
			}
			doc := Personal(s.System)
			if p := r.Person; p != nil {
				p.Sex = rapid.SampledFrom([]Sex{"", Unknown, Man, Woman}).Draw(t, "sex")
				p.DisplayName = rapid.SampledFrom([]Personal{"", "Testa", "Testa Åkesdotter"}).Draw(t, "display name")
				if before != nil && before.Person != nil {
					p.Enrolments, p.Duties = slices.Clone(before.Person.Enrolments), slices.Clone(before.Person.Duties)
				}
				for i := range p.Enrolments {
					p.Enrolments[i].Doc = doc
				}
				for i := range p.Duties {
					p.Duties[i].Doc = doc
				}
			}
			if g := r.Group; g != nil {
				g.SchoolYear = rapid.SampledFrom([]string{"", "7", "8"}).Draw(t, "year")
				if before != nil && before.Group != nil {
					g.Members = slices.Clone(before.Group.Members)
				}
				for i := range g.Members {
					g.Members[i].Doc = doc
				}
			}
			r.Normalize()
			records = append(records, r)
		}
		return records
	})
}

// TestMergeEqualsModel: whatever sources say of an entity, Merge makes of it what the naive model makes of it, in any
// order of the records. A failure tells how to play it again with -rapid.seed or -rapid.failfile.
func TestMergeEqualsModel(t *testing.T) {
	const ordersEach = 100
	begun, orders := time.Now(), 0
	rapid.Check(t, func(t *rapid.T) {
		records := genStatements().Draw(t, "records")
		today := rapid.SampledFrom([]Date{day - 1, day, day + 1, day + 2}).Draw(t, "today")
		precedence := rapid.SampledFrom([]Precedence{nil, {skola}, {manual, alvis}, {ad, skola}}).Draw(t, "precedence")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		want := Merge(precedence, today, records)
		if d := gocmp.Diff(naiveMerge(precedence, today, records), want, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("Merge differs from the model (-model +Merge): %s", d)
		}
		for range ordersEach {
			random.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
			if got := Merge(precedence, today, records); !reflect.DeepEqual(got, want) {
				t.Fatalf("in another order (-one +other): %s", gocmp.Diff(want, got))
			}
		}
		orders += ordersEach
	})
	t.Logf("%d orders of records, %.0f a second", orders, float64(orders)/time.Since(begun).Seconds())
}

func BenchmarkMergeOrders(b *testing.B) {
	records := genStatements().Filter(func(r []*Record) bool { return len(r) == 5 && r[0].Person != nil }).Example(1)
	random := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		random.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		Merge(Precedence{skola}, day, records)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}
