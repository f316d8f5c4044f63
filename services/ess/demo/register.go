package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
	"eventful.se/ess/services/ess/municipality"
)

// The registers that a demo can be of.
const (
	Alvis    = "alvis"    // its export on an SFTP server
	EduCloud = "educloud" // an API of SS 12000
)

// Sources lists the registers that a demo can be of, the default first.
func Sources() []string { return []string{Alvis, EduCloud} }

// registry is the vendor's side of a register.
type registry interface {
	// show has readers see the municipality as it is now.
	show(m *municipality.Municipality) error
	// where tells where it is read, and as what.
	where() string
	// source writes the source of a tenant that reads it: lines of YAML.
	source() (string, error)
	Close() error
}

// open starts the register's server.
func (s *stage) open(ctx context.Context) (registry, error) {
	secret, path := secret(), s.path("secrets", "register")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		return nil, err
	}
	switch s.o.Source {
	case Alvis:
		server, err := sftpserver.Start(ctx, sftpserver.Options{Dir: s.path("register"), User: user, Password: secret})
		return &export{server, s.path("register"), path}, err
	case EduCloud:
		return openAPI(ctx, s.o.Now, secret, path)
	default:
		return nil, fmt.Errorf("no demo is of the register %q", s.o.Source)
	}
}

// export is an Alvis export on an SFTP server.
type export struct {
	*sftpserver.Server
	dir, password string
}

func (e *export) show(m *municipality.Municipality) error {
	_, err := m.WriteDir(e.dir, municipality.FormatAlvis, nil)
	return err
}

func (e *export) where() string {
	return fmt.Sprintf("sftp://%s@%s/alvis.xml   an Alvis export", user, e.Addr())
}

func (e *export) source() (string, error) {
	settings, err := sftpSettings(e.Server, e.password)
	return fmt.Sprintf(`
  - system: alvis
    schedule: "30 18 * * *"
    protected: flag       # this export marks who is protected, and the profile says where
    settings:
      %s
      settle: 20ms
      # The export has no user names, so that e-mail addresses are.
      profile: {extends: alvis, securityMarking: extension/securitymarking, usernameFrom: [email]}`, settings), err
}

const (
	customer = "SE00100"
	// account is the context of the identifier that is a person's user name.
	account = "https://ess.example/username"
	// ago is how long before it is read the register changes, by its own clock: what is deleted in the second in which a
	// read begins may have been deleted while it was read, and such a read counts nobody as gone.
	ago = 2 * time.Second
)

// api is a server of SS 12000 such as EduCloud's. It is on a loopback address, so that it does without TLS.
type api struct {
	register *ss12000server.Server
	options  ss12000server.Options
	http     *http.Server
	addr     string
	secret   string
	changes  atomic.Bool // the register changes, and its clock shows when it did
	ended    chan error
}

func openAPI(ctx context.Context, now func() time.Time, secret, path string) (*api, error) {
	a := &api{secret: path, ended: make(chan error, 1)}
	o := ss12000server.EduCloud(customer, func() time.Time {
		if a.changes.Load() {
			return now().Add(-ago)
		}
		return now()
	})
	o.Auth.ClientSecret = secret
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a.register, a.options, a.addr = ss12000server.New(o), o, l.Addr().String()
	a.http = &http.Server{Handler: a.register, ReadHeaderTimeout: 10 * time.Second}
	go func() { a.ended <- a.http.Serve(l) }()
	return a, nil
}

// show has the server hold the municipality: of what stays the same nothing is modified. Everyone's user name is the
// e-mail address.
func (a *api) show(m *municipality.Municipality) error {
	objects := m.SS12000()
	for _, o := range objects {
		if p, ok := o.(*ss12000.Person); ok && len(p.Emails) > 0 {
			p.Identifiers = append(slices.Clip(p.Identifiers), ss12000.Identifier{Context: account, Value: p.Emails[0].Value})
		}
	}
	a.changes.Store(true)
	defer a.changes.Store(false)
	a.register.Replace(objects)
	return nil
}

func (a *api) where() string { return a.url(a.options.Path) + "   an API of SS 12000, as EduCloud's" }

func (a *api) url(path string) string { return "http://" + a.addr + path }

func (a *api) source() (string, error) {
	return fmt.Sprintf(`
  - system: educloud
    schedule: "0 20 * * *"
    protected: flag       # this register marks who is protected
    settings:
      customerId: %s
      baseURL: %s
      auth: {tokenURL: %q, clientId: %s, clientSecret: "file:%s"}
      privateAddresses: true     # it is on this machine
      # Between two reads of everything only what changed is asked for.
      delta: {on: true, overlap: %s}
      profile: {usernameFrom: %q}`, customer, a.url(a.options.Path), a.url(ss12000server.TokenPath), a.options.Auth.ClientID, a.secret, ago+time.Second, account), nil
}

// Close ends the server.
func (a *api) Close() error {
	err := a.http.Close()
	if ended := <-a.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
