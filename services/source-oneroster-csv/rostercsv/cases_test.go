package rostercsv_test

import (
	"os"
	"path/filepath"
	"testing"

	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/services/source-oneroster-csv/rostercsv"
)

func TestCases(t *testing.T) {
	sourcetest.Cases(t, rostercsv.Connector(), func(t *testing.T) sourcetest.Side {
		r := newRegister(t)
		folder := filepath.Join(r.Dir, "export")
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		return sourcetest.Side{Hold: sourcetest.Folder(folder), Values: map[string]string{"folder": "/export", "sftp": r.SFTP()}}
	})
}
