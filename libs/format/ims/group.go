package ims

import (
	"strings"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// group reads a group element, to be emitted when the document has ended.
func (rd *reader) group(e elem, line int) {
	id, former := rd.sourcedIDs(e)
	if id == 0 {
		rd.nameless = true
		rd.findings.add(reason.ElementWithoutID, fact.Serious, fact.KeptBack, line, "group")
		return
	}
	name := rd.words.text(id)
	first := rd.byID[id]
	if rd.recstatus(e) {
		rd.drop("group/"+name, line)
		if first == nil {
			rd.byID[id] = &group{id: id, leftOut: true}
		}
		return
	}
	rd.undrop("group/" + name)
	g := &group{id: id, line: line}
	if first == nil || first.leftOut {
		rd.byID[id] = g
		first = g
	}
	g.doc = rd.docID("group", name, first.elements, line)
	first.elements++
	for _, old := range former {
		if old != id {
			rd.alias[groupID][old] = id
		}
	}
	g.as = rd.groupType(e, line)
	start, end := rd.timeframe(e, true)
	g.fact = fact.Group{ID: name, Name: groupName(e, name), Type: g.as, Start: start, End: end, Extra: rd.extra(e)}
	if isUnit(g.as) {
		g.unitCodes = rd.unitCodes(e)
	}
	for r := range e.all("relationship") {
		s, ok := r.child("sourcedid")
		if !ok {
			continue
		}
		other := rd.key(s)
		switch relation := strings.ToLower(string(r.attr("relation"))); {
		case other == 0:
		case relation == "1" || relation == "parent":
			first.addParent(other)
		case relation == "2" || relation == "child":
			rd.members = append(rd.members, member{group: id, who: other, kind: groupID, line: uint32(line)})
		}
	}
	rd.groups = append(rd.groups, g)
}

// addParent notes a group above. More than a few is no register's doing, and would make the walk to the units long.
func (g *group) addParent(id word) {
	const most = 64
	if len(g.parents) < most {
		g.parents = append(g.parents, id)
	}
}

func groupName(e elem, id string) string {
	for _, form := range []string{"short", "long", "full"} {
		if t := e.at("description", form); len(t) > 0 {
			return string(t)
		}
	}
	return id
}

// groupType returns what a group is by the profile's table.
func (rd *reader) groupType(e elem, line int) string {
	unknown := ""
	for _, row := range rd.profile.GroupTypes {
		for t := range e.all("grouptype") {
			scheme := string(t.at("scheme"))
			if row.Scheme != "" && !strings.EqualFold(row.Scheme, scheme) {
				continue
			}
			for v := range t.all("typevalue") {
				level, text := string(v.attr("level")), v.string()
				if (row.Level == "" || code(row.Level) == code(level)) && (row.Text == "" || strings.EqualFold(row.Text, text)) {
					return row.As
				}
				unknown = strings.TrimSpace(scheme + " " + text + " " + level)
			}
		}
	}
	if unknown == "" {
		unknown = "no type"
	}
	rd.findings.add(reason.GroupTypeUnknown, fact.Warning, fact.Noted, line, unknown)
	return otherGroup
}

func isUnit(as string) bool {
	switch roster.OrganisationType(as) {
	case roster.Authority, roster.School, roster.SchoolUnit:
		return true
	}
	return false
}

// unitCodes returns the skolenhetskod from the first place that has one.
func (rd *reader) unitCodes(e elem) []string {
	for _, p := range rd.unitCode {
		text := string(p.in(e))
		if p.path[0] == "description" {
			text = onlyCode(text)
		}
		if isUnitCode(text) {
			return []string{text}
		}
	}
	return nil
}

func isUnitCode(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) == 8
}

// onlyCode returns the one word of a text that is 8 digits.
func onlyCode(text string) (only string) {
	for _, f := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;:()[]/", r) }) {
		if isUnitCode(f) {
			if only != "" && only != f {
				return ""
			}
			only = f
		}
	}
	return only
}
