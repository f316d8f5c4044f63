package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"

	"eventful.se/ess/libs/handout"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/services/connectors"
)

var (
	directoryLink = roster.Source{System: "active-directory", Instance: "default"}
	schoolSource  = roster.Source{System: "memory", Instance: "default"}
	komvuxSource  = roster.Source{System: "memory", Instance: "vux"}
)

// directory is a customer with a domain controller, a register of the schools and one of the adult education, and NATS, where
// every program may do what docs/storage.md says and nothing else.
type directory struct {
	*testing.T
	dir     string
	dc      *testbed.SambaAD
	admin   *ldap.Conn
	account testbed.Account // that the link signs in as
	roles   string
	leave   string
	more    string // more settings of the link
	school  *cards
	komvux  *cards
	private string // opens letters
	public  string
	nats    *store.Server
	store   *store.Store // that may do everything
	log     transcript

	mu    sync.Mutex
	later time.Duration // how far the clock is ahead
}

func newDirectory(t *testing.T) *directory {
	t.Helper()
	t.Parallel()
	d := &directory{
		T: t, dir: t.TempDir(), dc: testbed.StartSambaAD(t, testbed.SambaOptions{}), roles: "{pupil: manage, staff: manage}",
		leave: "[{after: 0d, do: leaveGroups}, {after: 30d, do: disable}, {after: 60d, do: move}, {after: 180d, do: delete}]",
	}
	d.admin = d.dc.Admin(t)
	d.dc.AddLDIF(t, fmt.Sprintf("dn: %s\nobjectClass: organizationalUnit\n\ndn: %s\nobjectClass: organizationalUnit\n", d.base(), d.gone()))
	d.account = d.dc.Delegate(t, "ess", d.base(), d.gone())
	var err error
	if d.private, d.public, err = handout.NewKey(); err != nil {
		t.Fatal(err)
	}
	d.school = &cards{file: d.path("school.json"), unit: cardUnit{ID: "u-1", Name: "Björkskolan"}}
	d.komvux = &cards{file: d.path("komvux.json"), unit: cardUnit{ID: "v-1", Name: "Komvux"}}
	write(t, d.path("pepper"), pepper+"\n")
	write(t, d.path("school.key"), d.private+"\n")
	if err := os.Mkdir(d.path("nats"), 0o700); err != nil {
		t.Fatal(err)
	}
	d.nats, err = store.Embedded(store.ServerOptions{Dir: d.path("nats"), ConfigFile: write(t, d.path("nats.conf"), natsUsers(t)), Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.nats.Shutdown)
	d.store = connect(t, d.url("admin"))
	ctx := t.Context()
	for _, err := range []error{
		d.store.EnsureTenants(ctx, 1), d.store.EnsureControl(ctx, 1), d.store.EnsureTenant(ctx, tenantName, 1), d.store.EnsureMembers(ctx, 1, 2*time.Second),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// natsUsers are those of NATS, with the permissions of docs/storage.md.
func natsUsers(t testing.TB) string {
	t.Helper()
	rows := map[string]string{}
	for line := range strings.Lines(read(t, filepath.Join("..", "..", "docs", "storage.md"))) {
		if cells := strings.Split(line, "|"); len(cells) == 4 {
			rows[strings.TrimSpace(cells[1])] = cells[2]
		}
	}
	var b strings.Builder
	b.WriteString("authorization { users = [\n  { user: admin, password: x }\n")
	user := func(name, program, system string, of ...string) {
		var may []string
		for _, row := range of {
			if rows[row] == "" {
				t.Fatalf("docs/storage.md has no permissions of: %s", row)
			}
			may = append(may, subjectsIn(strings.NewReplacer("<system>", system, "<program>", program, "<tenant>", tenantName).Replace(rows[row]))...)
		}
		fmt.Fprintf(&b, "  { user: %s, password: x, permissions: { subscribe: \"_INBOX_%s.>\", publish: [ \"%s\" ] } }\n", name, program, strings.Join(may, `", "`))
	}
	user("reader", "source-memory", "memory", "reader of a system", "every reader and writer")
	user("link", "target-active-directory", "active-directory", "link of a target", "link of a target that makes accounts", "every reader and writer",
		"program with `ESS_CONFIG=nats:`")
	user("operator", "essctl", "", "operator with `essctl`")
	user("retirer", "essctl", "active-directory", "operator with `essctl`", "who applies tenants", "who retires")
	user("applier", "essctl", "", "operator with `essctl`", "who applies tenants")
	return b.String() + "] }\n"
}

var (
	quoted = regexp.MustCompile("`([^`]+)`")
	braces = regexp.MustCompile(`^(.*)\{([A-Z.,]+)\}(.*)$`)
)

// subjectsIn returns the subjects that a cell of the page names: in full, by another end (….ess-ledger.>), or as the same of
// another name (ess-run).
func subjectsIn(cell string) (list []string) {
	const create = "$JS.API.CONSUMER.CREATE.*.*."
	last := ""
	for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
		subject := m[1]
		if end, other := strings.CutPrefix(subject, "…."); other {
			subject = create + end
		} else if strings.HasPrefix(subject, "-") { // a flag
			continue
		} else if !strings.Contains(subject, ".") {
			_, end, _ := strings.Cut(strings.TrimPrefix(last, create), ".")
			subject = create + subject + "." + end
		}
		last = subject
		if parts := braces.FindStringSubmatch(subject); parts != nil {
			for alternative := range strings.SplitSeq(parts[2], ",") {
				list = append(list, parts[1]+alternative+parts[3])
			}
			continue
		}
		list = append(list, subject)
	}
	return list
}

func (d *directory) base() string { return "OU=Skolor," + d.dc.BaseDN }
func (d *directory) gone() string { return "OU=Slutat," + d.dc.BaseDN }

func (d *directory) path(parts ...string) string {
	return filepath.Join(append([]string{d.dir}, parts...)...)
}

// url is NATS as a user has it.
func (d *directory) url(user string) string {
	return "nats://" + user + ":x@" + strings.TrimPrefix(d.nats.URL(), "nats://")
}

// text is the tenant's document: with the link in a mode, to the domain controller or to what stands before it.
func (d *directory) text(mode, controller string) string {
	return fmt.Sprintf(`tenant: %s
title: Prov
service: gold
protectedRoutine: Skolkontoret ringer driften samma dag
pepper: file:%s
names:
  patterns: ['first(person.givenName, 3) + first(core(person.familyName), 3)']
passwords:
  - {role: pupil, form: words, words: 3, digits: 2, change: false}
  - {role: staff, form: random, length: 16, change: false}
handout: {recipients: [%s]}
sources:
  - {system: memory, schedule: "0 0 1 1 *", settings: {file: %s}}
  - {system: memory, instance: vux, schedule: "0 0 1 1 *", settings: {file: %s}}
links:
  - target: active-directory
    mode: %s
    roles: %s
    leave: %s
    settings:
      ldap: {urls: ["ldaps://%s"], serverName: %s, user: %s, password: "file:%s", caFile: %s}
      baseOU: %s
      quarantineOU: %s
      makeOUs: true
      pupils: {upnSuffix: elev.skola.test, mail: "{username}@elev.skola.test"}
      staff: {upnSuffix: skola.test, mail: "{username}@skola.test"}
%s`, tenantName, d.path("pepper"), d.public, d.school.file, d.komvux.file, mode, d.roles, d.leave, controller, d.dc.ServerName, d.account.UPN,
		d.account.PasswordFile, d.dc.CAFile, d.base(), d.gone(), d.more)
}

// document puts the tenant's document in force, and asks nobody.
func (d *directory) document(mode, controller string) {
	d.Helper()
	last, err := d.store.Tenants().Newest(d.Context(), tenantName)
	if err == nil {
		_, err = d.store.Tenants().Put(d.Context(), last, []byte(d.text(mode, controller)), "a test")
	}
	if err != nil {
		d.Fatal(err)
	}
}

func (d *directory) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Add(d.later)
}

// pass lets days pass.
func (d *directory) pass(days int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.later += time.Duration(days) * 24 * time.Hour
}

// host is a program of this process that runs what it has of the tenant until stop is called.
func (d *directory) host(user string, sources []source.Connector, targets []target.Connector) (_ *service.Tenant, stop func()) {
	d.Helper()
	program := map[string]string{"reader": "source-memory", "link": "target-active-directory"}[user]
	logger := slog.New(slog.NewTextHandler(&d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	st, err := store.Connect(d.Context(), store.Options{URL: d.url(user), Name: program, Logger: logger})
	if err != nil {
		d.Fatal(err)
	}
	telemetry, err := service.NewTelemetry(d.Context(), program, false)
	if err != nil {
		d.Fatal(err)
	}
	h := &service.Host{Store: st, Owner: program, Logger: logger, Telemetry: telemetry, Now: d.now, NewID: uuid.NewString}
	inForce, err := d.store.Tenants().Newest(d.Context(), tenantName)
	if err != nil {
		d.Fatal(err)
	}
	doc, err := tenant.Parse(inForce.Document)
	if err != nil {
		d.Fatal(err)
	}
	opened, err := h.Open(doc, sources, targets)
	if err != nil {
		d.Fatal(err)
	}
	ctx, cancel := context.WithCancel(d.Context())
	ended := make(chan error, 1)
	go func() { ended <- opened.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			d.Error(err)
		}
		st.Close()
	})
	d.Cleanup(stop)
	return opened, stop
}

// reads has the registers be read as they are now.
func (d *directory) reads() {
	d.Helper()
	readers, stop := d.host("reader", connectors.Sources(), nil)
	defer stop()
	for _, s := range []roster.Source{schoolSource, komvuxSource} {
		run, err := readers.Readers[s].Run(d.Context())
		if err != nil || run.State != source.Published && run.State != source.Unchanged {
			d.Fatalf("the read of %s: %+v, %v", s, run, err)
		}
	}
}

// links runs the link, until stop is called.
func (d *directory) links() (*target.Link, func()) {
	d.Helper()
	opened, stop := d.host("link", nil, connectors.Targets())
	return opened.Links[directoryLink], stop
}

// settle has the link look at everything until it has settled what is in the log, its own words too.
func (d *directory) settle(l *target.Link) target.Settled {
	d.Helper()
	var s target.Settled
	until(d, "settling of the link", &d.log, func() bool {
		end, err := d.store.Log(tenantName).End(d.Context())
		if err == nil {
			s, err = l.Resync(d.Context(), false, false)
		}
		if err != nil {
			d.Fatal(err)
		}
		if s.Halted != nil {
			d.Fatalf("the link is halted: %s", s.Halted)
		}
		after, err := d.store.Log(tenantName).End(d.Context())
		return err == nil && s.Cursor.Seq >= end.Seq && after == end && s.Operations() == 0
	})
	return s
}

// operator runs essctl as an operator, which is to go well.
func (d *directory) operator(args ...string) string {
	d.Helper()
	out, err := d.essctl("operator", args...)
	if err != nil {
		d.Fatalf("essctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (d *directory) essctl(user string, args ...string) (string, error) {
	cmd := exec.CommandContext(d.Context(), filepath.Join(programs, "essctl"), args...)
	cmd.Env = append(os.Environ(), "ESS_NATS_URL="+d.url(user))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// accounts are those of ours in the directory, by our id. That two have one id is an error.
func (d *directory) accounts() map[string]*ldap.Entry {
	d.Helper()
	all := map[string]*ldap.Entry{}
	for _, e := range d.search("(&(objectClass=user)(employeeNumber=*))") {
		id := e.GetAttributeValue("employeeNumber")
		if all[id] != nil {
			d.Errorf("%s and %s are both %s", e.DN, all[id].DN, id)
		}
		all[id] = e
	}
	return all
}

func (d *directory) search(filter string, attributes ...string) []*ldap.Entry {
	d.Helper()
	if len(attributes) == 0 {
		attributes = []string{"*"}
	}
	r, err := d.admin.Search(ldap.NewSearchRequest(d.dc.BaseDN, ldap.ScopeWholeSubtree, 0, 0, 0, false, filter, attributes, nil))
	if err != nil {
		d.Fatal(err)
	}
	return r.Entries
}

// called returns the account with a user name, or nil.
func (d *directory) called(name string) *ldap.Entry {
	d.Helper()
	list := d.search("(sAMAccountName=" + ldap.EscapeFilter(name) + ")")
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// same is an account wherever it is now and whatever it is called, or nil.
func (d *directory) same(was *ldap.Entry) *ldap.Entry {
	d.Helper()
	var guid strings.Builder
	for _, b := range was.GetRawAttributeValue("objectGUID") {
		fmt.Fprintf(&guid, `\%02x`, b)
	}
	list := d.search("(objectGUID=" + guid.String() + ")")
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// counted is what the domain controller counts or stamps by itself.
var counted = []string{"uSNChanged", "whenChanged", "lastLogon", "lastLogonTimestamp", "logonCount"}

// as checks that an account is again what it was, its groups too, but for what the domain controller counts.
func (d *directory) as(was *ldap.Entry) {
	d.Helper()
	is := d.same(was)
	if is == nil {
		d.Fatalf("%s is not there any more", was.DN)
	}
	before, after := testbed.DumpEntries([]*ldap.Entry{was}, counted...), testbed.DumpEntries([]*ldap.Entry{is}, counted...)
	if before != after {
		d.Errorf("it is not as it was:\n%s", difference(before, after))
	}
}

// stamps are the update sequence numbers of every object of the domain, but of those that sign in here.
func (d *directory) stamps() string {
	d.Helper()
	var b strings.Builder
	for _, e := range d.search("(objectClass=*)", "uSNChanged") {
		if e.DN != d.account.DN && !strings.HasPrefix(e.DN, "CN=Administrator,") {
			fmt.Fprintln(&b, e.DN, e.GetAttributeValue("uSNChanged"))
		}
	}
	return b.String()
}

// outside is the whole domain, deleted objects too, without what lies in the configured OUs, the account that signs in, and
// the numbers that the domain controller gives to new accounts.
func (d *directory) outside() string {
	d.Helper()
	r, err := d.admin.SearchWithPaging(ldap.NewSearchRequest(d.dc.BaseDN, ldap.ScopeWholeSubtree, 0, 0, 0, false, "(objectClass=*)",
		[]string{"*", "nTSecurityDescriptor"}, []ldap.Control{ldap.NewControlMicrosoftShowDeleted()}), 1000)
	if err != nil {
		d.Fatal(err)
	}
	return testbed.DumpEntries(slices.DeleteFunc(r.Entries, func(e *ldap.Entry) bool {
		ours := strings.HasSuffix(e.DN, ","+d.base()) || strings.HasSuffix(e.DN, ","+d.gone())
		deleted := e.GetAttributeValue("isDeleted") == "TRUE" && strings.Contains(e.DN, "ADEL:") // what we deleted lies there
		return ours || deleted || e.DN == d.account.DN || strings.HasPrefix(e.DN, "CN=RID ")
	}), "lastLogon", "lastLogonTimestamp", "logonCount", "badPwdCount", "badPasswordTime")
}

// difference are the lines of two texts that differ.
func difference(a, b string) string {
	have := map[string]int{}
	for l := range strings.Lines(a) {
		have[l]++
	}
	var out strings.Builder
	for l := range strings.Lines(b) {
		if have[l]--; have[l] < 0 {
			out.WriteString("+ " + l)
		}
	}
	for l := range strings.Lines(a) {
		if have[l] > 0 {
			have[l]--
			out.WriteString("- " + l)
		}
	}
	return out.String()
}

// letters are the passwords that wait to be handed out, by user name.
func (d *directory) letters() map[string]string {
	d.Helper()
	list, err := d.store.Letters(tenantName).List(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	ids, err := handout.ReadIdentities(strings.NewReader(d.private))
	if err != nil {
		d.Fatal(err)
	}
	all := map[string]string{}
	for _, x := range list {
		l, err := ids.Open(x.Body)
		if err != nil {
			d.Fatal(err)
		}
		all[l.Username.Reveal()] = l.Password.Reveal()
	}
	return all
}

// signsIn tells whether somebody can use an account.
func (d *directory) signsIn(e *ldap.Entry, password string) error {
	d.Helper()
	conn, err := d.dc.SignIn(d, e.GetAttributeValue("userPrincipalName"), password)
	conn.Close()
	return err
}

// cards is a register in a file; see source-memory.
type cards struct {
	file    string
	version int
	unit    cardUnit
	people  []*card
}

type card struct {
	ID         string `json:"id"`
	Version    int    `json:"version"`
	CivicNo    string `json:"civicNo"`
	GivenName  string `json:"givenName"`
	FamilyName string `json:"familyName"`
	Username   string `json:"username"`
	Email      string `json:"email"`
	Role       string `json:"role"`
	Unit       string `json:"unit"`
	End        string `json:"end"`
	Marking    string `json:"marking"`
	class      string
}

type cardUnit struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
	Name    string `json:"name"`
}

type cardGroup struct {
	ID      string       `json:"id"`
	Version int          `json:"version"`
	Name    string       `json:"name"`
	Type    string       `json:"type"`
	Unit    string       `json:"unit"`
	Members []cardMember `json:"members"`
}

type cardMember struct {
	Person string `json:"person"`
	Role   string `json:"role"`
}

// add adds the nth person that there is, with an invented number of the nineteenth century.
func (c *cards) add(n int, role, given, family, class string) *card {
	p := &card{
		ID: fmt.Sprintf("p-%d", n), CivicNo: oldNumber(n), GivenName: given, FamilyName: family, Role: role, Unit: c.unit.ID, Marking: "Ingen", class: class,
	}
	c.people = append(c.people, p)
	return p
}

// oldNumber is an identity number of 1890 with its check digit, which nobody has.
func oldNumber(n int) string {
	digits, sum := fmt.Sprintf("90%02d%02d98%d", n%12+1, n%27+1, n%10), 0
	for i, c := range digits {
		v := int(c-'0') * (2 - i%2)
		sum += v/10 + v%10
	}
	return "18" + digits + fmt.Sprint((10-sum%10)%10)
}

func (c *cards) write(t testing.TB) {
	t.Helper()
	c.version++
	c.unit.Version = c.version
	classes := map[string][]cardMember{}
	for _, p := range c.people {
		p.Version = c.version
		if p.class != "" {
			classes[p.class] = append(classes[p.class], cardMember{p.ID, map[string]string{"pupil": "pupil", "staff": "teacher"}[p.Role]})
		}
	}
	groups := []cardGroup{}
	for _, name := range slices.Sorted(maps.Keys(classes)) {
		groups = append(groups, cardGroup{"g-" + name, c.version, name, "Klass", c.unit.ID, classes[name]})
	}
	data, err := json.Marshal(struct {
		Version int         `json:"version"`
		Since   int         `json:"since"`
		Units   []cardUnit  `json:"units"`
		Persons []*card     `json:"persons"`
		Groups  []cardGroup `json:"groups"`
	}{c.version, c.version, []cardUnit{c.unit}, c.people, groups})
	if err != nil {
		t.Fatal(err)
	}
	write(t, c.file+".new", string(data))
	if err := os.Rename(c.file+".new", c.file); err != nil {
		t.Fatal(err)
	}
}
