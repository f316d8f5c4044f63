package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/libs/testbed/adfake"
	"eventful.se/ess/services/source-memory/memory"
	"eventful.se/ess/services/target-active-directory/ad"
)

var (
	benchPupils  = flag.Int("pupils", 1000, "how many pupils the benchmark has; for 25 of them there is a group")
	benchChanges = flag.Int("changes", 100, "how many changes the benchmark makes one by one")
	benchProfile = flag.String("profile", "", "a folder for profiles of the benchmark")
)

const (
	benchReplays = 20

	perSchool = 500
	perClass  = 27 // 19 classes and the group of all pupils make 20 groups of a school
)

// BenchmarkDirectory loads an empty directory by one connection and by four, and by ldapadd with the same changes; plans
// everything anew; and makes one change after the other. `make bench ARGS=ad` runs it; see docs/benchmarks.md.
func BenchmarkDirectory(b *testing.B) {
	var first *town
	var took time.Duration
	for _, connections := range []int{1, 4} {
		dc := newController(b)
		t := newTown(b, directory{dc.URL, dc.CAFile, dc.service.UPN, dc.service.PasswordFile}, dc.Admin(b), connections)
		ok := b.Run(fmt.Sprintf("load/connections=%d", connections), func(b *testing.B) {
			stop := t.profile(b, fmt.Sprintf("load%d", connections))
			s := t.load(b)
			stop()
			b.ReportMetric(float64(s.Created)/s.Took.Seconds(), "changes/s")
			b.ReportMetric(s.Took.Seconds(), "s/load")
			b.ReportMetric(s.PlanTook.Seconds(), "s/plan")
			if first == nil {
				took = s.Took
			}
		})
		if !ok {
			return
		}
		if first == nil {
			first = t
		}
	}
	fresh := newController(b)
	ldif, changes := first.ldif(b, fresh)
	b.Run("load/ldapadd", func(b *testing.B) {
		begun := time.Now()
		fresh.ldapadd(b, ldif)
		alone := time.Since(begun)
		b.ReportMetric(float64(changes)/alone.Seconds(), "changes/s")
		b.ReportMetric(alone.Seconds(), "s/load")
		b.ReportMetric(alone.Seconds()/took.Seconds(), "ours/ldapadd")
	})
	b.Run("replay", func(b *testing.B) { first.replay(b, changes) })
	b.Run("change", func(b *testing.B) {
		defer first.profile(b, "change")()
		var all []time.Duration
		for n := range *benchChanges {
			all = append(all, first.change(b, n))
		}
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2].Seconds(), "s/p50")
		b.ReportMetric(all[(len(all)*99-1)/100].Seconds(), "s/p99")
	})
}

// BenchmarkPlan is as large, and its directory in memory: what the link itself needs.
func BenchmarkPlan(b *testing.B) {
	dc := adfake.Start(b, adfake.Options{})
	admin, err := ldap.DialURL(dc.URL, ldap.DialWithTLSConfig(dc.TLS()))
	if err == nil {
		b.Cleanup(func() { admin.Close() })
		err = admin.Bind(dc.Admin.UPN, dc.Admin.Password)
	}
	for _, name := range []string{"Skolor", "Slutat"} {
		if err == nil {
			a := ldap.NewAddRequest("OU="+name+","+adfake.BaseDN, nil)
			a.Attribute("objectClass", []string{"organizationalUnit"})
			err = admin.Add(a)
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	t := newTown(b, directory{dc.URL, dc.CAFile, dc.Admin.UPN, dc.Admin.PasswordFile}, admin, 4)
	made := 0
	b.Run("load", func(b *testing.B) {
		defer t.profile(b, "load")()
		s := t.load(b)
		made = s.Created
		b.ReportMetric(float64(made)/s.Took.Seconds(), "changes/s")
		b.ReportMetric(s.PlanTook.Seconds(), "s/plan")
	})
	b.Run("replay", func(b *testing.B) { t.replay(b, made) })
}

// directory is where a town has its accounts.
type directory struct {
	url, caFile, user, passwordFile string
}

// controller is a domain controller with the OUs of the settings, and an account that may write there.
type controller struct {
	*testbed.SambaAD
	service testbed.Account
}

func newController(b *testing.B) *controller {
	b.Helper()
	dc := testbed.StartSambaAD(b, testbed.SambaOptions{})
	school, gone := "OU=Skolor,"+dc.BaseDN, "OU=Slutat,"+dc.BaseDN
	dc.AddLDIF(b, "dn: "+school+"\nobjectClass: organizationalUnit\n\ndn: "+gone+"\nobjectClass: organizationalUnit\n")
	return &controller{dc, dc.Delegate(b, "ess", school, gone)}
}

// town is a tenant with a register in a file and a directory of its own.
type town struct {
	whole   *testing.B // of which the rows are parts
	at      directory
	admin   *ldap.Conn
	dir     string
	tenant  *service.Tenant
	reader  *source.Reader
	link    *target.Link
	settled chan target.Settled
	names   map[int]int // how often somebody was renamed
	version int
}

func newTown(b *testing.B, at directory, admin *ldap.Conn, connections int) *town {
	b.Helper()
	t := &town{whole: b, at: at, admin: admin, dir: b.TempDir(), settled: make(chan target.Settled, 100), names: map[int]int{}}
	t.register(b)
	check := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	check(os.WriteFile(filepath.Join(t.dir, "pepper"), []byte("a pepper of nobody, for measuring only"), 0o600))
	path := filepath.Join(t.dir, "bench.yaml")
	check(os.WriteFile(path, fmt.Appendf(nil, `tenant: bench
pepper: "file:%s"
sources:
  - {system: memory, protected: flag, schedule: "0 0 1 1 *", settings: {file: %q}}
links:
  - target: active-directory
    mode: active
    settings:
      ldap: {urls: [%q], caFile: %q, user: %s, password: "file:%s", connections: %d}
      baseOU: OU=Skolor,%s
      quarantineOU: OU=Slutat,%s
      makeOUs: true
      groups: [{for: pupils, name: "{unit} elever"}, {for: class, name: "{unit} {group}"}]
      pupils: {upnSuffix: elev.skola.test}
      staff: {upnSuffix: skola.test}
`, filepath.Join(t.dir, "pepper"), filepath.Join(t.dir, "register.json"), at.url, at.caFile, at.user, at.passwordFile, connections, testbed.SambaBaseDN, testbed.SambaBaseDN), 0o600))
	document, err := tenant.Load(path)
	check(err)
	logger := slog.New(slog.NewTextHandler(b.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	server, err := store.Embedded(store.ServerOptions{Dir: filepath.Join(t.dir, "nats"), Listen: true, Logger: logger})
	check(err)
	b.Cleanup(server.Shutdown)
	st, err := store.Connect(b.Context(), store.Options{URL: server.URL(), Name: "bench", Logger: logger})
	check(err)
	b.Cleanup(st.Close)
	check(st.EnsureTenant(b.Context(), "bench", 1))
	telemetry, err := service.NewTelemetry(b.Context(), "ess", false)
	check(err)
	host := &service.Host{
		Store: st, Owner: "bench", Logger: logger, Telemetry: telemetry, Now: time.Now, NewID: uuid.NewString,
		Observe: service.Observer{Settled: func(_ string, _ roster.Source, s target.Settled) {
			select {
			case t.settled <- s:
			default: // nobody waits for it
			}
		}},
	}
	t.tenant, err = host.Open(document, []source.Connector{memory.Connector()}, []target.Connector{ad.Connector()})
	check(err)
	for _, t.reader = range t.tenant.Readers { // the only one
	}
	for _, t.link = range t.tenant.Links {
	}
	t.read(b)
	return t
}

// load has the link load the directory, and returns what the round came to that did.
func (t *town) load(b *testing.B) target.Settled {
	b.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context())) // the rows behind it go on with it
	ended, gone := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(gone)
		ended <- t.tenant.Run(ctx)
	}()
	t.whole.Cleanup(func() { cancel(); <-gone })
	for {
		select {
		case s := <-t.settled:
			switch {
			case s.Halted != nil || s.Parked > 0 || s.Waiting > 0:
				b.Fatalf("halted: %v, parked: %d, waiting: %d", s.Halted, s.Parked, s.Waiting)
			case s.Created > 0:
				return s
			}
		case err := <-ended:
			b.Fatal("the link ended:", err)
		}
	}
}

// replay plans everything anew, of which nothing is to be written.
func (t *town) replay(b *testing.B, resources int) {
	b.Helper()
	defer t.profile(b, "replay")()
	var all []time.Duration
	before := processor(b)
	for range benchReplays {
		s, err := t.link.Resync(b.Context(), false, false)
		if err != nil || s.Operations() != 0 {
			b.Fatalf("%d operations: %v", s.Operations(), err)
		}
		all = append(all, s.Took)
	}
	b.ReportMetric(float64(resources*benchReplays)/(processor(b)-before).Seconds(), "resources/processor-s")
	slices.Sort(all)
	b.ReportMetric(float64(resources)/all[len(all)/2].Seconds(), "resources/s")
}

// processor is how long this process, NATS in it, has had a processor: what a machine with much else to do does not change.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// read has the register be read.
func (t *town) read(b *testing.B) {
	b.Helper()
	run, err := t.reader.Run(b.Context())
	if err == nil && run.State != source.Published {
		err = fmt.Errorf("the run is %s: %v", run.State, run.Reason)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// invented is a name of nobody, another one for each number.
func invented(n int) string {
	const syllables = "babebidadedifafefigagegikakekilalelimamemi"
	var b strings.Builder
	b.WriteString("T")
	for range 3 {
		at := n % (len(syllables) / 2) * 2
		b.WriteString(syllables[at : at+2])
		n /= len(syllables) / 2
	}
	return b.String()
}

// register writes the register, in a version of its own.
func (t *town) register(b *testing.B) {
	b.Helper()
	t.version++
	var units, persons, groups []string
	for n := range *benchPupils {
		school, within := n/perSchool, n%perSchool
		if within == 0 {
			units = append(units, fmt.Sprintf(`{"id": "u%d", "version": 1, "name": "Provskolan %d"}`, school, school))
		}
		given, family, version := invented(n%97), invented(n/97+100)+"dotter", 1
		if times := t.names[n]; times > 0 {
			family, version = fmt.Sprintf("Namn%d", times), times
		}
		persons = append(persons, fmt.Sprintf(`{"id": "p%d", "version": %d, "givenName": %q, "familyName": %q, "username": "p%d", "email": "p%d@elev.skola.test", "role": "pupil", "unit": "u%d", "marking": "Ingen"}`, n, version, given, family, n, n, school))
		if within%perClass == 0 {
			var members []string
			for m := n; m < min(n+perClass, (school+1)*perSchool, *benchPupils); m++ {
				members = append(members, fmt.Sprintf(`{"person": "p%d", "role": "pupil"}`, m))
			}
			groups = append(groups, fmt.Sprintf(`{"id": "g%d", "version": 1, "name": "Klass %d", "type": "Klass", "unit": "u%d", "members": [%s]}`, n, within/perClass, school, strings.Join(members, ", ")))
		}
	}
	text := fmt.Sprintf(`{"version": %d, "since": 0, "units": [%s], "persons": [%s], "groups": [%s]}`,
		t.version, strings.Join(units, ",\n"), strings.Join(persons, ",\n"), strings.Join(groups, ",\n"))
	part := filepath.Join(t.dir, "part")
	if err := os.WriteFile(part, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Rename(part, filepath.Join(t.dir, "register.json")); err != nil {
		b.Fatal(err)
	}
}

// change gives a pupil another name in the register, and returns how long it takes until the directory shows it. It waits
// before that until the connection rests, as it does in a quiet hour.
func (t *town) change(b *testing.B, n int) time.Duration {
	b.Helper()
	pupil := n * 37 % *benchPupils
	t.names[pupil] = t.version + 1
	t.register(b)
	found, err := t.admin.Search(ldap.NewSearchRequest(testbed.SambaBaseDN, ldap.ScopeWholeSubtree, 0, 0, 0, false, fmt.Sprintf("(mail=p%d@*)", pupil), []string{"1.1"}, nil))
	if err != nil || len(found.Entries) != 1 {
		b.Fatalf("p%d: %v", pupil, err)
	}
	time.Sleep(300 * time.Millisecond)
	begun := time.Now()
	t.read(b)
	for want := fmt.Sprintf("Namn%d", t.version); ; time.Sleep(2 * time.Millisecond) {
		now, err := t.admin.Search(ldap.NewSearchRequest(found.Entries[0].DN, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"sn"}, nil))
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(begun)
		if now.Entries[0].GetAttributeValue("sn") == want {
			return took
		}
		if took > time.Minute {
			b.Fatalf("p%d is not called %s within a minute", pupil, want)
		}
	}
}

// ldif returns what the link has made, in the order in which it was made.
func (t *town) ldif(b *testing.B, dc *controller) (ldif []byte, changes int) {
	b.Helper()
	attributes := []string{
		"objectClass", "adminDescription", "employeeNumber", "userAccountControl", "sAMAccountName", "userPrincipalName", "mail", "proxyAddresses",
		"givenName", "sn", "displayName", "department", "groupType", "member",
	}
	r, err := t.admin.SearchWithPaging(ldap.NewSearchRequest("OU=Skolor,"+testbed.SambaBaseDN, ldap.ScopeWholeSubtree, 0, 0, 0, false,
		"(|(employeeNumber=*)(adminDescription=ess:*))", attributes, nil), 500)
	if err != nil {
		b.Fatal(err)
	}
	// OUs, accounts, groups: what something is in before it.
	order := func(e *ldap.Entry) int {
		return slices.IndexFunc([]string{"organizationalUnit", "user", "group"}, func(class string) bool { return slices.Contains(e.GetAttributeValues("objectClass"), class) })
	}
	slices.SortStableFunc(r.Entries, func(x, y *ldap.Entry) int {
		return cmp.Or(cmp.Compare(order(x), order(y)), cmp.Compare(strings.Count(x.DN, ","), strings.Count(y.DN, ",")))
	})
	var out bytes.Buffer
	line := func(name, value string) {
		fmt.Fprintf(&out, "%s:: %s\n", name, base64.StdEncoding.EncodeToString([]byte(value)))
	}
	for _, e := range r.Entries {
		line("dn", e.DN)
		for _, name := range attributes {
			values := e.GetAttributeValues(name)
			if name == "objectClass" {
				values = values[len(values)-1:]
				if values[0] == "user" {
					fmt.Fprintf(&out, "unicodePwd:: %s\n", dc.Password("Elev-Pass1!x"))
				}
			}
			for _, v := range values {
				line(name, v)
			}
		}
		out.WriteString("\n")
	}
	return out.Bytes(), len(r.Entries)
}

// ldapadd makes all of it by one connection of the same service account.
func (c *controller) ldapadd(b *testing.B, ldif []byte) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), testbed.Need(b, "ldapadd"), "-x", "-H", c.URL, "-D", c.service.UPN, "-y", c.service.PasswordFile)
	cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+c.CAFile, "LDAPTLS_REQCERT=demand")
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(ldif), &said
	if err := cmd.Run(); err != nil {
		b.Fatalf("ldapadd: %v: %s", err, said.String())
	}
}

// profile writes what the processor does until stop, where that is asked for.
func (t *town) profile(b *testing.B, name string) (stop func()) {
	b.Helper()
	if *benchProfile == "" {
		return func() {}
	}
	f, err := os.Create(filepath.Join(*benchProfile, name+".cpu"))
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			b.Error(err)
		}
	}
}
