package ad_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/guard/guardtest"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/libs/testbed/adfake"
	"eventful.se/ess/services/target-active-directory/ad"
)

// The OUs of a lab.
const (
	labBase = "OU=Skolor," + adfake.BaseDN
	labGone = "OU=Slutat," + adfake.BaseDN
)

// lab is a link to a directory: the engine, the connector, a log and a ledger, and a clock that the test moves.
type lab struct {
	*testing.T
	dc       *adfake.Server // the strict directory; nil where it is Samba
	wire     *wire          // the way to Samba
	url, ca  string
	admin    *ldap.Conn
	service  testbed.Account
	settings string
	made     *target.Target
	log      *targettest.Log
	ledger   *targettest.Ledger
	protect  target.Protection
	leave    target.Lifecycle
	compare  target.Reconcile
	letters  target.Passwords // who gives passwords; nil for nobody

	mu     sync.Mutex
	at     time.Time
	logged bytes.Buffer
}

func (l *lab) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logged.Write(b)
}

func (l *lab) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

func (l *lab) pass(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = l.at.Add(d)
}

// newLab makes one whose directory has the two OUs, and nothing in them.
func newLab(t *testing.T, o adfake.Options) *lab {
	t.Helper()
	l := &lab{T: t, ledger: targettest.NewLedger(), at: time.Now().Add(-20 * time.Hour).Truncate(time.Second)} // a certificate of tests is good for a day on both sides
	o.Now = l.now
	l.dc = adfake.Start(t, o)
	l.url, l.ca = l.dc.URL, l.dc.CAFile
	l.admin = l.signIn(l.dc.Admin)
	for _, dn := range []string{labBase, labGone} {
		l.add(dn, "organizationalUnit")
	}
	l.service = l.dc.Delegate("ess", labBase, labGone)
	return l.furnish()
}

// newSambaLab makes one whose directory is Samba.
func newSambaLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{T: t, ledger: targettest.NewLedger(), at: time.Now().Truncate(time.Second)}
	c, dir := newController(t), t.TempDir()
	l.wire = newWire(t, wideTLS(t, dir), c.addr, &tls.Config{RootCAs: c.pool, ServerName: c.name, MinVersion: tls.VersionTLS12})
	l.url, l.ca = "ldaps://"+l.wire.addr, filepath.Join(dir, "wide.pem")
	l.admin, l.service = c.admin(t), c.service
	return l.furnish()
}

func (l *lab) furnish() *lab {
	l.Helper()
	l.log = targettest.NewLog(l.now)
	l.settings = fmt.Sprintf(`
ldap: {urls: ["%s"], caFile: "%s", user: %s, password: "file:%s", timeout: 20s, connectTimeout: 2s}
baseOU: %s
quarantineOU: %s
makeOUs: true
pupils: {upnSuffix: elev.skola.test}
staff: {upnSuffix: skola.test}
matchBy: [mail]
`, l.url, l.ca, l.service.UPN, l.service.PasswordFile, labBase, labGone)
	return l
}

// onBoth runs a test against the strict directory and against Samba.
func onBoth(t *testing.T, test func(*lab)) {
	t.Helper()
	t.Run("strict", func(t *testing.T) { t.Parallel(); test(newLab(t, adfake.Options{})) })
	t.Run("Samba", func(t *testing.T) { t.Parallel(); test(newSambaLab(t)) })
}

// writes is how many changes the directory was asked for so far, by the test too where it is the strict one.
func (l *lab) writes() (n int) {
	if l.dc == nil {
		_, n = l.wire.counts()
		return n
	}
	ops := l.dc.Counts().Ops
	return ops["add"] + ops["delete"] + ops["modify"] + ops["rename"]
}

// values are those of an attribute of an object that must exist.
func (l *lab) values(dn, attribute string) []string {
	l.Helper()
	r, err := l.admin.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{attribute}, nil))
	l.must(err)
	return r.Entries[0].GetAttributeValues(attribute)
}

func (l *lab) signIn(a testbed.Account) *ldap.Conn {
	l.Helper()
	conn, err := ldap.DialURL(l.url, ldap.DialWithTLSConfig(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}))
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { conn.Close() })
	if err := conn.Bind(a.DN, a.Password); err != nil {
		l.Fatal(err)
	}
	return conn
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *lab) add(dn, class string, pairs ...string) {
	l.Helper()
	a := ldap.NewAddRequest(dn, nil)
	a.Attribute("objectClass", []string{class})
	for i := 0; i < len(pairs); i += 2 {
		a.Attribute(pairs[i], []string{pairs[i+1]})
	}
	l.must(l.admin.Add(a))
}

func (l *lab) set(dn, attribute string, values ...string) {
	l.Helper()
	m := ldap.NewModifyRequest(dn, nil)
	m.Replace(attribute, values)
	l.must(l.admin.Modify(m))
}

// open opens the connector as a new process does, for both roles.
func (l *lab) open() {
	l.Helper()
	c := ad.Connector().New()
	l.must(yaml.UnmarshalWithOptions([]byte(l.settings), c, yaml.Strict()))
	p := tenant.NewProblems()
	c.Validate(p)
	l.must(p.Err())
	env := target.Env{
		Tenant: "provkoping", Target: roster.Source{System: "active-directory", Instance: "default"}, Now: l.now,
		Passwords: l.letters,
		Logger:    slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})), Budgets: budget.NewSet(l.now, func(context.Context, time.Duration) error { return nil }),
	}
	made, err := c.Open(env)
	l.must(err)
	l.made = made
}

// settle has a link of the process that is there, or of a new one, do what there is to do.
func (l *lab) settle(do ...func(context.Context, *target.Link) error) (sum target.Settled) {
	l.Helper()
	if l.made == nil {
		l.open()
	}
	ctx, cancel := context.WithTimeout(l.Context(), time.Minute)
	logger := slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
	feed := target.NewFeed(l.log, nil, logger, l.now)
	settled := make(chan target.Settled, 100)
	all := guard.Limits{}
	for _, o := range []guard.Operation{guard.Delete, guard.Disable, guard.Rename, guard.Address} {
		all = append(all, guard.Limit{Operation: o, Percent: 100, Floor: 100000})
	}
	link := target.NewLink(target.LinkOptions{
		Target: roster.Source{System: "active-directory", Instance: "default"}, Made: l.made, Feed: feed, Log: l.log, Ledger: l.ledger, Owner: target.Owner{Name: "lab"},
		Logger: logger, Now: l.now, Observer: func(s target.Settled) { settled <- s }, Idle: time.Hour, Holds: &guardtest.Store{}, Limits: all,
		Protected: l.protect, Lifecycle: l.leave, Reconcile: l.compare,
	})
	var group sync.WaitGroup
	ended := make(chan error, 1)
	group.Go(func() { _ = feed.Run(ctx) })
	group.Go(func() { ended <- link.Run(ctx) })
	defer group.Wait()
	defer cancel()
	end, _ := l.log.End(ctx)
	for {
		select {
		case s := <-settled:
			if s.Halted == nil && s.Cursor.Seq < end.Seq {
				continue
			}
			for _, f := range do {
				l.must(f(ctx, link))
			}
			return s
		case err := <-ended:
			l.Fatalf("the link ended: %v", err)
		}
	}
}

func (l *lab) put(records ...roster.Record) target.Settled {
	l.Helper()
	l.log.Publish(records...)
	return l.settle()
}

// entry is what the ledger knows of the account or group of a number.
func (l *lab) entry(kind string, n int) target.Entry {
	l.Helper()
	for _, suffix := range []string{"", ".pupil", ".staff"} {
		if e, ok := l.ledger.Entry(target.ID{Kind: kind, Key: labKey(n).String() + suffix}); ok {
			return e
		}
	}
	l.Fatalf("the ledger has no %s %d", kind, n)
	return target.Entry{}
}

// dnOf is where the account or group of a number is.
func (l *lab) dnOf(kind string, n int) string {
	l.Helper()
	list := l.find("(|(employeeNumber=" + labKey(n).String() + "*)(adminDescription=ess:" + kind + ":" + labKey(n).String() + "))")
	if len(list) != 1 {
		l.Fatalf("%d objects of %s %d", len(list), kind, n)
	}
	return list[0].DN
}

func (l *lab) find(filter string) []*ldap.Entry {
	l.Helper()
	r, err := l.admin.SearchWithPaging(ldap.NewSearchRequest(adfake.BaseDN, ldap.ScopeWholeSubtree, 0, 0, 0, false, filter, []string{"*"}, nil), 500)
	l.must(err)
	return r.Entries
}

// why prints a reason as people read it, and holds that it has all its parts.
func (l *lab) why(r *reason.Reason) {
	l.Helper()
	if r == nil {
		l.Error("no reason is told")
		return
	}
	for _, language := range []reason.Language{reason.Swedish, reason.English} {
		text := r.Text(language) + " " + r.Next(language)
		l.Logf("%s %s: %s", r.Code, language, text)
		if strings.ContainsAny(text, "{}") {
			l.Errorf("%s: a placeholder is left: %s", r.Code, text)
		}
	}
}

func labKey(n int) roster.Key { return roster.Key{6: 0x80, 8: 0x80, 14: byte(n >> 8), 15: byte(n)} }

var labRegister = roster.Source{System: "register", Instance: "default"}

func labUnit(n int, name string) roster.Record {
	return roster.Record{Ref: roster.Ref{Kind: roster.KindOrganisation, Key: labKey(n)}, Source: labRegister, Organisation: &roster.Organisation{
		DisplayName: name, Type: roster.SchoolUnit, UnitCodes: []string{fmt.Sprintf("%08d", n)}, SchoolTypes: []roster.SchoolType{"GR"},
	}}
}

func labPupil(n, unit int, given, family string) roster.Record {
	return roster.Record{Ref: roster.Ref{Kind: roster.KindPerson, Key: labKey(n)}, Source: labRegister, Person: &roster.Person{
		CivicNo:   roster.CivicNoOf(roster.Personnummer, fmt.Sprintf("18900101%04d", n%10000)),
		GivenName: roster.Personal(given), FamilyName: roster.Personal(family),
		Enrolments: []roster.Enrolment{{EnroledAt: labKey(unit), SchoolType: "GR", SchoolYear: "7"}},
		Personas: []roster.Persona{{
			Role: roster.RolePupil, Username: roster.Personal(fmt.Sprintf("anvqz%d", n)), Email: roster.Personal(fmt.Sprintf("postqz%d@skola.example", n)),
		}},
	}}
}

func labGroup(n, unit int, name string, pupils ...int) roster.Record {
	g := &roster.Group{DisplayName: name, Type: roster.Class, Organisation: labKey(unit)}
	for _, p := range pupils {
		g.Members = append(g.Members, roster.Membership{Person: labKey(p), Role: roster.MemberPupil})
	}
	return roster.Record{Ref: roster.Ref{Kind: roster.KindGroup, Key: labKey(n)}, Source: labRegister, Group: g}
}

// labLeft is the tombstone of who has left the register.
func labLeft(r roster.Record) roster.Record {
	return roster.Record{Ref: r.Ref, Source: r.Source, Tombstone: &roster.Tombstone{Reason: roster.TombstoneLeft}}
}

// outside is everything that is not in the OUs of the lab.
func (l *lab) outside() string {
	return strings.Join(slices.DeleteFunc(strings.Split(l.dc.Dump("memberOf", "whenChanged", "uSNChanged"), "\n\n"), func(entry string) bool {
		dn, _, _ := strings.Cut(entry, "\n")
		if text, coded := strings.CutPrefix(dn, "dn:: "); coded {
			plain, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				l.Fatal(err)
			}
			dn = string(plain)
		}
		return strings.Contains(dn, "OU=S") || strings.Contains(dn, "CN=Deleted Objects")
	}), "\n\n")
}

// retry has everything that was refused tried again.
func retry(ctx context.Context, link *target.Link) error {
	_, err := link.Retry(ctx)
	return err
}

// verify has the directory read, and fails where that halted the link.
func verify(ctx context.Context, link *target.Link) error {
	s, err := link.Resync(ctx, true, false)
	if s.Halted != nil {
		return &reason.Error{Reason: *s.Halted}
	}
	return err
}
