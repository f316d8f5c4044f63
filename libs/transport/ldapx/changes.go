package ldapx

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
)

// RootDSE is what a server says of itself.
type RootDSE struct {
	BaseDN       string // of its domain
	ConfigDN     string // of the forest's configuration
	ServerName   string
	Controls     []string
	Capabilities []string
	Ready        bool  // its global catalogue holds what it should
	USN          int64 // of its last change
}

// capabilityAD says that a server is Active Directory.
const capabilityAD = "1.2.840.113556.1.4.800"

// IsAD tells whether the server is Active Directory.
func (r RootDSE) IsAD() bool { return slices.Contains(r.Capabilities, capabilityAD) }

// Can tells whether the server knows a control.
func (r RootDSE) Can(oid string) bool { return slices.Contains(r.Controls, oid) }

// RootDSE asks the server about itself.
func (c *Client) RootDSE(ctx context.Context) (r RootDSE, err error) {
	err = c.do(ctx, func(s *session) (err error) {
		r, err = c.rootDSE(ctx, s)
		return err
	})
	return r, err
}

func (c *Client) rootDSE(ctx context.Context, s *session) (r RootDSE, err error) {
	var result *ldap.SearchResult
	q := Query{Attributes: []string{
		"defaultNamingContext", "configurationNamingContext", "dnsHostName", "supportedControl", "supportedCapabilities",
		"isGlobalCatalogReady", "highestCommittedUSN",
	}}
	err = c.ask(ctx, s, func() (err error) {
		result, err = s.Conn.Search(q.request())
		return err
	})
	if err != nil {
		return r, err
	}
	if len(result.Entries) != 1 {
		return r, reason.Errorf(reason.Transient, nil, reason.AnswerUnreadable, "address", c.Address(), "what", "root DSE")
	}
	e := result.Entries[0]
	r = RootDSE{
		BaseDN:       e.GetEqualFoldAttributeValue("defaultNamingContext"),
		ConfigDN:     e.GetEqualFoldAttributeValue("configurationNamingContext"),
		ServerName:   e.GetEqualFoldAttributeValue("dnsHostName"),
		Controls:     e.GetEqualFoldAttributeValues("supportedControl"),
		Capabilities: e.GetEqualFoldAttributeValues("supportedCapabilities"),
		Ready:        e.GetEqualFoldAttributeValue("isGlobalCatalogReady") == "TRUE",
	}
	if usn := e.GetEqualFoldAttributeValue("highestCommittedUSN"); usn != "" {
		if r.USN, err = strconv.ParseInt(usn, 10, 64); err != nil {
			return r, reason.Errorf(reason.Transient, nil, reason.AnswerUnreadable, "address", c.Address(), "what", "highestCommittedUSN")
		}
	}
	return r, nil
}

// objectSecurity has DirSync show what the account may read, instead of needing the right to replicate the domain.
const objectSecurity = 1

// Changes returns what changed since a cookie, deleted objects too, and the cookie for the next time (DirSync). An
// object comes with objectGUID and those of the query's attributes that changed. With no cookie everything that exists
// has changed. q.Base is the domain. more tells that the server holds more already.
func (c *Client) Changes(ctx context.Context, q Query, cookie []byte) (list []*ldap.Entry, next []byte, more bool, err error) {
	q.Scope = ldap.ScopeWholeSubtree
	err = c.do(ctx, func(s *session) error {
		var result *ldap.SearchResult
		err := c.ask(ctx, s, func() (err error) {
			result, err = s.Conn.Search(q.request(ldap.NewRequestControlDirSync(objectSecurity, 0, cookie)))
			return err
		})
		if err != nil {
			return err
		}
		answer, ok := ldap.FindControl(result.Controls, ldap.ControlTypeDirSync).(*ldap.ControlDirSync)
		if !ok || len(answer.Cookie) == 0 {
			return reason.Errorf(reason.Transient, nil, reason.AnswerUnreadable, "address", c.Address(), "what", "DirSync")
		}
		list, next, more = result.Entries, answer.Cookie, answer.Flags != 0
		return nil
	})
	return list, next, more, err
}

// ChangedSince returns what changed after a number of the server's, and the number for the next time. Numbers are those
// of one domain controller: where [RootDSE.ServerName] is another one, begin with 0.
func (c *Client) ChangedSince(ctx context.Context, q Query, usn int64) (list []*ldap.Entry, next int64, err error) {
	root, err := c.RootDSE(ctx) // first: what changes during the search comes again
	if err != nil {
		return nil, 0, err
	}
	filter := q.Filter
	if filter == "" {
		filter = anything
	}
	q.Filter = fmt.Sprintf("(&(uSNChanged>=%d)%s)", usn+1, filter)
	if list, err = c.Search(ctx, q); err != nil {
		return nil, 0, err
	}
	return list, root.USN, nil
}
