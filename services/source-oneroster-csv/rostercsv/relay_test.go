package rostercsv_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// relay is the address of a register's server: it leads to one of several, to nobody, or nowhere.
type relay struct {
	addr     string
	pause    atomic.Int64 // nanoseconds before each piece of an answer
	mu       sync.Mutex
	listener net.Listener
	to       string // empty for one who never answers
	open     map[net.Conn]bool
	running  sync.WaitGroup
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	r := &relay{addr: "127.0.0.1:0", to: to, open: map[net.Conn]bool{}}
	if err := r.up(to); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.down(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// up leads to a server, and cuts what is open.
func (r *relay) up(to string) error {
	if err := r.down(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", r.addr)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.listener, r.addr, r.to = listener, listener.Addr().String(), to
	r.mu.Unlock()
	r.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.running.Go(func() { r.serve(conn) })
		}
	})
	return nil
}

// down answers no longer, and returns when nothing runs any more.
func (r *relay) down() error {
	r.mu.Lock()
	var err error
	if r.listener != nil {
		err = r.listener.Close()
		r.listener = nil
	}
	for conn := range r.open {
		err = errors.Join(err, conn.Close())
	}
	clear(r.open)
	r.mu.Unlock()
	r.running.Wait()
	return err
}

// lead leads the next connections elsewhere.
func (r *relay) lead(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
}

// keep notes a connection as one that down closes; it closes it at once where the relay is down.
func (r *relay) keep(conn net.Conn) (to string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener == nil {
		return "", conn.Close() != nil
	}
	r.open[conn] = true
	return r.to, true
}

func (r *relay) end(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[conn] {
		delete(r.open, conn)
		conn.Close()
	}
}

func (r *relay) serve(client net.Conn) {
	to, ok := r.keep(client)
	if !ok {
		return
	}
	defer r.end(client)
	if to == "" {
		_, _ = io.Copy(io.Discard, client)
		return
	}
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	if _, ok := r.keep(server); !ok {
		return
	}
	defer r.end(server)
	r.running.Go(func() {
		_, _ = io.Copy(server, client)
		r.end(server)
	})
	b := make([]byte, 32<<10)
	for {
		n, err := server.Read(b)
		time.Sleep(time.Duration(r.pause.Load()))
		if _, writeErr := client.Write(b[:n]); err != nil || writeErr != nil {
			return
		}
	}
}
