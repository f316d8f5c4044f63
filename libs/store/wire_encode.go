package store

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	essv1 "eventful.se/ess/proto/ess/v1"

	"eventful.se/ess/libs/roster"
)

// encodeRecord returns a record as it stands on the log. Of a tombstone nothing stands there that could be personal: no
// origins, no directives, and nothing that a newer version added to the record.
func encodeRecord(r roster.Record) ([]byte, error) {
	if err := checkRef(r.Ref); err != nil {
		return nil, err
	}
	if r.Tombstone != nil {
		r.Origins, r.SameAs, r.Directives, r.Unknown = nil, nil, nil, nil
	}
	p := recordTo(r)
	if err := checkState(p); err != nil {
		return nil, err
	}
	if len(r.Unknown) > 0 {
		var unknown essv1.Record
		if err := proto.Unmarshal(r.Unknown, &unknown); err != nil {
			return nil, errors.New("what a newer version added to the record cannot be read")
		}
		restore(p.ProtoReflect(), unknown.ProtoReflect())
	}
	b, err := proto.Marshal(p)
	if err != nil {
		return nil, errors.New("a text of the record is not valid UTF-8")
	}
	return b, nil
}

func checkRef(r roster.Ref) error {
	if !slices.Contains(roster.Kinds(), r.Kind) || r.Key.IsZero() {
		return fmt.Errorf("%q is no entity that the log can hold", r)
	}
	return nil
}

// checkState tells whether a record has exactly one state, of its own kind.
func checkState(p *essv1.Record) error {
	var kind roster.Kind
	switch p.GetState().(type) {
	case *essv1.Record_Organisation:
		kind = roster.KindOrganisation
	case *essv1.Record_Person:
		kind = roster.KindPerson
	case *essv1.Record_Group:
		kind = roster.KindGroup
	case *essv1.Record_Tombstone:
		kind = roster.Kind(p.GetKind())
	default:
		return errors.New("it states nothing")
	}
	if kind != roster.Kind(p.GetKind()) {
		return fmt.Errorf("it is of kind %q and states a %s", p.GetKind(), kind)
	}
	return nil
}

func recordTo(r roster.Record) *essv1.Record {
	p := &essv1.Record{
		Schema: schemaMajor, Kind: string(r.Ref.Kind), Key: keyTo(r.Ref.Key), Source: sourceTo(r.Source), Overlay: r.Overlay,
	}
	for _, o := range r.Origins {
		p.Origins = append(p.Origins, &essv1.Origin{Id: o.ID.Reveal(), Doc: o.Doc.Reveal()})
	}
	for _, k := range r.Former {
		p.Former = append(p.Former, keyTo(k))
	}
	for _, k := range r.SameAs {
		p.SameAs = append(p.SameAs, keyTo(k))
	}
	for _, d := range r.Directives {
		p.Directives = append(p.Directives, &essv1.Directive{
			Kind: string(d.Kind), Until: int32(d.Until), Owner: d.Owner.Reveal(), Reason: d.Reason.Reveal(), Doc: d.Doc.Reveal(), Link: d.Link,
		})
	}
	switch {
	case r.Tombstone != nil:
		p.State = &essv1.Record_Tombstone{Tombstone: &essv1.Tombstone{
			Reason: string(r.Tombstone.Reason), Became: keyTo(r.Tombstone.Became),
		}}
	case r.Organisation != nil:
		p.State = &essv1.Record_Organisation{Organisation: organisationTo(r.Organisation)}
	case r.Person != nil:
		p.State = &essv1.Record_Person{Person: personTo(r.Person)}
	case r.Group != nil:
		p.State = &essv1.Record_Group{Group: groupTo(r.Group)}
	}
	return p
}

func organisationTo(o *roster.Organisation) *essv1.Organisation {
	p := &essv1.Organisation{
		DisplayName: o.DisplayName, Type: string(o.Type), Parent: keyTo(o.Parent), UnitCodes: o.UnitCodes,
		Start: int32(o.Interval.Start), End: int32(o.Interval.End), Extra: extraTo(o.Extra),
	}
	for _, t := range o.SchoolTypes {
		p.SchoolTypes = append(p.SchoolTypes, string(t))
	}
	return p
}

func personTo(r *roster.Person) *essv1.Person {
	p := &essv1.Person{
		GivenName: r.GivenName.Reveal(), MiddleName: r.MiddleName.Reveal(), FamilyName: r.FamilyName.Reveal(),
		DisplayName: r.DisplayName.Reveal(), BirthDate: r.BirthDate.Reveal(), Sex: string(r.Sex),
		SecurityMarking: string(r.Marking), Extra: extraTo(r.Extra),
	}
	if !r.CivicNo.IsZero() {
		p.CivicNo = &essv1.CivicNo{Value: r.CivicNo.Reveal(), Kind: string(r.CivicNo.Kind())}
	}
	for _, x := range r.Personas {
		p.Personas = append(p.Personas, &essv1.Persona{
			Role: string(x.Role), Email: x.Email.Reveal(), Username: x.Username.Reveal(), Eppn: x.EPPN.Reveal(),
		})
	}
	for _, x := range r.Enrolments {
		p.Enrolments = append(p.Enrolments, &essv1.Enrolment{
			EnroledAt: keyTo(x.EnroledAt), SchoolType: string(x.SchoolType), SchoolYear: x.SchoolYear, Programme: x.Programme,
			Start: int32(x.Interval.Start), End: int32(x.Interval.End), Doc: x.Doc.Reveal(),
		})
	}
	for _, x := range r.Duties {
		p.Duties = append(p.Duties, &essv1.Duty{
			DutyAt: keyTo(x.DutyAt), Role: string(x.Role), Start: int32(x.Interval.Start), End: int32(x.Interval.End), Doc: x.Doc.Reveal(),
		})
	}
	return p
}

func groupTo(g *roster.Group) *essv1.Group {
	p := &essv1.Group{
		DisplayName: g.DisplayName, Type: string(g.Type), Organisation: keyTo(g.Organisation), SchoolType: string(g.SchoolType),
		Subject: g.Subject, SchoolYear: g.SchoolYear, Start: int32(g.Interval.Start), End: int32(g.Interval.End), Extra: extraTo(g.Extra),
	}
	for _, m := range g.Members {
		p.Members = append(p.Members, &essv1.Membership{
			Person: keyTo(m.Person), Role: string(m.Role), Start: int32(m.Interval.Start), End: int32(m.Interval.End), Doc: m.Doc.Reveal(),
		})
	}
	return p
}

func extraTo(e roster.Extra) map[string]string {
	if len(e) == 0 {
		return nil
	}
	p := make(map[string]string, len(e))
	for k, v := range e {
		p[k] = v.Reveal()
	}
	return p
}
