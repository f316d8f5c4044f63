package service

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
)

// opened counts how often each tenant's link was opened.
type opened struct {
	mu    sync.Mutex
	times map[string]int
}

func (o *opened) of(name string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.times[name]
}

func (o *opened) until(t *testing.T, name string, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); o.of(name) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s was opened %d times, want %d", name, o.of(name), n)
		}
	}
}

// countedSettings are those of a target that tells when it is opened.
type countedSettings struct {
	Folder `yaml:",inline"`
	opened *opened
}

func (s *countedSettings) Open(e target.Env) (*target.Target, error) {
	s.opened.mu.Lock()
	defer s.opened.mu.Unlock()
	s.opened.times[e.Tenant]++
	return &target.Target{}, nil
}

// serving is a program that runs in a test.
type serving struct {
	Process
	opened *opened
	logs   *safeBuffer
	stop   func()
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// serveTest runs a program with one target, until the test ends.
func serveTest(t *testing.T, p Process) *serving {
	t.Helper()
	t.Setenv("SERVICE_TEST_PEPPER", strings.Repeat("p", roster.MinPepper))
	s := &serving{Process: p, opened: &opened{times: map[string]int{}}, logs: &safeBuffer{}}
	s.Name, s.Owner, s.HTTP, s.Complete = "test", "test", freeAddr(t), true
	s.Logger = slog.New(slog.NewTextHandler(s.logs, nil))
	c := target.Connector{System: "counted", New: func() target.Config { return &countedSettings{opened: s.opened} }}
	one := source.Connector{System: "one", New: func() source.Config { return &sourceSettings{} }}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, []source.Connector{one}, []target.Connector{c}) }()
	s.stop = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("at the end: %v", err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

func counted(name, more string) string {
	return "tenant: " + name + "\npepper: env:SERVICE_TEST_PEPPER\nlinks: [{target: counted, settings: {folder: x}}]\n" + more
}

func ready(code int, _ string) bool { return code == http.StatusOK }

func says(what string) func(int, string) bool {
	return func(code int, body string) bool {
		return code == http.StatusServiceUnavailable && strings.Contains(body, what)
	}
}

func embedded(t *testing.T) *store.Server {
	t.Helper()
	server, err := store.Embedded(store.ServerOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	return server
}

// TestServeFollowsAFolder changes the documents of a folder as a Kubernetes ConfigMap does, by swapping one link.
func TestServeFollowsAFolder(t *testing.T) {
	dir := t.TempDir()
	generation := 0
	swap := func(files map[string]string) {
		t.Helper()
		generation++
		data := fmt.Sprintf("..%d", generation)
		if err := os.Mkdir(filepath.Join(dir, data), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, data, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
				if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := os.Symlink(data, filepath.Join(dir, "..new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
		links, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			if files[filepath.Base(link)] == "" {
				if err := os.Remove(link); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	s := serveTest(t, Process{Server: embedded(t), Config: dir, KeepLogs: true})
	eventually(t, s.HTTP, says("no tenant to run: put its document into "+dir))
	swap(map[string]string{"lund.yaml": counted("lund", ""), "vara.yaml": counted("vara", "")})
	eventually(t, s.HTTP, ready)

	began := time.Now()
	swap(map[string]string{"lund.yaml": counted("lund", "title: Lund\n"), "vara.yaml": counted("vara", "")})
	s.opened.until(t, "lund", 2)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a change acted after %s", took)
	}
	swap(map[string]string{"lund.yaml": counted("lund", "tittle: Lund\n"), "vara.yaml": counted("vara", "")})
	eventually(t, s.HTTP, says("not run as the newest document says, for the reason in the log: tenant lund"))
	swap(map[string]string{"vara.yaml": counted("vara", "")})
	eventually(t, s.HTTP, ready)
	swap(map[string]string{"vara.yaml": counted("vara", ""), "again.yaml": counted("vara", "")})
	eventually(t, s.HTTP, says("not run as the newest document says, for the reason in the log: tenant vara"))
	swap(map[string]string{"vara.yaml": counted("vara", ""), "lund.yaml": counted("lund", "")})
	eventually(t, s.HTTP, ready)
	s.opened.until(t, "lund", 3)
	if n := s.opened.of("vara"); n != 1 {
		t.Errorf("vara was opened %d times: its document never changed", n)
	}
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	eventually(t, s.HTTP, says("cannot be read now"))
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, s.HTTP, ready)
	if n := s.opened.of("lund"); n != 3 {
		t.Errorf("lund was opened %d times: a folder that is away says nothing of it", n)
	}
	s.stop()
	if text := s.logs.String(); !strings.Contains(text, "msg=\"the tenant has no document any more: it stops, and nothing is removed\" tenant=lund") || !strings.Contains(text, "tittle") {
		t.Errorf("the log is\n%s", text)
	}
}

func TestServeRefusesARenamedSource(t *testing.T) {
	dir := t.TempDir()
	write := func(instance string) {
		t.Helper()
		text := "tenant: lund\npepper: env:SERVICE_TEST_PEPPER\nsources: [{system: one, instance: " + instance + ", settings: {folder: x}}]\n"
		if err := os.WriteFile(filepath.Join(dir, "lund.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("gy")
	s := serveTest(t, Process{Server: embedded(t), Config: dir, KeepLogs: true})
	eventually(t, s.HTTP, ready)
	write("gymnasium")
	eventually(t, s.HTTP, says("tenant lund"))
	if !strings.Contains(s.logs.String(), "source one/gy is called one/gymnasium now") {
		t.Errorf("the log is\n%s", s.logs)
	}
	write("gy")
	eventually(t, s.HTTP, ready)
}

// TestHalfASavedFileCountsForNothing writes a document in two halves, of which the first is a valid document.
func TestHalfASavedFileCountsForNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lund.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(counted("lund", ""))
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var seen []string
	reload := make(chan os.Signal)
	done := make(chan struct{})
	go func() {
		defer close(done)
		followFolder(ctx, dir, reload, func(list []wanted, err error) {
			mu.Lock()
			defer mu.Unlock()
			for _, w := range list {
				seen = append(seen, w.doc.Title)
			}
			if err != nil {
				seen = append(seen, err.Error())
			}
		})
	}()
	for {
		mu.Lock()
		n := len(seen)
		mu.Unlock()
		if n > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for i := range 12 { // never the same for two looks
		write(counted("lund", fmt.Sprintf("title: half %d\n", i)))
		time.Sleep(lookEvery / 4)
	}
	write(counted("lund", "title: whole\n"))
	time.Sleep(3 * lookEvery)
	write(counted("lund", "title: told of\n"))
	reload <- syscall.SIGHUP
	reload <- syscall.SIGHUP // the first was taken, and its look is done
	stop()
	<-done
	if got := strings.Join(seen, ", "); got != ", whole, told of, told of" {
		t.Errorf("it saw %q", got)
	}
}

// TestServeWaitsForNATS starts before its server does.
func TestServeWaitsForNATS(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "lund.yaml"), []byte(counted("lund", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := store.Embedded(store.ServerOptions{Dir: t.TempDir(), Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	url, port := server.URL(), server.Port()
	server.Shutdown()
	s := serveTest(t, Process{NATS: url, Config: dir, KeepLogs: true})
	eventually(t, s.HTTP, says(url))
	if code := statusOf(t, "http://"+s.HTTP+"/healthz"); code != http.StatusOK {
		t.Errorf("healthz: %d while NATS is away", code)
	}
	if server, err = store.Embedded(store.ServerOptions{Dir: t.TempDir(), Listen: true, Port: port}); err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	eventually(t, s.HTTP, ready)
	s.stop()

	stopped := serveTest(t, Process{NATS: "nats://127.0.0.1:1", Config: dir})
	eventually(t, stopped.HTTP, says("127.0.0.1:1"))
	stopped.stop() // while it waits
}

func TestServeEndsWhereNobodyElseCanHelp(t *testing.T) {
	p := Process{Name: "test", NATS: "nats://127.0.0.1:1", Config: filepath.Join(t.TempDir(), "nowhere"), HTTP: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)}
	if err := p.Serve(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a folder that is not there: %v", err)
	}
	p.Config, p.Creds = t.TempDir(), "hunter2"
	if err := p.Serve(t.Context(), nil, nil); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("credentials that are no reference: %v", err)
	}
}

func statusOf(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}
