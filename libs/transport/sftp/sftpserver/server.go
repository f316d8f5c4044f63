// Package sftpserver is a small SFTP server over one directory, for a demonstration on one machine and for tests that
// need a peer with a password or with faults. It listens on loopback only, and nothing outside the directory can be
// reached through it.
package sftpserver

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// signInTime is how long a client may take to sign in.
const signInTime = 20 * time.Second

// Options say what a server serves, and to whom.
type Options struct {
	Dir           string // the directory that is the client's /
	User          string
	Password      string        // empty for none
	AuthorizedKey ssh.PublicKey // nil for none
	Addr          string        // of loopback; empty for 127.0.0.1 and a free port
	HostKey       ssh.Signer    // nil for a new one

	// Wrap takes each connection before it is served, and Before each request; an error of Before is the answer to it.
	// The methods are those of [sftp.Request], and Write for each piece that is written. Tests make faults with them.
	Wrap   func(net.Conn) net.Conn
	Before func(method, name string) error
}

// Server is a running server.
type Server struct {
	o        Options
	root     *os.Root
	config   *ssh.ServerConfig
	hostKey  ssh.Signer
	listener net.Listener
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil once closed
}

// Start starts a server, which runs until ctx ends or Close is called.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.User == "" || o.Password == "" && o.AuthorizedKey == nil {
		return nil, errors.New("sftp server: a user and a password or a key are required")
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if err := loopback(o.Addr); err != nil {
		return nil, err
	}
	s := &Server{o: o, hostKey: o.HostKey, conns: map[net.Conn]struct{}{}}
	var err error
	if s.hostKey == nil {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("sftp server: make a host key: %w", err)
		}
		if s.hostKey, err = ssh.NewSignerFromKey(key); err != nil {
			return nil, fmt.Errorf("sftp server: make a host key: %w", err)
		}
	}
	s.config = s.sshConfig()
	if s.root, err = os.OpenRoot(o.Dir); err != nil {
		return nil, fmt.Errorf("sftp server: %w", err)
	}
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", o.Addr); err != nil {
		return nil, errors.Join(fmt.Errorf("sftp server: %w", err), s.root.Close())
	}
	ctx, s.cancel = context.WithCancel(ctx)
	s.wg.Go(func() { s.accept(ctx) })
	s.wg.Go(func() { <-ctx.Done(); s.shut() })
	return s, nil
}

func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("sftp server: address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && !ip.IsLoopback() {
		return fmt.Errorf("sftp server: %q is not a loopback address, and this server is for one machine only", addr)
	}
	return nil
}

func (s *Server) sshConfig() *ssh.ServerConfig {
	refused := errors.New("refused")
	c := &ssh.ServerConfig{}
	if s.o.Password != "" {
		c.PasswordCallback = func(m ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			ok := subtle.ConstantTimeCompare([]byte(s.o.User), []byte(m.User()))
			if ok&subtle.ConstantTimeCompare([]byte(s.o.Password), password) != 1 {
				return nil, refused
			}
			return nil, nil
		}
	}
	if s.o.AuthorizedKey != nil {
		want := s.o.AuthorizedKey.Marshal()
		c.PublicKeyCallback = func(m ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if m.User() != s.o.User || subtle.ConstantTimeCompare(want, key.Marshal()) != 1 {
				return nil, refused
			}
			return nil, nil
		}
	}
	c.AddHostKey(s.hostKey)
	return c
}

// Addr returns the address that the server listens on, host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Fingerprint returns the SHA256:… fingerprint of the host key.
func (s *Server) Fingerprint() string { return ssh.FingerprintSHA256(s.hostKey.PublicKey()) }

// Close ends every connection, and returns when nothing of the server runs any more.
func (s *Server) Close() error {
	s.cancel()
	s.wg.Wait()
	return s.root.Close()
}

// shut closes what the server's goroutines wait for.
func (s *Server) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener.Close()
	for c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func (s *Server) accept(ctx context.Context) {
	for {
		conn, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, or a client that went before we came
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		if s.o.Wrap != nil {
			conn = s.o.Wrap(conn)
		}
		s.mu.Lock()
		if s.conns == nil {
			s.mu.Unlock()
			conn.Close()
			continue
		}
		s.conns[conn] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() {
			s.serve(conn)
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
	}
}

// serve serves a connection until it ends.
func (s *Server) serve(conn net.Conn) {
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(signInTime)) != nil {
		return
	}
	sc, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil || conn.SetDeadline(time.Time{}) != nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer sc.Close()
	wg.Go(func() { ssh.DiscardRequests(requests) })
	for c := range channels {
		if c.ChannelType() != "session" {
			if c.Reject(ssh.UnknownChannelType, "only sessions") != nil {
				return
			}
			continue
		}
		ch, requests, err := c.Accept()
		if err != nil {
			return
		}
		wg.Go(func() { s.session(ch, requests) })
	}
}

// session serves SFTP on a channel once it is asked for, and refuses all else.
func (s *Server) session(ch ssh.Channel, requests <-chan *ssh.Request) {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer ch.Close()
	serving := false
	for r := range requests {
		ok := !serving && r.Type == "subsystem" && string(r.Payload) == "\x00\x00\x00\x04sftp"
		if r.WantReply && r.Reply(ok, nil) != nil {
			return
		}
		if ok {
			serving = true
			wg.Go(func() { s.sftp(ch) })
		}
	}
}

func (s *Server) sftp(ch ssh.Channel) {
	defer ch.Close()
	f := &files{root: s.root, before: s.o.Before}
	server := sftp.NewRequestServer(ch, sftp.Handlers{FileGet: f, FilePut: f, FileCmd: f, FileList: f})
	defer server.Close()
	status := struct{ Status uint32 }{0}
	if err := server.Serve(); err != nil && !errors.Is(err, io.EOF) {
		status.Status = 1
	}
	// Whether the client hears it does not matter: it has ended the session, or lost it.
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(status))
}
