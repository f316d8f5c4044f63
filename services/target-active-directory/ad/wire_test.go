package ad_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
)

// wire stands between the connector and a domain controller, counts what is asked, and answers badly in its place.
type wire struct {
	addr     string
	upstream string
	secure   *tls.Config

	mu     sync.Mutex
	fault  targettest.Fault
	marks  []string // of the resource that a fault is about: our id, and how it is addressed
	calls  int
	writes int
	done   int // writes since the fault began
	healed chan struct{}
	conns  []net.Conn
	wg     sync.WaitGroup
}

// newWire starts one, which ends with the test.
func newWire(t testing.TB, server *tls.Config, upstream string, secure *tls.Config) *wire {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String(), upstream: upstream, secure: secure, healed: make(chan struct{})}
	w.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			w.wg.Go(func() { w.serve(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.heal()
		w.mu.Lock()
		for _, c := range w.conns {
			c.Close()
		}
		w.mu.Unlock()
		w.wg.Wait()
	})
	return w
}

func (w *wire) fail(f targettest.Fault, marks ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault, w.marks, w.done = f, marks, 0
}

func (w *wire) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = ""
	close(w.healed)
	w.healed = make(chan struct{})
}

func (w *wire) counts() (calls, writes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls, w.writes
}

// The tags of requests.
const (
	tagBind   = ldap.ApplicationBindRequest
	tagSearch = ldap.ApplicationSearchRequest
)

func isWrite(tag ber.Tag) bool {
	return slices.Contains([]ber.Tag{ldap.ApplicationAddRequest, ldap.ApplicationModifyRequest, ldap.ApplicationModifyDNRequest, ldap.ApplicationDelRequest}, tag)
}

// verdict is what becomes of a request.
type verdict struct {
	code    int  // this answer in place of the server's
	garbage bool // no answer at all, but a few bytes
	hang    <-chan struct{}
	lose    bool // the server does it, and its answer is lost
}

func (w *wire) judge(p *ber.Packet) (v verdict) {
	request := p.Children[1]
	tag := request.Tag
	write := isWrite(tag)
	root := tag == tagSearch && len(request.Children) > 0 && request.Children[0].Value == "" // what a connection begins with
	w.mu.Lock()
	defer w.mu.Unlock()
	if write {
		w.writes++
	}
	if write || tag == tagSearch && !root {
		w.calls++
	}
	if w.fault == "" {
		return v
	}
	if w.fault == targettest.SignIn {
		if tag == tagBind {
			v.code = ldap.LDAPResultInvalidCredentials
		}
		return v
	}
	if !write && (tag != tagSearch || root) {
		return v
	}
	switch w.fault {
	case targettest.RefuseOne:
		if write && w.concerns(request) {
			v.code = ldap.LDAPResultObjectClassViolation
		}
	case targettest.HalfBatch:
		if write {
			if w.done++; w.done > 1 {
				v.code = ldap.LDAPResultOther
			}
		}
	case targettest.Bare:
		v.code = ldap.LDAPResultBusy
	case targettest.Broken:
		v.code = ldap.LDAPResultOther
	case targettest.Garbage:
		v.garbage = true
	case targettest.Hang:
		v.hang = w.healed
	case targettest.LostAnswer:
		v.lose = write
	}
	return v
}

// concerns tells whether a request is about the resource of the fault: it is addressed so, or makes it.
func (w *wire) concerns(request *ber.Packet) bool {
	if slices.Contains(w.marks, text(request)) {
		return true // a delete is nothing but its name
	}
	if len(request.Children) == 0 {
		return false
	}
	if slices.Contains(w.marks, text(request.Children[0])) {
		return true
	}
	if request.Tag != ldap.ApplicationAddRequest {
		return false
	}
	for _, attribute := range request.Children[1].Children {
		for _, value := range attribute.Children[1].Children {
			if slices.Contains(w.marks, text(value)) {
				return true
			}
		}
	}
	return false
}

func text(p *ber.Packet) string {
	if s, ok := p.Value.(string); ok {
		return s
	}
	return p.Data.String()
}

func (w *wire) serve(client net.Conn) {
	defer client.Close()
	server, err := tls.Dial("tcp", w.upstream, w.secure)
	if err != nil {
		return
	}
	defer server.Close()
	w.mu.Lock()
	w.conns = append(w.conns, client, server)
	w.mu.Unlock()
	var mu sync.Mutex
	lost := map[int64]bool{}
	w.wg.Go(func() {
		defer client.Close()
		answers := bufio.NewReader(server)
		for {
			p, err := ber.ReadPacket(answers)
			if err != nil {
				return
			}
			id, _ := p.Children[0].Value.(int64)
			mu.Lock()
			drop := lost[id]
			mu.Unlock()
			if drop {
				return
			}
			if _, err := client.Write(p.Bytes()); err != nil {
				return
			}
		}
	})
	requests := bufio.NewReader(client)
	for {
		p, err := ber.ReadPacket(requests)
		if err != nil || len(p.Children) < 2 {
			return
		}
		id, _ := p.Children[0].Value.(int64)
		v := w.judge(p)
		switch {
		case v.garbage:
			_, _ = io.WriteString(client, "\x30\x05HTTP/1.1 400 what?\r\n")
			return
		case v.hang != nil:
			<-v.hang
			return
		case v.code != 0:
			if _, err := client.Write(refusal(id, p.Children[1].Tag, v.code)); err != nil {
				return
			}
			continue
		case v.lose:
			mu.Lock()
			lost[id] = true
			mu.Unlock()
		}
		if _, err := server.Write(p.Bytes()); err != nil {
			return
		}
	}
}

// refusal is the answer to a request that is not what was hoped for.
func refusal(id int64, request ber.Tag, code int) []byte {
	answer := map[ber.Tag]ber.Tag{
		ldap.ApplicationBindRequest: ldap.ApplicationBindResponse, ldap.ApplicationSearchRequest: ldap.ApplicationSearchResultDone,
		ldap.ApplicationModifyRequest: ldap.ApplicationModifyResponse, ldap.ApplicationAddRequest: ldap.ApplicationAddResponse,
		ldap.ApplicationDelRequest: ldap.ApplicationDelResponse, ldap.ApplicationModifyDNRequest: ldap.ApplicationModifyDNResponse,
	}[request]
	p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	r := ber.Encode(ber.ClassApplication, ber.TypeConstructed, answer, nil, "")
	r.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	r.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	diagnostic := ""
	if code == ldap.LDAPResultInvalidCredentials {
		diagnostic = "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 52e, v3839"
	}
	r.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, diagnostic, ""))
	p.AppendChild(r)
	return p.Bytes()
}

// marksOf are what requests about a resource have in them.
func marksOf(id target.ID, native string) []string {
	marks := []string{id.Key, "ess:" + id.Kind + ":" + id.Key}
	if native != "" {
		marks = append(marks, "<GUID="+native+">")
	}
	return marks
}
