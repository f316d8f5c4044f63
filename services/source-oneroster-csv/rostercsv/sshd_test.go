package rostercsv_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/sftptest"
	"eventful.se/ess/libs/testbed"
)

// TestOpenSSH reads what the suites read from our own server: an archive and a folder of each version, by key, from the
// server that most exports lie on. It says the same as the archive in a person's hand.
func TestOpenSSH(t *testing.T) {
	server := testbed.SSHD(t, testbed.Options{ReadOnly: true})
	settings := fmt.Sprintf("sftp: {host: %s, port: %d, user: %s, key: 'file:%s', hostKeys: ['%s']}\nsettle: 1ms\n",
		server.Host, server.Port, server.User, server.KeyFile, server.Fingerprints[0])
	now := time.Now().Truncate(time.Second).UTC()
	for version, files := range map[string]string{
		"1.1": "testdata/cases/a-school-in-version-1.1/input", "1.2": "testdata/cases/roles-of-version-1.2/input",
	} {
		set := map[string]string{}
		names, err := filepath.Glob(filepath.Join(files, "*.csv"))
		for _, name := range names {
			text, readErr := os.ReadFile(name)
			set[filepath.Base(name)], err = string(text), errors.Join(err, readErr)
		}
		export, packErr := sftptest.Packed(set)
		if err := errors.Join(err, packErr); err != nil {
			t.Fatal(err)
		}
		var want []fact.Doc
		f, _ := open(t, "{}").(source.FileReader)
		held, err := f.ReadFile(t.Context(), "export.zip", bytes.NewReader(export), func(d fact.Doc) error { want = append(want, d); return nil })
		if err != nil || len(want) == 0 {
			t.Fatalf("%s: %d docs of the archive at hand, %v", version, len(want), err)
		}
		for form, pattern := range map[string]string{"a folder": "*.csv", "an archive": "*.zip"} {
			t.Run(version+", "+form, func(t *testing.T) {
				from := files
				if form == "an archive" {
					from = t.TempDir()
					if err := os.WriteFile(filepath.Join(from, "export.zip"), export, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				dir := filepath.Join(server.Root, version+" "+form)
				if err := errors.Join(os.Mkdir(dir, 0o700), sourcetest.Folder(dir)(from, now)); err != nil {
					t.Fatal(err)
				}
				var docs []fact.Doc
				res, err := open(t, fmt.Sprintf("%sdirectory: '%s'\nfiles: ['%s']\n", settings, dir, pattern)).
					Read(t.Context(), nil, func(d fact.Doc) error { docs = append(docs, d); return nil })
				if err != nil {
					t.Fatalf("%v\n%s", err, server.Log())
				}
				if d := cmp.Diff(want, docs) + cmp.Diff(held.Seen, res.Seen); d != "" || res.Complete != held.Complete || !res.DataTime.Equal(now) {
					t.Errorf("complete is %t, of %v; it says something else:\n%s", res.Complete, res.DataTime, d)
				}
			})
		}
	}
}
