package main

import (
	"strings"
	"testing"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/ims"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

// strange is an export that says things that nobody has heard of: a school form, a duty, a role in a group, an attribute.
const strange = `<?xml version="1.0" encoding="UTF-8"?>
<enterprise>
  <properties><datasource>Prov</datasource><type>full</type></properties>
  <person>
    <sourcedid><source>Prov</source><id>p1</id></sourcedid>
    <name><n><family>Exempelsson</family><given>Testa</given></n></name>
    <institutionrole primaryrole="Yes" institutionroletype="Staff"/>
    <extension><shoesize unit="eu">42</shoesize></extension>
  </person>
  <group>
    <sourcedid><source>Prov</source><id>u1</id></sourcedid>
    <grouptype><scheme>x</scheme><typevalue level="1">skola</typevalue></grouptype>
    <description><short>Provskolan</short></description>
  </group>
  <group>
    <sourcedid><source>Prov</source><id>g1</id></sourcedid>
    <grouptype><scheme>x</scheme><typevalue level="9">kursdeltagarsällskap</typevalue></grouptype>
    <description><short>Kören</short></description>
    <relationship relation="1"><sourcedid><source>Prov</source><id>u1</id></sourcedid></relationship>
    <extension><choir>alto</choir></extension>
  </group>
  <membership>
    <sourcedid><source>Prov</source><id>u1</id></sourcedid>
    <member><sourcedid><source>Prov</source><id>p1</id></sourcedid><idtype>1</idtype><role roletype="Kantor"/></member>
  </membership>
  <membership>
    <sourcedid><source>Prov</source><id>g1</id></sourcedid>
    <member><sourcedid><source>Prov</source><id>p1</id></sourcedid><idtype>1</idtype><role roletype="Dirigent"/></member>
  </membership>
</enterprise>`

func TestWhatNobodyHasHeardOfSurvivesTheWay(t *testing.T) {
	origin := roster.Source{System: "ims", Instance: "default"}
	keyer, err := roster.NewKeyer([]byte(inspectPepper))
	if err != nil {
		t.Fatal(err)
	}
	assembler := fact.NewAssembler(fact.Options{Source: origin, Keyer: keyer, Today: municipalityDay})
	if _, err := ims.Read(t.Context(), strings.NewReader(strange), ims.Options{Profile: ims.Base(), File: "strange.xml"}, assembler.Add); err != nil {
		t.Fatal(err)
	}
	sent := map[roster.Ref]string{}
	var changes []source.Change
	for _, r := range assembler.Assemble().Records {
		r.Unknown = []byte{0xa2, 0x7d, 3, 'n', 'e', 'w'} // field 2004 of a newer minor version of the schema
		sent[r.Ref] = string(roster.AppendJSON(nil, &r, true))
		changes = append(changes, source.Change{Record: r, Hash: keyer.Hash(&r)})
	}

	server, err := store.Embedded(store.ServerOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	st, err := store.Connect(t.Context(), store.Options{Server: server, Name: "survive"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	if err := st.EnsureTenant(t.Context(), "prov", 1); err != nil {
		t.Fatal(err)
	}
	if err := st.Log("prov").Publish(t.Context(), origin, "run", changes, func(int) {}); err != nil {
		t.Fatal(err)
	}
	all := ""
	if _, err := st.Log("prov").Load(t.Context(), func(e roster.Event) error {
		if e.Record != nil {
			got := string(roster.AppendJSON(nil, e.Record, true))
			if got != sent[e.Ref] {
				t.Errorf("%s was sent as\n%s\nand came as\n%s", e.Ref, sent[e.Ref], got)
			}
			all += got
			delete(sent, e.Ref)
		}
		return e.Unreadable
	}); err != nil {
		t.Fatal(err)
	}
	if len(sent) > 0 {
		t.Errorf("%d records did not come through", len(sent))
	}
	for _, want := range []string{"Kantor", "Dirigent", "42", "alto"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is lost:\n%s", want, all)
		}
	}
}

const municipalityDay = roster.Date(20260914)
