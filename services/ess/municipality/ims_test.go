package municipality

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"

	"eventful.se/ess/libs/roster"
)

// enterprise is an IMS Enterprise document as these tests read it back.
type enterprise struct {
	XMLName    xml.Name        `xml:"enterprise"`
	Type       string          `xml:"properties>type"`
	Source     string          `xml:"properties>datasource"`
	DateTime   string          `xml:"properties>datetime"`
	Person     []imsPerson     `xml:"person"`
	Group      []imsGroup      `xml:"group"`
	Membership []imsMembership `xml:"membership"`
}

type imsPerson struct {
	XMLName xml.Name `xml:"person"`
	ID      string   `xml:"sourcedid>id"`
	UserID  struct {
		Type  string `xml:"useridtype,attr"`
		Value string `xml:",chardata"`
	} `xml:"userid"`
	Full   string    `xml:"name>fn"`
	Family string    `xml:"name>n>family"`
	Given  string    `xml:"name>n>given"`
	Email  string    `xml:"email"`
	Roles  []imsRole `xml:"institutionrole"`
	Mark   string    `xml:"extension>securitymarking"`
}

type imsGroup struct {
	XMLName xml.Name `xml:"group"`
	ID      string   `xml:"sourcedid>id"`
	Type    struct {
		Level int    `xml:"level,attr"`
		Word  string `xml:",chardata"`
	} `xml:"grouptype>typevalue"`
	Scheme string `xml:"grouptype>scheme"`
	Name   string `xml:"description>short"`
	Long   string `xml:"description>long"`
	Code   string `xml:"org>id"`
	Begin  string `xml:"timeframe>begin"`
	End    string `xml:"timeframe>end"`
	Parent struct {
		Relation int    `xml:"relation,attr"`
		ID       string `xml:"sourcedid>id"`
	} `xml:"relationship"`
}

type imsMembership struct {
	XMLName xml.Name `xml:"membership"`
	Group   string   `xml:"sourcedid>id"`
	Member  []struct {
		ID   string    `xml:"sourcedid>id"`
		Type int       `xml:"idtype"`
		Role []imsRole `xml:"role"`
	} `xml:"member"`
}

type imsRole struct {
	Primary string `xml:"primaryrole,attr"`
	Inst    string `xml:"institutionroletype,attr"`
	Type    string `xml:"roletype,attr"`
	Status  int    `xml:"status"`
	Begin   string `xml:"timeframe>begin"`
	End     string `xml:"timeframe>end"`
}

func write(t *testing.T, m *Municipality, o IMSOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.EncodeIMS(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(t *testing.T, doc []byte) enterprise {
	t.Helper()
	if bytes.HasPrefix(doc, []byte{0xff, 0xfe}) {
		units := make([]uint16, len(doc)/2-1)
		if err := binary.Read(bytes.NewReader(doc[2:]), binary.LittleEndian, units); err != nil {
			t.Fatal(err)
		}
		doc = []byte(string(utf16.Decode(units)))
	}
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.CharsetReader = func(label string, r io.Reader) (io.Reader, error) {
		switch label {
		case "ISO-8859-1":
			return charmap.ISO8859_1.NewDecoder().Reader(r), nil
		case "Windows-1252":
			return charmap.Windows1252.NewDecoder().Reader(r), nil
		case "UTF-16":
			return r, nil
		}
		return nil, errors.New("unknown encoding " + label)
	}
	var e enterprise
	if err := d.Decode(&e); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Token(); err == nil {
		if _, err = d.Token(); !errors.Is(err, io.EOF) {
			t.Errorf("after the document stands something else: %v", err)
		}
	}
	return e
}

func TestDocumentHoldsTheMunicipality(t *testing.T) {
	for _, shape := range []Shape{ShapeAdult, ShapeSchools} {
		t.Run(string(shape), func(t *testing.T) {
			m := New(Options{Pupils: 400, Seed: 7, Shape: shape})
			e, s := read(t, write(t, m, IMSOptions{})), m.Size()
			if e.Type != "full" || e.Source == "" {
				t.Errorf("properties have the type %q and the source %q", e.Type, e.Source)
			}
			if at, err := time.Parse(time.RFC3339, e.DateTime); err != nil || !at.Equal(m.Time) {
				t.Errorf("datetime is %s (%v), want %s", e.DateTime, err, m.Time)
			}
			if len(e.Person) != s.Persons || len(e.Group) != s.Units+s.Groups {
				t.Fatalf("%d persons and %d groups, want %+v", len(e.Person), len(e.Group), s)
			}
			ids := map[string]bool{}
			for i, p := range e.Person {
				want := &m.Persons[i]
				if p.ID != want.ID || p.UserID.Type != "PID" || p.UserID.Value != want.CivicNo.Reveal() ||
					p.Given != want.Given.Reveal() || p.Family != want.Family.Reveal() || p.Email != want.Email.Reveal() ||
					p.Full != strings.TrimSpace(p.Given+" "+p.Family) {
					t.Errorf("%s is not in the document as it is", want.ID)
				}
				var roles []string
				for _, r := range p.Roles {
					roles = append(roles, r.Inst+r.Primary)
				}
				wantRoles := []string{"StaffYes"}
				switch {
				case len(want.Enrolments) > 0 && len(want.Duties) > 0:
					wantRoles = []string{"StudentYes", "StaffNo"}
				case len(want.Enrolments) > 0:
					wantRoles = []string{"StudentYes"}
				}
				if diff := cmp.Diff(wantRoles, roles); diff != "" {
					t.Errorf("%s has the institution roles (-want +got)\n%s", want.ID, diff)
				}
				ids[p.ID] = true
			}
			parents := map[string]string{}
			for i, g := range e.Group {
				parents[g.ID] = g.Parent.ID
				if i < len(m.Units) {
					if u := m.Units[i]; g.ID != u.ID || g.Name != u.Name || g.Code != u.Code || g.Scheme != "pifu-ims-go-org" {
						t.Errorf("unit %s is not in the document as it is", u.ID)
					}
					continue
				}
				want := m.Groups[i-len(m.Units)]
				word := map[GroupKind]string{Class: "Klass", Teaching: "Kurs", Mentors: "Mentorsgrupp"}[want.Kind]
				if g.ID != want.ID || g.Name != want.Name || g.Type.Word != word || g.Begin != want.Start.String() ||
					g.End != want.End.String() || g.Parent.ID != want.Unit || g.Parent.Relation != 1 {
					t.Errorf("group %s is not in the document as it is", want.ID)
				}
			}
			members := 0
			for _, ms := range e.Membership {
				if _, ok := parents[ms.Group]; !ok {
					t.Errorf("members of %s, which is no group", ms.Group)
				}
				if len(ms.Member) == 0 {
					t.Errorf("membership of %s has no member, which the format does not allow", ms.Group)
				}
				for _, x := range ms.Member {
					members++
					if !ids[x.ID] || x.Type != 1 || len(x.Role) == 0 {
						t.Errorf("%s of %s is nobody or nothing", x.ID, ms.Group)
					}
				}
			}
			if members != s.Members {
				t.Errorf("%d members, want %d", members, s.Members)
			}
			for id, parent := range parents {
				if _, ok := parents[parent]; !ok && id != m.Units[0].ID {
					t.Errorf("%s has the parent %q, which is no group", id, parent)
				}
			}
		})
	}
}

// A character that an encoding lacks is a reference, so every encoding says the same (F33).
func TestEncodingsSayTheSame_F33(t *testing.T) {
	m := New(Options{Pupils: 200, Seed: 7})
	want := read(t, write(t, m, IMSOptions{}))
	tests := []struct {
		name   string
		give   IMSOptions
		prefix string
		o      string // how ö is written
	}{
		{"UTF-8", IMSOptions{Encoding: UTF8}, `<?xml version="1.0" encoding="UTF-8"?>`, "ö"},
		{"UTF-8 with BOM", IMSOptions{BOM: true}, "\xef\xbb\xbf<?xml", "ö"},
		{"ISO-8859-1", IMSOptions{Encoding: ISO88591}, `<?xml version="1.0" encoding="ISO-8859-1"?>`, "\xf6"},
		{"Windows-1252", IMSOptions{Encoding: Windows1252}, `<?xml version="1.0" encoding="Windows-1252"?>`, "\xf6"},
		{"UTF-16", IMSOptions{Encoding: UTF16}, "\xff\xfe<\x00?\x00x\x00", "\xf6\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := write(t, m, tt.give)
			if !bytes.HasPrefix(doc, []byte(tt.prefix)) {
				t.Errorf("begins with %q", doc[:len(tt.prefix)])
			}
			if !bytes.Contains(doc, []byte(tt.o)) {
				t.Errorf("has no %q", tt.o)
			}
			if got := read(t, bytes.TrimPrefix(doc, []byte("\ufeff"))); !cmp.Equal(got, want) {
				t.Error("says something else than UTF-8")
			}
		})
	}
	if err := m.EncodeIMS(io.Discard, IMSOptions{Encoding: "EBCDIC"}); err == nil || !strings.Contains(err.Error(), "EBCDIC") {
		t.Errorf("unknown encoding: error %v", err)
	}
}

type fullDisk struct{ room int }

var errFull = errors.New("disk is full")

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.room -= len(b); d.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriteErrorIsReturned(t *testing.T) {
	m := New(Options{Pupils: 400, Seed: 7})
	for _, room := range []int{0, 100_000} {
		if err := m.WriteIMS(&fullDisk{room}); !errors.Is(err, errFull) {
			t.Errorf("with room for %d bytes: error %v", room, err)
		}
	}
}

// The oracle equals what a plain recount of the document finds, on days around the day of the municipality: spans of
// days include both their ends. The recount compares dates as text and knows nothing of the model.
func TestActiveEqualsARecountOfTheDocument(t *testing.T) {
	for _, shape := range []Shape{ShapeAdult, ShapeSchools} {
		m := New(Options{Pupils: 300, Seed: 11, Shape: shape})
		e := read(t, write(t, m, IMSOptions{}))
		for _, shift := range []int{-200, -30, -2, -1, 0, 1, 2, 30, 200, 2000} {
			day := m.Day.AddDays(shift)
			if diff := cmp.Diff(recount(e, day.String()), m.Active(day)); diff != "" {
				t.Errorf("%s, %+d days: (-recount +oracle)\n%s", shape, shift, diff)
			}
		}
	}
}

func recount(e enterprise, day string) Active {
	in := func(begin, end string) bool { return day >= begin && (end == "" || day <= end) }
	unit, named := map[string]bool{}, map[string]string{}
	for _, g := range e.Group {
		named[g.ID] = g.Name
		unit[g.ID] = g.Scheme == "pifu-ims-go-org"
	}
	studies, works := map[string][]string{}, map[string][]string{}
	roles := map[string]map[string][]string{} // group, role type, ids
	for _, ms := range e.Membership {
		roles[ms.Group] = map[string][]string{}
		for _, x := range ms.Member {
			for _, r := range x.Role {
				switch {
				case !in(r.Begin, r.End):
				case !unit[ms.Group]:
					roles[ms.Group][r.Type] = append(roles[ms.Group][r.Type], x.ID)
				case r.Type == "01":
					studies[x.ID] = append(studies[x.ID], named[ms.Group])
				default:
					works[x.ID] = append(works[x.ID], named[ms.Group])
				}
			}
		}
	}
	var a Active
	for _, p := range e.Person {
		if p.Mark != "" && p.Mark != "Ingen" {
			delete(studies, p.ID)
			delete(works, p.ID)
			continue
		}
		row := ActivePerson{
			ID: p.ID, CivicNo: roster.Personal(p.UserID.Value), Given: roster.Personal(norm.NFC.String(p.Given)),
			Family: roster.Personal(norm.NFC.String(p.Family)), Email: roster.Personal(p.Email),
		}
		if row.Units = studies[p.ID]; row.Units != nil {
			slices.Sort(row.Units)
			a.Pupils = append(a.Pupils, row)
		}
		if row.Units = works[p.ID]; row.Units != nil {
			slices.Sort(row.Units)
			a.Staff = append(a.Staff, row)
		}
	}
	only := func(ids []string, of map[string][]string) (list []string) {
		for _, id := range ids {
			if of[id] != nil {
				list = append(list, id)
			}
		}
		slices.Sort(list)
		return list
	}
	kinds := map[string]GroupKind{"Klass": Class, "Kurs": Teaching, "Mentorsgrupp": Mentors}
	for _, g := range e.Group {
		if unit[g.ID] || !in(g.Begin, g.End) {
			continue
		}
		r := roles[g.ID]
		a.Groups = append(a.Groups, ActiveGroup{
			ID: g.ID, Name: g.Name, Kind: kinds[g.Type.Word], Course: g.course(),
			Unit: named[g.Parent.ID], Pupils: only(r["01"], studies), Teachers: only(r["02"], works), Mentors: only(r["06"], works),
		})
	}
	return a
}

// course returns the course code, which stands before the name in the long description.
func (g imsGroup) course() string {
	return strings.TrimSuffix(strings.TrimSuffix(g.Long, g.Name), " ")
}

func TestWriteDir(t *testing.T) {
	m := New(Options{Pupils: 2000, Seed: 7})
	dir := filepath.Join(t.TempDir(), "a", "b")
	var last, total, calls int
	paths, err := m.WriteDir(dir, FormatAlvis, func(done, of int) {
		if done <= last || done > of {
			t.Errorf("progress %d of %d after %d", done, of, last)
		}
		last, total, calls = done, of, calls+1
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{filepath.Join(dir, "alvis.xml")}; !cmp.Equal(paths, want) {
		t.Fatalf("wrote %q, want %q", paths, want)
	}
	if last != total || calls < 2 {
		t.Errorf("progress ended at %d of %d after %d calls", last, total, calls)
	}
	got, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, write(t, m, IMSOptions{})) {
		t.Error("the file is not what WriteIMS writes")
	}
	if files := list(t, dir); len(files) != 1 {
		t.Errorf("the directory holds %q", files)
	}
}

func TestWriteDirFailsWhole(t *testing.T) {
	m := New(Options{Pupils: 20})
	dir := t.TempDir()
	if _, err := m.WriteDir(dir, "xls", nil); err == nil || !strings.Contains(err.Error(), "alvis") {
		t.Errorf("unknown format: error %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "alvis.xml"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteDir(dir, FormatAlvis, nil); err == nil {
		t.Error("a directory was replaced by a file")
	}
	if files := list(t, dir); len(files) != 1 {
		t.Errorf("the directory holds %q, want only what was there", files)
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
