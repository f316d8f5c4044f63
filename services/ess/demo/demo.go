// Package demo shows the whole of ESS on one machine: a register's export on an SFTP server or a register behind an API, the
// log on a NATS server, Apple's inbox on another SFTP server and a directory of accounts in a file, with a reader and two
// writers in between. Everyone in it is invented.
package demo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
	"eventful.se/ess/services/connectors"
	"eventful.se/ess/services/ess/municipality"
)

// MinPupils is how many pupils it takes: those whom the steps need, beside those that are examples of something.
const MinPupils = 60

// Options say what to show.
type Options struct {
	Source string // one of [Sources]
	Pupils int    // MinPupils or more
	Seed   uint64
	Dir    string        // where everything is kept; empty for a directory that is removed at the end
	Pause  time.Duration // between two effects; none with Once
	Once   bool          // end after the last effect
	Out    io.Writer
	Logger *slog.Logger
	Now    func() time.Time
}

const (
	tenantName = "demo"
	user       = "ess"
	grace      = 180 // days for which the directory keeps the account of who has left
)

// register is what the log calls the register.
func (s *stage) register() roster.Source {
	return roster.Source{System: s.o.Source, Instance: "default"}
}

// apple is the target that takes files.
func apple() roster.Source { return roster.Source{System: "apple-school-manager", Instance: "default"} }

// directory is the target that takes calls.
func directory() roster.Source { return roster.Source{System: "memory", Instance: "default"} }

// stage is everything that is running.
type stage struct {
	o        Options
	say      printer
	dir      string
	town     *municipality.Municipality
	registry registry
	inbox    *sftpserver.Server
	nats     *store.Server
	store    *store.Store
	schedule *source.Scheduler
	links    map[roster.Source]*target.Link
	runs     chan source.Run
	settled  settlements
	cursors  map[roster.Source]roster.Position // how far the links were when they last told
	accounts map[string]string                 // every account that the directory ever had in use, with its id
	shown    Directory                         // what it showed last
	failed   int                               // effects that did not come out equal
}

// Run shows the demo. The error says what did not come out as it should.
func Run(ctx context.Context, o Options) (err error) {
	s := &stage{
		o: o, say: printer{o.Out}, runs: make(chan source.Run), settled: settlements{more: make(chan struct{}, 1)},
		cursors: map[roster.Source]roster.Position{}, accounts: map[string]string{},
	}
	if err := s.folder(); err != nil {
		return err
	}
	if o.Dir == "" {
		defer os.RemoveAll(s.dir)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running, err := s.build(ctx)
	if err != nil {
		return err
	}
	defer func() {
		cancel()
		err = errors.Join(err, <-running)
		s.store.Close()
		s.nats.Shutdown()
		err = errors.Join(err, s.registry.Close(), s.inbox.Close())
	}()
	if err := s.play(ctx); err != nil {
		switch ended := errors.Is(err, context.Canceled); {
		case ended && o.Once:
			return errors.New("the demo was ended before its last step")
		case ended:
			return nil
		}
		return err
	}
	if !o.Once {
		s.say.note("The demo goes on running, so that you can look around. Ctrl-C ends it.")
		<-ctx.Done()
	}
	return nil
}

func (s *stage) folder() (err error) {
	s.dir = s.o.Dir
	if s.dir == "" {
		s.dir, err = os.MkdirTemp("", "ess-demo-")
		return err
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	path := s.path("tenants", tenantName+".yaml")
	if old, err := tenant.Load(path); err == nil && len(old.Sources) > 0 && old.Sources[0].System != s.o.Source {
		return fmt.Errorf("%s holds a demo of %s: choose another directory, or that register", s.dir, old.Sources[0].System)
	}
	return os.MkdirAll(s.dir, 0o700)
}

func (s *stage) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// build starts the servers, and the tenant from a document such as an operator writes.
func (s *stage) build(ctx context.Context) (running <-chan error, err error) {
	s.town = municipality.New(municipality.Options{Pupils: s.o.Pupils, Seed: s.o.Seed, Day: roster.Today(s.o.Now()), Protected: municipality.ProtectedFlag})
	for _, dir := range []string{"register", "apple/dropbox", "secrets", "tenants", "nats"} {
		if err := os.MkdirAll(s.path(dir), 0o700); err != nil {
			return nil, err
		}
	}
	inboxPassword := secret()
	for name, value := range map[string]string{"apple": inboxPassword, "pepper": secret()} {
		if err := keepSecret(s.path("secrets", name), value); err != nil {
			return nil, err
		}
	}
	if s.registry, err = s.open(ctx); err != nil {
		return nil, err
	}
	if err := s.show(); err != nil {
		return nil, err
	}
	if s.inbox, err = sftpserver.Start(ctx, sftpserver.Options{Dir: s.path("apple"), User: user, Password: inboxPassword}); err != nil {
		return nil, err
	}
	if s.nats, err = store.Embedded(store.ServerOptions{Dir: s.path("nats"), Listen: true, Logger: s.o.Logger}); err != nil {
		return nil, err
	}
	if s.store, err = store.Connect(ctx, store.Options{Server: s.nats, Name: "ess-demo", Logger: s.o.Logger}); err != nil {
		return nil, err
	}
	if err := s.store.EnsureTenant(ctx, tenantName, 1); err != nil {
		return nil, err
	}
	document, err := s.document()
	if err != nil {
		return nil, err
	}
	telemetry, err := service.NewTelemetry(ctx, "ess", false)
	if err != nil {
		return nil, err
	}
	host := &service.Host{
		Store: s.store, Owner: "demo", Logger: s.o.Logger, Telemetry: telemetry, Now: s.o.Now, NewID: uuid.NewString,
		Observe: service.Observer{
			Run: func(_ string, r source.Run) {
				select {
				case s.runs <- r:
				case <-ctx.Done():
				}
			},
			Settled: func(_ string, of roster.Source, r target.Settled) { s.settled.add(settlement{of, r}) },
		},
	}
	t, err := host.Open(document, connectors.Sources(), connectors.Targets())
	if err != nil {
		return nil, err
	}
	s.schedule = t.Scheduler
	s.links = t.Links
	done := make(chan error, 1)
	go func() { done <- t.Run(ctx) }()
	s.introduce()
	return done, nil
}

// settlement is what a link did.
type settlement struct {
	of roster.Source
	target.Settled
}

// settlements are what links did and nobody has looked at yet. Adding never waits, so that no link ever does.
type settlements struct {
	mu   sync.Mutex
	list []settlement
	more chan struct{} // holds one token while the list is not empty
}

func (q *settlements) add(s settlement) {
	q.mu.Lock()
	q.list = append(q.list, s)
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *settlements) take() (list []settlement) {
	q.mu.Lock()
	defer q.mu.Unlock()
	list, q.list = q.list, nil
	return list
}

// secret makes a password that lives as long as the demo.
func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// keepSecret keeps what an earlier demo in the same directory wrote: a pepper never rotates.
func keepSecret(path, value string) error {
	if filepath.Base(path) == "pepper" {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
	}
	return os.WriteFile(path, []byte(value+"\n"), 0o600)
}

func (s *stage) document() (*tenant.Document, error) {
	from, err := s.registry.source()
	if err != nil {
		return nil, err
	}
	inbox, err := sftpSettings(s.inbox, s.path("secrets", "apple"))
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf(`# What an operator writes about a customer. The demo made this one.
tenant: %s
title: %s
service: silver
pepper: file:%s
sources:%s
links:
  - target: apple-school-manager
    mode: active
    # At once, so that there is something to see: who leaves has 30 days otherwise, and pupils of komvux 60 before that.
    leave: [{after: 0d, do: delete}]
    lifecycles: [{schoolForm: VUX, gap: 0d}]
    settings:
      %s
      directory: dropbox
      every: 0s
  - target: memory
    mode: active
    # At once here too; what was an account stays for the day on which its owner returns.
    leave: [{after: 0d, do: disable}, {after: %dd, do: delete}]
    lifecycles: [{schoolForm: VUX, gap: 0d}]
    settings: {file: %q}
`, tenantName, s.town.Name, s.path("secrets", "pepper"), from, inbox, grace, s.path("directory.json"))
	path := s.path("tenants", tenantName+".yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return tenant.Load(path)
}

// sftpSettings writes how to reach a server, and how to know it.
func sftpSettings(server *sftpserver.Server, password string) (string, error) {
	host, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`sftp:
        host: %s
        port: %s
        user: %s
        password: file:%s
        hostKeys: ["%s"]`, host, port, user, password, server.Fingerprint()), nil
}

// show has the register show the municipality as it is. It is of now, for an export that is older than the last one read is
// not believed, and an earlier demo in the same directory has made some.
func (s *stage) show() error {
	s.town.Time = s.o.Now().Truncate(time.Second)
	return s.registry.show(s.town)
}
