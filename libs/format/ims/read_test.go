package ims

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
)

// R3: what has no id may be anybody, so nobody is absent.
func TestAnElementWithoutIDTakesNobodyAway(t *testing.T) {
	const whole = `<enterprise><properties><datasource>x</datasource></properties>%s</enterprise>`
	for in, complete := range map[string]bool{
		`<person><sourcedid><id>p</id></sourcedid></person>`:                                              true,
		`<person><sourcedid><id>p</id></sourcedid></person><person><sourcedid><id/></sourcedid></person>`: false,
		`<person><sourcedid><id>p</id></sourcedid></person><group></group>`:                               false,
		`<person><sourcedid><id>p</id></sourcedid></person><membership></membership>`:                     false,
	} {
		if _, s, err := readAll(fmt.Appendf(nil, whole, in), Base()); err != nil || s.Complete != complete {
			t.Errorf("%s: complete %t, %v", in, s.Complete, err)
		}
	}
}

// F31: a document that is cut anywhere is an error, never a smaller snapshot.
func TestTruncatedAnywhere(t *testing.T) {
	whole, err := os.ReadFile("testdata/cases/whole-municipality/input.xml")
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.LastIndexByte(whole, '>')
	for name, encode := range encodings() {
		data := encode(whole)
		last := len(data) - len(encode(whole[end:])) + len(encode(whole[:0]))
		step := 17 // not at every byte: what an encoding adds is at its start and between two characters
		if name == "utf-8" {
			step = 1
		}
		for n := 0; n < last; n += step {
			if _, s, err := readAll(data[:n], Base()); err == nil {
				t.Fatalf("%s cut at byte %d of %d: complete=%t without an error", name, n, len(data), s.Complete)
			}
		}
		if _, _, err := readAll(data, Base()); err != nil {
			t.Fatalf("%s whole: %v", name, err)
		}
	}
}

// encodings returns ways to write a UTF-8 document with a declaration in another encoding, without its byte order mark
// for nothing at all.
func encodings() map[string]func([]byte) []byte {
	declare := func(b []byte, name string) []byte {
		return bytes.Replace(b, []byte(`encoding="UTF-8"`), []byte(`encoding="`+name+`"`), 1)
	}
	single := func(c *charmap.Charmap, name string) func([]byte) []byte {
		return func(b []byte) []byte {
			var out []byte
			for _, r := range string(declare(b, name)) {
				if e, ok := c.EncodeRune(r); ok {
					out = append(out, e)
				} else {
					out = fmt.Appendf(out, "&#%d;", r)
				}
			}
			return out
		}
	}
	wide := func(big bool) func([]byte) []byte {
		return func(b []byte) []byte {
			var out []byte
			for _, u := range utf16.Encode([]rune("\ufeff" + string(declare(b, "UTF-16")))) {
				if big {
					out = append(out, byte(u>>8), byte(u))
				} else {
					out = append(out, byte(u), byte(u>>8))
				}
			}
			return out
		}
	}
	return map[string]func([]byte) []byte{
		"utf-8":        func(b []byte) []byte { return b },
		"utf-8 bom":    func(b []byte) []byte { return append([]byte("\ufeff"), b...) },
		"iso-8859-1":   single(charmap.ISO8859_1, "ISO-8859-1"),
		"windows-1252": single(charmap.Windows1252, "windows-1252"),
		"utf-16le":     wide(false),
		"utf-16be":     wide(true),
	}
}

// F33: the facts do not depend on the encoding, nor on how the bytes arrive.
func TestEncodingsSayTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("Teståäö-' éßþ€–ŁŚ😀&<\"\n")), 1, 40, -1), 1, 5).Draw(t, "names")
		var b bytes.Buffer
		b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<enterprise>")
		for i, n := range names {
			n = strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(n)
			fmt.Fprintf(&b, "<person><sourcedid><id>%d</id></sourcedid><name><n><family>Åk %s</family></n></name></person>\n", i, n)
		}
		b.WriteString("</enterprise>")
		docs, summary, err := readAll(b.Bytes(), Base())
		want := render(t, docs, summary, err)
		if err != nil {
			t.Fatal(err)
		}
		for name, encode := range encodings() {
			docs, summary, err := readAll(encode(b.Bytes()), Base())
			if diff := cmp.Diff(string(want), string(render(t, docs, summary, err))); diff != "" {
				t.Errorf("%s: -want +got:\n%s", name, diff)
			}
		}
	})
}

func TestBytesArriveInPieces(t *testing.T) {
	paths, _ := filepath.Glob("testdata/cases/*/input.xml")
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		docs, summary, err := readAll(data, Base())
		want := render(t, docs, summary, err)
		for name, r := range map[string]io.Reader{
			"one byte": iotest.OneByteReader(bytes.NewReader(data)),
			"data err": iotest.DataErrReader(bytes.NewReader(data)),
		} {
			docs = nil
			summary, err := Read(context.Background(), r, Options{Profile: Base(), File: "input.xml"}, func(d fact.Doc) error {
				docs = append(docs, d)
				return nil
			})
			if diff := cmp.Diff(string(want), string(render(t, docs, summary, err))); diff != "" {
				t.Errorf("%s, %s: -want +got:\n%s", path, name, diff)
			}
		}
	}
}

// A token that lies across the end of the window reads as any other.
func TestWindowEdges(t *testing.T) {
	for pad := first - 300; pad < first+50; pad++ {
		doc := "<enterprise><!--" + strings.Repeat("x", pad) + "-->" +
			`<person a="1" b='&lt;2'><sourcedid><id>p1</id></sourcedid><name><fn>A&amp;Å</fn><n><family><![CDATA[<Å>]]>ö</family></n></name></person></enterprise>`
		docs, _, err := readAll([]byte(doc), Base())
		if err != nil || len(docs) != 1 || docs[0].Facts[0].(fact.Person).FamilyName != "<Å>ö" {
			t.Fatalf("pad %d: %+v, %v", pad, len(docs), err)
		}
	}
}

// F43: what is not well-formed, or costs too much, is an error that tells the place.
func TestRefused(t *testing.T) {
	small := Limits{Bytes: 400_000, Depth: 8, Element: 2_000}
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"attribute without quotes", `<enterprise a=1/>`, ErrMalformed},
		{"attribute without value", `<enterprise a/>`, ErrMalformed},
		{"attribute twice", `<enterprise a="1" a="2"/>`, ErrMalformed},
		{"attributes not apart", `<enterprise a="1"b="2"/>`, ErrMalformed},
		{"less-than in attribute", `<enterprise a="<"/>`, ErrMalformed},
		{"entity in attribute", `<enterprise a="&x;"/>`, ErrEntity},
		{"entity in a part that is passed over", `<enterprise><x><y>&x;</y></x></enterprise>`, ErrEntity},
		{"lone ampersand", `<enterprise>& </enterprise>`, ErrEntity},
		{"reference to no character", `<enterprise>&#0;</enterprise>`, ErrEntity},
		{"reference to half a pair", `<enterprise>&#xD800;</enterprise>`, ErrEntity},
		{"reference too large", `<enterprise>&#x110000;</enterprise>`, ErrEntity},
		{"reference without digits", `<enterprise>&#x;</enterprise>`, ErrEntity},
		{"end tag alone", `</enterprise>`, ErrMalformed},
		{"end tag of another prefix", `<a:enterprise></b:enterprise>`, ErrMalformed},
		{"end tag that begins alike", `<enterprise><a><ab></a></ab></enterprise>`, ErrMalformed},
		{"two roots", `<enterprise/><enterprise/>`, ErrMalformed},
		{"text before the root", `x<enterprise/>`, ErrMalformed},
		{"CDATA after the root", `<enterprise/><![CDATA[x]]>`, ErrMalformed},
		{"declaration inside", `<enterprise><?xml version="1.0"?></enterprise>`, ErrMalformed},
		{"dashes in comment", `<enterprise><!-- a -- b --></enterprise>`, ErrMalformed},
		{"CDATA end in text", `<enterprise>a]]>b</enterprise>`, ErrMalformed},
		{"tag without name", `<enterprise>< a></enterprise>`, ErrMalformed},
		{"bang", `<enterprise><!ELEMENT a></enterprise>`, ErrMalformed},
		{"doctype inside", `<enterprise><!DOCTYPE a></enterprise>`, ErrDoctype},
		{"control character", "<enterprise>\x01</enterprise>", ErrEncoding},
		{"non-character", "<enterprise>\uffff</enterprise>", ErrEncoding},
		{"overlong UTF-8", "<enterprise>\xc0\xaf</enterprise>", ErrEncoding},
		{"depth", strings.Repeat("<enterprise>", 9), ErrDepth},
		{"long text", "<enterprise><person><name>" + strings.Repeat("x", 3000) + "</name></person></enterprise>", ErrElement},
		{"long text in attributes", `<enterprise><person><name a="` + strings.Repeat("x", 3000) + `"/></person></enterprise>`, ErrElement},
		{"long person", "<enterprise><person><extension>" + strings.Repeat("<a/>", 1000) + "</extension></person></enterprise>", ErrElement},
		{"endless tag", "<enterprise a='" + strings.Repeat("x", 390_000), ErrElement},
		{"large file", "<enterprise>" + strings.Repeat("<x/>", 200_000) + "</enterprise>", ErrSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(context.Background(), strings.NewReader(c.in), Options{Profile: Base(), File: "a.xml", Limits: small},
				func(fact.Doc) error { return nil })
			if !errors.Is(err, c.want) || reason.Of(err).Code != reason.Unreadable || reason.Of(err).Arg("line") == "" {
				t.Errorf("got %v, want unreadable because %v", err, c.want)
			}
		})
	}
}

// No document makes the work grow faster than its length.
func TestBoundedTime(t *testing.T) {
	const n = 30_000
	id := func(i int) string { return fmt.Sprintf("<sourcedid><id>%d</id></sourcedid>", i) }
	repeat := func(f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	for name, in := range map[string]string{
		"attributes": `<enterprise` + repeat(func(i int) string { return fmt.Sprintf(` a%d=""`, i) }) + `/>`,
		"one group":  `<enterprise>` + repeat(func(int) string { return "<group>" + id(1) + "</group>" }) + `</enterprise>`,
		"chain of groups": `<enterprise>` + repeat(func(i int) string {
			return "<group>" + id(i) + `<relationship relation="1">` + id(i+1) + "</relationship></group>"
		}) + `</enterprise>`,
		"many parents": `<enterprise><group>` + id(-1) + "</group>" + repeat(func(i int) string {
			return "<group>" + id(i) + `<relationship relation="1">` + id(-1) + `</relationship><relationship relation="2">` + id(-1) + "</relationship></group>"
		}) + `</enterprise>`,
		"roles": `<enterprise><person>` + id(1) + `</person><group>` + id(2) + `</group><membership>` + id(2) + repeat(func(i int) string {
			return "<member>" + id(1) + fmt.Sprintf(`<role roletype="x%d" recstatus="%d"/></member>`, i, i%2*3)
		}) + `</membership></enterprise>`,
		"extension": `<enterprise><person>` + id(1) + `<extension>` + repeat(func(int) string { return "<a>1</a>" }) + `</extension></person></enterprise>`,
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, _, err := readAll([]byte(in), Base())
			if d := time.Since(began); d > 30*time.Second {
				t.Errorf("%d bytes took %v (%v)", len(in), d, err)
			}
		})
	}
}

// Errors of others pass through as they are.
func TestOtherErrors(t *testing.T) {
	boom := errors.New("boom")
	doc := "<enterprise><person><sourcedid><id>1</id></sourcedid></person></enterprise>"
	if _, err := Read(context.Background(), strings.NewReader(doc), Options{Profile: Base()}, func(fact.Doc) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("emit: got %v", err)
	}
	r := io.MultiReader(strings.NewReader(doc[:30]), iotest.ErrReader(boom))
	if _, err := Read(context.Background(), r, Options{Profile: Base()}, func(fact.Doc) error { return nil }); !errors.Is(err, boom) {
		t.Errorf("reader: got %v", err)
	}
	r = io.MultiReader(strings.NewReader(doc[:30]), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := Read(context.Background(), r, Options{Profile: Base()}, func(fact.Doc) error { return nil }); !errors.Is(err, ErrTruncated) {
		t.Errorf("cut transfer: got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, strings.NewReader(doc), Options{Profile: Base()}, func(fact.Doc) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// Findings of a million bad members take the place of one.
func TestFindingsAreCounted(t *testing.T) {
	var b strings.Builder
	b.WriteString("<enterprise><person><sourcedid><id>p</id></sourcedid></person><membership><sourcedid><id>g</id></sourcedid>")
	for i := range 5000 {
		fmt.Fprintf(&b, "<member><sourcedid><id>p</id></sourcedid><role roletype=\"r%d\"/></member>", i)
	}
	b.WriteString("</membership><group><sourcedid><id>g</id></sourcedid><grouptype><typevalue>klass</typevalue></grouptype></group></enterprise>")
	_, s, err := readAll([]byte(b.String()), Base())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Findings); n > maxDetails+1 {
		t.Errorf("%d findings, want at most %d", n, maxDetails+1)
	}
}

// F63: neither errors nor findings quote names or numbers of persons.
func TestNoPersonalData(t *testing.T) {
	const canary = "Kanariedotter"
	for _, in := range []string{
		"<enterprise><person><sourcedid><id>" + canary + "</id></sourcedid><name><fn>" + canary + " &" + canary + ";</fn></name></person></enterprise>",
		"<enterprise><person><sourcedid><id>" + canary + "</id></sourcedid><" + canary + "></person></enterprise>",
		"<enterprise><membership><sourcedid><id>" + canary + "</id></sourcedid><member><sourcedid><id>" + canary + "</id></sourcedid></member></membership></enterprise>",
		"<enterprise><person><sourcedid><id>" + canary,
		"<enterprise><group><sourcedid><id>g</id></sourcedid><grouptype><typevalue>18991231-0000</typevalue></grouptype></group></enterprise>",
	} {
		_, s, err := readAll([]byte(in), Base())
		if text := fmt.Sprint(err, s.Findings); strings.Contains(text, canary) || strings.Contains(text, "18991231") {
			t.Errorf("the message quotes the document: %s", text)
		}
	}
}

// FuzzRead: no input is a panic or takes long; what is read, reads the same as UTF-16; what is cut is an error.
func FuzzRead(f *testing.F) {
	paths, _ := filepath.Glob("testdata/cases/*/input.xml")
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		began := time.Now()
		docs, summary, err := readAll(data, Base())
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("took %v", d)
		}
		if err != nil {
			if code := reason.Of(err).Code; code != reason.Unreadable && code != reason.TruncatedFile {
				t.Errorf("error without a reason: %v", err)
			}
			return
		}
		for _, d := range docs {
			if d.ID == "" || d.Where == "" {
				t.Errorf("doc without id or place")
			}
		}
		if end := bytes.LastIndexByte(data, '>'); end > 0 && !bytes.Contains(data[end-min(end, 3):], []byte("->")) && !bytes.Contains(data[end-1:], []byte("?>")) {
			if _, _, err := readAll(data[:end], Base()); err == nil {
				t.Errorf("cut before its last >, it still reads")
			}
		}
		if bytes.HasPrefix(data, []byte("<enterprise")) && data[len("<enterprise")] != 0 {
			wide := encodings()["utf-16le"](data)
			again, s, err := readAll(wide, Base())
			if diff := cmp.Diff(string(render(t, docs, summary, nil)), string(render(t, again, s, err))); diff != "" {
				t.Errorf("as UTF-16: -want +got:\n%s", diff)
			}
		}
	})
}
