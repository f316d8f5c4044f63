package asm

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/files"
)

// municipality makes a roster of a size: classes of twenty pupils, teaching groups of all.
func municipality(persons, groups, memberships int) *roster.Roster {
	r := newRoster(roster.NewDate(2026, 9, 1))
	const units = 50
	unit := func(i int) roster.Key { return key(roster.KindOrganisation, fmt.Sprint(i%units)) }
	for i := range units {
		addUnit(r, fmt.Sprint(i), roster.Organisation{DisplayName: fmt.Sprintf("Skolan nummer %d", i), Type: roster.SchoolUnit})
	}
	keys := make([]roster.Key, persons)
	for i := range persons {
		keys[i] = key(roster.KindPerson, fmt.Sprint(i))
		p := roster.Person{
			GivenName: "Testa-Åke", FamilyName: roster.Personal(fmt.Sprintf("Test von Testberg %d", i)),
			Personas: []roster.Persona{{Role: roster.RolePupil, Email: roster.Personal(fmt.Sprintf("p%d@example.test", i))}},
		}
		if i%10 == 0 {
			p.Duties = []roster.Duty{{DutyAt: unit(i)}}
		} else {
			p.Enrolments = []roster.Enrolment{{EnroledAt: unit(i), SchoolYear: "7"}}
		}
		addPerson(r, fmt.Sprint(i), p)
	}
	size := memberships / groups
	for i := range groups {
		g := roster.Group{DisplayName: fmt.Sprintf("Ma %d", i), Type: roster.TeachingGroup, Organisation: unit(i), Subject: "MA"}
		for j := range size {
			person := (i*size + j*7) % persons
			role := roster.MemberPupil
			if person%10 == 0 {
				role = roster.MemberTeacher
			}
			g.Members = append(g.Members, roster.Membership{Person: keys[person], Role: role})
		}
		addGroup(r, fmt.Sprint(i), g)
	}
	return r
}

// BenchmarkFullSet maps and renders everything: 100,000 persons, 10,000 groups, 400,000 memberships.
func BenchmarkFullSet(b *testing.B) {
	r := municipality(100_000, 10_000, 400_000)
	c := *defaults()
	m, err := newMapping(c)
	if err != nil {
		b.Fatal(err)
	}
	s := files.Sink{Format: newFormat(c), Packing: files.Zip}
	b.ReportAllocs()
	for b.Loop() {
		begun := time.Now()
		set, _ := settle(m, r)
		mapped := time.Now()
		p, problems := s.Render(set)
		if len(problems) > 0 {
			b.Fatal(problems[0])
		}
		b.ReportMetric(mapped.Sub(begun).Seconds(), "s-map")
		b.ReportMetric(time.Since(mapped).Seconds(), "s-render")
		b.ReportMetric(float64(len(set)), "rows")
		b.ReportMetric(float64(len(p.Body))/1e6, "MB-zip")
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		b.ReportMetric(float64(mem.HeapAlloc)/1e6, "MB-heap")
		runtime.KeepAlive(set)
	}
	runtime.KeepAlive([]target.Mapping{m})
}
