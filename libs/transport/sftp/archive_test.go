package sftp_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"io"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/transport/sftp"
)

// entry is a file of an archive.
type entry struct {
	name, content string
	change        func(*zip.FileHeader)
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.change != nil {
			e.change(h)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(e.name, "/") {
			if _, err := io.WriteString(w, e.content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestArchive(t *testing.T) {
	const xml = "<enterprise/>"
	export := entry{name: "alvis.xml", content: xml}
	encrypted := func(h *zip.FileHeader) { h.Flags |= 1 }
	link := func(h *zip.FileHeader) { h.SetMode(0o777 | 1<<27) }
	bomb := strings.Repeat("a", 40<<20)
	corrupt := archive(t, entry{name: "alvis.xml", content: xml, change: func(h *zip.FileHeader) { h.Method = zip.Store }})
	corrupt[bytes.Index(corrupt, []byte(xml))+1] ^= 1
	names := make([]entry, 60_000)
	for i := range names {
		names[i].name = strings.Repeat("d/", 100)
	}
	inner := string(archive(t, export))
	tests := map[string]struct {
		file    string
		content []byte
		limits  sftp.Limits
		code    reason.Code // empty for success
	}{
		"the one export":                {file: "a.zip", content: archive(t, export)},
		"known by its content":          {file: "a.dat", content: archive(t, export)},
		"in a folder, with company":     {file: "A.ZIP", content: archive(t, entry{name: "x/"}, entry{name: "x/alvis.XML", content: xml}, entry{name: "x/readme.txt"})},
		"what a Mac leaves behind":      {file: "a.zip", content: archive(t, export, entry{name: "__MACOSX/._alvis.xml", content: "x"}, entry{name: ".hidden.xml"})},
		"other endings":                 {file: "a.zip", content: archive(t, entry{name: "a.csv", content: xml}, export), limits: sftp.Limits{Members: []string{".csv"}}},
		"two exports":                   {file: "a.zip", content: archive(t, export, entry{name: "b.xml"}), code: reason.ArchiveAmbiguous},
		"the same name twice":           {file: "a.zip", content: archive(t, export, export), code: reason.ArchiveAmbiguous},
		"no export":                     {file: "a.zip", content: archive(t, entry{name: "a.csv"}), code: reason.ArchiveAmbiguous},
		"an empty archive":              {file: "a.dat", content: archive(t), code: reason.ArchiveAmbiguous},
		"F45 slip upwards":              {file: "a.zip", content: archive(t, export, entry{name: "../../etc/x"}), code: reason.ArchiveUnsafe},
		"F45 slip, the export itself":   {file: "a.zip", content: archive(t, entry{name: "../alvis.xml", content: xml}), code: reason.ArchiveUnsafe},
		"F45 an absolute name":          {file: "a.zip", content: archive(t, export, entry{name: "/etc/x"}), code: reason.ArchiveUnsafe},
		"F45 a Windows name":            {file: "a.zip", content: archive(t, export, entry{name: `..\x`}), code: reason.ArchiveUnsafe},
		"F45 a link":                    {file: "a.zip", content: archive(t, export, entry{name: "l.xml", content: "/etc/passwd", change: link}), code: reason.ArchiveUnsafe},
		"F45 nested":                    {file: "a.zip", content: archive(t, export, entry{name: "b.zip", content: inner}), code: reason.ArchiveNested},
		"F45 nested under another name": {file: "a.zip", content: archive(t, entry{name: "a.xml", content: inner}), code: reason.ArchiveNested},
		"F45 encrypted":                 {file: "a.zip", content: archive(t, entry{name: "a.xml", content: xml, change: encrypted}), code: reason.ArchiveEncrypted},
		"F45 bomb, by ratio":            {file: "a.zip", content: archive(t, entry{name: "a.xml", content: bomb}), code: reason.FileTooLarge},
		"F45 bomb, by size":             {file: "a.zip", content: archive(t, export), limits: sftp.Limits{MaxUnpacked: 5}, code: reason.FileTooLarge},
		"a good ratio is no bomb":       {file: "a.zip", content: archive(t, entry{name: "a.xml", content: bomb}), limits: sftp.Limits{MaxRatio: 2000}},
		"F45 bomb of names":             {file: "a.zip", content: archive(t, names...), code: reason.FileTooLarge},
		"F45 truncated":                 {file: "a.zip", content: archive(t, export)[:60], code: reason.Unreadable},
		"F45 damaged":                   {file: "a.zip", content: corrupt, code: reason.Unreadable},
		"not an archive":                {file: "a.zip", content: []byte(xml), code: reason.Unreadable},
		"an empty file":                 {file: "a.zip", code: reason.Unreadable},
		"too large before unpacking":    {file: "a.zip", content: archive(t, export), limits: sftp.Limits{MaxBytes: 9}, code: reason.FileTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := sftp.NewSpool(tt.file, time.Time{}, bytes.NewReader(tt.content), tt.limits)
			if tt.code != "" {
				wantReason(t, err, tt.code, reason.Invalid)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := xml
			if strings.Contains(name, "ratio") {
				want = bomb
			}
			if s.SHA256 != sha256.Sum256([]byte(want)) || s.Size != int64(len(want)) || s.Name != tt.file || s.Member == "" {
				t.Errorf("spool says %q of %q, %d bytes", s.Member, s.Name, s.Size)
			}
			if got := readAll(t, s); string(got) != want {
				t.Errorf("content has %d bytes, want %d", len(got), len(want))
			}
		})
	}
}

// TestArchiveDigest is R11: the same export is the same content, however it was packed.
func TestArchiveDigest(t *testing.T) {
	digest := func(method uint16, when time.Time) [32]byte {
		b := archive(t, entry{name: "a.xml", content: "<a/>", change: func(h *zip.FileHeader) { h.Method, h.Modified = method, when }})
		s, err := sftp.NewSpool("a.zip", when, bytes.NewReader(b), sftp.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		return s.SHA256
	}
	if digest(zip.Store, monday) != digest(zip.Deflate, tuesday) {
		t.Error("digests differ")
	}
}

func FuzzArchive(f *testing.F) {
	f.Add(archive(f, entry{name: "a.xml", content: "<a/>"}))
	f.Add(archive(f, entry{name: "../a.xml", content: "<a/>"}, entry{name: "b.zip"}))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := sftp.NewSpool("a.zip", time.Time{}, bytes.NewReader(b), sftp.Limits{MaxBytes: 1 << 20, MaxUnpacked: 1 << 20})
		if err != nil {
			if reason.FaultOf(err) != reason.Invalid {
				t.Errorf("an archive's fault is not %s: %v", reason.Invalid, err)
			}
			return
		}
		if got := readAll(t, s); int64(len(got)) != s.Size || s.Size > 1<<20 || s.SHA256 != sha256.Sum256(got) {
			t.Errorf("spool of %d bytes says %d", len(got), s.Size)
		}
	})
}
