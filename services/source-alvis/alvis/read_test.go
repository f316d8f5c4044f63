package alvis

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
)

// document is an export of a school with a course, a pupil and a teacher.
const document = `<?xml version="1.0" encoding="UTF-8"?>
<enterprise><properties><datasource>Prov</datasource><type>full</type><datetime>2026-09-14T18:00:00</datetime></properties>
<person><sourcedid><source>Prov</source><id>p-1</id></sourcedid><userid useridtype="PID">189001019802</userid><name><n><family>Provsson</family><given>Testa</given></n></name><email>testa@elev.example</email><institutionrole primaryrole="Yes" institutionroletype="Student"/></person>
<person><sourcedid><source>Prov</source><id>p-2</id></sourcedid><userid useridtype="PID">188001019812</userid><name><n><family>Åkesdotter</family><given>Läran</given></n></name><institutionrole primaryrole="Yes" institutionroletype="Staff"/></person>
<group><sourcedid><source>Prov</source><id>u-1</id></sourcedid><grouptype><scheme>pifu-ims-go-org</scheme><typevalue level="2">Skola</typevalue></grouptype><description><short>Komvux Prov</short></description></group>
<group><sourcedid><source>Prov</source><id>g-1</id></sourcedid><grouptype><scheme>pifu-ims-go-grp</scheme><typevalue level="2">Kurs</typevalue></grouptype><description><short>Matematik 1a</short></description><relationship relation="1"><sourcedid><source>Prov</source><id>u-1</id></sourcedid><label>x</label></relationship></group>
<membership><sourcedid><source>Prov</source><id>u-1</id></sourcedid><member><sourcedid><source>Prov</source><id>p-1</id></sourcedid><idtype>1</idtype><role roletype="01"><status>1</status></role></member><member><sourcedid><source>Prov</source><id>p-2</id></sourcedid><idtype>1</idtype><role roletype="02"><status>1</status></role></member></membership>
<membership><sourcedid><source>Prov</source><id>g-1</id></sourcedid><member><sourcedid><source>Prov</source><id>p-1</id></sourcedid><idtype>1</idtype><role roletype="01"><status>1</status></role></member></membership>
</enterprise>
`

// gotit is GotIT's SFTP server.
type gotit struct {
	*sftpserver.Server
	t      *testing.T
	dir    string
	before atomic.Pointer[func(method, name string) error] // what happens before a request
	logins atomic.Int32
}

func serve(t *testing.T) *gotit {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	g := &gotit{t: t, dir: t.TempDir()}
	var err error
	g.Server, err = sftpserver.Start(context.Background(), sftpserver.Options{
		Dir: g.dir, User: "kommun", Password: "hush",
		Wrap: func(c net.Conn) net.Conn { g.logins.Add(1); return c },
		Before: func(method, name string) error {
			if do := g.before.Load(); do != nil {
				return (*do)(method, name)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

func (g *gotit) put(name string, data []byte) string {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
}

func (g *gotit) when(do func(method, name string) error) { g.before.Store(&do) }

// settings reach the server.
func (g *gotit) settings() string {
	host, port, err := net.SplitHostPort(g.Addr())
	if err != nil {
		g.t.Fatal(err)
	}
	secret := filepath.Join(g.t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("hush\n"), 0o600); err != nil {
		g.t.Fatal(err)
	}
	return fmt.Sprintf("sftp: {host: %s, port: %s, user: kommun, password: 'file:%s', hostKeys: ['%s'], connectTimeout: 5s}\nsettle: 20ms\n",
		host, port, secret, g.Fingerprint())
}

func open(t *testing.T, settings string) source.Source {
	t.Helper()
	s, err := decode(t, settings).Open(source.Env{Tenant: "test", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read reads once, and counts the docs.
func read(t *testing.T, settings string) (r source.Result, docs int, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err = open(t, settings).Read(ctx, nil, func(fact.Doc) error { docs++; return nil })
	return r, docs, err
}

func zipped(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(document))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadsTheNewestExport(t *testing.T) {
	older := strings.Replace(document, "2026-09-14", "2026-09-13", 1)
	for name, c := range map[string]struct {
		put  func(g *gotit)
		want string // the origin
	}{
		"the only one":             {func(g *gotit) { g.put("export.xml", []byte(document)) }, "export.xml"},
		"in a zip":                 {func(g *gotit) { g.put("export.zip", zipped(t, "a/export.xml", "readme.txt")) }, "export.zip"},
		"a zip by another name":    {func(g *gotit) { g.put("export.xml", zipped(t, "x.xml")) }, "export.xml"},
		"the newest of several":    {func(g *gotit) { age(t, g.put("z.xml", []byte(older)), time.Hour); g.put("a.xml", []byte(document)) }, "a.xml"},
		"beside what is no export": {func(g *gotit) { g.put("export.xml", []byte(document)); g.put("log.txt", nil); g.put(".tmp.xml", nil) }, "export.xml"},
	} {
		t.Run(name, func(t *testing.T) {
			g := serve(t)
			c.put(g)
			g.when(func(method, name string) error {
				switch method {
				case "List", "Stat", "Lstat", "Get", "Open":
					return nil
				}
				return fmt.Errorf("%s of %s changes the server", method, name)
			})
			r, docs, err := read(t, g.settings())
			if err != nil {
				t.Fatal(err)
			}
			if r.Origin != c.want || !r.Complete || r.Seen["persons"] != 2 || docs == 0 {
				t.Errorf("got %+v and %d docs, want the complete %s", r, docs, c.want)
			}
			if want := time.Date(2026, 9, 14, 16, 0, 0, 0, time.UTC); !r.DataTime.Equal(want) {
				t.Errorf("it is of %s, want %s", r.DataTime, want)
			}
		})
	}
}

func age(t *testing.T, path string, by time.Duration) {
	t.Helper()
	then := time.Now().Add(-by)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
}

// A file that does not say when it was made is as old as the server says.
func TestDataTimeOfAFileThatDoesNotSay(t *testing.T) {
	g := serve(t)
	path := g.put("export.xml", []byte(strings.Replace(document, "<datetime>2026-09-14T18:00:00</datetime>", "", 1)))
	age(t, path, 3*time.Hour)
	r, _, err := read(t, g.settings())
	if err != nil || time.Since(r.DataTime).Round(time.Hour) != 3*time.Hour {
		t.Errorf("it is of %s (%v), want three hours ago", r.DataTime, err)
	}
}

// Every trouble has a state of its own, with advice of its own, and shows nothing of anyone.
func TestNamedStates(t *testing.T) {
	half := document[:strings.Index(document, "Åkesdotter")]
	for name, c := range map[string]struct {
		put   func(g *gotit)
		spoil func(g *gotit, settings string) string
		want  reason.Code
		text  []string // what the error says too
	}{
		"unreachable": {spoil: func(g *gotit, s string) string {
			_, port, _ := net.SplitHostPort(g.Addr())
			return strings.Replace(s, "port: "+port, "port: 1", 1)
		}, want: reason.Unreachable, text: []string{"127.0.0.1:1"}},
		"F48 wrong credentials": {
			spoil: func(_ *gotit, s string) string { return strings.Replace(s, "user: kommun", "user: another", 1) },
			want:  reason.WrongCredentials, text: []string{"another"},
		},
		"F46 a changed host key": {spoil: func(g *gotit, s string) string {
			return strings.Replace(s, g.Fingerprint(), "SHA256:"+strings.Repeat("A", 43), 1)
		}, want: reason.HostKeyChanged},
		"an unknown host key": {
			spoil: func(g *gotit, s string) string { return strings.Replace(s, "'"+g.Fingerprint()+"'", "", 1) },
			want:  reason.HostKeyUnknown, text: []string{"SHA256:"},
		},
		"F68 no password": {
			spoil: func(_ *gotit, s string) string { return strings.Replace(s, "/password'", "/gone'", 1) },
			want:  reason.SecretUnusable, text: []string{"gone"},
		},
		"F29 no file":         {want: reason.NoFile, text: []string{"*.xml"}},
		"F29 no directory":    {spoil: func(_ *gotit, s string) string { return s + "directory: /missing\n" }, want: reason.NoFile, text: []string{"/missing"}},
		"not permitted":       {put: func(g *gotit) { g.put("export.xml", []byte(document)); g.when(refuse("Get")) }, want: reason.NotPermitted},
		"stale":               {put: func(g *gotit) { age(t, g.put("export.xml", []byte(document)), 100*time.Hour) }, want: reason.StaleFile},
		"F31 growing":         {put: func(g *gotit) { grow(g) }, want: reason.FileGrowing},
		"F31 truncated":       {put: func(g *gotit) { g.put("export.xml", []byte(half)) }, want: reason.TruncatedFile, text: []string{"line "}},
		"an empty file":       {put: func(g *gotit) { g.put("export.xml", nil) }, want: reason.TruncatedFile},
		"F43 a document type": {put: func(g *gotit) { g.put("export.xml", []byte("<!DOCTYPE enterprise SYSTEM 'x'>\n"+document[39:])) }, want: reason.Unreadable, text: []string{"line "}},
		"something else":      {put: func(g *gotit) { g.put("export.xml", []byte("<html/>")) }, want: reason.Unreadable},
		"F45 a zip with two":  {put: func(g *gotit) { g.put("export.zip", zipped(t, "a.xml", "b.xml")) }, want: reason.ArchiveAmbiguous},
		"F45 a zip without":   {put: func(g *gotit) { g.put("export.zip", zipped(t, "a.csv")) }, want: reason.ArchiveAmbiguous},
		"F45 a zip leads out": {put: func(g *gotit) { g.put("export.zip", zipped(t, "../a.xml")) }, want: reason.ArchiveUnsafe},
	} {
		t.Run(name, func(t *testing.T) {
			g := serve(t)
			settings := g.settings()
			if c.put != nil {
				c.put(g)
			}
			if c.spoil != nil {
				settings = c.spoil(g, settings)
			}
			r, _, err := read(t, settings)
			if got := reason.Of(err).Code; err == nil || got != c.want {
				t.Fatalf("got %q (%v), want %q", got, err, c.want)
			}
			if r.Complete {
				t.Error("R3: a read that failed is called complete")
			}
			why := reason.Of(err)
			for _, l := range []reason.Language{reason.Swedish, reason.English} {
				if why.Text(l) == "" || why.Next(l) == "" || strings.Contains(why.Text(l)+why.Next(l), "{") {
					t.Errorf("R12: in %s it says %q and %q", l, why.Text(l), why.Next(l))
				}
			}
			for _, part := range append(c.text, fingerprintOf(c.want, g)...) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error is %q, want it to name %q", err, part)
				}
			}
			for _, canary := range []string{"Provsson", "Testa", "Åkesdotter", "189001019802", "testa@", "hush"} {
				if strings.Contains(err.Error(), canary) {
					t.Errorf("R8: the error shows %q: %v", canary, err)
				}
			}
			if name == "F48 wrong credentials" && g.logins.Load() != 1 {
				t.Errorf("it signed in %d times: that locks accounts", g.logins.Load())
			}
		})
	}
}

// fingerprintOf is what an error about a host key must show: the key to pin.
func fingerprintOf(code reason.Code, g *gotit) []string {
	if code == reason.HostKeyUnknown || code == reason.HostKeyChanged {
		return []string{g.Fingerprint()}
	}
	return nil
}

func refuse(method string) func(string, string) error {
	return func(m, _ string) error {
		if m == method {
			return os.ErrPermission
		}
		return nil
	}
}

// grow has the export grow at every look.
func grow(g *gotit) {
	path := g.put("export.xml", []byte(document))
	g.when(func(method, _ string) error {
		if method != "List" {
			return nil
		}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString("\n")
		return errors.Join(err, f.Close())
	})
}

func TestAReadEndsWhenAsked(t *testing.T) {
	g := serve(t)
	g.put("export.xml", []byte(document))
	ctx, cancel := context.WithCancel(t.Context())
	g.when(func(method, _ string) error {
		if method == "Get" {
			cancel()
		}
		return nil
	})
	begun := time.Now()
	if _, err := open(t, g.settings()).Read(ctx, nil, func(fact.Doc) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestAnErrorOfTheReceiverEndsTheRead(t *testing.T) {
	g := serve(t)
	g.put("export.xml", []byte(document))
	full := errors.New("full")
	if _, err := open(t, g.settings()).Read(t.Context(), nil, func(fact.Doc) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}

func TestCheckTellsEveryStep(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(g *gotit, settings string) string
		empty bool
		want  []string // the steps, the failed one marked
	}{
		"all well": {want: []string{"connect", "host key", "sign-in", "directory", "newest"}},
		"unreachable": {spoil: func(g *gotit, s string) string {
			_, port, _ := net.SplitHostPort(g.Addr())
			return strings.Replace(s, "port: "+port, "port: 1", 1)
		}, want: []string{"connect!"}},
		"another key": {spoil: func(g *gotit, s string) string {
			return strings.Replace(s, g.Fingerprint(), "SHA256:"+strings.Repeat("A", 43), 1)
		}, want: []string{"connect", "host key!"}},
		"another user":  {spoil: func(_ *gotit, s string) string { return strings.Replace(s, "user: kommun", "user: x", 1) }, want: []string{"connect", "host key", "sign-in!"}},
		"no directory":  {spoil: func(_ *gotit, s string) string { return s + "directory: /missing\n" }, want: []string{"connect", "host key", "sign-in", "directory!"}},
		"nothing there": {empty: true, want: []string{"connect", "host key", "sign-in", "directory", "newest!"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := serve(t)
			if !c.empty {
				g.put("export.xml", []byte(document))
			}
			settings := g.settings()
			if c.spoil != nil {
				settings = c.spoil(g, settings)
			}
			checker, ok := open(t, settings).(source.Checker)
			if !ok {
				t.Fatal("it cannot check itself")
			}
			g.when(refuse("Get")) // a check reads no file
			var got []string
			err := checker.Check(t.Context(), func(name, _ string, err error) {
				if err != nil {
					name += "!"
				}
				got = append(got, name)
			})
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("steps %v, want %v", got, c.want)
			}
			if failed := strings.HasSuffix(c.want[len(c.want)-1], "!"); (err != nil) != failed {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What was read of the export, school by school and group by group, is in the facts of its docs.
func TestReadFileNamesTheFile(t *testing.T) {
	reader, ok := open(t, reachable).(source.FileReader)
	if !ok {
		t.Fatal("it reads no file that a person holds")
	}
	r, err := reader.ReadFile(t.Context(), "mine.xml", strings.NewReader(document), func(fact.Doc) error { return nil })
	if err != nil || r.Origin != "mine.xml" || r.Seen["members"] != 3 {
		t.Errorf("got %+v (%v)", r, err)
	}
	if _, err := reader.ReadFile(t.Context(), "mine.xml", strings.NewReader(document[:400]), func(fact.Doc) error { return nil }); err == nil || !strings.Contains(err.Error(), "mine.xml") {
		t.Errorf("got %v, want it to name the file", err)
	}
}
