// Package ss12000test is the other side of every source that reads an API of SS 12000: a server of the standard over TLS,
// in the test's process, which the suite of [sourcetest] fills and breaks, and which golden cases fill.
package ss12000test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source/sourcetest"
)

// Register is a register behind the API.
type Register struct {
	// Omits lets the register leave protected persons out, as some do.
	Omits bool
	// CAFile is the certificate that the server is known by, PEM; Secret is the file of what a client signs in with.
	CAFile, Secret string
	options        ss12000server.Options
	http           *httptest.Server
	address        string // once it has one

	// Where the server asks for a certificate: who signs those that it knows, and the files of one.
	clients               *x509.CertPool
	clientCert, clientKey string

	mu     sync.Mutex
	server *ss12000server.Server
	clock  time.Time
	fault  sourcetest.Fault
	hung   chan struct{} // closed when the server answers again
}

// New returns a register whose server has the options, but for the clock, which is that of the suite. It ends with the
// test.
func New(t testing.TB, o ss12000server.Options) *Register {
	t.Helper()
	dir := t.TempDir()
	r := &Register{CAFile: filepath.Join(dir, "ca.pem"), Secret: filepath.Join(dir, "secret"), address: "127.0.0.1:0", clock: time.Unix(0, 0)}
	before := o.Before
	o.Now = r.now
	o.Before = func(w http.ResponseWriter, req *http.Request) bool {
		return before != nil && before(w, req) || r.breaks(w, req)
	}
	r.options, r.server = o, ss12000server.New(o)
	if o.Auth.Certificate {
		if err := r.ask(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.start(nil); err != nil {
		t.Fatal(err)
	}
	r.address = r.http.Listener.Addr().String()
	t.Cleanup(func() { r.http.Close() })
	known := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.http.Certificate().Raw})
	secret := o.Auth.ClientSecret + o.Auth.Token + o.Auth.Key
	if err := errors.Join(os.WriteFile(r.CAFile, known, 0o600), os.WriteFile(r.Secret, []byte(secret), 0o600)); err != nil {
		t.Fatal(err)
	}
	return r
}

// ask has the server know a certificate that a client shows, and lays it and its key into a directory.
func (r *Register) ask(dir string) error {
	pair, err := stranger()
	if err != nil {
		return err
	}
	known, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return err
	}
	r.clients = x509.NewCertPool()
	r.clients.AddCert(known)
	r.clientCert, r.clientKey = filepath.Join(dir, "client.pem"), filepath.Join(dir, "client-key.pem")
	return errors.Join(
		os.WriteFile(r.clientCert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: known.Raw}), 0o600),
		os.WriteFile(r.clientKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
}

// start starts the server, with another certificate than its own where there is one.
func (r *Register) start(other *tls.Certificate) error {
	l, err := net.Listen("tcp", r.address)
	if err != nil {
		return err
	}
	r.http = &httptest.Server{Listener: l, Config: &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			w.Header()["Date"] = nil // the suite's clock goes on between reads, and the register's stands still
			r.current().ServeHTTP(w, req)
		}),
		ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute,
	}}
	r.http.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if other != nil {
		r.http.TLS.Certificates = []tls.Certificate{*other}
	}
	if r.clients != nil {
		r.http.TLS.ClientAuth, r.http.TLS.ClientCAs = tls.VerifyClientCertIfGiven, r.clients
	}
	r.http.StartTLS()
	return nil
}

func (r *Register) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clock
}

// BaseURL returns the address of the lists, and TokenURL that of the sign-in.
func (r *Register) BaseURL() string { return "https://" + r.address + r.options.Path }

// TokenURL returns the address of the sign-in.
func (r *Register) TokenURL() string { return "https://" + r.address + ss12000server.TokenPath }

// Reach returns the settings by which a client may call the server, and tries again without long pauses: lines of YAML.
func (r *Register) Reach() string {
	reach := fmt.Sprintf("caFile: %s\nprivateAddresses: true\nretry: {tries: 2, pause: 1ms}\n", r.CAFile)
	if r.clients != nil {
		reach += fmt.Sprintf("clientCertificate: 'file:%s'\nclientKey: 'file:%s'\n", r.clientCert, r.clientKey)
	}
	return reach
}

// Hold makes the register hold a town.
func (r *Register) Hold(t sourcetest.Town) error {
	if r.Omits {
		t = t.Clone()
		for _, p := range slices.Clone(t.Persons) {
			if p.Protected {
				t.Drop(p.ID)
			}
		}
	}
	r.at(t.At).Replace(Objects(t))
	return nil
}

// at sets the clock, and returns the server. What was deleted after it is of another history: that server has none.
func (r *Register) at(now time.Time) *ss12000server.Server {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.clock) {
		r.server = ss12000server.New(r.options)
	}
	r.clock = now
	return r.server
}

func (r *Register) current() *ss12000server.Server {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.server
}

// Objects returns a town in the words of the standard.
func Objects(t sourcetest.Town) (all []ss12000.Object) {
	for _, u := range t.Units {
		all = append(all, &ss12000.Organisation{Meta: ss12000.Meta{ID: u.ID}, Name: u.Name, Type: string(roster.SchoolUnit), SchoolTypes: []string{"GR"}})
	}
	const since = "2026-08-17"
	for _, p := range t.Persons {
		o := &ss12000.Person{
			Meta: ss12000.Meta{ID: p.ID}, CivicNo: roster.Personal(p.CivicNo), GivenName: roster.Personal(p.GivenName), FamilyName: roster.Personal(p.FamilyName),
			Status: "Aktiv", Marking: "Ingen",
		}
		if p.Protected {
			o.Marking = "Sekretessmarkering"
		}
		kind := "Skola elev"
		if p.Role == roster.RolePupil {
			o.Enrolments = []ss12000.Enrolment{{Unit: ss12000.Ref{ID: p.Unit}, SchoolType: "GR", SchoolYear: "7", Start: since, End: p.End}}
		} else {
			kind = "Skola personal"
			all = append(all, &ss12000.Duty{
				Meta: ss12000.Meta{ID: duty(p.ID)}, Person: ss12000.Ref{ID: p.ID}, Unit: ss12000.Ref{ID: p.Unit}, Role: "Lärare", Start: since, End: p.End,
			})
		}
		if p.Email != "" {
			o.Emails = []ss12000.Email{{Value: roster.Personal(p.Email), Type: kind}}
		}
		all = append(all, o)
	}
	for _, g := range t.Groups {
		o := &ss12000.Group{Meta: ss12000.Meta{ID: g.ID}, Name: g.Name, Type: "Undervisning", SchoolType: "GR", Unit: ss12000.Ref{ID: g.Unit}, Start: since}
		a := &ss12000.Activity{
			Meta: ss12000.Meta{ID: "a-" + g.ID}, Name: g.Name, Type: "Undervisning", Unit: ss12000.Ref{ID: g.Unit}, Groups: []ss12000.Ref{{ID: g.ID}}, Start: since,
		}
		for _, m := range g.Members {
			if m.Role == roster.MemberPupil {
				o.Memberships = append(o.Memberships, ss12000.Membership{Person: ss12000.Ref{ID: m.Person}, Start: since})
			} else {
				a.Teachers = append(a.Teachers, ss12000.Teacher{Duty: ss12000.Ref{ID: duty(m.Person)}, Start: since})
			}
		}
		if all = append(all, o); len(a.Teachers) > 0 {
			all = append(all, a)
		}
	}
	return all
}

func duty(person string) string { return "d-" + person }

// Break breaks the server.
func (r *Register) Break(f sourcetest.Fault) (string, error) {
	switch f {
	case sourcetest.Unreachable:
		r.http.Close()
		return "", nil
	case sourcetest.OtherPeer:
		other, err := stranger()
		if err != nil {
			return "", err
		}
		r.http.Close()
		return "", r.start(&other)
	case sourcetest.Hang:
		r.hung = make(chan struct{})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
	return "", nil
}

// Mend lets the server answer as before.
func (r *Register) Mend() error {
	r.mu.Lock()
	r.fault = ""
	r.mu.Unlock()
	if r.hung != nil {
		close(r.hung)
		r.hung = nil
	}
	r.http.Close()
	return r.start(nil)
}

// breaks answers a call as the fault of the hour has it.
func (r *Register) breaks(w http.ResponseWriter, req *http.Request) bool {
	r.mu.Lock()
	fault, hung := r.fault, r.hung
	r.mu.Unlock()
	list := req.URL.Path != ss12000server.TokenPath
	if !list && (fault == sourcetest.Rights || fault == sourcetest.Nothing) {
		return false
	}
	switch fault {
	case sourcetest.SignIn:
		w.WriteHeader(http.StatusUnauthorized)
	case sourcetest.Rights:
		w.WriteHeader(http.StatusForbidden)
	case sourcetest.Nothing:
		w.WriteHeader(http.StatusNotFound)
	case sourcetest.Hang:
		<-hung
	case sourcetest.Slow:
		time.Sleep(5 * time.Millisecond)
		return false
	case sourcetest.Garbage:
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>Kanarina Voljärsdotter</html>")
	default:
		return list && r.spoils(fault, w, req)
	}
	return true
}

// spoils answers as the server would, but for what is wrong with the answer.
func (r *Register) spoils(fault sourcetest.Fault, w http.ResponseWriter, req *http.Request) bool {
	persons := req.URL.Path == r.options.Path+"/persons"
	switch fault {
	case sourcetest.Empty:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"data":[],"pageToken":null}`)
		return true
	case sourcetest.Cut:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"data":[{"id":"p-1","givenName":"Kanarina`)
		return true
	case sourcetest.GarbageLate:
		if !persons {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"data":[{"id":"p-1","givenName":"Kanarina", Voljärsdotter}]}`)
		return true
	default:
		return false
	}
}

// stranger returns a certificate of nobody's.
func stranger() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// Steps returns the step of a check that fails by each fault. A secret that never changes shows at the first list only.
func (r *Register) Steps() map[sourcetest.Fault]string {
	lists, signIn := string(ss12000.Organisations), "sign-in"
	if r.options.Auth.ClientID == "" {
		signIn = lists
	}
	return map[sourcetest.Fault]string{
		sourcetest.Unreachable: "connect", sourcetest.OtherPeer: "certificate", sourcetest.SignIn: signIn,
		sourcetest.Rights: lists, sourcetest.Nothing: lists, sourcetest.Garbage: signIn,
	}
}

// Side returns the other side of golden cases. The input of a case is a file for each list, as organisations.json, with
// what the API answers: an array of objects, or a page; ${base}, ${token}, ${ca}, ${secret}, ${cert} and ${key} stand in
// its settings.
func (r *Register) Side() sourcetest.Side {
	return sourcetest.Side{
		Values: map[string]string{"base": r.BaseURL(), "token": r.TokenURL(), "ca": r.CAFile, "secret": r.Secret, "host": r.address, "cert": r.clientCert, "key": r.clientKey},
		Hold: func(files string, at time.Time) error {
			var all []ss12000.Object
			for _, of := range ss12000.Resources() {
				body, err := os.ReadFile(filepath.Join(files, string(of)+".json"))
				if errors.Is(err, os.ErrNotExist) {
					continue
				}
				if err != nil {
					return err
				}
				if _, err := ss12000.ReadPage(of, bytes.NewReader(body), func(o ss12000.Object) error { all = append(all, o); return nil }); err != nil {
					return fmt.Errorf("%s: %w", of, err)
				}
			}
			r.at(at).Replace(all)
			return nil
		},
	}
}
