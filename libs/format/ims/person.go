package ims

import (
	"bytes"
	"slices"
	"strings"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// person reads a person element and emits its doc.
func (rd *reader) person(e elem, line int) error {
	id, former := rd.sourcedIDs(e)
	if id == 0 {
		rd.nameless = true // R3: it may be anybody
		rd.findings.add(reason.ElementWithoutID, fact.Serious, fact.KeptBack, line, "person")
		return nil
	}
	name := rd.words.text(id)
	w := rd.people[id]
	if w == nil {
		w = &who{}
		rd.people[id] = w
	}
	if rd.recstatus(e) {
		w.leftOut = true
		rd.drop("person/"+name, line)
		return nil
	}
	rd.undrop("person/" + name)
	doc := rd.docID("person", name, w.elements, line)
	w.elements++

	f := fact.Person{
		ID: name, CivicNo: rd.identityNumber(e), Username: firstOf(rd.username, e), EPPN: firstOf(rd.eppn, e),
		GivenName: string(e.at("name", "n", "given")), FamilyName: string(e.at("name", "n", "family")),
		MiddleName: string(e.at("name", "n", "other")), BirthDate: day(string(e.at("demographics", "bday"))),
		Email: string(e.at("email")), Role: rd.institutionRole(e, w, line), Extra: rd.extra(e),
	}
	for _, old := range former {
		if old != id {
			f.FormerIDs = append(f.FormerIDs, rd.words.text(old))
			rd.alias[personID][old] = id
		}
	}
	rd.displayName(&f, string(e.at("name", "fn")))
	// The format's codes are the reverse of ISO 5218.
	switch string(e.at("demographics", "gender")) {
	case "1":
		f.Sex = string(roster.Woman)
	case "2":
		f.Sex = string(roster.Man)
	}
	if m := firstOf(rd.marking, e); m != "" {
		f.Marking = m
		if known, ok := rd.profile.SecurityMarkings[m]; ok {
			f.Marking = known
		}
	}
	for _, path := range rd.yearPaths {
		e.each(path, func(y elem) {
			if len(rd.years[id]) == maxYears {
				return
			}
			rd.years[id] = append(rd.years[id], yearGroup{string(y.attr("unit")), string(y.attr("schoolType")), y.string(), line, false})
		})
	}
	return rd.emit(fact.Doc{ID: doc, Where: rd.where(line), Facts: []fact.Fact{f}})
}

// displayName keeps a formatted name where it says more than its parts.
func (rd *reader) displayName(f *fact.Person, fn string) {
	fn = strings.Join(strings.Fields(fn), " ")
	switch {
	case fn == "":
	case f.GivenName != "" || f.FamilyName != "":
		plain := strings.TrimSpace(f.GivenName + " " + f.FamilyName)
		if fn != plain && fn != f.FamilyName+", "+f.GivenName && fn != f.FamilyName+" "+f.GivenName {
			f.DisplayName = fn
		}
	case rd.profile.FN == split:
		if family, given, ok := strings.Cut(fn, ","); ok {
			f.GivenName, f.FamilyName = strings.TrimSpace(given), strings.TrimSpace(family)
		} else if i := strings.LastIndexByte(fn, ' '); i > 0 {
			f.GivenName, f.FamilyName = fn[:i], fn[i+1:]
		} else {
			f.GivenName = fn
		}
	default:
		f.DisplayName = fn
	}
}

// identityNumber returns the identity number from the first place that has one.
func (rd *reader) identityNumber(e elem) string {
	for _, p := range rd.civicNo {
		v := string(p.in(e))
		if v == "" {
			continue
		}
		anything := p.path[0] == "sourcedid" || p.path[0] == "userid" && p.attr == ""
		if !anything || looksLikeCivicNo(v) {
			return v
		}
	}
	return ""
}

// looksLikeCivicNo tells whether a text has the form of a Swedish identity number: a date of 6 or 8 digits, and four
// characters of which the first two may be T or TF.
func looksLikeCivicNo(s string) bool {
	var b []byte
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ' || c == '-' || c == '+' || c == '\'' && i == 0:
		case '0' <= c && c <= '9', c|0x20 == 't', c|0x20 == 'f':
			b = append(b, c|0x20)
		default:
			return false
		}
	}
	if len(b) != 10 && len(b) != 12 {
		return false
	}
	date, last := b[:len(b)-4], b[len(b)-4:]
	last = bytes.TrimPrefix(last, []byte("t"))
	if len(last) == 3 {
		last = bytes.TrimPrefix(last, []byte("f"))
	}
	digits := func(b []byte) bool {
		return !bytes.ContainsFunc(b, func(r rune) bool { return r < '0' || r > '9' })
	}
	return digits(date) && digits(last)
}

// institutionRole notes what the person is, and returns the role whose e-mail address the element tells: of a person
// with one role that one, of any other none, for the format has one address a person and does not say whose.
func (rd *reader) institutionRole(e elem, w *who, line int) string {
	var roles []string
	for r := range e.all("institutionrole") {
		text := string(r.attr("institutionroletype"))
		if text == "" {
			text = r.string()
		}
		role, ok := rd.profile.InstitutionRoles[code(text)]
		if !ok {
			rd.findings.add(reason.RoleUnknown, fact.Warning, fact.Dropped, line, text)
			continue
		}
		switch role {
		case string(roster.RolePupil):
			w.pupil = true
		case string(roster.RoleStaff):
			w.staff = true
		default:
			continue
		}
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	if len(roles) != 1 {
		return string(roster.RoleNone)
	}
	return roles[0]
}

// extra returns the attributes that the profile keeps.
func (rd *reader) extra(e elem) map[string]string {
	var x extras
	for _, k := range rd.keep {
		e.each(k.path, func(e elem) {
			path := strings.Join(k.path, "/")
			if !k.below {
				x.take(e, path)
				return
			}
			for c := range e.all("") {
				x.take(c, path+"/"+c.name())
			}
		})
	}
	return x.values
}
