package workbook

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

func TestWorkbook(t *testing.T) {
	why := reason.New(reason.NoActiveRole)
	id := func(key string) target.ID { return target.ID{Kind: "student", Key: key} }
	school, class, pupil := roster.Key{1}, roster.Key{2}, roster.Key{3}
	p := Preview{
		Tenant: "Prov", Link: "apple-school-manager/default", When: "2026-11-22",
		Rows: []target.Row{
			{ID: id("1"), Verb: target.Create, After: target.Fields{{Name: "first_name", Value: "=HYPERLINK(1)"}}},
			{ID: id("2"), Verb: target.Update, Before: target.Fields{{Name: "first_name", Value: "Testa"}}, After: target.Fields{{Name: "first_name", Value: "Fejka"}}},
			{ID: id("3"), Verb: target.Delete, Before: target.Fields{{Name: "first_name", Value: "Åke"}}},
			{ID: id("4"), Entity: roster.Ref{Kind: roster.KindPerson, Key: pupil}, Reason: &why},
			{
				ID: target.ID{Kind: "roster", Key: "5"}, Entity: roster.Ref{Kind: roster.KindGroup, Key: class}, Verb: target.Create,
				After: target.Fields{{Name: "class_id", Value: roster.Personal(class.String())}, {Name: "student_id", Value: roster.Personal(pupil.String())}},
			},
		},
		Names: map[string]target.Name{
			school.String(): {Label: "Åsö skola"}, class.String(): {Label: "9B", Unit: "Åsö skola"},
			pupil.String(): {Label: "Testa Övningsson", Unit: "Åsö skola"},
		},
		Faults: []target.Problem{{ID: id("1"), Reason: reason.New(reason.Unexpected)}},
	}
	var out bytes.Buffer
	if err := Write(&out, p, reason.Swedish); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := f.GetRows("student")
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"Vad händer", "Vem eller vad", "Skola", "first_name", "first_name (före)", "Varför", "Gör så här"},
		{"tas bort", "", "", "Åke"},
		{"ändras", "", "", "Fejka", "Testa"},
		{"skapas", "", "", "=HYPERLINK(1)"},
		{"skickas inte eller ligger kvar", "Testa Övningsson", "Åsö skola", "", "", why.Text(reason.Swedish), why.Next(reason.Swedish)},
	}
	for i := range rows { // cells at the end of a row that are empty may be left out
		for len(rows[i]) > 0 && rows[i][len(rows[i])-1] == "" {
			rows[i] = rows[i][:len(rows[i])-1]
		}
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("the sheet (-want +got):\n%s", diff)
	}
	if formula, err := f.GetCellFormula("student", "D4"); err != nil || formula != "" {
		t.Errorf("a name became the formula %q, %v", formula, err)
	}
	members, err := f.GetRows("roster")
	if want := []string{"skapas", "9B", "Åsö skola", "9B", "Testa Övningsson"}; err != nil || len(members) != 2 || !slices.Equal(members[1][:5], want) {
		t.Errorf("a membership is %q, %v: want %q", members, err, want)
	}
	summary, err := f.GetRows("Sammanfattning")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range [][]string{{"student", "1", "1", "0", "0", "0", "1", "0", "1"}, {"Summa", "2", "1", "0", "0", "0", "1", "0", "1"}} {
		if !slices.ContainsFunc(summary, func(r []string) bool { return slices.Equal(r, line) }) {
			t.Errorf("the summary %q has no %q", summary, line)
		}
	}
}

func TestWhatIsTakenOverStandsOnASheetOfItsOwn(t *testing.T) {
	id := func(n string) target.ID { return target.ID{Kind: "user", Key: n} }
	mail := func(v string) target.Fields { return target.Fields{{Name: "mail", Value: roster.Personal(v)}} }
	several := reason.New(reason.Ambiguous, "candidates", "n3, n4")
	var out bytes.Buffer
	err := Write(&out, Preview{Tenant: "Prov", Rows: []target.Row{
		{ID: id("1"), Verb: target.Update, Before: mail("Old@x"), After: mail("new@x"), FoundBy: "employeeID", Native: "n1", Enable: true},
		{ID: id("2"), Verb: target.Use, FoundBy: "mail", Native: "n2"},
		{ID: id("3"), Reason: &several, Near: []target.Candidate{{Native: "n3", By: "mail", Fields: mail("a@x")}, {Native: "n4", By: "mail", Fields: mail("b@x"), Refused: "it is an administrator"}}},
		{ID: id("4"), Verb: target.Create, After: mail("c@x")},
	}}, reason.English)
	if err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := f.GetRows("Linking")
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"What happens", "Who or what", "School", "Kind", "Key", "Id there", "Attribute", "before", "after", "What to do"},
		{"taken over", "", "", "user", "employeeID", "n1"},
		{"enabled", "", "", "user", "employeeID", "n1"},
		{"changed", "", "", "user", "employeeID", "n1", "mail", "Old@x", "new@x"},
		{"left alone", "", "", "user", "mail", "n2"},
		{"to be decided", "", "", "user", "", "", "", "", "", several.Text(reason.English) + " " + several.Next(reason.English)},
		{"May be", "", "", "user", "mail", "n3", "mail", "a@x"},
		{"May be", "", "", "user", "mail", "n4", "mail", "b@x", "", "it is an administrator"},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("the sheet (-want +got):\n%s", diff)
	}
}

func TestAWorkbookOfNothing(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, Preview{}, reason.English); err != nil || out.Len() == 0 {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
}
