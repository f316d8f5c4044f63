package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/testbed"
)

// everyCommand has arguments for every command that talks to NATS, by its path.
func everyCommand(document string) map[string][]string {
	key := uuid.NewString()
	tenant, link, source := []string{"--tenant", "prov"}, []string{"--tenant", "prov", "--link", "apple-school-manager"}, []string{"--tenant", "prov", "--source", "alvis"}
	until := []string{"--until", "2999-01-01"}
	return map[string][]string{
		"tenants apply": args([]string{document}, because), "tenants list": nil, "tenants get": {"prov"}, "tenants diff": {"prov"},
		"tenants retire": args([]string{"prov"}, because),
		"status":         tenant,
		"sources list":   tenant, "sources show": source, "sources read": args(source, because), "sources pause": args(source, because), "sources resume": args(source, because),
		"links list": tenant, "links show": link, "links pause": args(link, because), "links resume": args(link, because),
		"links replay": args(link, because, []string{"--since", "1h"}), "links resync": args(link, because),
		"links sync person": args([]string{key}, tenant, because), "links sync group": args([]string{key}, tenant, because), "links sync school": args([]string{key}, tenant, because),
		"parked list": link, "parked show": args([]string{"student/" + key}, link), "parked retry": args(link, because),
		"check source": source, "check link": link,
		"asks list": nil, "asks cancel": args([]string{"x"}, tenant, because),
		"passwords letters": tenant, "passwords reset": args(link, because, []string{"--key", key}),
		"passwords sheet": args(tenant, because, []string{"--unit", key, "--file", filepath.Join(filepath.Dir(document), "sheet.pdf"), "--identity", filepath.Join(filepath.Dir(document), "school.key")}),
		"members list":    nil,
		"preview":         link,
		"why":             args(tenant, []string{"--key", key}),
		"runs":            source, "findings": source,
		"names list": tenant, "names show": args([]string{"annand"}, tenant),
		"held show": source, "held approve": args([]string{"d"}, source, because), "held reject": args([]string{"d"}, link, because),
		"person protect": args(tenant, because, []string{"--key", key}), "person unprotect": args(tenant, because, []string{"--key", key}),
		"person join":  args(tenant, because, []string{"--key", key, "--other-key", uuid.NewString()}),
		"person split": args(tenant, because, []string{"--key", key}), "person suggestions": tenant,
		"manual add":     args(tenant, because, until, []string{"--member-of", key, "--key", key}),
		"manual exclude": args(tenant, because, until, []string{"--key", key}), "manual suspend": args(tenant, because, until, []string{"--key", key}),
		"manual keep":     args(tenant, because, until, []string{"--key", key}),
		"manual override": args(tenant, because, until, []string{"--key", key, "--from", "-"}),
		"manual list":     tenant, "manual remove": args([]string{"x"}, tenant, because),
	}
}

// offline are the commands that need no NATS.
var offline = []string{"tenants schema", "reference", "passwords keys new", "passwords keys show"}

// afterBytes listens, and passes to a client so many bytes of what a server says; then nothing more comes, or with cut the
// connection breaks. Without a server nothing is ever said.
func afterBytes(t *testing.T, server string, n int64) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	var wg sync.WaitGroup
	keep := func(c net.Conn) {
		mu.Lock()
		open = append(open, c)
		mu.Unlock()
	}
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			keep(client)
			if server == "" {
				continue
			}
			peer, err := net.Dial("tcp", server)
			if err != nil {
				continue
			}
			keep(peer)
			wg.Go(func() { _, _ = io.Copy(peer, client) })
			wg.Go(func() { _, _ = io.CopyN(client, peer, n) }) // and then it hangs
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

func TestEveryCommandSaysWithinTenSecondsThatNATSCannotBeUsed(t *testing.T) {
	w := controlledWorld(t)
	addr := strings.TrimPrefix(w.url, "nats://")
	bare, err := store.Embedded(store.ServerOptions{Dir: t.TempDir(), Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bare.Shutdown)
	conf := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(conf, []byte(`authorization { users = [ { user: admin, password: "x" } ] }`), 0o600); err != nil {
		t.Fatal(err)
	}
	locked, err := store.Embedded(store.ServerOptions{Dir: t.TempDir(), Listen: true, ConfigFile: conf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(locked.Shutdown)
	const inAnswer = 900 // after the greeting, in the first answer of JetStream
	cut := testbed.NewProxy(t, addr, slices.Repeat([]testbed.Cut{{Down: inAnswer}}, 10_000)...)
	commands := everyCommand(w.document())
	if err := run(t.Context(), []string{"passwords", "keys", "new", filepath.Join(w.dir, "school.key")}, io.Discard, io.Discard, os.Getenv, time.Now); err != 0 {
		t.Fatal("no key was made")
	}
	for _, x := range []struct {
		name, url string
		words     []string // one of them is said
		works     []string // commands that such a server is enough for
	}{
		{"a closed port", "nats://127.0.0.1:1", []string{"nats-unreachable"}, nil},
		{"a port that says nothing", "nats://" + afterBytes(t, "", 0), []string{"nats-unreachable"}, nil},
		{"a server that hangs in mid-answer", "nats://" + afterBytes(t, addr, inAnswer), []string{"nats-unreachable", "outcome-unknown", "no answer"}, nil},
		{"a connection that breaks in mid-answer", "nats://" + net.JoinHostPort(cut.Host, strconv.Itoa(cut.Port)), []string{"nats-unreachable", "outcome-unknown", "no answer"}, nil},
		{"wrong credentials", locked.URL(), []string{"nats-wrong-credentials"}, nil},
		{"no streams", bare.URL(), []string{"log-missing", "members-missing", "no document"}, []string{"tenants apply"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			var all sync.WaitGroup // they wait, and do nothing else
			defer all.Wait()
			for _, cmd := range leaves((&control{}).root()) {
				path := strings.TrimPrefix(cmd.CommandPath(), "essctl ")
				if slices.Contains(offline, path) || slices.Contains(x.works, path) {
					continue
				}
				line, ok := commands[path]
				if !ok {
					t.Errorf("essctl %s has no arguments in this test: give it some", path)
					continue
				}
				all.Go(func() {
					var out, errs bytes.Buffer
					c := &control{
						getenv: func(string) string { return "" }, now: time.Now, in: strings.NewReader("givenName: Testa\n"), out: &out, errs: &errs,
						newID: func() string { return uuid.NewString()[:8] },
					}
					begun := time.Now()
					status := c.run(t.Context(), append(append(strings.Fields(path), line...), "--nats", x.url))
					if took := time.Since(begun); status == 0 || took > 10*time.Second {
						t.Errorf("essctl %s: status %d after %s\n%s%s", path, status, took, &out, &errs)
					}
					said := func(word string) bool { return strings.Contains(errs.String(), word) }
					if !strings.HasPrefix(errs.String(), "essctl: ") || !slices.ContainsFunc(x.words, said) {
						t.Errorf("essctl %s says %q, and none of %q", path, &errs, x.words)
					}
				})
			}
		})
	}
}

func TestCompletionNamesWhatThereIsAndNeverHangs(t *testing.T) {
	w := controlledWorld(t)
	complete := func(url string, line ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		getenv := func(name string) string { return map[string]string{"ESS_NATS_URL": url}[name] }
		begun := time.Now()
		if status := run(t.Context(), append([]string{cobra.ShellCompRequestCmd}, line...), &out, &errs, getenv, time.Now); status != 0 {
			t.Errorf("status %d: %s", status, &errs)
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("it took %s", took)
		}
		return out.String()
	}
	contains(t, complete(w.url, "links", "list", "--tenant", ""), "prov\n")
	contains(t, complete(w.url, "tenants", "get", "p"), "prov\n")
	contains(t, complete(w.url, "links", "resync", "--tenant", "prov", "--link", ""), "apple-school-manager/default\n")
	contains(t, complete(w.url, "sources", "read", "--tenant", "prov", "--source", "a"), "alvis/default\n")
	contains(t, complete(w.url, "status", "-o", ""), "table\njson\nyaml\n")
	for _, url := range []string{"nats://127.0.0.1:1", "nats://" + afterBytes(t, "", 0), ""} {
		if out := complete(url, "links", "list", "--tenant", ""); strings.Contains(out, "prov") {
			t.Errorf("without NATS it completes %s", out)
		}
	}
}
