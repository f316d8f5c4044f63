package ad

import (
	"context"
	"time"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/transport/ldapx"
)

// idle is how long the connections are kept when nobody asks for anything.
const idle = 200 * time.Millisecond

// use notes that the connections are needed until done is called.
func (s *sink) use() (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uses++; s.rest != nil {
		s.rest.Stop()
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.uses--; s.uses == 0 {
			s.rest = time.AfterFunc(idle, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.uses == 0 {
					s.client.Rest()
				}
			})
		}
	}
}

// write makes a call that changes something, drawn from the budget.
func (s *sink) write(ctx context.Context, call func() error) error {
	if err := s.budget.Wait(ctx); err != nil {
		return err
	}
	return s.answered(call())
}

// answered has everybody who is counted with us slow down when the domain controller is busy.
func (s *sink) answered(err error) error {
	if err != nil && reason.Of(err).Code == reason.Throttled {
		s.budget.Throttled(0)
	}
	return err
}

// search returns what a query finds; each page is a call. What does not exist holds nothing.
func (s *sink) search(ctx context.Context, q ldapx.Query) (list []*ldap.Entry, err error) {
	if err := s.budget.Wait(ctx); err != nil {
		return nil, err
	}
	if q.Scope == ldap.ScopeBaseObject {
		list, err = s.client.Search(ctx, q)
	} else {
		err = s.client.Pages(ctx, q, func(page []*ldap.Entry) error {
			if list = append(list, page...); len(page) < s.page {
				return nil
			}
			return s.budget.Wait(ctx) // for the next one
		})
	}
	if ldapx.Missing(err) {
		return nil, nil
	}
	return list, s.answered(err)
}

// domainDN returns the DN of the domain.
func (s *sink) domainDN(ctx context.Context) (string, error) {
	s.mu.Lock()
	dn := s.domain
	s.mu.Unlock()
	if dn != "" {
		return dn, nil
	}
	if err := s.budget.Wait(ctx); err != nil {
		return "", err
	}
	root, err := s.client.RootDSE(ctx)
	if err != nil {
		return "", s.answered(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.domain = root.BaseDN
	return root.BaseDN, nil
}

// change is what becomes of an attribute: it gets values, or has none.
type change struct {
	name   string
	drop   []string // these values go; the others stay
	values []string
	only   bool // values take the place of all that there are

	lenient bool // a value that is there already, or is gone, is no mistake
}

// modify writes changes, all or none of them. Nothing is asked where nothing differs.
func (s *sink) modify(ctx context.Context, o *object, changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	m := ldap.NewModifyRequest(o.base(), nil)
	for _, c := range changes {
		if c.lenient {
			m.Controls = []ldap.Control{ldapx.Permissive()}
		}
		switch {
		case len(c.drop) > 0:
			m.Delete(c.name, c.drop)
			if len(c.values) > 0 {
				m.Add(c.name, c.values)
			}
		case len(c.values) > 0 && !c.only:
			m.Add(c.name, c.values)
		default:
			m.Replace(c.name, c.values)
		}
	}
	return s.write(ctx, func() error { return s.client.Modify(ctx, m) })
}

// rename gives an object another name, another place, or both at once. Names are compared as they are, and not as the domain
// controller happens to escape them: one in other letters is another one. The place is always told: by an objectGUID alone
// Samba does not find what is to be renamed.
func (s *sink) rename(ctx context.Context, o *object, name, parent string) error {
	_, in := ldapx.Split(o.dn)
	if parent == "" || ldapx.SameDN(in, parent) {
		if parent = in; nameOf(o.dn) == name {
			return nil
		}
	}
	rdn := ldapx.RDN("CN", name)
	if o.kind() == kindOU {
		rdn = ldapx.RDN("OU", name)
	}
	defer s.forget()
	err := s.write(ctx, func() error { return s.client.Rename(ctx, o.base(), rdn, parent) })
	if ldapx.Missing(err) {
		return s.fault(reason.Transient, err, reason.ObjectMissing, "object", "OU")
	}
	return err
}
