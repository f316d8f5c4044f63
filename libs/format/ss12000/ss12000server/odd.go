package ss12000server

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/format/ss12000"
)

// Oddities are what servers do that the standard does not have, or leave out of it.
type Oddities struct {
	TimesWithoutZone bool // in meta
	NumericToken     bool // pageToken is a number
	CountsPages      bool // pages are counted, so that who joins or leaves while a list is read moves others to another page
	FlatDeleted      bool // deletedEntities is a list of {entityType, id, deletedAt}
	RightSpelling    bool // activities instead of activitites, enrolledAt instead of enroledAt
	UpperReferences  bool // ids of references are in capitals
	NumbersForTexts  bool // schoolUnitCode and civicNo.value are numbers
	NullsForNothing  bool // what is absent is null
	BareWords        bool // å, ä and ö are left out of words of the standard: "Larare"
	UntypedEmails    bool // emails have no type
	MoreProperties   bool // objects have properties that the standard does not
	// Hidden are attributes of persons that the caller's scope does not have: "civicNo", "emails",
	// "eduPersonPrincipalNames", "enrolments", "securityMarking", "sex", "birthDate".
	Hidden []string
}

// EduCloud returns the options of a server like EduCloud's, for a customer such as SE00100.
func EduCloud(customer string, now func() time.Time) Options {
	return Options{
		Path: "/ss12000v2-api/source/" + customer + "/v2.0", Now: now, Limit: 1000, MaxLimit: 2000, TokenLife: 10 * time.Minute,
		Auth: Auth{ClientID: "provkommunen.eventful", ClientSecret: "hemligt", Life: time.Hour},
	}
}

// SchoolSoft returns the options of a server like SchoolSoft's, as far as anything is known of it.
func SchoolSoft(now func() time.Time) Options {
	return Options{Path: "/prov/api/v1", Now: now, Auth: Auth{Token: "hemligt"}, Oddities: Oddities{BareWords: true, UntypedEmails: true}}
}

// Skolplatsen returns the options of a server with an id, a secret and a client certificate. As of Quiculum and Metakatalog
// nothing is publicly known of it but that it is among the registers that are read: it is of the standard, and each of the
// three has another way to sign in that vendors have.
func Skolplatsen(now func() time.Time) Options {
	return Options{Path: "/v2.0", Now: now, Auth: Auth{ClientID: "prov", ClientSecret: "hemligt", Certificate: true}}
}

// Quiculum is one with a token that never changes; see [Skolplatsen].
func Quiculum(now func() time.Time) Options {
	return Options{Path: "/v2.0", Now: now, Auth: Auth{Token: "hemligt"}}
}

// Metakatalog is one with a key in a header; see [Skolplatsen].
func Metakatalog(now func() time.Time) Options {
	return Options{Path: "/v2.0", Now: now, Auth: Auth{Header: "X-API-Key", Key: "hemligt"}}
}

// Demo returns the options of a server like the one public demonstration server that was measured. Its register has
// [TeachersAsRoles].
func Demo(now func() time.Time) Options {
	return Options{Path: "/v2.0", Now: now, Limit: 50, MaxLimit: 100, Oddities: Oddities{
		TimesWithoutZone: true, NumericToken: true, CountsPages: true, FlatDeleted: true, MoreProperties: true, NullsForNothing: true,
	}}
}

// TeachersAsRoles returns the objects of a register that has no activities, and in which who teaches a group has a role
// there that the standard does not know: "Lärare".
func TeachersAsRoles(objects []ss12000.Object) (out []ss12000.Object) {
	roles := map[string][]ss12000.Assignment{} // by duty
	for _, o := range objects {
		if a, ok := o.(*ss12000.Activity); ok {
			for _, t := range a.Teachers {
				for _, g := range a.Groups {
					roles[t.Duty.ID] = append(roles[t.Duty.ID], ss12000.Assignment{Group: g, Role: "Lärare", Start: t.Start, End: t.End})
				}
			}
		}
	}
	for _, o := range objects {
		switch o := o.(type) {
		case *ss12000.Activity:
		case *ss12000.Duty:
			d := *o
			d.Assignments = append(slices.Clip(d.Assignments), roles[d.ID]...)
			out = append(out, &d)
		default:
			out = append(out, o)
		}
	}
	return out
}

// rewrites tells whether objects are written otherwise than the standard has it.
func (o Oddities) rewrites() bool {
	return o.TimesWithoutZone || o.RightSpelling || o.UpperReferences || o.NumbersForTexts || o.NullsForNothing ||
		o.BareWords || o.UntypedEmails || o.MoreProperties || len(o.Hidden) > 0
}

// write writes an object as this server does.
func (s *Server) write(o ss12000.Object) []byte {
	body := ss12000.Append(nil, o)
	if !s.o.Oddities.rewrites() {
		return body
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return body // it was written a line above
	}
	s.o.Oddities.rewrite(o.Resource(), m)
	odd, err := json.Marshal(m)
	if err != nil {
		return body
	}
	return odd
}

// rewrite makes an object odd.
func (o Oddities) rewrite(of ss12000.Resource, m map[string]any) {
	if of == ss12000.Persons {
		for _, name := range o.Hidden {
			delete(m, name)
		}
	}
	if o.MoreProperties {
		m["groupCode"], m["x-internal"] = "G1", map[string]any{"id": 1}
	}
	if o.NullsForNothing {
		for _, name := range []string{"endDate", "schoolUnitCode", "parentOrganisation", "enrolments", "groupMemberships", "emails", "middleName"} {
			if _, there := m[name]; !there {
				m[name] = nil
			}
		}
	}
	o.walk(m)
}

func (o Oddities) walk(value any) {
	switch v := value.(type) {
	case []any:
		for _, x := range v {
			o.walk(x)
		}
	case map[string]any:
		for name, x := range v {
			o.member(v, name, x)
		}
	}
}

// member makes a member of an object odd.
func (o Oddities) member(m map[string]any, name string, value any) {
	text, _ := value.(string)
	inner, _ := value.(map[string]any)
	switch {
	case name == "meta" && o.TimesWithoutZone:
		for k, t := range inner {
			s, _ := t.(string)
			inner[k] = strings.TrimSuffix(s, "Z")
		}
	case name == "enroledAt" && o.RightSpelling:
		delete(m, name)
		m["enrolledAt"] = value
	case (name == "schoolUnitCode" || name == "value") && o.NumbersForTexts && digits(text):
		m[name] = json.Number(text)
	case slices.Contains([]string{"dutyRole", "groupType", "organisationType", "assignmentRoleType"}, name) && o.BareWords:
		m[name] = strings.NewReplacer("å", "a", "ä", "a", "ö", "o", "Å", "A", "Ä", "A", "Ö", "O").Replace(text)
	case name == "emails" && o.UntypedEmails:
		list, _ := value.([]any)
		for _, x := range list {
			if e, ok := x.(map[string]any); ok {
				delete(e, "type")
			}
		}
	}
	// A reference is an object that has an id, and is not what its list is of.
	if id, ok := inner["id"].(string); ok && o.UpperReferences {
		inner["id"] = strings.ToUpper(id)
	}
	if list, ok := value.([]any); ok && name == "groups" && o.UpperReferences {
		for _, x := range list {
			if ref, ok := x.(map[string]any); ok {
				id, _ := ref["id"].(string)
				ref["id"] = strings.ToUpper(id)
			}
		}
	}
	o.walk(m[name])
}

// digits tells whether a text is a number that is the same text when it is written again.
func digits(s string) bool {
	return s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}
