package sftp_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/libs/transport/sftp"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
)

var (
	monday  = time.Date(2026, 10, 5, 18, 0, 0, 0, time.UTC)
	tuesday = monday.Add(24 * time.Hour)
)

// fileOf returns a file of a directory as a server shows it that serves the directory as /.
func fileOf(t testing.TB, dir, name string) sftp.File {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return sftp.File{Path: "/" + name, Size: info.Size(), ModTime: info.ModTime().UTC().Truncate(time.Second)}
}

// directory makes a directory of the test's own that the server shows.
func directory(t testing.TB, server *testbed.Server) string {
	t.Helper()
	dir := filepath.Join(server.Root, strings.ReplaceAll(t.Name(), "/", "_"))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestNewest(t *testing.T) {
	server := testbed.SSHD(t, testbed.Options{})
	outside := filepath.Join(t.TempDir(), "outside.xml")
	writeAt(t, outside, []byte("secret"), tuesday.Add(time.Hour))
	at := func(when time.Time, names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, n := range names {
				writeAt(t, filepath.Join(dir, n), []byte(n), when)
			}
		}
	}
	all := func(steps ...func(*testing.T, string)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, s := range steps {
				s(t, dir)
			}
		}
	}
	link := func(target, name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	mkdir := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		files    func(*testing.T, string)
		patterns []string
		maxAge   time.Duration
		want     string
		code     reason.Code
	}{
		"the only one":                      {files: at(monday, "a.xml"), want: "a.xml"},
		"the newest":                        {files: all(at(monday, "b.xml"), at(tuesday, "a.xml"), at(monday, "c.xml")), want: "a.xml"},
		"as new: the greater name":          {files: at(monday, "e1.xml", "e3.xml", "e2.xml"), want: "e3.xml"},
		"any of the patterns":               {files: all(at(monday, "a.xml"), at(tuesday, "a.zip")), want: "a.zip"},
		"others are not looked at":          {files: all(at(monday, "a.xml"), at(tuesday, "a.xml.part", "b.csv")), want: "a.xml"},
		"hidden files are being made":       {files: all(at(monday, "a.xml"), at(tuesday, ".a.xml")), want: "a.xml"},
		"unless asked for":                  {files: all(at(monday, "a.xml"), at(tuesday, ".a.xml")), patterns: []string{".*.xml"}, want: ".a.xml"},
		"a directory is none":               {files: all(at(monday, "a.xml"), mkdir("b.xml")), want: "a.xml"},
		"a link within":                     {files: all(at(monday, "2026.xml"), link("2026.xml", "latest.xml")), patterns: []string{"latest*"}, want: "2026.xml"},
		"F51 a link to the outside":         {files: all(at(monday, "a.xml"), link(outside, "z.xml")), want: "a.xml"},
		"F51 a link up":                     {files: all(at(monday, "a.xml"), link("../../../../../../etc/passwd", "z.xml")), want: "a.xml"},
		"F51 only a link to the outside":    {files: link(outside, "z.xml"), code: reason.NoFile},
		"a link to a directory":             {files: all(at(monday, "a.xml"), mkdir("d"), link("d", "z.xml")), want: "a.xml"},
		"a link to itself":                  {files: all(at(monday, "a.xml"), link("z.xml", "z.xml")), want: "a.xml"},
		"F45 odd names":                     {files: at(monday, "a\nb.xml", "å ä ö\u202e.xml"), want: "å ä ö\u202e.xml"},
		"an empty directory":                {files: all(), code: reason.NoFile},
		"no match":                          {files: at(monday, "a.csv"), code: reason.NoFile},
		"young enough":                      {files: at(monday, "a.xml"), maxAge: 25 * time.Hour, want: "a.xml"},
		"F32 stale":                         {files: at(monday, "a.xml"), maxAge: 23 * time.Hour, code: reason.StaleFile},
		"F52 the server's clock is ahead":   {files: at(tuesday.AddDate(1, 0, 0), "a.xml"), maxAge: time.Hour, want: "a.xml"},
		"F52 the server has no times":       {files: at(time.Unix(0, 0), "a.xml", "b.xml"), want: "b.xml"},
		"F52 no times, but an age is asked": {files: at(time.Unix(0, 0), "a.xml"), maxAge: time.Hour, code: reason.StaleFile},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := directory(t, server)
			tt.files(t, dir)
			if tt.patterns == nil {
				tt.patterns = []string{"*.xml", "*.zip"}
			}
			o := noPause
			o.Now = func() time.Time { return tuesday }
			sel := sftp.Selection{Dir: dir, Patterns: tt.patterns, MaxAge: tt.maxAge, Settle: time.Second}
			got, err := sftp.New(forSSHD(server), o).Newest(t.Context(), sel)
			if tt.code != "" {
				wantReason(t, err, tt.code, reason.Transient)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := fileOf(t, dir, tt.want)
			want.Path = filepath.Join(dir, tt.want)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("file (-want +got):\n%s", d)
			}
		})
	}
	t.Run("no directory", func(t *testing.T) {
		_, err := sftp.New(forSSHD(server), noPause).Newest(t.Context(), everything(server.Root+"/none"))
		wantReason(t, err, reason.NoFile, reason.Transient)
	})
}

func TestNewestIsGrowing(t *testing.T) {
	server := testbed.SSHD(t, testbed.Options{})
	tests := map[string]struct {
		meanwhile func(*testing.T, string)
		code      reason.Code
	}{
		"quiet":         {func(*testing.T, string) {}, ""},
		"F31 grows":     {func(t *testing.T, dir string) { writeAt(t, dir+"/a.xml", []byte("<a><b>"), monday) }, reason.FileGrowing},
		"F31 touched":   {func(t *testing.T, dir string) { writeAt(t, dir+"/a.xml", []byte("<a>"), tuesday) }, reason.FileGrowing},
		"a newer comes": {func(t *testing.T, dir string) { writeAt(t, dir+"/b.xml", []byte("<a>"), tuesday) }, reason.FileGrowing},
		"an older comes": {func(t *testing.T, dir string) {
			writeAt(t, dir+"/b.xml", []byte("<a>"), monday.Add(-time.Hour))
		}, ""},
		"it goes": {func(t *testing.T, dir string) {
			if err := os.Remove(dir + "/a.xml"); err != nil {
				t.Fatal(err)
			}
		}, reason.NoFile},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := directory(t, server)
			writeAt(t, dir+"/a.xml", []byte("<a>"), monday)
			c := sftp.New(forSSHD(server), sftp.Options{Sleep: func(_ context.Context, d time.Duration) error {
				if d != 7*time.Second {
					t.Errorf("waits %s, want 7 s", d)
				}
				tt.meanwhile(t, dir)
				return nil
			}})
			_, err := c.Newest(t.Context(), sftp.Selection{Dir: dir, Patterns: []string{"*.xml"}, Settle: 7 * time.Second})
			if tt.code != "" {
				wantReason(t, err, tt.code, reason.Transient)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestManyFiles is F50: 100,000 files in a directory.
func TestManyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 100,000 files")
	}
	server := testbed.SSHD(t, testbed.Options{})
	dir := server.Root
	//nolint:usetesting // in memory, many times as fast as a disk
	if memory, err := os.MkdirTemp("/dev/shm", "sftp-"); err == nil {
		dir = memory
		defer os.RemoveAll(dir)
	}
	for i := range 100_000 {
		f, err := os.Create(fmt.Sprintf("%s/export-%06d.xml", dir, i))
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	writeAt(t, dir+"/export-050000.xml", nil, time.Now().Add(time.Hour))
	begun := time.Now()
	f, err := sftp.New(forSSHD(server), noPause).Newest(t.Context(), everything(dir))
	if err != nil || f.Name() != "export-050000.xml" {
		t.Errorf("got %v, %v", f, err)
	}
	t.Logf("listed 100,000 files in %s", time.Since(begun).Round(time.Millisecond))
}

func TestFetch(t *testing.T) {
	server := testbed.SSHD(t, testbed.Options{ReadOnly: true})
	for _, size := range []int{0, 1, 32 << 10, 32<<10 + 1, 3<<20 + 17} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			content := random(t, size)
			writeAt(t, server.Root+"/a.dat", content, monday)
			c := sftp.New(forSSHD(server), noPause)
			f, err := c.Stat(t.Context(), server.Root+"/a.dat")
			if err != nil {
				t.Fatal(err)
			}
			s, err := c.Fetch(t.Context(), f, sftp.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if s.Name != "a.dat" || s.Member != "" || !s.ModTime.Equal(monday) || s.Size != int64(size) || s.SHA256 != sha256.Sum256(content) {
				t.Errorf("spool says %q, %q, %s, %d bytes", s.Name, s.Member, s.ModTime, s.Size)
			}
			for range 2 { // it can be read again
				if _, err := s.Seek(0, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, content) {
					t.Errorf("content differs, error %v", err)
				}
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("on disk while open: %v, %v", left, err)
			}
		})
	}
}

// TestFetchCut is F49: the connection breaks at byte n, for n over all that a fetch moves, in either direction.
func TestFetchCut(t *testing.T) {
	peers := map[string]struct {
		config func(*testing.T) (sftp.Config, string, string)
		step   int64
	}{
		"sshd": {func(t *testing.T) (sftp.Config, string, string) {
			s := testbed.SSHD(t, testbed.Options{})
			return forSSHD(s), s.Root, s.Root
		}, 12_007},
		"in process": {func(t *testing.T) (sftp.Config, string, string) {
			_, cfg, dir := serve(t, sftpserver.Options{})
			return cfg, dir, ""
		}, 1_009},
	}
	for name, peer := range peers {
		t.Run(name, func(t *testing.T) {
			cfg, dir, prefix := peer.config(t)
			content := random(t, 70_000)
			write(t, dir+"/a.dat", content)
			f := fileOf(t, dir, "a.dat")
			f.Path = prefix + f.Path
			cuts := 0
			for n := int64(1); n < 80_000; n += peer.step {
				for _, cut := range []testbed.Cut{{Down: n}, {Up: n}} {
					if cut.Up > 8_000 {
						continue // no fetch sends as much
					}
					proxy, cfg := behind(t, cfg, testbed.Cut{}, cut)
					c := sftp.New(cfg, noPause)
					if _, err := c.Stat(t.Context(), f.Path); err != nil {
						t.Fatal(err)
					}
					s, err := c.Fetch(t.Context(), f, sftp.Limits{})
					if reason.Of(err).Code == reason.Unreachable && proxy.Accepted() == 2 {
						continue // broke before the sign-in: the caller decides
					}
					if err != nil {
						t.Fatalf("cut at %+v: %v", cut, err)
					}
					if got := readAll(t, s); !bytes.Equal(got, content) {
						t.Fatalf("cut at %+v: content differs", cut)
					}
					if proxy.Accepted() == 3 {
						cuts++
					}
				}
			}
			if cuts < 5 {
				t.Errorf("only %d fetches were cut", cuts)
			}
		})
	}
}

// TestFetchResumes proves that a broken transfer goes on where it broke: no connection carries the whole file.
func TestFetchResumes(t *testing.T) {
	server := testbed.SSHD(t, testbed.Options{})
	const size = 8 << 20
	content := random(t, size)
	write(t, server.Root+"/a.dat", content)
	f := fileOf(t, server.Root, "a.dat")
	f.Path = server.Root + f.Path
	share := testbed.Cut{Down: size * 9 / 20} // what is on its way when the line is cut comes again
	proxy, cfg := behind(t, forSSHD(server), share, share, share)
	var pauses []time.Duration
	c := sftp.New(cfg, sftp.Options{Sleep: func(_ context.Context, d time.Duration) error {
		pauses = append(pauses, d)
		return nil
	}})
	s, err := c.Fetch(t.Context(), f, sftp.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, s); !bytes.Equal(got, content) || s.SHA256 != sha256.Sum256(content) {
		t.Error("content or digest differs")
	}
	if proxy.Accepted() != 3 {
		t.Errorf("%d connections, want 3", proxy.Accepted())
	}
	if d := cmp.Diff([]time.Duration{time.Second, 2 * time.Second}, pauses); d != "" {
		t.Errorf("pauses (-want +got):\n%s", d)
	}
}

func TestFetchGivesUp(t *testing.T) {
	_, cfg, dir := serve(t, sftpserver.Options{})
	write(t, dir+"/a.dat", random(t, 1<<20))
	var cuts []testbed.Cut
	for range 20 {
		cuts = append(cuts, testbed.Cut{Down: 50_000})
	}
	proxy, cfg := behind(t, cfg, cuts...)
	_, err := sftp.New(cfg, noPause).Fetch(t.Context(), fileOf(t, dir, "a.dat"), sftp.Limits{})
	wantReason(t, err, reason.TransferCut, reason.Transient)
	if proxy.Accepted() != 6 {
		t.Errorf("%d connections, want 6", proxy.Accepted())
	}
}

// TestFetchOfChangingFile is F31: what was read of two states of a file is never handed out.
func TestFetchOfChangingFile(t *testing.T) {
	content := random(t, 1<<20)
	change := map[string]func(t *testing.T, name string){
		"grows": func(t *testing.T, name string) {
			writeAt(t, name, append(slices.Clip(content), "more"...), monday)
		},
		"shrinks":   func(t *testing.T, name string) { writeAt(t, name, content[:len(content)/2], monday) },
		"rewritten": func(t *testing.T, name string) { writeAt(t, name, random(t, len(content)), tuesday) },
	}
	for what, do := range change {
		t.Run(what+" between tries", func(t *testing.T) {
			_, cfg, dir := serve(t, sftpserver.Options{})
			writeAt(t, dir+"/a.dat", content, monday)
			f := fileOf(t, dir, "a.dat")
			_, cfg = behind(t, cfg, testbed.Cut{Down: 500_000})
			c := sftp.New(cfg, sftp.Options{Sleep: func(context.Context, time.Duration) error {
				do(t, dir+"/a.dat")
				return nil
			}})
			_, err := c.Fetch(t.Context(), f, sftp.Limits{})
			wantReason(t, err, reason.FileGrowing, reason.Transient)
		})
		t.Run(what+" during the read", func(t *testing.T) {
			var dir string
			server, cfg, dir := serve(t, sftpserver.Options{Before: func(method, _ string) error {
				if method == "Get" {
					do(t, dir+"/a.dat")
				}
				return nil
			}})
			defer server.Close()
			writeAt(t, dir+"/a.dat", content, monday)
			_, err := sftp.New(cfg, noPause).Fetch(t.Context(), fileOf(t, dir, "a.dat"), sftp.Limits{})
			wantReason(t, err, reason.FileGrowing, reason.Transient)
		})
	}
}

func TestFetchErrors(t *testing.T) {
	_, cfg, dir := serve(t, sftpserver.Options{Before: func(method, name string) error {
		switch {
		case method == "Get" && name == "/locked.xml":
			return os.ErrPermission
		case method == "Get" && name == "/failing.xml":
			return errors.New("the disk is on fire")
		}
		return nil
	}})
	for _, name := range []string{"locked.xml", "failing.xml", "large.xml", "gone.xml"} {
		write(t, dir+"/"+name, random(t, 1000))
	}
	gone := fileOf(t, dir, "gone.xml")
	if err := os.Remove(dir + "/gone.xml"); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		file  sftp.File
		limit int64
		code  reason.Code
		fault reason.Fault
	}{
		"F50 permission denied on one": {fileOf(t, dir, "locked.xml"), 0, reason.NotPermitted, reason.Misconfigured},
		"the server fails":             {fileOf(t, dir, "failing.xml"), 0, reason.ServerRefused, reason.Transient},
		"too large":                    {fileOf(t, dir, "large.xml"), 999, reason.FileTooLarge, reason.Invalid},
		"gone":                         {gone, 0, reason.NoFile, reason.Transient},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := sftp.New(cfg, noPause).Fetch(t.Context(), tt.file, sftp.Limits{MaxBytes: tt.limit})
			wantReason(t, err, tt.code, tt.fault)
		})
	}
	if _, err := sftp.New(cfg, noPause).Stat(t.Context(), "/gone.xml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat of no file: %v", err)
	}
}

func BenchmarkFetch(b *testing.B) {
	server := testbed.SSHD(b, testbed.Options{})
	const size = 128 << 20
	write(b, server.Root+"/a.dat", random(b, size))
	f := fileOf(b, server.Root, "a.dat")
	f.Path = server.Root + f.Path
	c := sftp.New(forSSHD(server), noPause)
	b.SetBytes(size)
	for b.Loop() {
		s, err := c.Fetch(b.Context(), f, sftp.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}
