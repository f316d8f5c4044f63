package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
	"eventful.se/ess/services/connectors"
	"eventful.se/ess/services/ess/demo"
	"eventful.se/ess/services/ess/municipality"
)

// setting is where a story takes place; what it leaves out is an adult education of 300 pupils, whose accounts go on the
// day that they leave.
type setting struct {
	town     municipality.Options
	now      time.Time // when it begins
	document string    // more keys of the tenant
	register string    // more keys of the first register
	settings string    // more of its settings, in the form of YAML in braces
	other    bool      // there is a second register, alvis/vux, of another town
	reversed bool      // which comes before the first, so that its attributes win
	manual   bool      // and decisions by hand, source-manual
	link     string    // more keys of the link
	leave    string    // its leave stages
	apple    string    // more settings of the link, in the form of YAML in braces
	unlinked bool      // there is no link
}

// world is a customer whose days pass: municipalities, registers on an SFTP server, NATS, and Apple's inbox on another
// SFTP server, with the real readers and the real link in between. Only the clock is the test's.
type world struct {
	setting
	t        *testing.T
	dir      string
	town     *municipality.Municipality
	vux      *municipality.Municipality // of the second register
	keyer    *roster.Keyer
	server   *sftpserver.Server
	inbox    *sftpserver.Server
	nats     *store.Server
	store    *store.Store
	host     *service.Host
	tenant   *service.Tenant
	link     *target.Link
	stopLink func()
	log      transcript // all that was logged

	mu     sync.Mutex
	now    time.Time
	before func(method, file string) error // of each request to the register
	down   bool                            // Apple answers nothing
	unmet  int                             // how many requests it did not answer
	runs   map[roster.Source]source.Run    // the last ones
}

var (
	alvisDefault = roster.Source{System: "alvis", Instance: "default"}
	alvisVux     = roster.Source{System: "alvis", Instance: "vux"}
	manualSource = roster.Source{System: "manual", Instance: "default"}
	appleLink    = roster.Source{System: "apple-school-manager", Instance: "default"}
)

// newWorld makes a world in which the first exports lie on the server and nothing has been read.
func newWorld(t *testing.T, s setting) *world {
	t.Helper()
	t.Parallel()
	if s.town.Pupils == 0 {
		s.town.Pupils = 300
	}
	if s.now.IsZero() {
		s.now = time.Date(2026, 9, 14, 18, 30, 0, 0, roster.Stockholm())
	}
	s.town.Seed, s.town.Day = 11, roster.Today(s.now)
	keyer, err := roster.NewKeyer([]byte(pepper))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{setting: s, t: t, dir: t.TempDir(), town: municipality.New(s.town), keyer: keyer, now: s.now, runs: map[roster.Source]source.Run{}}
	w.vux = municipality.New(municipality.Options{Pupils: 60, Seed: 17, Day: s.town.Day})
	for _, d := range []string{"register/vux", "apple/dropbox", "nats"} {
		if err := os.MkdirAll(w.path(d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, w.path("pepper"), pepper+"\n")
	write(t, w.path("password"), "hush\n")
	w.server = w.serve("register", func(method, file string) error {
		w.mu.Lock()
		before := w.before
		w.mu.Unlock()
		if before == nil {
			return nil
		}
		return before(method, file)
	})
	w.inbox = w.serve("apple", func(string, string) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.down {
			w.unmet++
			return os.ErrDeadlineExceeded
		}
		return nil
	})
	w.start()
	t.Cleanup(w.stop)
	w.export()
	if s.other {
		w.exportOf("register/vux", w.vux, nil)
	}
	if s.manual {
		w.decide("")
	}
	return w
}

func (w *world) path(parts ...string) string {
	return strings.Join(append([]string{w.dir}, parts...), "/")
}

func (w *world) serve(dir string, before func(method, file string) error) *sftpserver.Server {
	s, err := sftpserver.Start(w.t.Context(), sftpserver.Options{Dir: w.path(dir), User: "ess", Password: "hush", Before: before})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { s.Close() })
	return s
}

func (w *world) login(s *sftpserver.Server) string {
	host, port, _ := net.SplitHostPort(s.Addr())
	return fmt.Sprintf(`sftp: {host: %s, port: %s, user: ess, password: "file:%s", hostKeys: ["%s"]}`, host, port, w.path("password"), s.Fingerprint())
}

// yaml is the tenant's document.
func (w *world) yaml() string {
	more := func(s string) string {
		if s == "" {
			return ""
		}
		return ", " + s
	}
	leave := w.leave
	if leave == "" {
		leave = "[{after: 0d, do: delete}], lifecycles: [{schoolForm: VUX, gap: 0d}]"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "tenant: %s\ntitle: Provköpings kommun\npepper: file:%s\nprotectedRoutine: Skolkontoret ringer driften samma dag\n%s\nsources:\n", tenantName, w.path("pepper"), w.document)
	const never = `schedule: "0 0 31 2 *"`
	registers := []string{fmt.Sprintf("  - {system: alvis, %s%s, settings: {%s, settle: 1ms%s}}\n", never, more(w.register), w.login(w.server), more(w.settings))}
	if w.other {
		registers = append(registers, fmt.Sprintf("  - {system: alvis, instance: vux, %s, settings: {%s, settle: 1ms, directory: /vux}}\n", never, w.login(w.server)))
	}
	if w.reversed {
		slices.Reverse(registers)
	}
	b.WriteString(strings.Join(registers, ""))
	if w.manual {
		fmt.Fprintf(&b, "  - {system: manual, %s, settings: {file: %s}}\n", never, w.path("manual.yaml"))
	}
	if w.unlinked {
		return b.String()
	}
	fmt.Fprintf(&b, "links:\n  - {target: apple-school-manager, mode: active, leave: %s%s, settings: {%s, every: 0s%s}}\n", leave, more(w.setting.link), w.login(w.inbox), more(w.apple))
	return b.String()
}

// start starts NATS and everything that runs on it.
func (w *world) start() {
	w.t.Helper()
	logger := slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if w.nats, err = store.Embedded(store.ServerOptions{Dir: w.path("nats"), Listen: true}); err != nil {
		w.t.Fatal(err)
	}
	if w.store, err = store.Connect(w.t.Context(), store.Options{Server: w.nats, Name: "world", Logger: logger}); err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.EnsureTenant(w.t.Context(), tenantName, 1); err != nil {
		w.t.Fatal(err)
	}
	telemetry, err := service.NewTelemetry(w.t.Context(), "ess", false)
	if err != nil {
		w.t.Fatal(err)
	}
	w.host = &service.Host{
		Store: w.store, Owner: "world", Logger: logger, Telemetry: telemetry, Now: w.time, NewID: uuid.NewString, Complete: true,
		Observe: service.Observer{Run: func(_ string, r source.Run) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.runs[r.Source] = r
		}},
	}
	w.apply()
}

// apply has the document act, in place of the one before.
func (w *world) apply() {
	w.t.Helper()
	if w.stopLink != nil {
		w.stopLink()
	}
	w.tenant = w.open()
	w.link = w.tenant.Links[appleLink]
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func(t *service.Tenant) { done <- t.Run(ctx) }(w.tenant)
	w.stopLink = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	}
}

// open makes the readers and the link once more.
func (w *world) open() *service.Tenant {
	w.t.Helper()
	opened, err := w.tryOpen()
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.yaml())
	}
	return opened
}

func (w *world) tryOpen() (*service.Tenant, error) {
	document, err := tenant.Parse([]byte(w.yaml()))
	if err != nil {
		return nil, err
	}
	return w.host.Open(document, connectors.Sources(), connectors.Targets())
}

func (w *world) stop() {
	if w.stopLink == nil {
		return // a restart has failed
	}
	w.stopLink()
	w.stopLink = nil
	w.store.Close()
	w.nats.Shutdown()
}

// restart stops everything, NATS too, and starts it again.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

func (w *world) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) today() roster.Date { return roster.Today(w.time()) }

// later lets time pass in which nothing happens in the register but what its dates say, and which has it export again.
func (w *world) later(days int) {
	w.t.Helper()
	w.mu.Lock()
	w.now = w.now.AddDate(0, 0, days)
	w.mu.Unlock()
	w.town.Day = w.today()
	w.export()
}

// happens has something happen in the register, and exports it.
func (w *world) happens(mutate municipality.Mutation) municipality.Change {
	w.t.Helper()
	what, err := mutate(w.town)
	if err != nil {
		w.t.Fatal(err)
	}
	w.export()
	return what
}

// export has the register write an export of now.
func (w *world) export() {
	w.t.Helper()
	w.exportOf("register", w.town, nil)
}

// exportOf writes an export into a directory, edited by a test.
func (w *world) exportOf(dir string, town *municipality.Municipality, edit func(string) string) {
	w.t.Helper()
	w.mu.Lock()
	w.now = w.now.Add(time.Second) // no register makes two exports at one time
	w.mu.Unlock()
	town.Time = w.time()
	var out bytes.Buffer
	if err := town.WriteIMS(&out); err != nil {
		w.t.Fatal(err)
	}
	text := out.String()
	if edit != nil {
		if text = edit(text); text == out.String() {
			w.t.Fatal("the edit changes nothing")
		}
	}
	w.put(dir+"/alvis.xml", text)
}

// put writes a file of a register, of now.
func (w *world) put(name, text string) {
	w.t.Helper()
	write(w.t, w.path(name), text)
	if err := os.Chtimes(w.path(name), w.time(), w.time()); err != nil {
		w.t.Fatal(err)
	}
}

// decide writes the file of decisions by hand.
func (w *world) decide(text string) { write(w.t, w.path("manual.yaml"), text+"\n...\n") }

// onRequest has a function asked before each request to the register; nil for none.
func (w *world) onRequest(before func(method, file string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = before
}

// read reads every register as it lies there, and has the link settle what that comes to. It returns the run of the
// first register.
func (w *world) read() source.Run {
	w.t.Helper()
	run := w.readOnly(alvisDefault)
	if w.other {
		w.readOnly(alvisVux)
	}
	if w.manual {
		w.readOnly(manualSource)
	}
	if !w.unlinked {
		w.settle()
	}
	return run
}

// readOnly reads one register, and waits for no link.
func (w *world) readOnly(name roster.Source) source.Run {
	w.t.Helper()
	run, err := w.tenant.Readers[name].Run(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// expect reads every register, and fails the test when the first one's run does not come to the state.
func (w *world) expect(state source.State) source.Run {
	w.t.Helper()
	run := w.read()
	if run.State != state {
		w.t.Fatalf("the run is %s, want %s: %v\n%v", run.State, state, run.Reason, run.Counts)
	}
	return run
}

// settle waits until the link has looked at everything and settled all that is in the log.
func (w *world) settle() target.Settled {
	w.t.Helper()
	end, err := w.store.Log(tenantName).End(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var settled target.Settled
	until(w.t, "settling of the link", &w.log, func() bool {
		if settled, err = w.link.Resync(w.t.Context(), false, false); err != nil {
			w.t.Fatal(err)
		}
		if settled.Halted != nil {
			w.t.Fatalf("the link is halted: %s", settled.Halted)
		}
		return settled.Cursor.Seq >= end.Seq && settled.Deferred == ""
	})
	return settled
}

// sweep has the janitor take out of the log all that may go, as if a year had passed.
func (w *world) sweep() {
	w.t.Helper()
	marks, err := w.store.Ledger(tenantName).Marks(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	mark, ok := marks[appleLink]
	if !ok {
		w.t.Fatal("the link has no mark")
	}
	retention := store.Retention{Now: w.time().AddDate(1, 0, 0), Age: time.Hour, History: 1, Cursors: []roster.Position{mark.Cursor}}
	if _, err := w.store.Janitor(w.t.Context(), tenantName, retention); err != nil {
		w.t.Fatal(err)
	}
}

// held returns what the guard of the first register keeps, which is something.
func (w *world) held() guard.Kept {
	w.t.Helper()
	kept, err := w.store.Holds(tenantName).Kept(w.t.Context(), alvisDefault)
	if err != nil {
		w.t.Fatal(err)
	}
	if kept.Hold == nil {
		w.t.Fatal("nothing is held")
	}
	return kept
}

// approve approves groups of what is held, or all of it.
func (w *world) approve(groups ...string) {
	w.t.Helper()
	kept := w.held()
	if _, err := kept.Decide(kept.Hold.Digest, groups, guard.Approved, "Skolchefen", w.time()); err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.Holds(tenantName).Keep(w.t.Context(), alvisDefault, kept); err != nil {
		w.t.Fatal(err)
	}
}

// person returns a person of the register.
func (w *world) person(id string) *municipality.Person {
	w.t.Helper()
	for i := range w.town.Persons {
		if p := &w.town.Persons[i]; p.ID == id {
			return p
		}
	}
	w.t.Fatalf("%s is not in the register", id)
	return nil
}

// ordinary returns pupils of the register who are nothing unusual.
func (w *world) ordinary(n int) (list []*municipality.Person) {
	w.t.Helper()
	for i := range w.town.Persons {
		p := &w.town.Persons[i]
		if len(list) < n && len(p.Cases) == 0 && len(p.Enrolments) == 1 && len(p.Duties) == 0 && p.Email != "" &&
			p.Enrolments[0].Start < w.today() && (p.Enrolments[0].End.IsOpen() || p.Enrolments[0].End > w.today().AddDays(60)) {
			list = append(list, p)
		}
	}
	if len(list) < n {
		w.t.Fatalf("only %d ordinary pupils", len(list))
	}
	return list
}

// key returns the key of a person of a register.
func (w *world) key(s roster.Source, p *municipality.Person) string {
	return w.keyer.Person(s, p.ID, roster.ParseCivicNo(p.CivicNo.Reveal(), w.today())).String()
}

// delivery is what Apple was shown last.
type delivery struct {
	name    string
	data    []byte
	rows    map[string][]map[string]string // by file
	persons map[string]map[string]string   // rows of students and staff, by person_id
}

// delivered returns what Apple was shown last.
func (w *world) delivered() delivery {
	w.t.Helper()
	i := installation{dir: w.dir, t: w.t}
	name, data := i.newest()
	if name == "" {
		w.t.Fatal("nothing was delivered")
	}
	return w.parse(name, data)
}

func (w *world) parse(name string, data []byte) delivery {
	w.t.Helper()
	d := delivery{name, data, map[string][]map[string]string{}, map[string]map[string]string{}}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			w.t.Fatal(err)
		}
		table, err := csv.NewReader(r).ReadAll()
		if err != nil {
			w.t.Fatalf("%s: %v", f.Name, err)
		}
		for _, values := range table[1:] {
			row := map[string]string{}
			for n, column := range table[0] {
				row[column] = values[n]
			}
			d.rows[f.Name] = append(d.rows[f.Name], row)
			if id := row["person_id"]; id != "" {
				d.persons[id] = row
			}
		}
	}
	return d
}

// gone returns the persons of a delivery that are not in a later one.
func (d delivery) gone(later delivery) (ids []string) {
	for id := range d.persons {
		if later.persons[id] == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// equal checks that Apple was shown the register as it is.
func (w *world) equal() {
	w.t.Helper()
	if _, err := demo.Verify(w.delivered().data, w.town, w.today()); err != nil {
		w.t.Errorf("what Apple was shown does not equal the register: %v", err)
	}
}

// same checks that nothing was delivered since.
func (w *world) same(before delivery) {
	w.t.Helper()
	if now := w.delivered(); now.name != before.name || !bytes.Equal(now.data, before.data) {
		w.t.Error("something was delivered")
	}
}

// nobodyGone checks that Apple was shown everybody whom it was shown before.
func (w *world) nobodyGone(before delivery) {
	w.t.Helper()
	if gone := before.gone(w.delivered()); len(gone) > 0 {
		w.t.Errorf("%d persons are gone from what Apple was shown", len(gone))
	}
}

// stones returns how many persons of a register are gone in the log.
func (w *world) stones(s roster.Source) (n int) {
	w.t.Helper()
	scan, err := w.store.Log(tenantName).Scan(w.t.Context(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	for ref, head := range scan.Heads {
		if ref.Kind == roster.KindPerson && head.Tombstone {
			n++
		}
	}
	return n
}

// noStones checks that nobody is gone in the log.
func (w *world) noStones() {
	w.t.Helper()
	if n := w.stones(alvisDefault); n > 0 {
		w.t.Errorf("%d persons have a tombstone", n)
	}
}

// begin reads everything for the first time, and checks that Apple was shown it.
func (w *world) begin() delivery {
	w.t.Helper()
	w.expect(source.Published)
	if !w.other {
		w.equal()
	}
	return w.delivered()
}
