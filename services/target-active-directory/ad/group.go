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

const (
	attributeMember = "member"
	// mostMembers is how many members are added or taken away by one call.
	mostMembers = 500
)

// createGroup makes a group, with as many of its members as one call takes, if all of them are taken.
func (s *sink) createGroup(ctx context.Context, op target.Operation) (o *object, refused map[target.ID]error, err error) {
	f := op.Resource.Fields
	parent, err := s.place(ctx, valueOf(f, fieldOU))
	if err != nil {
		return nil, nil, err
	}
	dn := ldapx.Child(ldapx.RDN("CN", valueOf(f, fieldCN)), parent)
	var guids map[target.ID]string
	add := func(members []target.ID) error {
		a := ldap.NewAddRequest(dn, nil)
		a.Attribute("objectClass", []string{"group"})
		a.Attribute(attributeMark, []string{markForm + kindGroup + ":" + op.Resource.ID.Key})
		for _, x := range f {
			if x.Name != fieldOU && x.Name != fieldCN {
				a.Attribute(x.Name, []string{x.Value.Reveal()})
			}
		}
		if len(members) > 0 {
			a.Attribute(attributeMember, valuesOf(members, guids))
		}
		return s.write(ctx, func() error { return s.client.Add(ctx, a) })
	}
	wanted := membersIn(op.Resource.Sets)
	guids, refused, err = s.resolve(ctx, wanted, op.Natives)
	if err != nil {
		return nil, nil, err
	}
	wanted = slices.DeleteFunc(wanted, func(id target.ID) bool { return guids[id] == "" })
	first := wanted[:min(len(wanted), mostMembers)]
	err = add(first)
	if err != nil && len(first) > 0 && !stops(err) && reason.Of(err).Code != reason.NameTaken {
		first, err = nil, add(nil) // without them, who come by themselves
	}
	switch {
	case reason.Of(err).Code == reason.NameTaken:
		o, err = s.holder(ctx, op, err)
		return o, nil, err
	case ldapx.Missing(err):
		s.forget()
		return nil, nil, s.fault(reason.Transient, err, reason.ObjectMissing, "object", "OU")
	case err != nil:
		return nil, nil, err
	}
	o = &object{dn: dn, fresh: true}
	rest := wanted[len(first):]
	if len(rest) == 0 {
		return o, refused, nil
	}
	o, err = s.made(ctx, dn)
	if err != nil {
		return nil, nil, err
	}
	return s.changeMembers(ctx, o, rest, guids, refused, true)
}

// changeMembers is change, with what was refused before it.
func (s *sink) changeMembers(ctx context.Context, o *object, ids []target.ID, guids map[target.ID]string, refused map[target.ID]error, add bool) (*object, map[target.ID]error, error) {
	more, err := s.change(ctx, o, ids, guids, add)
	for id, why := range more {
		if refused == nil {
			refused = map[target.ID]error{}
		}
		refused[id] = why
	}
	return o, refused, err
}

// updateGroup writes what differs, then who joins and who leaves, and then name and place.
func (s *sink) updateGroup(ctx context.Context, op target.Operation, o *object) (refused map[target.ID]error, err error) {
	f := op.Resource.Fields
	parent, err := s.place(ctx, valueOf(f, fieldOU))
	if err != nil {
		return nil, err
	}
	var changes []change
	if mark := markForm + kindGroup + ":" + op.Resource.ID.Key; o.mark != mark {
		changes = append(changes, change{name: attributeMark, values: []string{mark}, only: true})
	}
	for _, name := range []string{fieldShown, fieldSAM, fieldType} {
		changes = append(changes, difference(o, name, valueOf(f, name))...)
	}
	if err := s.modify(ctx, o, changes); err != nil {
		return nil, err
	}
	join, leave := membersIn(op.SetsAdd), membersIn(op.SetsDrop)
	guids, refused, err := s.resolve(ctx, slices.Concat(join, leave), op.Natives)
	if err != nil {
		return nil, err
	}
	for _, id := range leave {
		delete(refused, id) // who is not there is in no group
	}
	if _, refused, err = s.changeMembers(ctx, o, join, guids, refused, true); err != nil {
		return nil, err
	}
	if _, err := s.change(ctx, o, leave, guids, false); err != nil {
		return nil, err
	}
	return refused, s.rename(ctx, o, valueOf(f, fieldCN), parent)
}

func membersIn(sets []target.Set) (list []target.ID) {
	for _, set := range sets {
		if set.Name == setMembers {
			list = append(list, set.Members...)
		}
	}
	return list
}

// valuesOf are members as they are written.
func valuesOf(ids []target.ID, guids map[target.ID]string) []string {
	values := make([]string, len(ids))
	for i, id := range ids {
		values[i] = "<GUID=" + guids[id] + ">"
	}
	return values
}

// change adds members to a group, or takes them away, single values in chunks. Who is there already, or is gone, is as was
// asked: a directory that refuses a chunk because of one of them is asked who is there, and then for what differs. A chunk
// that is refused all the same is halved until the bad ones stand alone: they are told of, and the others are done.
func (s *sink) change(ctx context.Context, o *object, ids []target.ID, guids map[target.ID]string, add bool) (refused map[target.ID]error, err error) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id target.ID) bool { return guids[id] == "" })
	var there map[string]struct{} // who is a member; nil until it was asked for
	var try func(part []target.ID) error
	try = func(part []target.ID) error {
		if there != nil {
			part = slices.DeleteFunc(slices.Clone(part), func(id target.ID) bool {
				_, is := there[guids[id]]
				return is == add
			})
		}
		if len(part) == 0 {
			return nil
		}
		c := change{name: attributeMember, lenient: true}
		if values := valuesOf(part, guids); add {
			c.values = values
		} else {
			c.drop = values
		}
		err := s.modify(ctx, o, []change{c})
		switch {
		case err == nil:
			return nil
		case stops(err) || ctx.Err() != nil || reason.FaultOf(err) == reason.Misconfigured || reason.FaultOf(err) == reason.Transient:
			return err
		case there == nil && len(part) > 1 && (ldapx.ValueExists(err) || ldapx.ValueMissing(err)):
			if there, err = s.inGroup(ctx, o); err != nil {
				return err
			}
			return try(part)
		case len(part) > 1:
			half := len(part) / 2
			if err := try(part[:half]); err != nil {
				return err
			}
			return try(part[half:])
		case add && ldapx.Is(err, ldap.LDAPResultEntryAlreadyExists, ldap.LDAPResultAttributeOrValueExists),
			!add && ldapx.Is(err, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultNoSuchObject):
			return nil
		}
		if refused == nil {
			refused = map[target.ID]error{}
		}
		if refused[part[0]] = err; reason.FaultOf(err) != reason.Invalid {
			refused[part[0]] = s.fault(reason.Invalid, err, reason.ItemRefused, "what", "member")
		}
		s.mu.Lock()
		delete(s.guids, part[0]) // it may be another one by now
		s.mu.Unlock()
		return nil
	}
	for part := range slices.Chunk(ids, mostMembers) {
		if err := try(part); err != nil {
			return refused, err
		}
	}
	return refused, nil
}

// inGroup returns the objectGUIDs of the members of a group. It asks for who has the group, and not for the members of it: those are
// told by their names.
func (s *sink) inGroup(ctx context.Context, o *object) (map[string]struct{}, error) {
	list, err := s.find(ctx, ldapx.Equal("memberOf", o.dn), []string{"objectGUID", "objectClass"})
	if err != nil {
		return nil, err
	}
	there := make(map[string]struct{}, len(list))
	for _, m := range list {
		there[m.guid] = struct{}{}
	}
	return there, nil
}

// resolve returns the objectGUIDs of members: those that the link knows, and of the others what has our id. Who is not in the
// directory is refused.
func (s *sink) resolve(ctx context.Context, ids []target.ID, natives map[target.ID]string) (guids map[target.ID]string, refused map[target.ID]error, err error) {
	guids = map[target.ID]string{}
	var unknown []target.ID
	s.mu.Lock()
	for _, id := range ids {
		if g, err := ldapx.ParseGUID(natives[id]); err == nil {
			guids[id] = g.String()
		} else if g, ok := s.guids[id]; ok {
			guids[id] = g
		} else {
			unknown = append(unknown, id)
		}
	}
	s.mu.Unlock()
	for part := range slices.Chunk(unknown, chunk) {
		var filters []string
		for _, id := range part {
			filters = append(filters, s.equalTo(id))
		}
		list, err := s.find(ctx, "(&"+filterOf(kindUser)+anyOf(filters)+")", []string{"objectGUID", "objectClass", s.IDAttribute})
		if err != nil {
			return nil, nil, err
		}
		for _, o := range list {
			if slices.Contains(part, o.id) {
				guids[o.id] = o.guid
				s.know(o.id, &object{guid: o.guid})
			}
		}
	}
	for _, id := range unknown {
		if guids[id] == "" {
			if refused == nil {
				refused = map[target.ID]error{}
			}
			refused[id] = s.fault(reason.Invalid, nil, reason.ItemRefused, "what", "member")
		}
	}
	return guids, refused, nil
}

// foreign returns a member of whom nothing is known yet: somebody else's by her objectGUID.
func (s *sink) foreign(ctx context.Context, dn string) (w who, err error) {
	list, err := s.search(ctx, ldapx.Query{Base: dn, Scope: ldap.ScopeBaseObject, Attributes: []string{"objectGUID", "objectClass", s.IDAttribute}})
	if err != nil || len(list) != 1 {
		return w, err
	}
	o, err := s.objectOf(list[0])
	if err != nil {
		return w, err
	}
	if w = (who{o.id, o.guid}); w.id.Kind == "" {
		w.id = target.ID{Kind: target.Foreign, Key: o.guid}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.people != nil {
		s.people[fold(dn)] = w
	}
	return w, nil
}

// membersOf returns the members of a group, those of others by their objectGUID.
func (s *sink) membersOf(ctx context.Context, o *object) (members []target.ID, err error) {
	values := o.values(attributeMember)
	if !o.whole {
		list, err := s.search(ctx, ldapx.Query{Base: o.base(), Scope: ldap.ScopeBaseObject, Attributes: []string{attributeMember}})
		if err != nil {
			return nil, err
		}
		if len(list) == 1 {
			values = list[0].GetEqualFoldAttributeValues(attributeMember)
		}
	}
	if len(values) == 0 {
		return nil, nil
	}
	if err := s.everybody(ctx); err != nil {
		return nil, err
	}
	for _, dn := range values {
		s.mu.Lock()
		w, known := s.people[fold(dn)]
		s.mu.Unlock()
		if !known {
			if w, err = s.foreign(ctx, dn); err != nil {
				return nil, err
			}
		}
		if w.id.Kind == kindUser || w.id.Kind == target.Foreign {
			members = append(members, w.id)
		}
	}
	slices.SortFunc(members, target.ID.Compare)
	return slices.Compact(members), nil
}

// everybody has all accounts of ours known by DN. They are read once, until one of them gets another name or place.
func (s *sink) everybody(ctx context.Context) error {
	s.mu.Lock()
	known := s.people != nil
	s.mu.Unlock()
	if known {
		return nil
	}
	list, err := s.ours(ctx, kindUser, "", []string{"objectGUID", "objectClass", s.IDAttribute})
	if err != nil {
		return err
	}
	people := make(map[string]who, len(list))
	for _, o := range list {
		people[fold(o.dn)] = who{o.id, o.guid}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.people = people
	return nil
}

// leaveGroups takes an account out of every group of ours. Those of others are theirs.
func (s *sink) leaveGroups(ctx context.Context, o *object) error {
	for _, dn := range o.values("memberOf") {
		if !s.within(dn) {
			continue
		}
		list, err := s.search(ctx, ldapx.Query{Base: dn, Scope: ldap.ScopeBaseObject, Attributes: []string{"objectGUID", "objectClass", attributeMark}})
		if err != nil {
			return err
		}
		if len(list) != 1 || !strings.HasPrefix(list[0].GetEqualFoldAttributeValue(attributeMark), markForm+kindGroup+":") {
			continue
		}
		g, err := s.objectOf(list[0])
		if err != nil {
			return err
		}
		refused, err := s.change(ctx, g, []target.ID{o.id}, map[target.ID]string{o.id: o.guid}, false)
		if err != nil {
			return err
		}
		for _, why := range refused {
			return why
		}
	}
	return nil
}
