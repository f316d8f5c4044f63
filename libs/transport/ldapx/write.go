package ldapx

import (
	"context"

	"github.com/go-ldap/ldap/v3"
)

// Add makes an object.
func (c *Client) Add(ctx context.Context, add *ldap.AddRequest) error {
	r := request{op: opAdd, write: true}
	for _, a := range add.Attributes {
		r.attributes = append(r.attributes, a.Type)
	}
	return c.write(ctx, r, func(s *session) error { return s.Conn.Add(add) })
}

// Modify changes attributes of an object, all or none.
func (c *Client) Modify(ctx context.Context, modify *ldap.ModifyRequest) error {
	r := request{op: opModify, write: true}
	for _, change := range modify.Changes {
		r.attributes = append(r.attributes, change.Modification.Type)
		r.deletes = r.deletes || change.Operation == ldap.DeleteAttribute
	}
	return c.write(ctx, r, func(s *session) error { return s.Conn.Modify(modify) })
}

// Permissive has a [Client.Modify] take what is so already for done: a value to be added that is there, and one to be removed
// that is not. Samba says that it knows it, and refuses members all the same; see [ValueExists].
func Permissive() ldap.Control {
	return ldap.NewControlString("1.2.840.113556.1.4.1413", false, "") // who does not know it ignores it
}

// Rename gives an object another name (see [RDN]) and, when parent is not empty, another place, in one step.
func (c *Client) Rename(ctx context.Context, dn, rdn, parent string) error {
	return c.write(ctx, request{op: opRename, write: true}, func(s *session) error {
		return s.ModifyDN(ldap.NewModifyDNRequest(dn, rdn, true, parent))
	})
}

// Delete removes an object that has none below it.
func (c *Client) Delete(ctx context.Context, dn string) error {
	return c.write(ctx, request{op: opDelete, write: true}, func(s *session) error { return s.Del(ldap.NewDelRequest(dn, nil)) })
}

// SetPassword gives an account a password that it did not have, as an administrator does.
func (c *Client) SetPassword(ctx context.Context, dn, password string) error {
	modify := ldap.NewModifyRequest(dn, nil)
	modify.Replace(AttributePassword, []string{UnicodePwd(password)})
	return c.Modify(ctx, modify)
}

// ChangePassword exchanges a password for another, as its owner does.
func (c *Client) ChangePassword(ctx context.Context, dn, old, password string) error {
	modify := ldap.NewModifyRequest(dn, nil)
	modify.Delete(AttributePassword, []string{UnicodePwd(old)})
	modify.Add(AttributePassword, []string{UnicodePwd(password)})
	return c.Modify(ctx, modify)
}

// write makes a request that changes something. It is never made twice.
func (c *Client) write(ctx context.Context, r request, f func(*session) error) error {
	return c.do(ctx, func(s *session) error {
		return c.request(ctx, s, r, func() error { return f(s) })
	})
}
