package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/services/ess/municipality"
)

func town() *municipality.Municipality {
	return municipality.New(municipality.Options{Pupils: 60, Seed: 5})
}

func export(t testing.TB, m *municipality.Municipality) string {
	t.Helper()
	var b bytes.Buffer
	if err := m.WriteIMS(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// summaryOf reads the last line of standard error.
func summaryOf(t testing.TB, out outcome) (s summary) {
	t.Helper()
	if err := json.Unmarshal([]byte(lastLine(out.stderr)), &s); err != nil {
		t.Fatalf("the last line of standard error is %q: %v", lastLine(out.stderr), err)
	}
	return s
}

// printed is a line of standard output.
type printed struct {
	Kind   string          `json:"kind"`
	Key    string          `json:"key"`
	Record json.RawMessage `json:"record"`
}

func records(t testing.TB, out outcome) (list []printed) {
	t.Helper()
	for line := range strings.Lines(out.stdout) {
		var p printed
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil || p.Kind == "" || p.Key == "" || !bytes.HasPrefix(p.Record, []byte("{")) {
			t.Fatalf("standard output has the line %q (%v), want a kind, a key and a record alone", line, err)
		}
		list = append(list, p)
	}
	return list
}

func TestInspectReadsAnExport(t *testing.T) {
	m := town()
	path := write(t, filepath.Join(t.TempDir(), "alvis.xml"), export(t, m))
	out := ess(t, "inspect", "--source", "alvis", path)
	if out.status != 0 {
		t.Fatalf("exit status %d:\n%s", out.status, out.stderr)
	}
	size, sum := m.Size(), summaryOf(t, out)
	memberships := strings.Count(export(t, m), "<membership>")
	want := map[string]int{"persons": size.Persons, "groups": size.Units + size.Groups, "memberships": memberships, "members": size.Members}
	if diff := cmp.Diff(want, sum.Read); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if !sum.Complete || sum.DataTime == nil || !sum.DataTime.Equal(m.Time) {
		t.Errorf("complete %t, of %v; want a complete export of %v", sum.Complete, sum.DataTime, m.Time)
	}
	kinds, keys := map[string]int{}, map[string]bool{}
	for _, p := range records(t, out) {
		kinds[p.Kind]++
		if keys[p.Kind+p.Key] {
			t.Errorf("%s %s stands twice", p.Kind, p.Key)
		}
		keys[p.Kind+p.Key] = true
	}
	if diff := cmp.Diff(map[string]int{"organisation": size.Units, "person": size.Persons, "group": size.Groups}, kinds); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if again := ess(t, "inspect", "--source", "alvis", path); again != out {
		t.Error("R11: the same file gave other lines")
	}
}

func TestInspectMasksPersons(t *testing.T) {
	m := town()
	path := write(t, filepath.Join(t.TempDir(), "alvis.xml"), export(t, m))
	masked, shown := ess(t, "inspect", "--source", "alvis", path), ess(t, "inspect", "--source", "alvis", "--show-personal", path)
	canaries := canariesOf(m)
	if found := canaries.in(masked.stdout + masked.stderr); len(found) > 0 {
		t.Errorf("R8: %d names, numbers and addresses show without --show-personal, such as %q", len(found), found[0])
	}
	if found := canaries.in(shown.stderr); len(found) > 0 {
		t.Errorf("R8: %d names, numbers and addresses show on standard error, such as %q", len(found), found[0])
	}
	for i := range m.Persons {
		p := &m.Persons[i]
		for _, value := range []string{p.CivicNo.Reveal(), p.Email.Reveal()} {
			if !strings.Contains(shown.stdout, value) {
				t.Errorf("--show-personal does not show a number or an address of %s", p.ID)
			}
		}
	}
	a, b := records(t, masked), records(t, shown)
	if len(a) != len(b) || a[0].Key != b[0].Key {
		t.Error("--show-personal shows other records")
	}
}

func TestInspectReports(t *testing.T) {
	m := town()
	path := write(t, filepath.Join(t.TempDir(), "alvis.xml"), export(t, m))
	texts := map[string]string{}
	for _, language := range []string{"sv", "en"} {
		out := ess(t, "inspect", "--source", "alvis", "--report", language, path)
		if out.status != 0 {
			t.Fatalf("exit status %d:\n%s", out.status, out.stderr)
		}
		for _, u := range m.Units {
			if !strings.Contains(out.stdout, u.Name) {
				t.Errorf("%s: the report does not have %s:\n%s", language, u.Name, out.stdout)
			}
		}
		if found := canariesOf(m).in(out.stdout + out.stderr); len(found) > 0 {
			t.Errorf("R8: the report shows %q", found)
		}
		summaryOf(t, out)
		texts[out.stdout] = language
	}
	if len(texts) != 2 {
		t.Error("both languages have the same text")
	}
	bad := write(t, filepath.Join(t.TempDir(), "bad.xml"), "<enterprise><person>")
	refused(t, ess(t, "inspect", "--source", "alvis", "--report", "sv", bad))
}

func TestInspectRefuses(t *testing.T) {
	good := export(t, town())
	half := good[:len(good)/2]
	for name, c := range map[string]struct {
		file string // content
		line bool   // that the error names a line of the file
		want string
	}{
		"a truncated file":        {half[:strings.LastIndex(half, "<")], true, "truncated-file"},
		"one cut within a tag":    {half[:strings.LastIndex(half, "<")+3], true, "truncated-file"},
		"F43 a document type":     {`<?xml version="1.0"?>` + "\n" + `<!DOCTYPE enterprise SYSTEM "http://vendor.example/ims.dtd">` + "\n<enterprise/>", true, "unreadable"},
		"F43 an entity":           {"<enterprise>\n<person>\n<name><fn>&xxe;</fn></name></person></enterprise>", true, "unreadable"},
		"F29 an empty file":       {"", false, "truncated-file"},
		"another format":          {"id;name\n1;x\n", true, "unreadable"},
		"another document":        {"<html>\n<body/></html>", true, "unreadable"},
		"F33 bytes of no UTF-8":   {strings.Replace(good, "<fn>", "<fn>\xff\xfe", 1), true, "unreadable"},
		"F45 a zip with two":      {zipOf(t, "a.xml", good, "b.xml", good), false, "archive"},
		"F45 a zip with none":     {zipOf(t, "readme.txt", "hello"), false, "archive"},
		"F45 a zip that is cut":   {zipOf(t, "a.xml", good)[:1000], false, ""},
		"a zip with a cut export": {zipOf(t, "a.xml", half[:strings.LastIndex(half, "<")]), true, "truncated-file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, filepath.Join(t.TempDir(), "export"), c.file)
			out := ess(t, "inspect", "--source", "alvis", path)
			refused(t, out)
			if !strings.Contains(out.stderr, c.want) || !strings.Contains(out.stderr, "what to do: ") {
				t.Errorf("standard error is\n%s\nwant the reason %q and a next step", out.stderr, c.want)
			}
			if c.line && !regexp.MustCompile(`line [1-9]\d*`).MatchString(out.stderr) {
				t.Errorf("standard error is\n%s\nwant the line of the file", out.stderr)
			}
			if found := canariesOf(town()).in(out.stderr); len(found) > 0 {
				t.Errorf("R8: the error shows %q", found)
			}
			if piped := essReading(t, c.file, "inspect", "--source", "alvis", "-"); piped.status != 2 || piped.stdout != "" {
				t.Errorf("on standard input it gave exit status %d and %d bytes of records", piped.status, len(piped.stdout))
			}
		})
	}
	t.Run("a directory", func(t *testing.T) { refused(t, ess(t, "inspect", "--source", "alvis", t.TempDir())) })
	t.Run("a file that is not there", func(t *testing.T) {
		out := ess(t, "inspect", "--source", "alvis", filepath.Join(t.TempDir(), "missing.xml"))
		refused(t, out)
		if !strings.Contains(out.stderr, "missing.xml") {
			t.Errorf("standard error is %q, want it to name the file", out.stderr)
		}
	})
}

// refused checks that nothing of a file is believed.
func refused(t *testing.T, out outcome) {
	t.Helper()
	if out.status != 2 {
		t.Errorf("exit status %d, want 2:\n%s", out.status, out.stderr)
	}
	if out.stdout != "" {
		t.Errorf("%d bytes of records of a file that is not believed", len(out.stdout))
	}
	if out.stderr == "" {
		t.Error("standard error says nothing")
	}
}

func TestInspectReadsWhereverTheFileIs(t *testing.T) {
	good := export(t, town())
	dir := t.TempDir()
	plain := ess(t, "inspect", "--source", "alvis", write(t, filepath.Join(dir, "alvis.xml"), good))
	if plain.status != 0 || plain.stdout == "" {
		t.Fatalf("exit status %d:\n%s", plain.status, plain.stderr)
	}
	for name, got := range map[string]outcome{
		"in a zip":             ess(t, "inspect", "--source", "alvis", write(t, filepath.Join(dir, "alvis.zip"), zipOf(t, "x/alvis.xml", good, "readme.txt", "hello"))),
		"in a zip by its name": ess(t, "inspect", "--source", "alvis", write(t, filepath.Join(dir, "zipped.xml"), zipOf(t, "alvis.xml", good))),
		"on standard input":    essReading(t, good, "inspect", "--source", "alvis", "-"),
		"a zip on it":          essReading(t, zipOf(t, "alvis.xml", good), "inspect", "--source", "alvis", "-"),
	} {
		if got.status != 0 || got.stdout != plain.stdout {
			t.Errorf("%s: exit status %d and other records than of the plain file:\n%s", name, got.status, got.stderr)
		}
	}
}

func TestInspectByFormatAndProfile(t *testing.T) {
	doc := `<?xml version="1.0"?><enterprise><properties><datasource>X</datasource><type>full</type><datetime>2026-09-14T12:00:00</datetime></properties>
<group><sourcedid><source>X</source><id>s1</id></sourcedid><grouptype><scheme>own</scheme><typevalue level="1">Lärosäte</typevalue></grouptype><description><short>Provskolan</short></description></group>
<group><sourcedid><source>X</source><id>c1</id></sourcedid><grouptype><scheme>own</scheme><typevalue level="2">Studiecirkel</typevalue></grouptype><description><short>Krets 1</short></description>
<relationship relation="1"><sourcedid><source>X</source><id>s1</id></sourcedid><label>x</label></relationship></group></enterprise>`
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "x.xml"), doc)
	profile := write(t, filepath.Join(dir, "customer.yaml"), `name: customer
groupTypes:
  - {scheme: own, level: "1", as: Skolenhet}
  - {scheme: own, text: Studiecirkel, as: Undervisning}
`)
	base, own := ess(t, "inspect", "--format", "ims", path), ess(t, "inspect", "--format", "ims", "--profile", profile, path)
	for name, out := range map[string]outcome{"base": base, "own": own} {
		if out.status != 0 {
			t.Fatalf("%s: exit status %d:\n%s", name, out.status, out.stderr)
		}
	}
	if got := summaryOf(t, own); got.Assembled["organisations"] != 1 || got.Assembled["groups"] != 1 {
		t.Errorf("by its profile the export has %v, want an organisation and a group", got.Assembled)
	}
	if !strings.Contains(own.stdout, `"Undervisning"`) || strings.Contains(base.stdout, `"Undervisning"`) {
		t.Errorf("the profile is not what made a course of the group:\n%s\n%s", base.stdout, own.stdout)
	}
}

func TestInspectUsage(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "alvis.xml"), export(t, town()))
	spoilt := write(t, filepath.Join(dir, "spoilt.yaml"), "delta: sometimes\nids: nothing\n")
	unknown := write(t, filepath.Join(dir, "unknown.yaml"), "deltas: never\n")
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"neither source nor format":   {[]string{path}, []string{"source", "format"}},
		"both":                        {[]string{"--source", "alvis", "--format", "ims", path}, []string{"source", "format"}},
		"an unknown source":           {[]string{"--source", "extens", path}, []string{`"extens"`, "alvis"}},
		"an unknown format":           {[]string{"--format", "csv", path}, []string{`"csv"`, "ims"}},
		"a profile of a source":       {[]string{"--source", "alvis", "--profile", spoilt, path}, []string{"--profile"}},
		"a profile with wrong values": {[]string{"--format", "ims", "--profile", spoilt, path}, []string{"spoilt.yaml", "delta", "ids"}},
		"a profile with unknown keys": {[]string{"--format", "ims", "--profile", unknown, path}, []string{"unknown.yaml", "deltas"}},
		"a profile that is not there": {[]string{"--format", "ims", "--profile", path + ".yaml", path}, []string{".yaml"}},
		"no file":                     {[]string{"--source", "alvis"}, []string{"arg"}},
		"a day that is none":          {[]string{"--source", "alvis", "--today", "soon", path}, []string{"--today", "soon"}},
		"a pepper that is no secret":  {[]string{"--source", "alvis", "--pepper", "hush", path}, []string{"--pepper", "file:"}},
		"a pepper that is not there":  {[]string{"--source", "alvis", "--pepper", "file:" + path + ".pepper", path}, []string{"--pepper", ".pepper"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := ess(t, append([]string{"inspect"}, c.args...)...)
			if out.status != 1 || out.stdout != "" {
				t.Errorf("exit status %d and %d bytes of records, want 1 and none: it is not the file that is wrong", out.status, len(out.stdout))
			}
			for _, part := range c.want {
				if !strings.Contains(out.stderr, part) {
					t.Errorf("standard error is %q, want it to name %q", out.stderr, part)
				}
			}
			if strings.Contains(out.stderr, "hush") {
				t.Error("R8: the error shows the secret")
			}
		})
	}
}

func TestInspectKeysAreThePeppers(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "alvis.xml"), export(t, town()))
	one := write(t, filepath.Join(dir, "one"), strings.Repeat("a", 64))
	other := write(t, filepath.Join(dir, "other"), strings.Repeat("b", 64))
	keys := func(pepper string) string {
		out := ess(t, "inspect", "--source", "alvis", "--pepper", "file:"+pepper, path)
		if out.status != 0 {
			t.Fatal(out.stderr)
		}
		return records(t, out)[0].Key
	}
	if first, again := keys(one), keys(one); first != again || first == keys(other) {
		t.Error("the keys do not follow the pepper")
	}
}

func zipOf(t testing.TB, pairs ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		w, err := z.Create(pairs[i])
		if err == nil {
			_, err = w.Write([]byte(pairs[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A reader on the other end of a pipe may go: that is no reason for anything but to end.
func TestInspectIntoAClosedPipe(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "alvis.xml"), export(t, town()))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	var stderr bytes.Buffer
	if status := run(t.Context(), []string{"inspect", "--source", "alvis", path}, nil, w, &stderr); status == 0 {
		t.Error("exit status 0 although the records went nowhere")
	}
}
