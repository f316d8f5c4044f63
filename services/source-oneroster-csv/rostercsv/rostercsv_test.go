package rostercsv_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/sftptest"
	"eventful.se/ess/services/source-oneroster-csv/rostercsv"
)

func open(t *testing.T, settings string) source.Source {
	t.Helper()
	c := rostercsv.Connector().New()
	if err := yaml.UnmarshalWithOptions([]byte(settings), c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	s, err := c.Open(source.Env{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func town() sourcetest.Town {
	return sourcetest.Town{
		Units:   []sourcetest.Unit{{ID: "u", Name: "Provskolan"}},
		Persons: []sourcetest.Person{{ID: "p", CivicNo: "189001019802", GivenName: "Testa", FamilyName: "Åkesdotter", Role: "pupil", Unit: "u"}},
		Groups:  []sourcetest.Group{{ID: "g", Name: "7A", Unit: "u", Members: []sourcetest.Member{{Person: "p", Role: "pupil"}}}},
	}
}

func TestAnArchiveThatAPersonHolds(t *testing.T) {
	good, err := sftptest.Packed(setOf(town()))
	if err != nil {
		t.Fatal(err)
	}
	nested := setOf(town())
	nested["x/users.csv"] = nested["users.csv"]
	delete(nested, "users.csv")
	folders, err := sftptest.Packed(nested)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file     []byte
		settings string
		want     reason.Code
	}{
		"an archive":                    {good, "{}", ""},
		"F31 cut off":                   {good[:len(good)/2], "{}", reason.Unreadable},
		"F44 a CSV file":                {[]byte(setOf(town())["users.csv"]), "{}", reason.Unreadable},
		"F45 too large":                 {good, "limits: {maxBytes: 10}", reason.FileTooLarge},
		"F45 too large when it unpacks": {good, "limits: {maxUnpacked: 100}", reason.FileTooLarge},
		"folders in it":                 {folders, "{}", reason.Unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			f, ok := open(t, c.settings).(source.FileReader)
			if !ok {
				t.Fatal("it reads no file that a person holds")
			}
			docs := 0
			res, err := f.ReadFile(t.Context(), "mine.zip", bytes.NewReader(c.file), func(fact.Doc) error { docs++; return nil })
			if c.want == "" && (err != nil || !res.Complete || res.Origin != "mine.zip" || docs != 5) {
				t.Errorf("got %d docs, %+v, %v", docs, res, err)
			}
			if c.want != "" && (reason.Of(err).Code != c.want || res.Complete || !strings.Contains(err.Error(), "mine.zip")) {
				t.Errorf("got %v, complete %t; want %s", err, res.Complete, c.want)
			}
		})
	}
	f, _ := open(t, "{}").(source.FileReader)
	if _, err := f.ReadFile(t.Context(), "mine.zip", iotest.ErrReader(io.ErrUnexpectedEOF), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an error of the file became %v", err)
	}
}

func TestAFolderOfTwoExportsIsNoneYet(t *testing.T) {
	r := newRegister(t)
	now := time.Now().Truncate(time.Second)
	set := setOf(town())
	set["demographics.csv"] = "\"" // which is not read
	for name, text := range set {
		at := now
		if name == "enrollments.csv" || name == "demographics.csv" {
			at = now.Add(-2 * time.Hour)
		}
		path := filepath.Join(r.Dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	reach := settings(r) + "files: ['*.csv']\nsettle: 0s\n"
	none := func(fact.Doc) error { return nil }
	if _, err := open(t, reach).Read(t.Context(), nil, none); reason.Of(err).Code != reason.FileGrowing || reason.FaultOf(err) != reason.Transient {
		t.Errorf("R3: enrollments of the export before are read with the users of this one: %v", err)
	}
	if err := os.Chtimes(filepath.Join(r.Dir, "enrollments.csv"), now, now); err != nil {
		t.Fatal(err)
	}
	for _, wide := range []string{"", "spread: 3h", "spread: 0s"} {
		if res, err := open(t, reach+wide).Read(t.Context(), nil, none); err != nil || !res.Complete || !res.DataTime.Equal(now) {
			t.Errorf("%s: got %+v, %v", wide, res, err)
		}
	}
}
