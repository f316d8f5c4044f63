package ldapx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
)

const anything = "(objectClass=*)"

// Query says what a search looks for.
type Query struct {
	Base       string   // a distinguished name, or [GUID.Base]
	Scope      int      // ldap.ScopeBaseObject, ScopeSingleLevel or ScopeWholeSubtree
	Filter     string   // empty for everything; see [Equal]
	Attributes []string // empty for all
	Deleted    bool     // deleted objects too
	Limit      int      // no more than so many, though there are; 0 for all
}

func (q Query) request(controls ...ldap.Control) *ldap.SearchRequest {
	filter := q.Filter
	if filter == "" {
		filter = anything
	}
	if q.Deleted {
		controls = append(controls, &showDeleted{})
	}
	return ldap.NewSearchRequest(q.Base, q.Scope, ldap.NeverDerefAliases, 0, 0, false, filter, q.Attributes, controls)
}

// showDeleted has a search find deleted objects too. The library's own is not critical: a server that does not know it
// would find none.
type showDeleted struct {
	ldap.ControlMicrosoftShowDeleted
}

// Search returns what a query finds: all of it, or an error. Values that the server gives in ranges are complete, and
// what other servers may hold (references) is left out.
func (c *Client) Search(ctx context.Context, q Query) (list []*ldap.Entry, err error) {
	err = c.do(ctx, func(s *session) error {
		list = nil
		return c.pages(ctx, s, q, func(page []*ldap.Entry) error {
			list = append(list, page...)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Pages gives what a query finds to f, page by page. When it returns an error, what f got is not all. f makes no request
// of its own through the same client, for it holds a connection.
func (c *Client) Pages(ctx context.Context, q Query, f func([]*ldap.Entry) error) error {
	began := false
	var failed error
	err := c.do(ctx, func(s *session) error {
		if began { // a second try would give pages twice
			return failed
		}
		failed = c.pages(ctx, s, q, func(page []*ldap.Entry) error {
			began = true
			return f(page)
		})
		return failed
	})
	return err
}

// Read returns one object; see [Missing] for one that does not exist.
func (c *Client) Read(ctx context.Context, dn string, attributes ...string) (*ldap.Entry, error) {
	list, err := c.Search(ctx, Query{Base: dn, Attributes: attributes})
	switch {
	case err != nil:
		return nil, err
	case len(list) != 1: // the object is there, and may not be seen
		return nil, reason.Errorf(reason.Misconfigured, nil, reason.RightMissing, "address", c.Address(), "user", c.cfg.User, "operation", opSearch)
	default:
		return list[0], nil
	}
}

func (c *Client) pages(ctx context.Context, s *session, q Query, f func([]*ldap.Entry) error) error {
	size := c.cfg.PageSize
	if q.Limit > 0 {
		size = min(size, q.Limit)
	}
	paging := ldap.NewControlPaging(uint32(size))
	search := q.request(paging)
	for left := q.Limit; ; {
		var result *ldap.SearchResult
		err := c.ask(ctx, s, func() (err error) {
			result, err = s.Conn.Search(search)
			return err
		})
		if err != nil {
			return err
		}
		page := result.Entries
		if q.Limit > 0 && len(page) > left {
			page = page[:left]
		}
		for _, e := range page {
			if err := c.complete(ctx, s, e, q.Deleted); err != nil {
				return err
			}
		}
		if len(page) > 0 {
			if err := f(page); err != nil {
				return err
			}
		}
		left -= len(page)
		answer, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(answer.Cookie) == 0 {
			return nil
		}
		if q.Limit > 0 && left <= 0 {
			return nil // the server forgets the rest with the connection, or with the next search
		}
		paging.SetCookie(answer.Cookie)
	}
}

// complete asks for the rest of the values that came in a range.
func (c *Client) complete(ctx context.Context, s *session, e *ldap.Entry, deleted bool) error {
	for i := 0; i < len(e.Attributes); i++ {
		name, high, ranged := parseRange(e.Attributes[i].Name)
		if !ranged {
			continue
		}
		a := e.Attributes[i]
		a.Name = name
		for high >= 0 {
			var rest *ldap.EntryAttribute
			var err error
			if rest, high, err = c.next(ctx, s, e, name, high+1, deleted); err != nil {
				return err
			}
			a.Values, a.ByteValues = append(a.Values, rest.Values...), append(a.ByteValues, rest.ByteValues...)
		}
		// Beside the range stands the attribute itself, empty.
		e.Attributes = slices.DeleteFunc(e.Attributes, func(b *ldap.EntryAttribute) bool { return b != a && strings.EqualFold(b.Name, name) })
		i = slices.Index(e.Attributes, a)
	}
	return nil
}

// next returns the values from a number on, and the number of the last of them; -1 when no more follow.
func (c *Client) next(ctx context.Context, s *session, e *ldap.Entry, name string, from int, deleted bool) (*ldap.EntryAttribute, int, error) {
	q := Query{Base: e.DN, Attributes: []string{fmt.Sprintf("%s;range=%d-*", name, from)}, Deleted: deleted}
	var result *ldap.SearchResult
	err := c.ask(ctx, s, func() (err error) {
		result, err = s.Conn.Search(q.request())
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	for _, found := range result.Entries {
		for _, a := range found.Attributes {
			got, high, ranged := parseRange(a.Name)
			if ranged && strings.EqualFold(got, name) && (high < 0 || high >= from) {
				return a, high, nil
			}
		}
	}
	// Values went away between the two requests, and with them the range: what we have is of no one moment.
	return nil, 0, reason.Errorf(reason.Transient, errors.New("a range of values ended early"), reason.ItemChanged, "address", c.Address())
}

// parseRange splits an attribute from its range option (member;range=0-1499). high is -1 for the last range (…-*).
func parseRange(attribute string) (name string, high int, ranged bool) {
	const option = ";range="
	i := strings.LastIndex(strings.ToLower(attribute), option)
	if i <= 0 {
		return attribute, 0, false
	}
	name = attribute[:i]
	low, end, ok := strings.Cut(attribute[i+len(option):], "-")
	from, err := strconv.ParseUint(low, 10, 31)
	if !ok || err != nil {
		return attribute, 0, false
	}
	if end == "*" {
		return name, -1, true
	}
	to, err := strconv.ParseUint(end, 10, 31)
	if err != nil || to < from {
		return attribute, 0, false
	}
	return name, int(to), true
}
