package ldapx

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
)

// Error is what a server answered, or that it did not. It has no text of the server's, which may hold names of people.
type Error struct {
	Op     string // add, bind, delete, modify, rename, search
	Code   uint16 // LDAP's result code; of 200 and above: those of the library, for what is no answer
	Hex    string // the code of Windows that begins the diagnostic text, 0000052D; or nothing
	Data   string // what a refused sign-in says beside it, 52e; or nothing
	Unsure bool   // a write that got no answer: it may have been done
	Err    error  // what broke, where nothing was answered; or nil

	member bool // it was about members of a group
}

// Error returns the operation and the codes.
func (e *Error) Error() string {
	if e.Code >= ldap.ErrorNetwork {
		if e.Err == nil {
			return e.Op + ": no answer"
		}
		return e.Op + ": no answer: " + e.Err.Error()
	}
	return e.Op + ": " + e.code()
}

// Unwrap returns what broke.
func (e *Error) Unwrap() error { return e.Err }

// code returns what a person at the directory can look up.
func (e *Error) code() string {
	s := fmt.Sprintf("result %d", e.Code)
	if e.Hex != "" {
		s += ", " + e.Hex
	}
	if e.Data != "" {
		s += ", data " + e.Data
	}
	return s
}

// Of returns what a server answered; nothing of an error that is not an answer.
func Of(err error) Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return *e
	}
	return Error{}
}

// Is tells whether a server answered with one of the result codes (ldap.LDAPResult…).
func Is(err error, codes ...uint16) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && slices.Contains(codes, e.Code)
}

// Unsure tells whether an error is that of a write which may have been done although no answer came.
func Unsure(err error) bool { return Of(err).Unsure }

// ValueExists tells whether a value was not added because it is there: a member, or a value of another attribute.
func ValueExists(err error) bool {
	e := Of(err)
	return Is(err, ldap.LDAPResultAttributeOrValueExists) || Is(err, ldap.LDAPResultEntryAlreadyExists) && e.member && (e.Hex == hexMemberThere || e.Hex == "")
}

// ValueMissing tells whether a value was not removed because it is not there.
func ValueMissing(err error) bool {
	e := Of(err)
	return Is(err, ldap.LDAPResultNoSuchAttribute) && reason.Of(err).Code == reason.ItemChanged ||
		Is(err, ldap.LDAPResultUnwillingToPerform) && e.member && (e.Hex == hexMemberGone || e.Hex == "")
}

// WeakPassword tells whether a password was refused by the domain's rules, or an account because it has none.
func WeakPassword(err error) bool { return Of(err).Hex == hexPassword }

// Missing tells whether the object of a request, or its parent, does not exist.
func Missing(err error) bool { return Is(err, ldap.LDAPResultNoSuchObject) }

// The operations.
const (
	opAdd    = "add"
	opBind   = "bind"
	opDelete = "delete"
	opModify = "modify"
	opRename = "rename"
	opSearch = "search"
)

// Codes of Windows that begin a diagnostic text.
const (
	hexPassword     = "0000052D" // the password does not meet the rules
	hexUserExists   = "00000524"
	hexGroupExists  = "00000526"
	hexAliasExists  = "00000563"
	hexSAMExists    = "00002071" // Samba; of Windows: an object's name
	hexMemberGone   = "00000561"
	hexMemberThere  = "00000562"
	hexUPNExists    = "000021C8"
	hexConstraint   = "0000202F"
	hexBadPassword  = "0000052C" // it is no password at all
	hexLastAdmin    = "0000052A"
	hexSpecialUser  = "0000055B" // an account that is built in; the next two: a group, a user
	hexSpecialGroup = "0000055C"
	hexSpecialOwn   = "0000055D"
	hexPrimaryGroup = "0000055E"
	hexMayNotDelete = "000020CE"
	hexOwnedBySAM   = "0000209A"
	hexIllegalMod   = "00002077"
	hexSecurityMod  = "000020E7"
	hexGroupFirst   = "00002141" // of those about the scope of groups, which come in a row
	hexGroupLast    = "00002149"
	hexBadName      = "00000523" // of an account
	hexNoAttribute  = "00000057" // Windows: the schema has no such attribute
	hexNotInSchema  = "0000200A" // Samba: the same
	attributeUPN    = "userPrincipalName"
	attributeSAM    = "sAMAccountName"
	attributeMember = "member"
)

// request says what was asked, for the meaning of its answer.
type request struct {
	op         string
	write      bool
	attributes []string // that it changes
	deletes    bool     // it takes values away that must be there
}

func (r request) has(attribute string) bool {
	return slices.ContainsFunc(r.attributes, func(a string) bool { return strings.EqualFold(a, attribute) })
}

// explain turns an error of the library into one with a fault and a reason.
func (c *Client) explain(address string, r request, err error) error {
	result, ok := errors.AsType[*ldap.Error](err)
	if !ok {
		// The library has no type for an answer that it cannot read, nor for a request that it could not send.
		result = &ldap.Error{ResultCode: ldap.ErrorNetwork, Err: err}
	}
	e := &Error{Op: r.op, Code: result.ResultCode, member: r.op == opModify && r.has(attributeMember)}
	switch {
	case e.Code == ldap.ErrorFilterCompile || e.Code == ldap.ErrorEmptyPassword:
		return reason.Errorf(reason.Invalid, e, reason.ItemRefused, "address", address, "what", fmt.Sprintf("%s %d", r.op, e.Code))
	case e.Code == ldap.ErrorNetwork && !strings.Contains(err.Error(), "unexpected response"):
		e.Unsure, e.Err = r.write, err
		return reason.Errorf(reason.Transient, e, reason.Unreachable, "address", address)
	case e.Code >= ldap.ErrorNetwork:
		e.Unsure = r.write
		return reason.Errorf(reason.Transient, e, reason.AnswerUnreadable, "address", address, "what", r.op)
	}
	if result.Err != nil {
		e.Hex, e.Data = diagnostic(result.Err.Error())
	}
	fault, code, args := c.judge(r, e)
	return reason.Errorf(fault, e, code, append(args, "address", address)...)
}

// judge says what an answer means.
func (c *Client) judge(r request, e *Error) (reason.Fault, reason.Code, []any) {
	coded := []any{"code", e.code()}
	switch e.Code {
	case ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication:
		return reason.Misconfigured, signInReason(e.Data), []any{"user", c.cfg.User}
	case ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired, ldap.LDAPResultAuthMethodNotSupported:
		return reason.Misconfigured, reason.EncryptionRequired, coded
	case ldap.LDAPResultInsufficientAccessRights:
		return reason.Misconfigured, reason.RightMissing, []any{"user", c.cfg.User, "operation", r.op}
	case ldap.LDAPResultReferral, ldap.LDAPResultAffectsMultipleDSAs:
		return reason.Misconfigured, reason.OtherDomain, coded
	case ldap.LDAPResultUnavailableCriticalExtension, ldap.LDAPResultUndefinedAttributeType:
		return reason.Misconfigured, reason.DirectoryLacks, coded
	case ldap.LDAPResultBusy:
		return reason.Transient, reason.Throttled, nil
	case ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultAdminLimitExceeded:
		return reason.Transient, reason.DirectoryLimit, coded
	case ldap.LDAPResultEntryAlreadyExists:
		return reason.Conflict, existsReason(e), []any{"column", takenColumn(r, e)}
	case ldap.LDAPResultNoSuchAttribute:
		if !r.deletes || e.Hex == hexNoAttribute || e.Hex == hexNotInSchema {
			return reason.Misconfigured, reason.DirectoryLacks, coded
		}
		return reason.Conflict, reason.ItemChanged, nil
	case ldap.LDAPResultAttributeOrValueExists, ldap.LDAPResultNoSuchObject:
		return reason.Conflict, reason.ItemChanged, nil
	case ldap.LDAPResultNotAllowedOnNonLeaf:
		return reason.Conflict, reason.NotEmpty, nil
	case ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform:
		return judgeConstraint(r, e)
	case ldap.LDAPResultInvalidAttributeSyntax, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultNamingViolation, ldap.LDAPResultObjectClassViolation,
		ldap.LDAPResultNotAllowedOnRDN, ldap.LDAPResultObjectClassModsProhibited, ldap.LDAPResultInappropriateMatching, ldap.LDAPResultProtocolError:
		return reason.Invalid, reason.ItemRefused, []any{"what", e.code()}
	case ldap.LDAPResultOther:
		if e.Hex == hexBadName {
			return reason.Invalid, reason.ItemRefused, []any{"what", e.code()}
		}
		return reason.Transient, reason.DirectoryFailed, coded
	default: // 1 and 52 among them
		return reason.Transient, reason.DirectoryFailed, coded
	}
}

// judgeConstraint says what the two answers mean by which a directory says that it will not: 19 and 53. Windows and Samba
// give the same code with one or the other.
func judgeConstraint(r request, e *Error) (reason.Fault, reason.Code, []any) {
	coded := []any{"what", e.code()}
	switch {
	case e.Hex == hexPassword && r.write && !r.has(AttributePassword):
		return reason.Invalid, reason.PasswordNeeded, nil
	case e.Hex == hexPassword, e.Hex == hexBadPassword:
		return reason.Invalid, reason.PasswordRefused, nil
	case e.Hex == hexMemberGone, e.Hex == hexMemberThere, e.Hex == "" && e.member && e.Code == ldap.LDAPResultUnwillingToPerform: // Samba says no code
		return reason.Conflict, reason.ItemChanged, nil
	case e.Hex == hexUPNExists, e.Hex == hexConstraint && r.has(attributeUPN):
		return reason.Conflict, reason.NameTaken, []any{"column", attributeUPN}
	case slices.Contains([]string{hexLastAdmin, hexSpecialUser, hexSpecialGroup, hexSpecialOwn, hexMayNotDelete}, e.Hex):
		return reason.Invalid, reason.ObjectGuarded, coded
	case e.Hex == hexOwnedBySAM, e.Hex == hexIllegalMod, e.Hex == hexSecurityMod:
		return reason.Invalid, reason.AttributeGuarded, coded
	case e.Hex == hexPrimaryGroup:
		return reason.Invalid, reason.PrimaryGroup, coded
	case e.Hex >= hexGroupFirst && e.Hex <= hexGroupLast:
		return reason.Invalid, reason.GroupTypeRefused, coded
	case e.Code == ldap.LDAPResultUnwillingToPerform:
		return reason.Invalid, reason.DirectoryUnwilling, coded
	default:
		return reason.Invalid, reason.ItemRefused, coded
	}
}

// existsReason tells a name that is taken from a member that is there.
func existsReason(e *Error) reason.Code {
	if e.Hex == hexMemberThere || e.member && e.Hex == "" {
		return reason.ItemChanged
	}
	return reason.NameTaken
}

func takenColumn(r request, e *Error) string {
	switch {
	case slices.Contains([]string{hexUserExists, hexGroupExists, hexAliasExists, hexSAMExists}, e.Hex) && r.op != opRename, r.op == opModify:
		return attributeSAM
	default:
		return "dn"
	}
}

// signInReason says why a sign-in was refused.
func signInReason(data string) reason.Code {
	switch data {
	case "530", "531": // not at this hour, not from here
		return reason.SignInRestricted
	case "532", "773": // expired, must be changed first
		return reason.PasswordExpired
	case "533":
		return reason.AccountDisabled
	case "701":
		return reason.AccountExpired
	case "775":
		return reason.AccountLocked
	default: // 525 and 52e: no such user, wrong password
		return reason.WrongCredentials
	}
}

// diagnostic returns the stable parts of a diagnostic text: the eight hexadecimal digits that it begins with, in upper
// case, and the number after "data" of a refused sign-in, in lower case.
func diagnostic(text string) (hex, data string) {
	const digits = 8
	if len(text) > digits && text[digits] == ':' && isHex(text[:digits]) {
		hex = strings.ToUpper(text[:digits])
	}
	if hex == "" {
		return "", ""
	}
	if _, after, ok := strings.Cut(text, ", data "); ok {
		if data, _, ok = strings.Cut(after, ","); !ok || len(data) > digits || !isHex(data) {
			data = ""
		}
	}
	return hex, strings.ToLower(data)
}

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// explainDial says why a server could not be reached, or is not the one that it should be.
func (c *Client) explainDial(ctx, limit context.Context, srv *server, err error) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case ctx.Err() != nil:
		return ended(ctx, srv.name)
	case limit.Err() != nil:
		return reason.Errorf(reason.Transient, nil, reason.NoAnswer, "address", srv.name, "time", c.cfg.ConnectTimeout)
	case errors.As(err, &unknown):
		return reason.Errorf(reason.Misconfigured, nil, reason.CertificateUnknown, "address", srv.name)
	case errors.As(err, &name):
		wanted := c.cfg.ServerName
		if wanted == "" {
			wanted = srv.host
		}
		return reason.Errorf(reason.Misconfigured, nil, reason.CertificateName, "address", srv.name, "name", wanted)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return reason.Errorf(reason.Misconfigured, nil, reason.CertificateExpired, "address", srv.name, "day", invalid.Cert.NotAfter.UTC().Format("2006-01-02"))
	case errors.As(err, &invalid):
		return reason.Errorf(reason.Misconfigured, err, reason.CertificateUnknown, "address", srv.name)
	default:
		return reason.Errorf(reason.Transient, err, reason.Unreachable, "address", srv.name)
	}
}
