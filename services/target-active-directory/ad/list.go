package ad

import (
	"context"
	"slices"

	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/transport/ldapx"
)

// List tells of every object of ours, a kind after the other.
func (s *sink) List(ctx context.Context, found func(target.Held) error) error {
	defer s.use()()
	s.forget()
	if err := s.stand(ctx); err != nil {
		return err
	}
	for _, kind := range s.Kinds() {
		list, err := s.ours(ctx, kind, "", s.attributes())
		if err != nil {
			return err
		}
		s.meet(list)
		if err := s.tell(ctx, list, found); err != nil {
			return err
		}
	}
	return nil
}

// tell tells of objects as a whole.
func (s *sink) tell(ctx context.Context, list []*object, found func(target.Held) error) error {
	for _, o := range list {
		h, err := s.held(ctx, o)
		if err == nil {
			err = found(h)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Changes tells what the domain controller numbered since a mark of its database. Of all others of ours only their ids are
// asked for: who was deleted, or moved away, is not among them, and no number tells of it to an account that may not read
// deleted objects.
func (s *sink) Changes(ctx context.Context, since string, found func(h target.Held, differs bool) error) (string, error) {
	defer s.use()()
	if err := s.budget.Wait(ctx); err != nil {
		return "", err
	}
	now, err := s.client.Mark(ctx) // first: what changes while it tells comes again
	if err != nil || since == "" {
		return now.String(), s.answered(err)
	}
	mark, err := ldapx.ParseMark(since)
	if err != nil || !mark.Precedes(now) {
		return "", target.ErrNoMark
	}
	s.forget()
	if err := s.stand(ctx); err != nil {
		return "", err
	}
	for _, kind := range s.Kinds() {
		list, err := s.ours(ctx, kind, "", []string{"objectGUID", "objectClass", "objectSid", "adminCount", "isCriticalSystemObject", attributeMark, s.IDAttribute})
		if err != nil {
			return "", err
		}
		s.meet(list)
		for _, o := range list {
			if err := found(target.Held{ID: o.id, Native: o.guid}, false); err != nil {
				return "", err
			}
		}
		if list, err = s.ours(ctx, kind, mark.Since(), s.attributes()); err != nil {
			return "", err
		}
		if err := s.tell(ctx, list, func(h target.Held) error { return found(h, true) }); err != nil {
			return "", err
		}
	}
	return now.String(), nil
}

// meet remembers what is ours. Of members whom it has not met yet the directory is asked one by one.
func (s *sink) meet(list []*object) {
	for _, o := range list {
		if o.id.Kind == kindOU {
			s.knowOU(o)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.people == nil {
		s.people = make(map[string]who, len(list))
	}
	for _, o := range list {
		s.people[fold(o.dn)] = who{o.id, o.guid}
	}
}

// ours returns all objects of a kind that have an id of ours, lie in the configured OUs, and are found by a filter, if there is one.
func (s *sink) ours(ctx context.Context, kind, filter string, attributes []string) (all []*object, err error) {
	mark := attributeMark
	if kind == kindUser {
		mark = s.IDAttribute
	}
	bases := []string{s.BaseOU}
	if s.QuarantineOU != "" && !ldapx.Below(s.QuarantineOU, s.BaseOU) {
		bases = append(bases, s.QuarantineOU)
	}
	whole := kind == kindGroup && slices.Contains(attributes, fieldType)
	if whole {
		attributes = append(slices.Clone(attributes), attributeMember)
	}
	for _, base := range bases {
		list, err := s.in(ctx, base, "(&"+filterOf(kind)+"("+mark+"=*)"+filter+")", attributes)
		if err != nil {
			return nil, err
		}
		for _, o := range list {
			o.whole = whole
			if o.id.Kind == kind && s.within(o.dn) && !o.protected() {
				all = append(all, o)
			}
		}
	}
	return all, nil
}
