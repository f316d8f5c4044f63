package ad

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/transport/ldapx"
)

// Taken returns which user names somebody in the domain has: as its sAMAccountName, before the @ of what it signs in by, or
// in an address of its own.
func (s *sink) Taken(ctx context.Context, list []string) (map[string]string, error) {
	defer s.use()()
	taken := map[string]string{}
	for part := range slices.Chunk(list, chunk/2) {
		wanted := map[string][]string{}
		var forms []string
		for _, name := range part {
			wanted[ldapx.Fold(name)] = append(wanted[ldapx.Fold(name)], name)
			forms = append(forms, ldapx.Equal(fieldSAM, name))
			for _, form := range [][2]string{{fieldUPN, ""}, {fieldMail, ""}, {fieldProxy, secondary}} {
				forms = append(forms, "("+form[0]+"="+form[1]+ldap.EscapeFilter(name)+"@*)")
			}
		}
		found, err := s.find(ctx, anyOf(forms), []string{"objectGUID", "objectClass", fieldSAM, fieldUPN, fieldMail, fieldProxy, s.IDAttribute, attributeMark})
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			for _, value := range slices.Concat(o.values(fieldSAM), o.values(fieldUPN), o.values(fieldMail), o.values(fieldProxy)) {
				if i := strings.IndexByte(value, ':'); i >= 0 {
					value = value[i+1:]
				}
				local, _, _ := strings.Cut(value, "@")
				for _, name := range wanted[ldapx.Fold(local)] {
					taken[name] = o.guid
				}
			}
		}
	}
	return taken, nil
}

// Match finds what may be what is wanted: by our id, or else an account by the attributes of the settings, the first that
// finds any. For an account that is only used, who is called the same is told of too, as no more than close. An OU is found
// by its name in the one that it is to be in.
func (s *sink) Match(ctx context.Context, wanted []target.Resource) ([][]target.Found, error) {
	defer s.use()()
	out := make([][]target.Found, len(wanted))
	places := make([]int, 0, chunk)
	ask := func() error {
		defer func() { places = places[:0] }()
		if len(places) == 0 {
			return nil
		}
		var filters []string
		for _, i := range places {
			filters = append(filters, s.equalTo(wanted[i].ID))
			for _, key := range s.keys(wanted[i]) {
				filters = append(filters, ldapx.Equal(key.Name, key.Value.Reveal()))
			}
		}
		list, err := s.find(ctx, "(&"+filterOf(wanted[places[0]].ID.Kind)+anyOf(filters)+")", s.attributes())
		if err != nil {
			return err
		}
		for _, i := range places {
			if out[i], err = s.among(ctx, wanted[i], list); err != nil {
				return err
			}
		}
		return nil
	}
	for i, r := range wanted {
		if len(places) == chunk || len(places) > 0 && wanted[places[0]].ID.Kind != r.ID.Kind {
			if err := ask(); err != nil {
				return nil, err
			}
		}
		places = append(places, i)
	}
	if err := ask(); err != nil {
		return nil, err
	}
	for i, r := range wanted {
		var err error
		switch {
		case len(out[i]) > 0:
		case r.ID.Kind == kindUser && s.mapping.handling[roleOf(r.ID.Key)] == target.Match:
			out[i], err = s.alike(ctx, r)
		case r.ID.Kind == kindOU:
			out[i], err = s.named(ctx, r)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// keys are the values by which an account may be found, in the order of the settings.
func (s *sink) keys(r target.Resource) (keys target.Fields) {
	if r.ID.Kind != kindUser {
		return nil
	}
	for _, name := range s.MatchBy {
		if value := valueOf(r.Fields, name); value != "" && name != s.IDAttribute {
			keys = append(keys, target.Field{Name: name, Value: fieldOf(r.Fields, name)})
		}
	}
	return keys
}

// among returns what of a list may be a resource.
func (s *sink) among(ctx context.Context, r target.Resource, list []*object) (found []target.Found, err error) {
	add := func(o *object, by string) error {
		f, err := s.foundAs(ctx, o, by)
		found = append(found, f)
		return err
	}
	for _, o := range list {
		if o.id == r.ID { // also where somebody moved it away, so that no other one is made
			if err := add(o, ""); err != nil {
				return nil, err
			}
		}
	}
	for _, key := range s.keys(r) {
		if len(found) > 0 {
			break
		}
		for _, o := range list {
			same := slices.ContainsFunc(o.values(key.Name), func(v string) bool { return strings.EqualFold(v, key.Value.Reveal()) })
			if !same || o.id.Kind != "" && o.id != r.ID { // another one of ours
				continue
			}
			if err := add(o, key.Name); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// foundAs is an object as one that may be taken over, or used.
func (s *sink) foundAs(ctx context.Context, o *object, by string) (f target.Found, err error) {
	f.By = by
	switch {
	case o.protected():
		f.Refused = "it is an administrator of the domain, or came with it"
	case !s.within(o.dn):
		f.Refused = "it is outside of the OUs of the settings"
	case o.id.Kind == "" && o.claimed() && by != "":
		f.Refused = "there is another value where our id would stand"
	}
	f.Held, err = s.held(ctx, o)
	return f, err
}

// alike returns a few accounts of who is called the same.
func (s *sink) alike(ctx context.Context, r target.Resource) (found []target.Found, err error) {
	given, family := valueOf(r.Fields, "givenName"), valueOf(r.Fields, "sn")
	if given == "" || family == "" {
		return nil, nil
	}
	domain, err := s.domainDN(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.search(ctx, ldapx.Query{
		Base: domain, Scope: ldap.ScopeWholeSubtree, Limit: 5, Attributes: s.attributes(),
		Filter: "(&" + filterOf(kindUser) + ldapx.Equal("givenName", given) + ldapx.Equal("sn", family) + ")",
	})
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		o, err := s.objectOf(e)
		if err != nil {
			return nil, err
		}
		f, err := s.foundAs(ctx, o, "")
		if err != nil {
			return nil, err
		}
		if f.ID.Kind == "" { // what is another one's of ours is not close
			found = append(found, f)
		}
	}
	return found, nil
}

// named returns the OU that is there already under the name of one that is to be made.
func (s *sink) named(ctx context.Context, r target.Resource) ([]target.Found, error) {
	parent, err := s.place(ctx, valueOf(r.Fields, fieldOU))
	if err != nil {
		return nil, nil //nolint:nilerr // the OU above it is not there yet, and neither is this one
	}
	dn := ldapx.Child(ldapx.RDN("OU", valueOf(r.Fields, fieldName)), parent)
	list, err := s.search(ctx, ldapx.Query{Base: dn, Scope: ldap.ScopeBaseObject, Filter: filterOf(kindOU), Attributes: s.attributes()})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	o, err := s.objectOf(list[0])
	if err != nil {
		return nil, err
	}
	if o.id.Kind != "" { // another school's, which is to be called otherwise
		return nil, nil
	}
	f, err := s.foundAs(ctx, o, fieldName)
	return []target.Found{f}, err
}
