package csvset_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/csvfile"
	"eventful.se/ess/libs/format/csvset"
	"eventful.se/ess/libs/format/table"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
)

// files is a set in memory.
type files map[string]string

func (f files) Names() []string { return slices.Sorted(maps.Keys(f)) }

func (f files) Open(name string) (io.ReadCloser, error) {
	return io.NopCloser(iotest.DataErrReader(strings.NewReader(f[name]))), nil
}

// with returns the set with another text of a file.
func (f files) with(name, text string) files {
	f = maps.Clone(f)
	if f[name] = text; text == "" {
		delete(f, name)
	}
	return f
}

// wide is a register of one file, with a row for each pupil and group.
func wide() files {
	return files{"Elever.csv": "personnr;fornamn;efternamn;enhet;klass;grupper;epost\n" +
		"189001019802;Testa;Åkesdotter;s-1;7A;MA, EN;testa@prov.example\n" +
		"189001019802;Testa;Åkesdotter;s-1;7A;SV;testa@prov.example\n" +
		"188505059801;Prova;Örnsson;s-1;;;\n"}
}

func profile() csvset.Profile {
	const id = "{personnr}"
	in := map[string][]string{"klass": {}}
	return csvset.Profile{Rows: table.Default(), Tables: []csvset.Mapping{
		{Table: table.SchoolUnits, File: "elever.csv", Columns: map[string]string{"id": "{enhet}", "name": "Enhet {enhet}"}},
		{Table: table.Enrolments, File: "elever.csv", Columns: map[string]string{"person_id": id, "school_unit_id": "{enhet}", "start_date": "{start|}"}},
		{Table: table.Persons, File: "elever.csv", Columns: map[string]string{
			"id": id, "civic_no": id, "given_name": "{fornamn}", "family_name": "{efternamn}", "email": "{epost}", "protected": "nej",
		}},
		{Table: table.Groups, File: "elever.csv", Where: in, Columns: map[string]string{"id": "{enhet}/{klass}", "school_unit_id": "{enhet}", "name": "{klass}", "group_type": "Klass"}},
		{Table: table.Memberships, File: "elever.csv", Where: in, Columns: map[string]string{"group_id": "{enhet}/{klass}", "person_id": id, "role": "pupil"}},
		{Table: table.Memberships, File: "elever.csv", Split: "grupper", Columns: map[string]string{"group_id": "{grupper}", "person_id": id, "role": "pupil"}},
	}}
}

func read(t testing.TB, set files, p csvset.Profile) (docs []string, sum csvset.Summary, err error) {
	sum, err = csvset.Read(t.Context(), set, csvset.Options{Profile: p, Name: "set.zip", Today: 20261014, Loose: true}, func(d fact.Doc) error {
		docs = append(docs, d.ID)
		return nil
	})
	return docs, sum, err
}

func TestAWideFile(t *testing.T) {
	p := tenant.NewProblems()
	if profile().Validate(p); p.Err() != nil {
		t.Fatal(p.Err())
	}
	want := []string{
		"unit/s-1", "enrolment/189001019802/s-1//", "enrolment/188505059801/s-1//", "person/189001019802", "person/188505059801", "group/s-1/7A",
		"membership/s-1/7A/189001019802/pupil", "membership/MA/189001019802/pupil", "membership/EN/189001019802/pupil", "membership/SV/189001019802/pupil",
	}
	for i := range want {
		want[i] = "elever.csv/" + want[i]
	}
	utf8 := wide()["Elever.csv"]
	latin := strings.NewReplacer("Å", "\xc5", "Ö", "\xd6").Replace(utf8)
	for name, text := range map[string]string{
		"as it is": utf8, "a byte order mark": "\ufeff" + utf8, "Windows-1252": latin, "CRLF": strings.ReplaceAll(utf8, "\n", "\r\n"),
		"tabs": strings.ReplaceAll(utf8, ";", "\t"), "another order and case": strings.Replace(utf8, "fornamn;efternamn", "FORNAMN; Efternamn ", 1),
	} {
		t.Run(name, func(t *testing.T) {
			docs, sum, err := read(t, files{"Elever.csv": text}, profile())
			if err != nil || !slices.Equal(docs, want) || !sum.Complete || len(sum.Findings) > 0 {
				t.Errorf("%q, complete: %t, findings %v (%v)\nwant %q", docs, sum.Complete, sum.Findings, err, want)
			}
		})
	}
	t.Run("without a first row", func(t *testing.T) {
		header, rest, _ := strings.Cut(utf8, "\n")
		p := profile()
		p.Headers = map[string][]string{"elever.csv": strings.Split(header, ";")}
		if docs, _, err := read(t, files{"Elever.csv": rest}, p); err != nil || !slices.Equal(docs, want) {
			t.Errorf("%q (%v)", docs, err)
		}
	})
}

// TestWhatIsInDoubt: a file that is not whole is not read, and of a row that may be anybody's nobody counts as gone.
func TestWhatIsInDoubt(t *testing.T) {
	whole := wide()["Elever.csv"]
	row := func(s string) files { return wide().with("Elever.csv", whole+s+"\n") }
	for name, c := range map[string]struct {
		set     files
		cause   error
		finding reason.Code
	}{
		"not there":                    {files{"x.csv": whole}, csvset.ErrMissing, ""},
		"there twice":                  {wide().with("elever.CSV", whole), csvfile.ErrAmbiguous, ""},
		"a column that is not there":   {wide().with("Elever.csv", strings.Replace(whole, "personnr", "nummer", 1)), csvset.ErrMissing, ""},
		"a column that is there twice": {wide().with("Elever.csv", strings.Replace(whole, "epost", "klass", 1)), csvfile.ErrAmbiguous, ""},
		"nothing":                      {wide().with("Elever.csv", "\n"), csvfile.ErrTruncated, ""},
		"cut in a row":                 {wide().with("Elever.csv", whole[:len(whole)-3]), csvfile.ErrTruncated, ""},
		"cut in a quotation":           {wide().with("Elever.csv", whole+`1;"Te`), csvfile.ErrTruncated, ""},
		"no CSV":                       {wide().with("Elever.csv", whole+"1;\"T\"e;;;;;\n"), csvfile.ErrMalformed, ""},
		"a row without end":            {wide().with("Elever.csv", whole+strings.Repeat("x", 2<<20)), csvfile.ErrRow, ""},
		"too few fields":               {row("1;2"), nil, reason.RowUnreadable},
		"too many fields":              {row("1;Testa;Ek;s-1;;;;x"), nil, reason.RowUnreadable},
		"nobody":                       {row(";Testa;Ek;s-1;;;"), nil, reason.RowWithoutKey},
		"a number of a spreadsheet":    {row("1,89001E+11;Testa;Ek;s-1;;;"), nil, reason.NumberMangled},
	} {
		t.Run(name, func(t *testing.T) {
			_, sum, err := read(t, c.set, profile())
			if _, told := errors.AsType[*reason.Error](err); !errors.Is(err, c.cause) || told != (c.cause != nil) {
				t.Fatalf("got %v, want %v with a reason", err, c.cause)
			}
			if c.cause == nil && (sum.Complete || !slices.ContainsFunc(sum.Findings, func(f fact.Finding) bool { return f.Reason.Code == c.finding })) {
				t.Errorf("complete: %t, findings %v, want %s", sum.Complete, sum.Findings, c.finding)
			}
		})
	}
	t.Run("a file without rows", func(t *testing.T) {
		p := profile()
		p.Tables = append(p.Tables, csvset.Mapping{Table: table.Duties, File: "staff.csv", Columns: map[string]string{"person_id": "{id}", "school_unit_id": "{school}"}})
		set := wide().with("staff.csv", "id,school\n")
		if _, sum, err := read(t, set, p); err != nil || sum.Complete || len(sum.Findings) != 1 || sum.Findings[0].Reason.Code != reason.FileWithoutRows {
			t.Errorf("complete: %t, findings %v (%v)", sum.Complete, sum.Findings, err)
		}
		p.MayBeEmpty = []string{"Staff.csv"}
		if _, sum, err := read(t, set, p); err != nil || !sum.Complete || len(sum.Findings) > 0 {
			t.Errorf("that may be: complete: %t, findings %v (%v)", sum.Complete, sum.Findings, err)
		}
	})
}

// FuzzRead: whatever stands in a file, a read ends, tells of nobody without an id, and errs with a reason.
func FuzzRead(f *testing.F) {
	f.Add(wide()["Elever.csv"], "{enhet}/{klass}")
	f.Add("personnr,fornamn,efternamn,enhet,klass,grupper,epost\n1,\"a\",b,c,d,e,f\n", "{a|b|}")
	f.Add("\xff\xfe;", "}{")
	f.Fuzz(func(t *testing.T, content, column string) {
		p := profile()
		p.Tables[3].Columns["name"] = column
		problems := tenant.NewProblems()
		if p.Validate(problems); problems.Err() != nil {
			return
		}
		docs, _, err := read(t, files{"elever.csv": content}, p)
		if _, told := errors.AsType[*reason.Error](err); err != nil && !told {
			t.Errorf("an error without a reason: %v", err)
		}
		for _, id := range docs {
			if strings.HasSuffix(id, "/") && !strings.Contains(id, "enrolment/") {
				t.Errorf("a doc of nothing: %s", fmt.Sprintf("%q", id))
			}
		}
	})
}
