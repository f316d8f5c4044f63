package store

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// ServerOptions say how a server in this process runs.
type ServerOptions struct {
	Dir        string       // where JetStream keeps its files
	ConfigFile string       // a configuration of nats-server, for accounts and permissions; empty for none
	Listen     bool         // also listen on the loopback interface, for tools
	Port       int          // with Listen: 0 for a free one
	Logger     *slog.Logger // nil for none
}

// Server is a nats-server in this process, with JetStream on disk; what it has acknowledged is on the disk
// (sync_interval: always).
type Server struct {
	ns   *server.Server
	lock *os.File
}

// Embedded starts a server and returns when it takes connections. The directory is its own until Shutdown: a second
// server on it, in whatever process, is refused.
func Embedded(o ServerOptions) (_ *Server, err error) {
	if o.Dir == "" {
		return nil, errors.New("a server in the process needs a directory for JetStream")
	}
	opts := &server.Options{}
	if o.ConfigFile != "" {
		if err := opts.ProcessConfigFile(o.ConfigFile); err != nil {
			return nil, fmt.Errorf("nats-server configuration: %w", err)
		}
	}
	opts.ServerName = "ess"
	opts.JetStream = true
	opts.StoreDir = o.Dir
	opts.SyncAlways = true
	opts.NoSigs = true
	opts.DontListen = !o.Listen
	opts.Host = "127.0.0.1"
	if opts.Port = o.Port; o.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	held, err := lock(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("start nats-server: %w", err)
	}
	defer func() {
		if err != nil {
			unlock(held)
		}
	}()
	if err := discardTorn(o.Dir); err != nil {
		return nil, fmt.Errorf("start nats-server in %s: %w", o.Dir, err)
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("start nats-server in %s: %w", o.Dir, err)
	}
	if o.Logger != nil {
		ns.SetLoggerV2(serverLog{o.Logger}, false, false, false)
	}
	s := &Server{ns, held}
	ns.Start()
	if !ns.ReadyForConnections(30*time.Second) || !ns.JetStreamEnabled() {
		s.Shutdown()
		return nil, fmt.Errorf("nats-server in %s did not become ready; is the directory writable?", o.Dir)
	}
	return s, nil
}

// URL returns the address for tools; empty when the server does not listen.
func (s *Server) URL() string {
	if s.ns.Addr() == nil {
		return ""
	}
	return s.ns.ClientURL()
}

// Port returns the port that the server listens on; 0 when it does not.
func (s *Server) Port() int {
	if a, ok := s.ns.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// Shutdown stops the server, waits until it has, and leaves the directory to the next one.
func (s *Server) Shutdown() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
	unlock(s.lock)
}

// serverLog passes on what a server says. It starts and stops with the process, so its notices are of no news.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Noticef(f string, a ...any) { l.log.Debug(said, "text", text(f, a)) }
func (l serverLog) Debugf(f string, a ...any)  { l.log.Debug(said, "text", text(f, a)) }
func (l serverLog) Tracef(f string, a ...any)  { l.log.Debug(said, "text", text(f, a)) }
func (l serverLog) Warnf(f string, a ...any)   { l.log.Warn(said, "text", text(f, a)) }
func (l serverLog) Errorf(f string, a ...any)  { l.log.Error(said, "text", text(f, a)) }
func (l serverLog) Fatalf(f string, a ...any)  { l.log.Error(said, "text", text(f, a)) }

const said = "nats-server"

func text(f string, a []any) string { return strings.TrimSpace(fmt.Sprintf(f, a...)) }
