package store

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	essv1 "eventful.se/ess/proto/ess/v1"

	"eventful.se/ess/libs/roster"
)

// decodeRecord reads a record from the log. Fields that a newer minor version added stay in Record.Unknown.
func decodeRecord(b []byte) (roster.Record, error) {
	var p essv1.Record
	if err := unmarshal(b, &p); err != nil {
		return roster.Record{}, err
	}
	if p.GetState() == nil && len(p.ProtoReflect().GetUnknown()) > 0 {
		return roster.Record{}, errors.New("it states something that this program does not know")
	}
	if err := checkState(&p); err != nil {
		return roster.Record{}, err
	}
	r, err := recordFrom(&p)
	if err != nil {
		return roster.Record{}, err
	}
	if err := checkRef(r.Ref); err != nil {
		return roster.Record{}, err
	}
	if hasUnknown(&p) {
		unknown := extract(p.ProtoReflect())
		if r.Unknown, err = (proto.MarshalOptions{Deterministic: true}).Marshal(unknown.Interface()); err != nil {
			return roster.Record{}, fmt.Errorf("keep what a newer version added: %w", err)
		}
	}
	return r, nil
}

// keys reads keys and remembers the first error.
type keys struct{ err error }

func (k *keys) from(b []byte) roster.Key {
	key, err := keyFrom(b)
	if err != nil && k.err == nil {
		k.err = err
	}
	return key
}

func recordFrom(p *essv1.Record) (roster.Record, error) {
	var k keys
	r := roster.Record{
		Ref:    roster.Ref{Kind: roster.Kind(p.GetKind()), Key: k.from(p.GetKey())},
		Source: sourceFrom(p.GetSource()), Overlay: p.GetOverlay(),
	}
	for _, o := range p.GetOrigins() {
		r.Origins = append(r.Origins, roster.Origin{ID: roster.Personal(o.GetId()), Doc: roster.Personal(o.GetDoc())})
	}
	for _, f := range p.GetFormer() {
		r.Former = append(r.Former, k.from(f))
	}
	for _, s := range p.GetSameAs() {
		r.SameAs = append(r.SameAs, k.from(s))
	}
	for _, d := range p.GetDirectives() {
		r.Directives = append(r.Directives, roster.Directive{
			Kind: roster.DirectiveKind(d.GetKind()), Until: roster.Date(d.GetUntil()),
			Owner: roster.Personal(d.GetOwner()), Reason: roster.Personal(d.GetReason()), Doc: roster.Personal(d.GetDoc()),
			Link: d.GetLink(),
		})
	}
	switch s := p.GetState().(type) {
	case *essv1.Record_Tombstone:
		r.Tombstone = &roster.Tombstone{
			Reason: roster.TombstoneReason(s.Tombstone.GetReason()), Became: k.from(s.Tombstone.GetBecame()),
		}
	case *essv1.Record_Organisation:
		r.Organisation = k.organisation(s.Organisation)
	case *essv1.Record_Person:
		r.Person = k.person(s.Person)
	case *essv1.Record_Group:
		r.Group = k.group(s.Group)
	}
	return r, k.err
}

func (k *keys) organisation(p *essv1.Organisation) *roster.Organisation {
	o := &roster.Organisation{
		DisplayName: p.GetDisplayName(), Type: roster.OrganisationType(p.GetType()), Parent: k.from(p.GetParent()),
		UnitCodes: p.GetUnitCodes(), Interval: interval(p.GetStart(), p.GetEnd()), Extra: extraFrom(p.GetExtra()),
	}
	for _, t := range p.GetSchoolTypes() {
		o.SchoolTypes = append(o.SchoolTypes, roster.SchoolType(t))
	}
	return o
}

func (k *keys) person(p *essv1.Person) *roster.Person {
	r := &roster.Person{
		CivicNo:   roster.CivicNoOf(roster.CivicNoKind(p.GetCivicNo().GetKind()), p.GetCivicNo().GetValue()),
		GivenName: roster.Personal(p.GetGivenName()), MiddleName: roster.Personal(p.GetMiddleName()),
		FamilyName: roster.Personal(p.GetFamilyName()), DisplayName: roster.Personal(p.GetDisplayName()),
		BirthDate: roster.Personal(p.GetBirthDate()), Sex: roster.Sex(p.GetSex()),
		Marking: roster.SecurityMarking(p.GetSecurityMarking()), Extra: extraFrom(p.GetExtra()),
	}
	for _, x := range p.GetPersonas() {
		r.Personas = append(r.Personas, roster.Persona{
			Role: roster.Role(x.GetRole()), Email: roster.Personal(x.GetEmail()),
			Username: roster.Personal(x.GetUsername()), EPPN: roster.Personal(x.GetEppn()),
		})
	}
	for _, x := range p.GetEnrolments() {
		r.Enrolments = append(r.Enrolments, roster.Enrolment{
			EnroledAt: k.from(x.GetEnroledAt()), SchoolType: roster.SchoolType(x.GetSchoolType()), SchoolYear: x.GetSchoolYear(),
			Programme: x.GetProgramme(), Interval: interval(x.GetStart(), x.GetEnd()), Doc: roster.Personal(x.GetDoc()),
		})
	}
	for _, x := range p.GetDuties() {
		r.Duties = append(r.Duties, roster.Duty{
			DutyAt: k.from(x.GetDutyAt()), Role: roster.DutyRole(x.GetRole()),
			Interval: interval(x.GetStart(), x.GetEnd()), Doc: roster.Personal(x.GetDoc()),
		})
	}
	return r
}

func (k *keys) group(p *essv1.Group) *roster.Group {
	g := &roster.Group{
		DisplayName: p.GetDisplayName(), Type: roster.GroupType(p.GetType()), Organisation: k.from(p.GetOrganisation()),
		SchoolType: roster.SchoolType(p.GetSchoolType()), Subject: p.GetSubject(), SchoolYear: p.GetSchoolYear(),
		Interval: interval(p.GetStart(), p.GetEnd()), Extra: extraFrom(p.GetExtra()),
	}
	for _, x := range p.GetMembers() {
		g.Members = append(g.Members, roster.Membership{
			Person: k.from(x.GetPerson()), Role: roster.MemberRole(x.GetRole()),
			Interval: interval(x.GetStart(), x.GetEnd()), Doc: roster.Personal(x.GetDoc()),
		})
	}
	return g
}

func interval(start, end int32) roster.Interval {
	return roster.Interval{Start: roster.Date(start), End: roster.Date(end)}
}

func extraFrom(p map[string]string) roster.Extra {
	if len(p) == 0 {
		return nil
	}
	e := make(roster.Extra, len(p))
	for k, v := range p {
		e[k] = roster.Personal(v)
	}
	return e
}
