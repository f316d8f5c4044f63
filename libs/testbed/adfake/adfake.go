// Package adfake is Active Directory as strict as Windows has it where Samba is lax, over LDAPS and in memory: for what
// a real domain controller cannot be brought to do in a test. Where both are equally strict, a test holds the two
// together (TestAsSamba); everything else is from the open specifications of Windows, not from a Windows server.
//
// It has: pages of at most 1,000 entries, and result 4 for more without paging; values in ranges of 1,500; account names
// of 20 characters without the forbidden ones; a length for each attribute, and only attributes of its schema; names
// that collide without case and accents; one sAMAccountName a domain and one userPrincipalName a forest; no enabled
// account without a password that meets the rules; members that cannot be added or removed twice; search references;
// tombstones; the number of its last change; accounts that are locked, disabled or may write below some places only. A [Fault] has it answer
// otherwise, or not at all. [Server.Lag] has reads show what was, as another domain controller would.
//
//	s := adfake.Start(t, adfake.Options{})
//	cfg := ldapx.Config{URLs: []string{s.URL}, CAFile: s.CAFile, User: s.Admin.UPN, Password: "file:" + s.Admin.PasswordFile}
//	s.Inject(adfake.Fault{Op: "add", Times: 1, Do: adfake.DropAfter})
//	... s.Counts().SignIns, s.Dump()
package adfake

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"

	"eventful.se/ess/libs/testbed"
)

// BaseDN is the domain of every server.
const BaseDN = "DC=skola,DC=test"

// Options say what [Start] starts. Zero values stand for what Windows has.
type Options struct {
	CA          *testbed.CA  // who signs the certificate; nil for one of its own
	Cert        testbed.Cert // the certificate; without Names it is good for the server's name and address
	Now         func() time.Time
	MaxPage     int      // entries a search or a page; 1,000
	MaxRange    int      // values of an attribute; 1,500
	MinPassword int      // characters; 7
	Lockout     int      // wrong passwords after which an account is locked; 0 for never
	Attributes  []string // of the schema, beside those of every domain: extensionAttribute1
}

// Server is a running domain controller.
type Server struct {
	URL    string // ldaps://127.0.0.1:PORT
	CAFile string
	Admin  testbed.Account

	t  testing.TB
	o  Options
	l  net.Listener
	wg sync.WaitGroup

	mu       sync.Mutex
	dir      *directory
	conns    map[*conn]bool
	accounts map[string]*account // by folded UPN and DN
	faults   []*Fault
	counts   Counts
	lag      time.Duration
	stopped  bool
}

// Counts is what clients have done since the start.
type Counts struct {
	Connections int
	SignIns     int            // tried
	Refused     int            // of these
	Ops         map[string]int // add, bind, delete, modify, rename, search: what arrived, also what failed
}

// Start starts a server, which ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if o.CA == nil {
		o.CA = testbed.NewCA(t)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxPage == 0 {
		o.MaxPage = 1000
	}
	if o.MaxRange == 0 {
		o.MaxRange = 1500
	}
	if o.MinPassword == 0 {
		o.MinPassword = 7
	}
	if len(o.Cert.Names) == 0 {
		o.Cert.Names = []string{serverName, "127.0.0.1"}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		URL: "ldaps://" + l.Addr().String(), CAFile: o.CA.File, t: t, o: o, l: tls.NewListener(l, o.CA.TLS(o.Cert)),
		dir: newDirectory(o), conns: map[*conn]bool{}, accounts: map[string]*account{}, counts: Counts{Ops: map[string]int{}},
	}
	s.Admin = s.account("Administrator", "Adm1n-Pass!word")
	s.accounts[fold(s.Admin.UPN)].admin = true
	s.wg.Go(s.serve)
	t.Cleanup(s.Stop)
	return s
}

// Stop ends the server for good, and every connection.
func (s *Server) Stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.l.Close()
	s.Cut()
	s.wg.Wait()
}

const serverName = "dc1.skola.test"

func (s *Server) serve() {
	for {
		raw, err := s.l.Accept()
		if err != nil {
			return
		}
		c := &conn{Conn: raw, s: s, r: bufio.NewReader(raw), pages: map[string][]*object{}}
		s.mu.Lock()
		s.counts.Connections++
		s.conns[c] = true
		if s.stopped {
			raw.Close()
		}
		s.mu.Unlock()
		s.wg.Go(func() {
			c.serve()
			raw.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

// TLS returns the settings of a client that trusts the server.
func (s *Server) TLS() *tls.Config {
	s.t.Helper()
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		s.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, ServerName: "127.0.0.1"}
}

// Cut ends every connection.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Counts returns what clients have done so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Ops = maps.Clone(c.Ops)
	return c
}

// Lag has searches show each object as it was so long ago, from the next write on. Signing in and writing know the truth.
func (s *Server) Lag(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = d
}

// Restore makes the server count its changes anew, as a domain controller does that came back from a backup.
func (s *Server) Restore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir.invocation[15]++
}

// Delegate makes an account that may write in the given places and below, and read everything.
func (s *Server) Delegate(name string, ous ...string) testbed.Account {
	s.t.Helper()
	a := s.account(name, "Dele-Gated1!")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ou := range ous {
		key, err := dnKey(ou)
		if err != nil {
			s.t.Fatal(err)
		}
		s.accounts[fold(a.UPN)].places = append(s.accounts[fold(a.UPN)].places, key)
	}
	return a
}

// account is who may sign in beside the users of the directory.
type account struct {
	o      *object
	admin  bool
	places []string // where it may write
}

func (s *Server) account(name, password string) testbed.Account {
	s.t.Helper()
	a := testbed.Account{DN: "CN=" + name + ",CN=Users," + BaseDN, UPN: name + "@skola.test", Password: password, PasswordFile: filepath.Join(s.t.TempDir(), "password")}
	if err := os.WriteFile(a.PasswordFile, []byte(password), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	add := addRequest{dn: a.DN}
	for attribute, value := range map[string]string{
		"objectClass": "user", "sAMAccountName": name, "userPrincipalName": a.UPN, "userAccountControl": "512", "unicodePwd": utf16le(`"` + password + `"`),
	} {
		add.attributes = append(add.attributes, change{name: attribute, values: []string{value}})
	}
	r := s.dir.add(add)
	if r.code != 0 {
		s.t.Fatalf("account %s: %d %s", name, r.code, r.text)
	}
	o, _ := s.dir.find(a.DN)
	who := &account{o: o}
	s.accounts[fold(a.UPN)] = who
	return a
}

// Way is how a [Fault] shows.
type Way int

// The ways.
const (
	Answer     Way = iota // Code and Text, and nothing is done
	DropBefore            // the connection ends, and nothing is done
	DropAfter             // it is done, and the connection ends without an answer
	Hang                  // nothing is done and nothing is answered until the connection ends
	HangAfter             // it is done, and nothing is answered
	Garbage               // nothing is done, and the answer is none
)

// Fault has an operation go wrong.
type Fault struct {
	Op    string // add, bind, delete, modify, rename, search; empty for each
	DN    string // only where the distinguished name contains this; empty for all
	After int    // so many pass first
	Times int    // so often; 0 for ever
	Do    Way
	Code  int    // the result, for Answer
	Text  string // the diagnostic text, for Answer; empty for a usual one
}

// Inject adds a fault; the first that fits an operation counts.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = -1
	}
	s.faults = append(s.faults, &f)
}

// Mend takes all faults away.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// fault returns the fault that hits an operation, or nil. s.mu is held.
func (s *Server) fault(op, dn string) *Fault {
	for _, f := range s.faults {
		if f.Op != "" && f.Op != op || f.DN != "" && !strings.Contains(fold(dn), fold(f.DN)) || f.Times == 0 {
			continue
		}
		if f.After > 0 {
			f.After--
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		return f
	}
	return nil
}

// Texts of results that a test injects without one, as Windows has them.
var usualTexts = map[int]string{
	1:  "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v3839",
	3:  "00000078: LdapErr: DSID-0C090F30, comment: Error processing control, data 0, v3839",
	8:  "00002028: LdapErr: DSID-0C09023F, comment: The server requires binds to turn on integrity checking if SSL\\TLS are not already active on the connection, data 0, v3839",
	10: "0000202B: RefErr: DSID-0310078A, data 0, 1 access points\n\tref 1: 'other.test'\n",
	11: "00002024: SvcErr: DSID-02050D2B, problem 5008 (ADMIN_LIMIT_EXCEEDED), data 0",
	50: "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0",
	51: "00002024: SvcErr: DSID-02050D0A, problem 5001 (BUSY), data -1102",
	52: "000020EF: SvcErr: DSID-0208044C, problem 5002 (UNAVAILABLE), data 0",
	53: "0000001F: SvcErr: DSID-031A1236, problem 5003 (WILL_NOT_PERFORM), data 0",
}

// Dump returns the whole directory, tombstones too, as LDIF; passwords are not in it.
func (s *Server) Dump(ignore ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return testbed.DumpEntries(s.dir.entries(), ignore...)
}

// conn is a client's connection.
type conn struct {
	net.Conn
	s       *Server
	r       *bufio.Reader
	who     *account
	pages   map[string][]*object // what is left of a paged search, by cookie
	cookies int
}

// errEnd has a connection end without another word.
var errEnd = errors.New("the connection ends")

func (c *conn) serve() {
	for {
		p, err := ber.ReadPacket(c.r)
		if err != nil {
			return
		}
		m, err := parseMessage(p)
		if err != nil {
			_ = c.send(response(0, tagExtended+1, result{code: 2, text: "00000057: LdapErr: " + err.Error()}))
			return
		}
		if m.op == opUnbind || c.handle(m) != nil {
			return
		}
	}
}

// handle answers one request, as faults have it.
func (c *conn) handle(m *message) error {
	if m.op == opAbandon {
		return nil
	}
	c.s.mu.Lock()
	c.s.counts.Ops[m.op]++
	f := c.s.fault(m.op, m.dn)
	var out []*ber.Packet
	if f == nil || f.Do == DropAfter || f.Do == HangAfter {
		out = c.do(m)
	}
	if m.op == opBind {
		c.s.counts.SignIns++
		if f != nil && f.Do == Answer {
			c.s.counts.Refused++
		}
	}
	c.s.mu.Unlock()
	switch {
	case f == nil:
	case f.Do == Answer:
		text := f.Text
		if text == "" {
			text = usualTexts[f.Code]
		}
		out = []*ber.Packet{response(m.id, m.answer(), result{code: f.Code, text: text, referral: referral(f.Code)})}
	case f.Do == Hang || f.Do == HangAfter:
		_, _ = io.Copy(io.Discard, c.r)
		return errEnd
	case f.Do == Garbage:
		_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		return errEnd
	default:
		return errEnd
	}
	for _, p := range out {
		if err := c.send(p); err != nil {
			return err
		}
	}
	return nil
}

func referral(code int) string {
	if code == 10 {
		return "ldap://other.test/DC=other,DC=test"
	}
	return ""
}

func (c *conn) send(p *ber.Packet) error {
	_, err := c.Write(p.Bytes())
	return err
}

// do does what a request asks. s.mu is held.
func (c *conn) do(m *message) []*ber.Packet {
	d := c.s.dir
	one := func(r result) []*ber.Packet { return []*ber.Packet{response(m.id, m.answer(), r)} }
	if m.bad != nil {
		return one(*m.bad)
	}
	if m.op == opBind {
		return one(c.signIn(m))
	}
	if m.op == opSearch && m.dn == "" && m.search.scope == 0 {
		return append([]*ber.Packet{entryPacket(m.id, "", d.rootDSE(m.search))}, one(result{})...)
	}
	if c.who == nil {
		return one(result{code: 1, text: usualTexts[1]})
	}
	if m.op == opSearch && m.search.scope == 0 && strings.EqualFold(m.dn, serviceDN) {
		return append([]*ber.Packet{entryPacket(m.id, serviceDN, d.service(m.search))}, one(result{})...)
	}
	if m.op == opSearch {
		return c.search(m)
	}
	if r := c.mayWrite(m); r.code != 0 {
		return one(r)
	}
	d.lag = c.s.lag
	switch m.op {
	case opAdd:
		return one(d.add(m.add))
	case opModify:
		return one(d.modify(m.dn, m.changes))
	case opRename:
		return one(d.rename(m.dn, m.newRDN, m.newParent))
	case opDelete:
		return one(d.delete(m.dn))
	default:
		return one(result{code: 2, text: "00000057: LdapErr: DSID-0C090AD1, comment: Error decoding ldap message, data 0, v3839"})
	}
}

// signIn judges a name and a password.
func (c *conn) signIn(m *message) result {
	refuse := func(data string) result {
		c.s.counts.Refused++
		return result{code: 49, text: "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data " + data + ", v3839\x00"}
	}
	c.who = nil
	o := c.s.dir.signInName(m.dn)
	if o == nil {
		return refuse("525")
	}
	lockout, now := c.s.o.Lockout, c.s.o.Now()
	switch uac := o.number("userAccountControl"); {
	case lockout > 0 && o.wrong >= lockout:
		return refuse("775")
	case o.password != m.password || m.password == "":
		o.wrong++
		return refuse("52e")
	case uac&uacDisabled != 0:
		return refuse("533")
	case o.expired(now):
		return refuse("701")
	case o.number("pwdLastSet") == 0:
		return refuse("773")
	}
	o.wrong = 0
	if c.who = c.s.accounts[fold(o.value("userPrincipalName"))]; c.who == nil {
		c.who = &account{o: o}
	}
	return result{}
}

// mayWrite judges the rights of who signed in.
func (c *conn) mayWrite(m *message) result {
	if c.who.admin {
		return result{}
	}
	for _, dn := range []string{m.dn, m.newParent} {
		if dn == "" {
			continue
		}
		key, err := dnKey(dn)
		if o, _ := c.s.dir.find(dn); o != nil {
			key, err = o.key(), nil
		}
		if err != nil {
			continue // what is no name is refused as that
		}
		allowed := false
		for _, place := range c.who.places {
			allowed = allowed || key == place || strings.HasSuffix(key, ","+place)
		}
		if !allowed {
			return result{code: 50, text: usualTexts[50]}
		}
	}
	return result{}
}

// PasswordOf returns the password of an account; nothing where it has none.
func (s *Server) PasswordOf(dn string) string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	o, _ := s.dir.find(dn)
	if o == nil {
		s.t.Fatalf("%s does not exist", dn)
	}
	return o.password
}

// Values returns an attribute of an object that must exist, as it is: without lag.
func (s *Server) Values(dn, attribute string) []string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	o, _ := s.dir.find(dn)
	if o == nil {
		s.t.Fatalf("%s does not exist", dn)
	}
	return s.dir.values(o, attribute)
}
