package adfake

import (
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// truth is what a filter says of an object: an attribute that the schema does not have is neither.
type truth int

const (
	no truth = iota
	yes
	unknown
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

const (
	matchAnd = "1.2.840.113556.1.4.803"
	matchOr  = "1.2.840.113556.1.4.804"
)

// checkFilter finds a filter that is malformed.
func checkFilter(p *ber.Packet) error {
	if p.ClassType != ber.ClassContext {
		return errMessage
	}
	switch p.Tag {
	case ldap.FilterAnd, ldap.FilterOr, ldap.FilterNot:
		if p.Tag == ldap.FilterNot && len(p.Children) != 1 {
			return errMessage
		}
		for _, c := range p.Children {
			if err := checkFilter(c); err != nil {
				return err
			}
		}
		return nil
	case ldap.FilterEqualityMatch, ldap.FilterGreaterOrEqual, ldap.FilterLessOrEqual, ldap.FilterApproxMatch, ldap.FilterSubstrings:
		_, err := kids(p, 2)
		return err
	case ldap.FilterExtensibleMatch:
		_, err := kids(p, 2)
		return err
	case ldap.FilterPresent:
		return nil
	default:
		return errMessage
	}
}

// filter returns what tells whether an object is looked for. What does not depend on the object is worked out once.
func (d *directory) filter(p *ber.Packet) func(*object) truth {
	switch p.Tag {
	case ldap.FilterAnd, ldap.FilterOr:
		var parts []func(*object) truth
		for _, c := range p.Children {
			parts = append(parts, d.filter(c))
		}
		decided, otherwise := no, yes
		if p.Tag == ldap.FilterOr {
			decided, otherwise = yes, no
		}
		return func(o *object) truth {
			out := otherwise
			for _, part := range parts {
				if t := part(o); t == decided {
					return t
				} else if t == unknown {
					out = unknown
				}
			}
			return out
		}
	case ldap.FilterNot:
		part := d.filter(p.Children[0])
		return func(o *object) truth {
			switch part(o) {
			case yes:
				return no
			case no:
				return yes
			default:
				return unknown
			}
		}
	case ldap.FilterExtensibleMatch:
		return d.extensible(p)
	}
	name, test := text(p), func(string) bool { return true }
	if p.Tag != ldap.FilterPresent {
		name = text(p.Children[0])
	}
	a, ok := d.attribute(name)
	if !ok {
		return unknowable
	}
	if p.Tag != ldap.FilterPresent {
		test = d.test(a, p)
	}
	return func(o *object) truth { return truthOf(slices.ContainsFunc(d.valuesOf(o, a), test)) }
}

func unknowable(*object) truth { return unknown }

// test returns what a value must be.
func (d *directory) test(a attribute, p *ber.Packet) func(string) bool {
	if p.Tag == ldap.FilterSubstrings {
		return substrings(p.Children[1].Children)
	}
	want := text(p.Children[1])
	switch {
	case a.name == "objectGUID" || a.name == "objectSid":
		return func(v string) bool { return v == want }
	case a.name == "objectCategory" && !strings.Contains(want, "="):
		return func(v string) bool { // by the name of the class, organizationalUnit
			name, _, _ := strings.Cut(strings.TrimPrefix(fold(v), "cn="), ",")
			return strings.ReplaceAll(name, "-", "") == strings.ReplaceAll(fold(want), "-", "")
		}
	case a.dn:
		key := ""
		if o, err := d.find(want); err == nil && o != nil {
			key = o.key()
		} else if key, err = dnKey(want); err != nil {
			return func(string) bool { return false }
		}
		return func(v string) bool {
			have, err := dnKey(v)
			return err == nil && have == key
		}
	case a.number:
		n, err := strconv.ParseInt(want, 10, 64)
		return func(v string) bool {
			have, bad := strconv.ParseInt(v, 10, 64)
			return err == nil && bad == nil && compared(p.Tag, int(min(max(have-n, -1), 1)))
		}
	default:
		want = fold(want)
		return func(v string) bool { return compared(p.Tag, strings.Compare(fold(v), want)) }
	}
}

func compared(tag ber.Tag, order int) bool {
	switch tag {
	case ldap.FilterGreaterOrEqual:
		return order >= 0
	case ldap.FilterLessOrEqual:
		return order <= 0
	default:
		return order == 0
	}
}

func substrings(parts []*ber.Packet) func(string) bool {
	return func(v string) bool {
		rest := fold(v)
		for _, p := range parts {
			part := fold(text(p))
			switch p.Tag {
			case ldap.FilterSubstringsInitial:
				if !strings.HasPrefix(rest, part) {
					return false
				}
				rest = rest[len(part):]
			case ldap.FilterSubstringsFinal:
				return strings.HasSuffix(rest, part)
			default:
				_, after, ok := strings.Cut(rest, part)
				if !ok {
					return false
				}
				rest = after
			}
		}
		return true
	}
}

// extensible knows the two rules that look at bits.
func (d *directory) extensible(p *ber.Packet) func(*object) truth {
	var rule, name, want string
	for _, c := range p.Children {
		switch c.Tag {
		case ldap.MatchingRuleAssertionMatchingRule:
			rule = text(c)
		case ldap.MatchingRuleAssertionType:
			name = text(c)
		case ldap.MatchingRuleAssertionMatchValue:
			want = text(c)
		}
	}
	a, ok := d.attribute(name)
	bits, err := strconv.ParseInt(want, 10, 64)
	if !ok || err != nil || rule != matchAnd && rule != matchOr {
		return unknowable
	}
	return func(o *object) truth {
		return truthOf(slices.ContainsFunc(d.valuesOf(o, a), func(v string) bool {
			n, err := strconv.ParseInt(v, 10, 64)
			return err == nil && (rule == matchAnd && n&bits == bits || rule == matchOr && n&bits != 0)
		}))
	}
}
