package extensims_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/imstest"
	"eventful.se/ess/libs/source/sourcetest/sftptest"
	"eventful.se/ess/services/source-extens-ims/extensims"
)

const reachable = "sftp: {host: sftp.example, user: kommun, password: 'file:/run/secrets/extens'}\n"

// TestConformance runs the suite on archives with a document for each school.
func TestConformance(t *testing.T) {
	r := sftptest.New(t, sftptest.Export{
		File: "export.zip",
		Of:   func(t sourcetest.Town) ([]byte, error) { return sftptest.Packed(bySchool(t, false)) },
		Late: func(t sourcetest.Town) ([]byte, error) { return sftptest.Packed(bySchool(t, true)) },
	})
	sourcetest.Test(t, sourcetest.Under{
		Connector: extensims.Connector(),
		Settings:  "sftp: " + r.SFTP() + "\nsettle: 5ms\nmaxAge: 0s\n",
		Refused: map[string]string{
			"{}": "sftp.host",
			"sftp: {host: sftp.example, user: kommun, password: hunter2}": "sftp.password",
			reachable + "spread: -1h":                                     "spread",
			reachable + "http: {url: 'https://isi.example/export'}":       "http.url",
			"http: {url: 'http://isi.example/export'}":                    "http.url",
			"http: {url: 'https://isi.example', query: {id: hunter2}}":    "http.query.id",
			reachable + "expect: {count: -1}":                             "expect.count",
			reachable + "expect: {files: ['[']}":                          "expect.files[0]",
			reachable + "windows: {pupils: {before: 1000}}":               "windows.pupils",
			reachable + "profile: {delta: sometimes}":                     "profile.delta",
		},
		Secrets:  []string{sftptest.Password, "hunter2"},
		Register: r,
		Against:  "zip archives of IMS Enterprise files, one for each school, on an SFTP server in the test's process",
		Steps:    sftptest.Steps(),
		Claims:   sourcetest.Claims{NoDelta: "an export is read whole, and gives no cursor", PerPerson: 512},
	})
}

// bySchool writes a town as a document for each school, without those whom Extens leaves out; spoilt is the last one.
func bySchool(t sourcetest.Town, spoil bool) map[string]string {
	files := map[string]string{}
	t = t.Clone()
	for _, p := range t.Clone().Persons {
		if p.Protected {
			t.Drop(p.ID)
		}
	}
	for i, u := range t.Units {
		own := sourcetest.Town{At: t.At, Units: []sourcetest.Unit{u}}
		for _, p := range t.Persons {
			if p.Unit == u.ID {
				own.Persons = append(own.Persons, p)
			}
		}
		for _, g := range t.Groups {
			if g.Unit == u.ID {
				own.Groups = append(own.Groups, g)
			}
		}
		document := imstest.Export(own)
		if spoil && i == len(t.Units)-1 {
			document = imstest.Spoil(document)
		}
		files[u.ID+".xml"] = string(document)
	}
	if len(files) == 0 {
		files["none.xml"] = string(imstest.Export(t))
	}
	return files
}

func TestCases(t *testing.T) {
	sourcetest.Cases(t, extensims.Connector(), func(t *testing.T) sourcetest.Side {
		r := sftptest.New(t, sftptest.Export{})
		return sourcetest.Side{Hold: sourcetest.Folder(r.Dir), Values: map[string]string{"sftp": r.SFTP()}}
	})
}

var day = time.Date(2026, 10, 14, 10, 0, 0, 0, time.UTC)

// open makes the source of some settings.
func open(t *testing.T, settings string) source.Source {
	t.Helper()
	c := extensims.Connector().New()
	if err := yaml.UnmarshalWithOptions([]byte(settings), c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	s, err := c.Open(source.Env{Now: func() time.Time { return day }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// town has a pupil at one school and her teacher at another.
func town() sourcetest.Town {
	return sourcetest.Town{
		At:    day,
		Units: []sourcetest.Unit{{ID: "u-1", Name: "Provskolan Ett"}, {ID: "u-2", Name: "Provskolan Två"}},
		Persons: []sourcetest.Person{
			{ID: "p-1", CivicNo: "189001019802", GivenName: "Testa", FamilyName: "Åkesdotter", Role: "pupil", Unit: "u-1"},
			{ID: "p-2", CivicNo: "188505059801", GivenName: "Prova", FamilyName: "Örnsson", Role: "staff", Unit: "u-2"},
		},
		Groups: []sourcetest.Group{{ID: "g-1", Name: "7A", Unit: "u-1", Members: []sourcetest.Member{{Person: "p-1", Role: "pupil"}, {Person: "p-2", Role: "teacher"}}}},
	}
}

// TestOverHTTP reads the export from an API, as a document and as an archive of two, and what such an API does wrong.
func TestOverHTTP(t *testing.T) {
	archive, err := sftptest.Packed(bySchool(town(), false))
	if err != nil {
		t.Fatal(err)
	}
	half, err := sftptest.Packed(map[string]string{"u-1.xml": bySchool(town(), false)["u-1.xml"]})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		kind, more string
		body       []byte
		status     int
		want       reason.Code // empty for a complete read of both persons
	}{
		"a document":           {kind: "application/xml", body: imstest.Export(town())},
		"an archive":           {kind: "application/zip", body: archive, more: "expect: {count: 2, files: ['u-1.xml', 'u-*.xml']}\n"},
		"a school is missing":  {kind: "application/zip", body: half, more: "expect: {count: 2}\n", want: reason.FilesMissing},
		"another is there":     {kind: "application/zip", body: half, more: "expect: {files: ['u-2.xml']}\n", want: reason.FilesMissing},
		"cut off":              {kind: "application/xml", body: imstest.Export(town())[:600], want: reason.TruncatedFile},
		"a page of HTML":       {kind: "text/html", body: []byte("<html>Logga in</html>"), want: reason.AnswerUnreadable},
		"HTML that says XML":   {kind: "application/xml", body: []byte("<html>Logga in</html>"), want: reason.Unreadable},
		"a wrong partner":      {kind: "application/xml", status: http.StatusForbidden, want: reason.NotPermitted},
		"the API is not there": {kind: "application/xml", status: http.StatusNotFound, want: reason.EndpointMissing},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("ISI_EXTENS_ID") != "kund-7" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				w.Header().Set("Content-Type", c.kind)
				if c.status != 0 {
					w.WriteHeader(c.status)
				}
				_, _ = w.Write(c.body)
			}))
			defer server.Close()
			dir := t.TempDir()
			id, ca := filepath.Join(dir, "id"), filepath.Join(dir, "ca.pem")
			if err := os.WriteFile(id, []byte("kund-7\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(ca, pemOf(server), 0o600); err != nil {
				t.Fatal(err)
			}
			kind := c.kind
			if kind == "text/html" {
				kind = "application/xml"
			}
			s := open(t, fmt.Sprintf("http: {url: '%s/export', accept: %s, query: {ISI_EXTENS_ID: 'file:%s'}, caFile: %s, privateAddresses: true, retry: {tries: 1}}\n%s",
				server.URL, kind, id, ca, c.more))
			persons := 0
			res, err := s.Read(t.Context(), nil, func(d fact.Doc) error {
				if _, ok := d.Facts[0].(fact.Person); ok {
					persons++
				}
				return nil
			})
			if c.want != "" {
				if reason.Of(err).Code != c.want || res.Complete {
					t.Errorf("got %v, complete %t; want %s", err, res.Complete, c.want)
				}
				return
			}
			if err != nil || !res.Complete || persons != 2 || len(res.Findings) != 0 {
				t.Errorf("%d persons, complete %t, findings %v (%v)", persons, res.Complete, res.Findings, err)
			}
			checker, ok := s.(source.Checker)
			if !ok {
				t.Fatal("it cannot check itself")
			}
			if err := checker.Check(t.Context(), func(string, string, error) {}); err != nil {
				t.Errorf("the check: %v", err)
			}
		})
	}
}

// TestAFolderIsOneExport reads the documents of a folder as one; what lies there from long before is no part of it.
func TestAFolderIsOneExport(t *testing.T) {
	r := sftptest.New(t, sftptest.Export{})
	write := func(name, text string, age time.Duration) {
		at := time.Now().Add(-age)
		if err := os.WriteFile(filepath.Join(r.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(r.Dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	files := bySchool(town(), false)
	settings := "sftp: " + r.SFTP() + "\nsettle: 1ms\nmaxAge: 0s\nseveral: true\nexpect: {count: 2}\n"
	read := func() (source.Result, error) {
		return open(t, settings).Read(t.Context(), nil, func(fact.Doc) error { return nil })
	}
	write("u-1.xml", files["u-1.xml"], time.Minute)
	if _, err := read(); reason.Of(err).Code != reason.FilesMissing {
		t.Errorf("one of two documents came to %v", err)
	}
	write("u-2.xml", files["u-2.xml"], 26*time.Hour)
	if _, err := read(); reason.Of(err).Code != reason.FileGrowing {
		t.Errorf("a document of yesterday came to %v", err)
	}
	write("u-2.xml", files["u-2.xml"], 2*time.Minute)
	if res, err := read(); err != nil || !res.Complete || res.Seen["persons"] != 2 {
		t.Errorf("both documents: %+v (%v)", res, err)
	}
}

func pemOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}
