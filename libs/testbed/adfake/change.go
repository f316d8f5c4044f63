package adfake

import (
	"slices"
	"strconv"

	"github.com/go-ldap/ldap/v3"
)

// change makes one change of a draft, by the rules of its attribute.
func (d *directory) change(o *object, c change) result {
	a, ok := d.attribute(c.name)
	switch {
	case !ok:
		return unknownAttribute()
	case a.name == "unicodePwd":
		return d.setPassword(o, c.values)
	case a.system:
		return unwilling("0000209A")
	case a.rdn:
		return refusal(67, "00002016", "UpdErr: DSID-031A1236, problem 6004 (CANT_ON_RDN), data 0\n")
	case a.name == "objectClass":
		return refusal(69, "000020B1", "UpdErr: DSID-031A1236, problem 6009 (CANT_MOD_OBJ_CLASS), data 0\n")
	}
	for _, v := range c.values {
		if bad := judgeValue(a, v); bad.code != 0 {
			return bad
		}
	}
	if a.name == "member" {
		return d.changeMembers(o, c)
	}
	if a.dn {
		for i, v := range c.values {
			other, err := d.find(v)
			if err != nil || other == nil {
				return refusal(32, "00000525", "NameErr: DSID-031A11DA, problem 2001 (NO_OBJECT), data 0\n")
			}
			c.values[i] = other.dn()
		}
	}
	return changeValues(o, a, c)
}

func judgeValue(a attribute, v string) result {
	if v == "" {
		return attributeRefused(21, "0000200B", "1001 (INVALID_ATTRIBUTE_SYNTAX)", a.name)
	}
	if a.max > 0 && len([]rune(v)) > a.max {
		return attributeRefused(19, "00002082", "1005 (CONSTRAINT_ATT_TYPE)", a.name)
	}
	if a.number {
		if _, err := strconv.ParseInt(v, 10, 64); err != nil {
			return attributeRefused(21, "0000200B", "1001 (INVALID_ATTRIBUTE_SYNTAX)", a.name)
		}
	}
	return result{}
}

func changeValues(o *object, a attribute, c change) result {
	values := slices.Clone(o.attrs[a.name])
	switch c.op {
	case ldap.AddAttribute:
		for _, v := range c.values {
			if indexFold(values, v) >= 0 {
				if c.lenient {
					continue
				}
				return attributeRefused(20, "00002083", "1006 (ATT_OR_VALUE_EXISTS)", a.name)
			}
			values = append(values, v)
		}
	case ldap.DeleteAttribute:
		if len(values) == 0 {
			if c.lenient {
				return result{}
			}
			return attributeRefused(16, "00002085", "1001 (NO_ATTRIBUTE_OR_VAL)", a.name)
		}
		for _, v := range c.values {
			i := indexFold(values, v)
			if i < 0 && c.lenient {
				continue
			}
			if i < 0 {
				return attributeRefused(16, "00002085", "1001 (NO_ATTRIBUTE_OR_VAL)", a.name)
			}
			values = slices.Delete(values, i, i+1)
		}
		if len(c.values) == 0 {
			values = nil
		}
	case ldap.ReplaceAttribute:
		values = slices.Clone(c.values)
	default:
		return refusal(2, "00000057", "LdapErr: DSID-0C090AD1, comment: Error decoding ldap message, data 0, v3839")
	}
	if !a.multi && len(values) > 1 {
		return attributeRefused(19, "00002081", "1005 (CONSTRAINT_ATT_TYPE)", a.name)
	}
	if a.name == "pwdLastSet" && len(values) == 1 && values[0] != "0" && values[0] != "-1" && o.value("pwdLastSet") != values[0] {
		return unwilling("0000209A")
	}
	if a.name == "lockoutTime" {
		o.wrong = 0
	}
	if len(values) == 0 {
		delete(o.attrs, a.name)
	} else {
		o.attrs[a.name] = values
	}
	return result{}
}

func indexFold(values []string, v string) int {
	return slices.IndexFunc(values, func(have string) bool { return fold(have) == fold(v) })
}

func (d *directory) changeMembers(o *object, c change) result {
	if !o.is("group") {
		return refusal(65, "0000207D", "UpdErr: DSID-03151A2B, problem 6002 (OBJ_CLASS_VIOLATION), data 0\n")
	}
	if c.op == ldap.ReplaceAttribute || c.op == ldap.DeleteAttribute && len(c.values) == 0 {
		o.members = nil
	}
	for _, v := range c.values {
		m, err := d.find(v)
		switch {
		case err != nil:
			return badDN()
		case m == nil || m.deleted:
			return refusal(32, "00000525", "NameErr: DSID-031A11DA, problem 2001 (NO_OBJECT), data 0\n")
		}
		i := slices.Index(o.members, m)
		switch {
		case c.lenient && c.op != ldap.ReplaceAttribute && (i >= 0) == (c.op == ldap.AddAttribute): // as was asked
		case c.op == ldap.DeleteAttribute && i < 0:
			return unwilling("00000561")
		case c.op == ldap.DeleteAttribute:
			o.members = slices.Delete(o.members, i, i+1)
		case i >= 0:
			return exists("00000562")
		case !m.is("user") && !m.is("group") && !m.is("contact"):
			return unwilling("00000525")
		default:
			o.members = append(o.members, m)
		}
	}
	return result{}
}

// setPassword gives an account a password, whoever had it before.
func (d *directory) setPassword(o *object, values []string) result {
	if len(values) != 1 {
		return unwilling("0000001F")
	}
	password, ok := plainPassword(values[0])
	if !ok {
		return unwilling("0000001F")
	}
	if !strong(password, o.value("sAMAccountName"), d.o.MinPassword) {
		return unwilling("0000052D")
	}
	o.password = password
	if o.value("pwdLastSet") != "0" || o.live != o { // an add may ask for a change at the next sign-in
		o.attrs["pwdLastSet"] = []string{strconv.FormatInt(ticks(d.o.Now()), 10)}
	}
	return result{}
}

// changePassword makes the changes of a modify that are about the password: replace alone, or delete and add.
func (d *directory) changePassword(o *object, changes []change) result {
	var mine []change
	for _, c := range changes {
		if isPassword(c) {
			mine = append(mine, c)
		}
	}
	switch {
	case len(mine) == 0:
		return result{}
	case len(mine) == 1 && mine[0].op == ldap.ReplaceAttribute:
		return d.setPassword(o, mine[0].values)
	case len(mine) == 2 && mine[0].op == ldap.DeleteAttribute && mine[1].op == ldap.AddAttribute && len(mine[0].values) == 1:
		if old, ok := plainPassword(mine[0].values[0]); !ok || old != o.password {
			return attributeRefused(19, "00000056", "1005 (CONSTRAINT_ATT_TYPE)", "unicodePwd")
		}
		return d.setPassword(o, mine[1].values)
	default:
		return unwilling("0000001F")
	}
}
