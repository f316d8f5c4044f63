package sftp_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/libs/transport/sftp"
)

var csvs = sftp.Limits{Members: []string{".csv"}, Several: true}

func several(t *testing.T, content []byte, l sftp.Limits) (*sftp.Archive, error) {
	t.Helper()
	s, err := sftp.NewSpool("a.zip", monday, bytes.NewReader(content), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.Archive(l)
}

func readOf(a *sftp.Archive, name string) (string, error) {
	r, err := a.Open(name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

func TestAnArchiveOfSeveralExports(t *testing.T) {
	a, err := several(t, archive(t, entry{name: "a.csv", content: "a"}, entry{name: "x/"}, entry{name: "x/B.CSV", content: "b"}, entry{name: "readme.txt"}), csvs)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Names(); !slices.Equal(got, []string{"a.csv", "x/B.CSV"}) {
		t.Errorf("it has %q", got)
	}
	for range 2 {
		if got, err := readOf(a, "x/B.CSV"); got != "b" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if _, err := a.Open("c.csv"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there is %v", err)
	}
}

func TestAnArchiveOfSeveralExportsIsRefused(t *testing.T) {
	export := entry{name: "a.csv", content: "a"}
	for name, c := range map[string]struct {
		content []byte
		code    reason.Code
	}{
		"F31 cut off":      {archive(t, export)[:20], reason.Unreadable},
		"F44 no archive":   {[]byte("<html/>"), reason.Unreadable},
		"F45 slip upwards": {archive(t, export, entry{name: "../b.csv"}), reason.ArchiveUnsafe},
		"F45 nested":       {archive(t, export, entry{name: "b.zip"}), reason.ArchiveNested},
		"F45 encrypted":    {archive(t, entry{name: "a.csv", change: func(h *zip.FileHeader) { h.Flags |= 1 }}), reason.ArchiveEncrypted},
	} {
		t.Run(name, func(t *testing.T) {
			if a, err := several(t, c.content, csvs); a != nil || reason.Of(err).Code != c.code || reason.FaultOf(err) != reason.Invalid {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
}

func TestAnArchiveOfSeveralExportsIsBounded(t *testing.T) {
	small := csvs
	small.MaxUnpacked = 10
	a, err := several(t, archive(t, entry{name: "a.csv", content: "12345678"}, entry{name: "b.csv", content: "12345678"}), small)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readOf(a, "a.csv"); err != nil {
		t.Fatal(err)
	}
	if _, err := readOf(a, "b.csv"); reason.Of(err).Code != reason.FileTooLarge {
		t.Errorf("F45: two exports that are larger together than the limit: %v", err)
	}
	if a, err = several(t, archive(t, entry{name: "a.csv", content: strings.Repeat("a", 40<<20)}), csvs); err != nil {
		t.Fatal(err)
	}
	if _, err := readOf(a, "a.csv"); reason.Of(err).Code != reason.FileTooLarge {
		t.Errorf("F45: a bomb: %v", err)
	}
}

func TestAnExportThatIsBrokenInItsArchive(t *testing.T) {
	b := archive(t, entry{name: "a.csv", content: "abcdef", change: func(h *zip.FileHeader) { h.Method = zip.Store }})
	b[bytes.Index(b, []byte("abcdef"))] ^= 1
	a, err := several(t, b, csvs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readOf(a, "a.csv"); reason.Of(err).Code != reason.Unreadable {
		t.Errorf("a wrong checksum is %v", err)
	}
}

func TestAllFilesOfAFolder(t *testing.T) {
	server := testbed.SSHD(t, testbed.Options{ReadOnly: true})
	put := func(name string, at time.Time) {
		path := filepath.Join(server.Root, name)
		if err := errors.Join(os.WriteFile(path, []byte(name), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	put("a.csv", monday)
	put("b.csv", tuesday)
	put("c.txt", tuesday)
	sel := sftp.Selection{Dir: server.Root, Patterns: []string{"*.csv"}}
	files, err := sftp.New(forSSHD(server), noPause).All(t.Context(), sel)
	if err != nil || len(files) != 2 || files[0].Name() != "b.csv" || files[1].Name() != "a.csv" {
		t.Fatalf("got %v, %v; want the newest first", files, err)
	}
	sel.Settle = time.Second
	grows := noPause
	grows.Sleep = func(context.Context, time.Duration) error {
		put("a.csv", monday.Add(time.Second)) // an older one, which Newest need not look at
		return nil
	}
	c := sftp.New(forSSHD(server), grows)
	if _, err := c.All(t.Context(), sel); reason.Of(err).Code != reason.FileGrowing {
		t.Errorf("a file of the folder changes: %v", err)
	}
	put("a.csv", monday)
	if f, err := c.Newest(t.Context(), sel); err != nil || f.Name() != "b.csv" {
		t.Errorf("the newest is quiet: %v, %v", f, err)
	}
}
