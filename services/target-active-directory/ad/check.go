package ad

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/transport/ldapx"
)

// Check goes through what the link needs, step by step: reach, with the address that we come from, the certificate, the
// sign-in, the directory, the OUs of the settings, what we may make and change there, and what would be written where. It
// changes nothing.
func (s *sink) Check(ctx context.Context, step func(name, detail string, err error)) error {
	defer s.use()()
	if err := s.budget.Wait(ctx); err != nil {
		return err
	}
	objects := s.places()
	if err := s.client.Check(ctx, objects, step); err != nil {
		return s.answered(err)
	}
	for _, dn := range objects {
		may, err := s.rights(ctx, dn)
		step("rights on "+dn, strings.Join(may, ", "), err)
		if err != nil {
			return err
		}
	}
	var counts []string
	for _, kind := range s.Kinds() {
		list, err := s.ours(ctx, kind, "", []string{"objectGUID", "objectClass", "objectSid", "adminCount", attributeMark, s.IDAttribute})
		if err != nil {
			step("objects of ours", "", err)
			return err
		}
		counts = append(counts, fmt.Sprintf("%d %s", len(list), kind))
	}
	step("objects of ours", strings.Join(counts, ", "), nil)
	where := "accounts and groups in OUs that exist, under " + s.BaseOU
	if s.MakeOUs {
		where = "OUs, accounts and groups under " + s.BaseOU
	}
	step("what would be written", where+"; our id of an account in "+s.IDAttribute, nil)
	return nil
}

// rights returns what we may do in an OU, and an error for the first thing that we need and may not.
func (s *sink) rights(ctx context.Context, dn string) (may []string, err error) {
	list, err := s.search(ctx, ldapx.Query{Base: dn, Scope: ldap.ScopeBaseObject, Attributes: []string{"allowedChildClassesEffective"}})
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, s.fault(reason.Misconfigured, nil, reason.ObjectMissing, "object", dn)
	}
	classes := lower(list[0].GetEqualFoldAttributeValues("allowedChildClassesEffective"))
	needs := []string{"user"}
	if len(s.Config.Groups) > 0 {
		needs = append(needs, "group")
	}
	if s.MakeOUs {
		needs = append(needs, "organizationalunit")
	}
	if dn != s.BaseOU {
		needs = needs[:1]
	}
	for _, class := range needs {
		if !slices.Contains(classes, class) {
			return may, s.fault(reason.Misconfigured, nil, reason.RightMissing, "user", s.LDAP.User, "operation", "make "+class)
		}
		may = append(may, "make "+class)
	}
	return may, nil
}
