package ldapx

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
)

// RootDSE is what a server says of itself.
type RootDSE struct {
	BaseDN       string // of its domain
	ConfigDN     string // of the forest's configuration
	ServerName   string
	ServiceDN    string // of the object that stands for the server itself
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
		"defaultNamingContext", "configurationNamingContext", "dnsHostName", "dsServiceName", "supportedControl", "supportedCapabilities",
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
		ServiceDN:    e.GetEqualFoldAttributeValue("dsServiceName"),
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

// Mark is how far the database of a domain controller has come. Each counts by itself, and anew once it was restored.
type Mark struct {
	Database GUID
	USN      int64
}

// String returns what [ParseMark] reads.
func (m Mark) String() string { return m.Database.String() + "/" + strconv.FormatInt(m.USN, 10) }

// ParseMark reads a mark.
func ParseMark(text string) (m Mark, err error) {
	database, usn, _ := strings.Cut(text, "/")
	if m.Database, err = ParseGUID(database); err != nil {
		return m, err
	}
	m.USN, err = strconv.ParseInt(usn, 10, 64)
	return m, err
}

// Precedes tells whether what changed between two marks can be told: they are of one database, which was not set back.
func (m Mark) Precedes(now Mark) bool { return m.Database == now.Database && m.USN <= now.USN }

// Since is the filter for what changed after a mark.
func (m Mark) Since() string { return fmt.Sprintf("(uSNChanged>=%d)", m.USN+1) }

// Mark returns how far the domain controller has come.
func (c *Client) Mark(ctx context.Context) (m Mark, err error) {
	root, err := c.RootDSE(ctx)
	if err != nil {
		return m, err
	}
	e, err := c.Read(ctx, root.ServiceDN, "invocationId")
	if err != nil {
		return m, err
	}
	if m.Database, err = GUIDOf(e.GetEqualFoldRawAttributeValue("invocationId")); err != nil {
		return m, reason.Errorf(reason.Transient, err, reason.AnswerUnreadable, "address", c.Address(), "what", "invocationId")
	}
	m.USN = root.USN
	return m, nil
}
