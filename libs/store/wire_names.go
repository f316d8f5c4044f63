package store

import (
	essv1 "eventful.se/ess/proto/ess/v1"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/roster"
)

func encodeClaim(c names.Claim) ([]byte, error) {
	return marshal(&essv1.NameClaim{
		Schema: schemaMajor, Name: c.Name, Person: keyTo(c.Owner.Person), Role: string(c.Owner.Role), Wanted: c.Wanted,
		Since: int32(c.Since), Ended: int32(c.Ended), Former: c.Former, Rules: c.Rules,
	})
}

func decodeClaim(b []byte) (c names.Claim, err error) {
	var p essv1.NameClaim
	if err := unmarshal(b, &p); err != nil {
		return c, err
	}
	c = names.Claim{
		Name: p.GetName(), Owner: names.Owner{Role: roster.Role(p.GetRole())}, Wanted: p.GetWanted(),
		Since: roster.Date(p.GetSince()), Ended: roster.Date(p.GetEnded()), Former: p.GetFormer(), Rules: p.GetRules(),
	}
	c.Owner.Person, err = keyFrom(p.GetPerson())
	return c, err
}
