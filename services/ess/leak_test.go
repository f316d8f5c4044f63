package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tracev1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/store/storetest"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/services/ess/municipality"
)

// TestR8NoPersonalDataAnywhere runs a whole demo, and an installation in which everything goes wrong that can, and looks
// for every name, number and address of everyone in all that they emit: what they print and log, the subjects and
// headers of every stream, file names, metrics, traces and errors (F63).
func TestR8NoPersonalDataAnywhere(t *testing.T) {
	t.Parallel()
	seen := emitted{}
	demoTown := seen.demo(t)
	all := canariesOf(append(demoTown, seen.trouble(t)...)...)
	all.list = append(all.list, oddCanaries()...)
	for place, text := range seen {
		if text == "" {
			t.Errorf("%s: nothing was emitted, so that nothing could leak", place)
		}
		if found := all.in(text); len(found) > 0 {
			t.Errorf("%s shows %d names, numbers or addresses, such as %q in\n%s", place, len(found), found[0], lineWith(text, found[0]))
		}
	}

	// The test can fail: a leak at any place would be found, whatever of a person it is.
	for place, text := range seen {
		text = text[max(0, len(text)-10_000):]
		for _, canary := range []string{all.list[0], all.list[len(all.list)/2], all.list[len(all.list)-1], oddCanaries()[0]} {
			for _, form := range []string{"%s", " name=%s ", "error=\"no %q\"", "\n%s,", "file-%s.xml", "<%s>", "%s@x"} {
				if !slices.Contains(all.in(text+fmt.Sprintf(form, canary)), canary) {
					t.Errorf("%s: %q would not be found as %q", place, canary, form)
				}
			}
		}
	}
}

func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

// emitted is what programs emitted, by its place.
type emitted map[string]string

// demo runs the demo, and returns the municipality before and after what happens in it.
func (e emitted) demo(t *testing.T) (towns []*municipality.Municipality) {
	t.Helper()
	dir := t.TempDir()
	out := ess(t, "demo", "--once", "--pupils", "80", "--log-level", "debug", "--dir", dir)
	if out.status != 0 {
		t.Fatalf("exit status %d:\n%s", out.status, out.stdout)
	}
	e["demo: standard output"], e["demo: log"] = out.stdout, out.stderr
	e.files(t, "demo", dir)
	town := municipality.New(municipality.Options{Pupils: 80, Seed: 1, Day: roster.Today(time.Now())})
	towns = append(towns, town.Clone())
	for _, mutate := range municipality.Mutations() {
		if _, err := mutate(town); err != nil {
			t.Fatal(err)
		}
		towns = append(towns, town.Clone())
	}
	if held := e.streams(t, "demo", filepath.Join(dir, "nats")); len(canariesOf(town).in(held)) < 80 {
		t.Error("the bodies of the log hold hardly anyone: the canaries are not those of the demo")
	}
	return towns
}

// files takes the names of all files.
func (e emitted) files(t *testing.T, whose, dir string) {
	t.Helper()
	var names strings.Builder
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		fmt.Fprintln(&names, strings.TrimPrefix(path, dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	e[whose+": file names"] = names.String()
}

// streams takes the subjects and headers of all messages, and returns the bodies.
func (e emitted) streams(t *testing.T, whose, dir string) (bodies string) {
	t.Helper()
	server, err := store.Embedded(store.ServerOptions{Dir: dir, Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	var envelopes, held strings.Builder
	kinds := map[string]bool{}
	for _, m := range storetest.Messages(t, server.URL()) {
		fmt.Fprintln(&envelopes, m.Stream, m.Subject, m.Header)
		held.Write(m.Data)
		held.WriteByte('\n')
		kind, _, _ := strings.Cut(m.Subject, ".")
		kinds[kind] = true
	}
	for _, kind := range []string{"ess", "ess-run", "ess-ledger"} {
		if !kinds[kind] {
			t.Errorf("%s: no message of the streams %s was looked at, only of %v", whose, kind, kinds)
		}
	}
	e[whose+": subjects and headers"] = envelopes.String()
	return held.String()
}

// oddPersons are persons whom something is wrong with, each in another way.
const oddPersons = `
<person><sourcedid><source>Provregister</source><id>189912319812</id></sourcedid><name><n><family>Idnummersson</family><given>Läckina</given></n></name><email>lackina.idnummersson@elev.provkoping.example</email><institutionrole primaryrole="Yes" institutionroletype="Student"/></person>
<person><sourcedid><source>Provregister</source><id>odd-1</id></sourcedid><userid useridtype="PID">18991332-0001</userid><name><n><family>Felnummersson</family><given>Spillina</given></n></name><institutionrole primaryrole="Yes" institutionroletype="Student"/></person>
<person><sourcedid><source>Provregister</source><id>odd-2</id></sourcedid><userid useridtype="PID">189801019802</userid><name><n><family>=HYPERLINK("Formelsson")</family><given>Droppina</given></n></name><institutionrole primaryrole="Yes" institutionroletype="Student"/></person>
<person><sourcedid><source>Provregister</source><id>odd-3</id></sourcedid><userid useridtype="PID">189701019803</userid><name><n><family>Krocksson</family><given>Sippra</given></n></name><institutionrole primaryrole="Yes" institutionroletype="Student"/></person>
<person><sourcedid><source>Provregister</source><id>odd-4</id></sourcedid><userid useridtype="PID">189701019803</userid><name><n><family>Annandotter</family><given>Rinnina</given></n></name><institutionrole primaryrole="Yes" institutionroletype="Student"/></person>
<person><sourcedid><source>Provregister</source><id>odd-4</id></sourcedid><userid useridtype="PID">189601019804</userid><name><n><family>Dubblettsson</family><given>Läckage</given></n></name><institutionrole primaryrole="Yes" institutionroletype="Rektorssläkting"/></person>
<person><name><n><family>Idlössdotter</family><given>Utflödia</given></n></name></person>
`

// oddMembers are members that nobody is.
const oddMembers = `
<membership><sourcedid><source>Provregister</source><id>u-1</id></sourcedid>
<member><sourcedid><source>Provregister</source><id>189912319812</id></sourcedid><idtype>1</idtype><role roletype="01"><status>1</status></role></member>
<member><sourcedid><source>Provregister</source><id>odd-2</id></sourcedid><idtype>1</idtype><role roletype="01"><status>1</status></role></member>
<member><sourcedid><source>Provregister</source><id>189512319815</id></sourcedid><idtype>1</idtype><role roletype="01"><status>1</status><timeframe><begin>i förrgår</begin></timeframe></role></member>
</membership>
</enterprise>`

func oddCanaries() []string {
	return []string{
		"Idnummersson", "Läckina", "lackina.idnummersson@elev.provkoping.example", "189912319812", "9912319812", "991231-9812",
		"Felnummersson", "Spillina", "18991332-0001", "189913320001", "991332-0001", "Formelsson", "Droppina", "189801019802", "980101-9802",
		"Krocksson", "Sippra", "189701019803", "970101-9803", "Annandotter", "Rinnina", "Dubblettsson", "Läckage", "189601019804",
		"Idlössdotter", "Utflödia", "189512319815", "951231-9815", "Trasigsson", "Avklippsson",
	}
}

// trouble runs an installation of several tenants, each with another trouble, and inspects their exports.
func (e emitted) trouble(t *testing.T) []*municipality.Municipality {
	t.Helper()
	i := install(t, 60)
	good := read(t, i.path("register", "alvis.xml"))
	before, _, _ := strings.Cut(good, "</person>")
	odd := strings.Replace(strings.Replace(good, "<person>", oddPersons+"<person>", 1), "</enterprise>", oddMembers, 1)
	exports := map[string]string{
		"odd":       odd,
		"cut":       before + "</person><person><sourcedid><source>P</source><id>1</id></sourcedid><name><n><family>Avklippsson",
		"malformed": before + "<fn>Läckina Trasigsson</Trasigsson>",
		"encoding":  before + "<email>L\xe4ckina Trasigsson</email></person></enterprise>",
		"doctype":   strings.Replace(good, "<enterprise>", `<!DOCTYPE enterprise [<!ENTITY x "Läckina Trasigsson">]><enterprise>`, 1),
		"two":       zipOf(t, "a.xml", good, "b.xml", good),
	}
	document := read(t, i.path("tenants", "prov.yaml"))
	tenant := func(name string, pairs ...string) {
		pairs = append(pairs, "tenant: "+tenantName, "tenant: "+name, "settle: 10ms", "settle: 10ms, directory: /"+name)
		if err := os.MkdirAll(i.path("register", name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, i.path("tenants", name+".yaml"), strings.NewReplacer(pairs...).Replace(document))
	}
	for name, text := range exports {
		tenant(name)
		file := write(t, i.path("register", name, "export.xml"), text)
		for _, args := range [][]string{{"--source", "alvis"}, {"--format", "ims"}} {
			out := ess(t, append(append([]string{"inspect"}, args...), file)...)
			if (out.status == 0) != (name == "odd") {
				t.Errorf("inspect of %s: exit status %d\n%s", name, out.status, out.stderr)
			}
			e["inspect: standard error of "+name+" "+args[1]] = out.stderr
			if out.status == 0 {
				e["inspect: records of "+name+" "+args[1]] = out.stdout
			}
		}
	}
	write(t, i.path("wrong"), "not the password\n")
	tenant("credentials", "file:"+i.path("password"), "file:"+i.path("wrong"))
	tenant("hostkey", i.register.Fingerprint(), "SHA256:"+strings.Repeat("A", 43), i.inbox.Fingerprint(), "SHA256:"+strings.Repeat("A", 43))
	tenant("unreachable", "port: "+portOf(i.register.Addr()), "port: 1", "port: "+portOf(i.inbox.Addr()), "port: 1")
	tenant("empty")
	p := protect(t, i)
	for name, town := range map[string]*municipality.Municipality{"marked": p.town, "without": p.without} {
		tenant(name, "settle: 10ms", "settle: 10ms, directory: /"+name+", profile: {extends: alvis, securityMarking: extension/securitymarking}",
			"sources:", "status: {webhook: file:"+i.path("hook")+"}\nsources:", "system: alvis", "system: alvis\n    protected: flag")
		var export strings.Builder
		if err := town.WriteIMS(&export); err != nil {
			t.Fatal(err)
		}
		write(t, i.path("register", name, "export.xml"), export.String())
	}

	traces := collect(t)
	health := testbed.FreeAddr(t)
	c := i.start([]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + traces.address, "OTEL_BSP_SCHEDULE_DELAY=100"},
		"ess", "run", "--config", i.path("tenants"), "--data", i.path("data"), "--http", health, "--log-level", "debug", "--read-now")
	states := map[string]string{
		tenantName: "published", "odd": "published", "cut": "incomplete", "malformed": "unreadable", "encoding": "unreadable", "doctype": "unreadable",
		"marked": "published", "without": "published", "two": "unreadable", "credentials": "refused", "hostkey": "refused", "unreachable": "unreachable", "empty": "empty",
	}
	for name, state := range states {
		c.await(t, `msg="run ended"`, "tenant="+name+" ", "state="+state)
	}
	for _, name := range []string{"odd", "marked", "without"} {
		c.await(t, "msg=delivered", "tenant="+name+" ")
	}
	for _, path := range []string{"/metrics", "/readyz", "/healthz"} {
		e["run: "+path] = get(t, "http://"+health+path)
	}
	if !strings.Contains(e["run: /metrics"], "ess_runs_total") || !strings.Contains(e["run: /metrics"], "ess_link_") {
		t.Errorf("the metrics are not those of runs and links:\n%s", e["run: /metrics"])
	}
	if status, _ := c.terminate(t); status != 0 {
		t.Errorf("exit status %d:\n%s", status, i.story())
	}
	e["run: log"] = c.log.String()
	e["run: traces"] = traces.text()
	e.files(t, "run", i.dir)
	e.streams(t, "run", i.path("data"))
	p.inspect(t, i, e)
	return []*municipality.Municipality{i.town, p.town}
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// collector takes traces, as an OpenTelemetry collector does.
type collector struct {
	tracev1.UnimplementedTraceServiceServer
	address string
	mu      sync.Mutex
	got     strings.Builder
}

func collect(t *testing.T) *collector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{address: l.Addr().String()}
	server := grpc.NewServer()
	tracev1.RegisterTraceServiceServer(server, c)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // it ends when it is stopped
	}()
	t.Cleanup(func() { server.Stop(); <-done })
	return c
}

// Export takes spans.
func (c *collector) Export(_ context.Context, r *tracev1.ExportTraceServiceRequest) (*tracev1.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(&c.got, r)
	return &tracev1.ExportTraceServiceResponse{}, nil
}

func (c *collector) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got.String()
}
