package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/store/storetest"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
	"eventful.se/ess/services/ess/demo"
	"eventful.se/ess/services/ess/municipality"
)

const (
	tenantName = "prov"
	pepper     = "a pepper of a test, which is no secret at all, 0123456789"
)

// installation is a customer with an Alvis and an Apple School Manager on SFTP servers of the test's own, which outlive
// every program that uses them.
type installation struct {
	t        testing.TB
	dir      string
	town     *municipality.Municipality
	before   *municipality.Municipality // as it was before the last change, or nil
	day      roster.Date
	register *sftpserver.Server
	inbox    *sftpserver.Server
	nats     string // where the log is that outlives reader and writer

	mu     sync.Mutex
	hook   func(server, method string) // told of each request to a server, before it is served
	again  []string                    // files that were uploaded although they stood there whole already
	upload int                         // how many uploads were begun
	ran    []*child                    // every program that was started
}

func install(t testing.TB, pupils int) *installation {
	t.Helper()
	day := roster.Today(time.Now())
	i := &installation{t: t, dir: t.TempDir(), day: day, town: municipality.New(municipality.Options{Pupils: pupils, Seed: 11, Day: day})}
	for _, d := range []string{"register", "apple/dropbox", "data"} {
		if err := os.MkdirAll(i.path(d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	i.register = i.serve("register", "register")
	i.inbox = i.serve("inbox", "apple")
	write(t, i.path("pepper"), pepper+"\n")
	write(t, i.path("password"), "hush\n")
	write(t, i.path("tenants", "prov.yaml"), fmt.Sprintf(`tenant: %s
title: Provköpings kommun
pepper: file:%s
protectedRoutine: Skolkontoret ringer driften samma dag
sources:
  - system: alvis
    schedule: "0 0 1 1 *"
    settings: {sftp: %s, settle: 10ms}
links:
  - target: apple-school-manager
    mode: active
    leave: [{after: 0d, do: delete}]
    lifecycles: [{schoolForm: VUX, gap: 0d}]
    settings: {sftp: %s, every: 0s}
`, tenantName, i.path("pepper"), i.login(i.register), i.login(i.inbox)))
	i.export()
	return i
}

func (i *installation) path(parts ...string) string {
	return filepath.Join(append([]string{i.dir}, parts...)...)
}

func (i *installation) serve(name, dir string) *sftpserver.Server {
	s, err := sftpserver.Start(i.t.Context(), sftpserver.Options{
		Dir: i.path(dir), User: "ess", Password: "hush",
		Before: func(method, file string) error { i.request(name, method, file); return nil },
	})
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() { s.Close() })
	return s
}

func (i *installation) login(s *sftpserver.Server) string {
	host, port, _ := net.SplitHostPort(s.Addr())
	return fmt.Sprintf(`{host: %s, port: %s, user: ess, password: "file:%s", hostKeys: ["%s"]}`, host, port, i.path("password"), s.Fingerprint())
}

// request is told of each request that a server gets.
func (i *installation) request(server, method, file string) {
	i.mu.Lock()
	if server == "inbox" && method == "Put" {
		i.upload++
		if data, err := os.ReadFile(i.path("apple", file)); err == nil && whole(data) {
			i.again = append(i.again, file)
		}
	}
	hook := i.hook
	i.mu.Unlock()
	if hook != nil {
		hook(server, method)
	}
}

// when has do called once, at the nth request of a method that a server gets from now on.
func (i *installation) when(server, method string, nth int, do func()) {
	seen := 0
	i.mu.Lock()
	defer i.mu.Unlock()
	i.hook = func(s, m string) {
		if s != server || m != method {
			return
		}
		i.mu.Lock()
		seen++
		now := seen == nth
		i.mu.Unlock()
		if now {
			do()
		}
	}
}

func (i *installation) uploads() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.upload
}

// export has the register write its export.
func (i *installation) export() {
	i.t.Helper()
	if _, err := i.town.WriteDir(i.path("register"), municipality.FormatAlvis, nil); err != nil {
		i.t.Fatal(err)
	}
}

// change has everything happen in the register that can, and exports it.
func (i *installation) change() {
	i.t.Helper()
	i.before = i.town.Clone()
	for _, mutate := range municipality.Mutations() {
		if _, err := mutate(i.town); err != nil {
			i.t.Fatal(err)
		}
	}
	i.export()
}

// allInOne starts ess, with NATS inside, and has it read.
func (i *installation) allInOne() *child {
	return i.start(nil, "ess", "run", "--config", i.path("tenants"), "--data", i.path("data"), "--http", "127.0.0.1:0", "--log-level", "debug", "--read-now")
}

func (i *installation) start(environment []string, program string, args ...string) *child {
	c := start(i.t, environment, program, args...)
	i.ran = append(i.ran, c)
	return c
}

// story is what every program logged that tells what happened.
func (i *installation) story() string {
	var b strings.Builder
	for n, c := range i.ran {
		for line := range strings.Lines(c.log.String()) {
			if strings.Contains(line, "tenant=") || strings.Contains(line, "ess:") {
				fmt.Fprintf(&b, "%d %s", n, line)
			}
		}
	}
	return b.String()
}

// environment is that of a reader or writer that has NATS at an address.
func (i *installation) environment(nats string) []string {
	return []string{
		"ESS_NATS_URL=" + nats, "ESS_CONFIG=" + i.path("tenants"), "ESS_HTTP=127.0.0.1:0", "ESS_LOG_LEVEL=debug",
		"ESS_LOG_FORMAT=text", "ESS_READ_NOW=true",
	}
}

func (i *installation) reader(nats string) *child {
	return i.start(i.environment(nats), "source-alvis")
}

func (i *installation) writer(nats string) *child {
	return i.start(i.environment(nats), "target-apple-school-manager")
}

// awaitDelivery returns when the newest delivery equals the register, and a writer has said that it knows: it delivered
// that one, or found nothing to do.
func (i *installation) awaitDelivery(log *transcript) {
	i.t.Helper()
	var seen [sha256.Size]byte
	equal := false
	until(i.t, "delivery that equals the register", log, func() bool {
		name, data := i.newest()
		if sum := sha256.Sum256(data); sum != seen {
			_, err := demo.Verify(data, i.town, i.day)
			seen, equal = sum, err == nil
		}
		idle := !log.has([]string{"msg=delivered"}) && nothingToDo.MatchString(log.String())
		return equal && (idle || log.has([]string{"msg=delivered", "package=" + name}))
	})
}

// nothingToDo matches a round of a link that looked at the whole set, in which some are always withheld.
var nothingToDo = regexp.MustCompile(`msg="nothing to do" .* withheld=[1-9]`)

// newest returns the newest delivery, or nothing.
func (i *installation) newest() (name string, data []byte) {
	entries, _ := os.ReadDir(i.path("apple", "dropbox"))
	var last time.Time
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().After(last) {
			last, name = info.ModTime(), e.Name()
			data, _ = os.ReadFile(i.path("apple", "dropbox", name))
		}
	}
	return name, data
}

// checkDeliveries checks that every file that was ever delivered equals the register as it was before the change or as
// it is now: never anything between, and nothing twice.
func (i *installation) checkDeliveries() {
	i.t.Helper()
	entries, err := os.ReadDir(i.path("apple", "dropbox"))
	if err != nil {
		i.t.Fatal(err)
	}
	for _, e := range entries {
		data := []byte(read(i.t, i.path("apple", "dropbox", e.Name())))
		_, err := demo.Verify(data, i.town, i.day)
		if err != nil && i.before != nil {
			_, err = demo.Verify(data, i.before, i.day)
		}
		if err != nil {
			i.t.Errorf("%s equals the register neither as it is nor as it was: %v\n%s", e.Name(), err, i.story())
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.again) > 0 {
		i.t.Errorf("uploaded although they stood there whole: %v", i.again)
	}
}

// checkLog checks that the log holds what a fresh read of the export says, no more and no less, that no run is open,
// and that nothing was published twice.
func (i *installation) checkLog(nats string) {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), 20*time.Second)
	defer cancel()
	keyer, err := roster.NewKeyer([]byte(pepper))
	if err != nil {
		i.t.Fatal(err)
	}
	readFile, origin, err := (inspection{system: "alvis"}).reader()
	if err != nil {
		i.t.Fatal(err)
	}
	asm := fact.NewAssembler(fact.Options{Source: origin, Keyer: keyer, Today: i.day})
	if _, err := readFile(ctx, "alvis.xml", strings.NewReader(read(i.t, i.path("register", "alvis.xml"))), asm.Add); err != nil {
		i.t.Fatal(err)
	}
	st, err := store.Connect(ctx, store.Options{URL: nats, Name: "test"})
	if err != nil {
		i.t.Fatal(err)
	}
	defer st.Close()
	var scan source.Scan
	until(i.t, "scan of the log", printer(func() string { return fmt.Sprint(err) }), func() bool { // of servers that were just started, too
		scan, err = st.Log(tenantName).Scan(i.t.Context(), origin)
		return err == nil
	})
	if scan.Open {
		i.t.Error("a run is open in the log")
	}
	differ := 0
	for _, r := range asm.Assemble().Records {
		r.Normalize()
		if head := scan.Heads[r.Ref]; head.Tombstone || head.Hash != keyer.Hash(&r) {
			differ++
		}
		delete(scan.Heads, r.Ref)
	}
	surplus := 0
	for _, head := range scan.Heads {
		if !head.Tombstone {
			surplus++
		}
	}
	if differ+surplus > 0 {
		i.t.Errorf("%d records in the log are missing or differ from the register, and %d are not in it", differ, surplus)
	}
	last := map[string]string{}
	for _, m := range storetest.Messages(i.t, nats) {
		if hash := first(m.Header["Ess-Hash"]); hash != "" {
			if last[m.Subject] == hash {
				i.t.Errorf("%s was published twice in a row with the same content", m.Subject)
			}
			last[m.Subject] = hash
		}
	}
	if len(last) == 0 {
		i.t.Error("no message has the header by which publishing twice would show")
	}
}

func first(list []string) string { return strings.Join(list[:min(1, len(list))], "") }

// serveNATS starts NATS in the test's process, on the installation's data.
func (i *installation) serveNATS() *store.Server {
	i.t.Helper()
	server, err := store.Embedded(store.ServerOptions{Dir: i.path("data"), Listen: true})
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(server.Shutdown)
	return server
}

// whole tells whether a file is a zip that can be read to its end.
func whole(data []byte) bool {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(z.File, func(f *zip.File) bool {
		r, err := f.Open()
		if err != nil {
			return true
		}
		defer r.Close()
		_, err = io.Copy(io.Discard, r)
		return err != nil
	})
}

// meter is a proxy in front of a server that counts what clients send, and stops at a byte.
type meter struct {
	url  string
	sent atomic.Int64
}

// newMeter starts a meter. Once limit bytes were sent it calls at, and passes no more on unless that returns true; a
// limit of 0 is for never.
func newMeter(t testing.TB, server string, limit int64, at func() (goOn bool)) *meter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &meter{url: "nats://" + l.Addr().String()}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); l.Close(); wg.Wait() })
	goOn := sync.OnceValue(func() bool { return at() })
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			peer, err := net.Dial("tcp", strings.TrimPrefix(server, "nats://"))
			if err != nil {
				client.Close()
				continue
			}
			context.AfterFunc(ctx, func() { client.Close(); peer.Close() })
			wg.Go(func() { defer client.Close(); _, _ = io.Copy(client, peer) })
			wg.Go(func() {
				limit := limit
				defer peer.Close()
				buffer := make([]byte, 1<<10)
				for {
					n, err := client.Read(buffer)
					before := m.sent.Add(int64(n)) - int64(n)
					if limit > 0 && before+int64(n) >= limit {
						_, _ = peer.Write(buffer[:max(0, limit-before)])
						if !goOn() {
							return
						}
						_, _ = peer.Write(buffer[max(0, limit-before):n])
						limit = 0
						continue
					}
					if _, failed := peer.Write(buffer[:n]); err != nil || failed != nil {
						return
					}
				}
			})
		}
	})
	return m
}
