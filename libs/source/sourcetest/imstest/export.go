// Package imstest writes the towns of the suite of [sourcetest] as IMS Enterprise files, the other side of every source that
// reads these.
package imstest

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source/sourcetest"
)

// Export writes a town as one document.
func Export(t sourcetest.Town) []byte {
	var b strings.Builder
	id := func(s string) string { return "<sourcedid><source>Prov</source><id>" + s + "</id></sourcedid>" }
	member := func(person, role, end string) {
		if end != "" {
			end = `<timeframe><end restrict="1">` + end + "</end></timeframe>"
		}
		fmt.Fprintf(&b, "<member>%s<idtype>1</idtype><role roletype=%q><status>1</status>%s</role></member>\n", id(person), role, end)
	}
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<enterprise><properties><datasource>Prov</datasource><type>full</type><datetime>%s</datetime></properties>
`, t.At.Format(time.RFC3339))
	for _, p := range t.Persons {
		fmt.Fprintf(&b, `<person>%s<userid useridtype="PID">%s</userid><name><n><family>%s</family><given>%s</given></n></name><email>%s</email></person>
`, id(p.ID), p.CivicNo, text(p.FamilyName), text(p.GivenName), text(p.Email))
	}
	for _, u := range t.Units {
		fmt.Fprintf(&b, `<group>%s<grouptype><scheme>pifu-ims-go-org</scheme><typevalue level="2">Skola</typevalue></grouptype><description><short>%s</short></description></group>
`, id(u.ID), text(u.Name))
	}
	for _, g := range t.Groups {
		fmt.Fprintf(&b, `<group>%s<grouptype><scheme>pifu-ims-go-grp</scheme><typevalue level="2">Kurs</typevalue></grouptype><description><short>%s</short></description><relationship relation="1">%s<label>x</label></relationship></group>
`, id(g.ID), text(g.Name), id(g.Unit))
	}
	for _, u := range t.Units {
		b.WriteString("<membership>" + id(u.ID) + "\n")
		for _, p := range t.Persons {
			if p.Unit == u.ID {
				member(p.ID, map[roster.Role]string{roster.RolePupil: "01", roster.RoleStaff: "02"}[p.Role], p.End)
			}
		}
		b.WriteString("</membership>\n")
	}
	for _, g := range t.Groups {
		b.WriteString("<membership>" + id(g.ID) + "\n")
		for _, m := range g.Members {
			member(m.Person, map[roster.MemberRole]string{roster.MemberPupil: "01", roster.MemberTeacher: "02"}[m.Role], "")
		}
		b.WriteString("</membership>\n")
	}
	b.WriteString("</enterprise>\n")
	return []byte(b.String())
}

func text(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return err.Error()
	}
	return b.String()
}

// Spoil returns an export with something in its middle that is no XML.
func Spoil(export []byte) []byte {
	half := len(export) / 2
	return []byte(string(export[:half]) + " < Kanarina & " + string(export[half:]))
}
