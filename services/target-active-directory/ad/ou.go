package ad

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/transport/ldapx"
)

// place returns the DN of the OU that an object is to be in.
func (s *sink) place(ctx context.Context, at string) (string, error) {
	switch {
	case at == "":
		return s.BaseOU, nil
	case strings.Contains(at, "="): // a path: where we make none, or where it stays as it is
		if s.within(at) {
			return at, nil
		}
		return at + "," + s.BaseOU, nil
	}
	s.mu.Lock()
	dn := s.ous[at]
	s.mu.Unlock()
	if dn != "" {
		return dn, nil
	}
	o, err := s.byID(ctx, target.ID{Kind: kindOU, Key: at})
	switch {
	case err != nil:
		return "", err
	case o == nil || !s.within(o.dn):
		return "", s.fault(reason.Transient, nil, reason.ObjectMissing, "object", "OU")
	}
	s.knowOU(o)
	return o.dn, nil
}

func (s *sink) knowOU(o *object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ous[o.id.Key] = o.dn
	s.ouKeys[fold(o.dn)] = o.id.Key
}

// ouOf tells in the words of the mapping which OU an object is in.
func (s *sink) ouOf(ctx context.Context, o *object) (string, error) {
	_, parent := ldapx.Split(o.dn)
	switch {
	case ldapx.SameDN(parent, s.BaseOU):
		return "", nil
	case !s.MakeOUs:
		return s.path(parent), nil
	}
	s.mu.Lock()
	key, known := s.ouKeys[fold(parent)]
	s.mu.Unlock()
	if !known {
		list, err := s.search(ctx, ldapx.Query{Base: parent, Scope: ldap.ScopeBaseObject, Attributes: []string{"objectGUID", "objectClass", attributeMark}})
		if err != nil {
			return "", err
		}
		if len(list) == 1 {
			in, err := s.objectOf(list[0])
			if err != nil {
				return "", err
			}
			key = in.id.Key
		}
		s.mu.Lock()
		s.ouKeys[fold(parent)] = key
		s.mu.Unlock()
	}
	if key == "" {
		return s.path(parent), nil
	}
	return key, nil
}

// path is a DN as seen from the base, in the spelling of the mapping.
func (s *sink) path(dn string) string {
	at, err := ldap.ParseDN(dn)
	if err != nil {
		return dn
	}
	base, err := ldap.ParseDN(s.BaseOU)
	if err != nil || !base.AncestorOfFold(at) {
		return dn
	}
	var path []string
	for _, r := range at.RDNs[:len(at.RDNs)-len(base.RDNs)] {
		path = append(path, rdn(strings.ToUpper(r.Attributes[0].Type), r.Attributes[0].Value))
	}
	return strings.Join(path, ",")
}

// createOU makes an OU. One that is there under its name is used, and stays when we need it no more.
func (s *sink) createOU(ctx context.Context, op target.Operation) (*object, error) {
	parent, err := s.place(ctx, valueOf(op.Resource.Fields, fieldOU))
	if err != nil {
		return nil, err
	}
	dn := ldapx.Child(ldapx.RDN("OU", valueOf(op.Resource.Fields, fieldName)), parent)
	a := ldap.NewAddRequest(dn, nil)
	a.Attribute("objectClass", []string{"organizationalUnit"})
	a.Attribute(attributeMark, []string{markForm + kindOU + ":" + op.Resource.ID.Key})
	err = s.write(ctx, func() error { return s.client.Add(ctx, a) })
	switch {
	case err == nil:
		o, err := s.made(ctx, dn)
		if err != nil {
			return nil, err
		}
		o.id = op.Resource.ID
		s.knowOU(o)
		return o, nil
	case ldapx.Missing(err):
		s.forget()
		return nil, s.fault(reason.Transient, err, reason.ObjectMissing, "object", "OU")
	case reason.Of(err).Code != reason.NameTaken:
		return nil, err
	}
	own, err2 := s.byID(ctx, op.Resource.ID)
	if err2 != nil || own != nil {
		return own, err2
	}
	list, err2 := s.search(ctx, ldapx.Query{Base: dn, Scope: ldap.ScopeBaseObject, Attributes: s.attributes()})
	if err2 != nil {
		return nil, err2
	}
	if len(list) != 1 {
		return nil, err
	}
	there, err2 := s.objectOf(list[0])
	if err2 != nil {
		return nil, err2
	}
	if there.id.Kind == kindOU { // another school's, which is to be called otherwise
		return nil, s.fault(reason.Transient, err, reason.NameTaken, "column", "OU")
	}
	if there.kind() != kindOU || there.claimed() {
		return nil, s.fault(reason.Invalid, err, reason.NameTaken, "column", "OU")
	}
	return there, nil
}

func (s *sink) updateOU(ctx context.Context, op target.Operation, o *object) error {
	if slices.ContainsFunc([]string{s.BaseOU, s.QuarantineOU}, func(dn string) bool { return dn != "" && ldapx.SameDN(o.dn, dn) }) {
		return s.fault(reason.Invalid, nil, reason.NotOurs, "object", o.guid)
	}
	parent, err := s.place(ctx, valueOf(op.Resource.Fields, fieldOU))
	if err != nil {
		return err
	}
	if o.id != op.Resource.ID {
		mark := markForm + kindOU + ":" + op.Resource.ID.Key + markFound
		if err := s.modify(ctx, o, []change{{name: attributeMark, values: []string{mark}, only: true}}); err != nil {
			return err
		}
	}
	return s.rename(ctx, o, valueOf(op.Resource.Fields, fieldName), parent)
}
