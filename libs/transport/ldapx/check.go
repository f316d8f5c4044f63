package ldapx

import (
	"context"
	"fmt"
	"strconv"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
)

// Check goes through what the client needs and tells each step: connect (with the address that we come from),
// certificate, sign-in, directory, and one step for each of the objects that must exist. It changes nothing. The error
// is that of the step that failed, and names it.
func (c *Client) Check(ctx context.Context, objects []string, step func(name, detail string, err error)) error {
	failed := ""
	tell := func(name, detail string, err error) {
		if err != nil {
			failed = name
		}
		step(name, detail, err)
	}
	if err := c.check(ctx, objects, tell); err != nil {
		return fmt.Errorf("check of %s, step %s: %w", c.Address(), failed, err)
	}
	return nil
}

func (c *Client) check(ctx context.Context, objects []string, step trace) error {
	select {
	case c.room <- struct{}{}:
	case <-ctx.Done():
		return ended(ctx, c.Address())
	}
	s, err := c.connect(ctx, step)
	if err != nil {
		<-c.room
		return err
	}
	defer c.give(s)
	const directory = "directory"
	root, err := c.rootDSE(ctx, s)
	if err == nil && !root.Can(ldap.ControlTypePaging) {
		err = reason.Errorf(reason.Misconfigured, nil, reason.DirectoryLacks, "address", c.Address(), "code", ldap.ControlTypePaging)
	}
	if err != nil {
		step(directory, "", err)
		return err
	}
	step(directory, fmt.Sprintf("%s of %s, Active Directory: %t", root.ServerName, root.BaseDN, root.IsAD()), nil)
	for _, dn := range objects {
		name := "object " + strconv.Quote(dn)
		var result *ldap.SearchResult
		err := c.ask(ctx, s, func() (err error) {
			result, err = s.Conn.Search(Query{Base: dn, Attributes: []string{"objectClass"}}.request())
			return err
		})
		if err == nil && len(result.Entries) == 0 {
			err = reason.Errorf(reason.Misconfigured, nil, reason.RightMissing, "address", c.Address(), "user", c.cfg.User, "operation", opSearch)
		}
		if Missing(err) {
			err = reason.Errorf(reason.Misconfigured, err, reason.ObjectMissing, "address", c.Address(), "object", strconv.Quote(dn))
		}
		step(name, "", err)
		if err != nil {
			return err
		}
	}
	return nil
}
