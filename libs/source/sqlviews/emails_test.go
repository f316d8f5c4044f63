package sqlviews

import (
	"slices"
	"testing"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/transport/sqlx"
)

const today = roster.Date(20261014)

func TestEmails(t *testing.T) {
	testa := fact.Person{ID: "p-1", CivicNo: "189001019802"}
	for _, c := range []struct {
		name, text, want string
		twice            []repeated
		wrong            bool
	}{
		{name: "by id", text: "id;email\np-2;prova@prov.example\np-1; testa@prov.example \n", want: "testa@prov.example"},
		{name: "by number, written in another way", text: "\ufeffEmail,Civic_No,Namn\r\ntesta@prov.example,18900101-9802,Testa\r\n", want: "testa@prov.example"},
		{name: "quoted", text: "id,email\n\"p-1\",\"testa@prov.example\"\n", want: "testa@prov.example"},
		{name: "the last one counts", text: "id;email\np-1;a@prov.example\np-2;b@prov.example\np-1;c@prov.example\n", want: "c@prov.example", twice: []repeated{{4, 2}}},
		{name: "an empty one says nothing", text: "id;email\np-1;a@prov.example\np-1;\n;b@prov.example\np-1\n", want: "a@prov.example"},
		{name: "somebody else", text: "id;email\np-11;a@prov.example\n"},
		{name: "no header", text: "p-1;testa@prov.example\n", wrong: true},
		{name: "nothing", wrong: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, twice, err := parseEmails([]byte(c.text), today)
			if (err != nil) != c.wrong || e.of(testa) != c.want || !slices.Equal(twice, c.twice) {
				t.Errorf("%q, twice %v (%v), want %q, %v, wrong: %t", e.of(testa), twice, err, c.want, c.twice, c.wrong)
			}
		})
	}
}

// FuzzEmails: no text is read as an address without who it is of, or of somebody whose id the text does not have.
func FuzzEmails(f *testing.F) {
	for _, text := range []string{"id;email\np-1;a@b.example\n", "civic_no,email\n189001019802,a@b.example\n", "id;email\n\"p", "\ufeff;\n;"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, twice, err := parseEmails(text, today)
		if err != nil {
			return
		}
		for who, address := range e.list {
			if who == "" || address == "" {
				t.Errorf("%q has the address %q", who, address)
			}
		}
		if got := e.of(fact.Person{}); got != "" {
			t.Errorf("nobody has the address %q", got)
		}
		for _, r := range twice {
			if r.other >= r.row || r.other < 2 {
				t.Errorf("row %d says again what row %d said", r.row, r.other)
			}
		}
	})
}

// TestQueries is the SQL by which a register is read, which the three databases have in common.
func TestQueries(t *testing.T) {
	cfg := Default()
	cfg.DB = sqlx.Config{Driver: sqlx.SQLServer, User: "reader"}
	cfg.Schema, cfg.Without, cfg.Queries = "ess", []string{"duties"}, map[string]Query{"persons": {View: "V_ELEVER"}}
	s := New(cfg, source.Env{})
	asked, err := s.queries()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, q := range asked {
		got = append(got, q.Name+": "+q.ask.Text+"; "+s.client.Grant(q.ask.Reads))
	}
	want := []string{
		"school_units: SELECT * FROM ess.school_units; GRANT SELECT ON ess.school_units TO [reader];",
		"enrolments: SELECT * FROM ess.enrolments; GRANT SELECT ON ess.enrolments TO [reader];",
		"persons: SELECT * FROM ess.V_ELEVER; GRANT SELECT ON ess.V_ELEVER TO [reader];",
		"groups: SELECT * FROM ess.groups; GRANT SELECT ON ess.groups TO [reader];",
		"memberships: SELECT * FROM ess.memberships; GRANT SELECT ON ess.memberships TO [reader];",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
