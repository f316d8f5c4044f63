package testbed

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// Cut says after how many bytes a [Proxy] breaks a connection, in either direction; 0 for never.
type Cut struct{ Up, Down int64 }

// Proxy is a TCP proxy in front of a peer that breaks connections.
type Proxy struct {
	Host string
	Port int

	target   string
	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	cuts     []Cut
	conns    []net.Conn
	accepted int
	away     bool          // every connection is broken as soon as it is made
	flows    chan struct{} // closed while bytes may pass
}

// NewProxy starts a proxy to target. The first connections break as cuts say, one each; later ones do not.
func NewProxy(t testing.TB, target string, cuts ...Cut) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, target: target, listener: l, cuts: cuts, flows: make(chan struct{})}
	close(p.flows)
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.Away(true)
		p.Hang(false)
		p.wg.Wait()
	})
	return p
}

// Accepted returns how many connections were made.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// CutAll breaks every connection that is open.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// Target sends connections that are made from now on to another peer.
func (p *Proxy) Target(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Away breaks every connection, those too that are made after it, until Away(false).
func (p *Proxy) Away(away bool) {
	p.mu.Lock()
	p.away = away
	p.mu.Unlock()
	if away {
		p.CutAll()
	}
}

// Hang lets nothing through, while connections stay and can be made, until Hang(false).
func (p *Proxy) Hang(hang bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flows:
		if hang {
			p.flows = make(chan struct{})
		}
	default:
		if !hang {
			close(p.flows)
		}
	}
}

// valve writes to a connection while its proxy does not hang.
type valve struct {
	net.Conn
	p *Proxy
}

func (v valve) Write(b []byte) (int, error) {
	v.p.mu.Lock()
	flows := v.p.flows
	v.p.mu.Unlock()
	<-flows
	return v.Conn.Write(b)
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		peer, err := net.Dial("tcp", target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		var cut Cut
		if p.accepted < len(p.cuts) {
			cut = p.cuts[p.accepted]
		}
		p.accepted++
		p.conns = append(p.conns, client, peer)
		if p.away {
			client.Close()
			peer.Close()
		}
		p.mu.Unlock()
		p.wg.Go(func() { pipe(valve{peer, p}, client, cut.Up) })
		p.wg.Go(func() { pipe(valve{client, p}, peer, cut.Down) })
	}
}

// pipe copies until either side ends, or limit bytes are through; then both connections end.
func pipe(to, from net.Conn, limit int64) {
	defer to.Close()
	defer from.Close()
	if limit == 0 {
		io.Copy(to, from)
		return
	}
	if _, err := io.CopyN(to, from, limit); err != nil && !errors.Is(err, io.EOF) {
		return
	}
}
