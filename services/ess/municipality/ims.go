package municipality

import (
	"cmp"
	"io"
	"slices"
	"time"

	"eventful.se/ess/libs/roster"
)

// IMSOptions say how an IMS Enterprise document is written.
type IMSOptions struct {
	Encoding Encoding              // UTF8 when zero
	BOM      bool                  // begin UTF-8 with a byte order mark; UTF-16 always has one
	Progress func(done, total int) // is told how many persons, groups and memberships are written, now and then
}

// WriteIMS writes the municipality as an IMS Enterprise 1.1 document of the profile alvis in UTF-8, as [EncodeIMS] does.
func (m *Municipality) WriteIMS(w io.Writer) error { return m.EncodeIMS(w, IMSOptions{}) }

// EncodeIMS writes the municipality as an IMS Enterprise 1.1 document (IMS Global, "IMS Enterprise XML Binding" 1.1):
// properties; a person element each with sourcedid, userid of the type PID, name, email and institutionrole; a group
// element for the authority, every unit and every group; a membership element for every unit and group that has
// members, in which a person stands once with one role element or several.
//
// Where the register marks protected persons, everyone's person element ends with extension/securitymarking, a
// securityMarking of SS 12000: the profile that reads it has securityMarking: extension/securitymarking.
//
// No public document fixes what Alvis writes. Group types carry the scheme and level of the Nordic profile PIFU-IMS 1.3
// together with a Swedish word, so that a reader finds its way by either.
func (m *Municipality) EncodeIMS(w io.Writer, o IMSOptions) error {
	x, err := newXMLWriter(w, o.Encoding, o.BOM)
	if err != nil {
		return err
	}
	units, hidden := m.unitMembers(), m.hidden()
	total := len(m.Persons) + 2*(len(m.Units)+len(m.Groups))
	done := 0
	step := func() {
		if done++; o.Progress != nil && (done%1000 == 0 || done == total) {
			o.Progress(done, total)
		}
	}
	x.raw("<enterprise>\n")
	m.writeProperties(x)
	for i := range m.Persons {
		if !hidden[m.Persons[i].ID] {
			writePerson(x, &m.Persons[i], m.Protected == ProtectedFlag)
		}
		step()
	}
	for i := range m.Units {
		writeUnit(x, &m.Units[i])
		step()
	}
	for i := range m.Groups {
		writeGroup(x, &m.Groups[i])
		step()
	}
	for i := range m.Units {
		writeMembership(x, m.Units[i].ID, shown(units[m.Units[i].ID], hidden))
		step()
	}
	for i := range m.Groups {
		writeMembership(x, m.Groups[i].ID, shown(m.Groups[i].Members, hidden))
		step()
	}
	x.raw("</enterprise>\n")
	return x.close()
}

// hidden returns the ids of whom the register leaves out.
func (m *Municipality) hidden() map[string]bool {
	hidden := map[string]bool{}
	if m.Protected != ProtectedOmits {
		return hidden
	}
	for i := range m.Persons {
		if m.Persons[i].Marking.Protects() {
			hidden[m.Persons[i].ID] = true
		}
	}
	return hidden
}

// shown returns the members who are not left out.
func shown(members []Member, hidden map[string]bool) []Member {
	if len(hidden) == 0 {
		return members
	}
	return slices.DeleteFunc(slices.Clone(members), func(x Member) bool { return hidden[x.Person] })
}

// imsSource names the register in every sourcedid.
const imsSource = "Provregister"

func (m *Municipality) writeProperties(x *xmlWriter) {
	x.raw("<properties lang=\"sv\">\n")
	x.line("datasource", imsSource)
	x.line("type", "full")
	x.line("datetime", m.Time.In(roster.Stockholm()).Format(time.RFC3339))
	x.raw("</properties>\n")
}

func writePerson(x *xmlWriter, p *Person, marked bool) {
	x.raw("<person>\n")
	x.sourcedID(p.ID)
	x.raw(`<userid useridtype="PID">`)
	x.text(p.CivicNo.Reveal())
	x.raw("</userid>\n<name>\n")
	given, family := p.Given.Reveal(), p.Family.Reveal()
	full := given
	if family != "" {
		full += " " + family
	}
	x.line("fn", full)
	x.raw("<n>")
	x.element("family", family)
	x.element("given", given)
	x.raw("</n>\n</name>\n")
	if p.Email != "" {
		x.line("email", p.Email.Reveal())
	}
	if len(p.Enrolments) > 0 {
		x.raw("<institutionrole primaryrole=\"Yes\" institutionroletype=\"Student\"/>\n")
	}
	if len(p.Duties) > 0 {
		primary := "Yes"
		if len(p.Enrolments) > 0 {
			primary = "No"
		}
		x.raw("<institutionrole primaryrole=\"" + primary + "\" institutionroletype=\"Staff\"/>\n")
	}
	if marked {
		x.raw("<extension>")
		x.element("securitymarking", string(cmp.Or(p.Marking, roster.MarkingNone)))
		x.raw("</extension>\n")
	}
	x.raw("</person>\n")
}

func writeUnit(x *xmlWriter, u *Unit) {
	x.raw("<group>\n")
	x.sourcedID(u.ID)
	if u.Parent == "" {
		x.groupType("pifu-ims-go-org", "1", "Huvudman")
	} else {
		x.groupType("pifu-ims-go-org", "2", "Skola")
	}
	x.raw("<description>")
	x.element("short", u.Name)
	x.raw("</description>\n")
	if u.Code != "" {
		x.raw("<org>")
		x.element("orgname", u.Name)
		x.element("id", u.Code)
		x.raw("</org>\n")
	}
	if u.Parent != "" {
		x.parent(u.Parent)
	}
	x.raw("</group>\n")
}

func writeGroup(x *xmlWriter, g *Group) {
	x.raw("<group>\n")
	x.sourcedID(g.ID)
	switch g.Kind {
	case Class:
		x.groupType("pifu-ims-go-grp", "1", "Klass")
	case Mentors:
		x.groupType("pifu-ims-go-grp", "3", "Mentorsgrupp")
	default:
		x.groupType("pifu-ims-go-grp", "2", "Kurs")
	}
	x.raw("<description>")
	x.element("short", g.Name)
	if g.Course != "" {
		x.element("long", g.Course+" "+g.Name)
	}
	x.raw("</description>\n")
	x.timeframe(g.Start, g.End)
	x.raw("\n")
	x.parent(g.Unit)
	x.raw("</group>\n")
}

// writeMembership writes the members of a group; several roles of one person stand one after the other in members.
func writeMembership(x *xmlWriter, group string, members []Member) {
	if len(members) == 0 {
		return
	}
	x.raw("<membership>\n")
	x.sourcedID(group)
	for i := range members {
		if i == 0 || members[i].Person != members[i-1].Person {
			if i > 0 {
				x.raw("</member>\n")
			}
			x.raw("<member>")
			x.sourcedIDInline(members[i].Person)
			x.raw("<idtype>1</idtype>")
		}
		x.raw(`<role roletype="` + roleType(members[i].Role) + `"><status>1</status>`)
		x.timeframe(members[i].Start, members[i].End)
		x.raw("</role>")
	}
	x.raw("</member>\n</membership>\n")
}

// unitMembers returns the members of each unit in the order of Persons: a role for each enrolment and duty.
func (m *Municipality) unitMembers() map[string][]Member {
	units := make(map[string][]Member, len(m.Units))
	for i := range m.Persons {
		p := &m.Persons[i]
		for _, u := range p.units() {
			for _, e := range p.Enrolments {
				if e.Unit == u {
					units[u] = append(units[u], Member{p.ID, Learner, e.Start, e.End})
				}
			}
			for _, d := range p.Duties {
				if d.Unit == u {
					units[u] = append(units[u], Member{p.ID, d.Role, d.Start, d.End})
				}
			}
		}
	}
	return units
}

// roleType returns the code of a role (IMS Enterprise Information Model 1.1, roletype).
func roleType(r Role) string {
	codes := []Role{Learner, Instructor, "content developer", "member", Manager, Mentor, Administrator, Assistant}
	return "0" + string(rune('1'+slices.Index(codes, r)))
}

func (x *xmlWriter) sourcedID(id string) {
	x.sourcedIDInline(id)
	x.raw("\n")
}

func (x *xmlWriter) sourcedIDInline(id string) {
	x.raw("<sourcedid><source>" + imsSource + "</source><id>")
	x.text(id)
	x.raw("</id></sourcedid>")
}

func (x *xmlWriter) groupType(scheme, level, word string) {
	x.raw("<grouptype><scheme>" + scheme + "</scheme><typevalue level=\"" + level + "\">" + word + "</typevalue></grouptype>\n")
}

func (x *xmlWriter) parent(id string) {
	x.raw(`<relationship relation="1">`)
	x.sourcedIDInline(id)
	x.raw("<label>")
	x.text("tillhör")
	x.raw("</label></relationship>\n")
}

// timeframe writes dates outside which nobody takes part (restrict 1).
func (x *xmlWriter) timeframe(start, end roster.Date) {
	x.raw("<timeframe>")
	if !start.IsOpen() {
		x.raw(`<begin restrict="1">` + start.String() + "</begin>")
	}
	if !end.IsOpen() {
		x.raw(`<end restrict="1">` + end.String() + "</end>")
	}
	x.raw("</timeframe>")
}
