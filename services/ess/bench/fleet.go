package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
)

// fleet is an operator's installation with many tenants: nats-server and each service in a process of its own, as Kubernetes
// runs them. Every tenant has a register in a file and three links: two directories in files, and a drop of Apple's.
type fleet struct {
	fleetOptions
	stderr   io.Writer
	drop     *sftpserver.Server
	st       *store.Store
	nats     string
	password string
	all      []*exec.Cmd // nats-server first
	http     []string    // where each of the others tells how it is
}

// fleetOptions are what the command line says.
type fleetOptions struct {
	programs string
	tenants  int
	persons  int
	dir      string
}

func (o *fleetOptions) flags(f *flag.FlagSet) {
	f.StringVar(&o.programs, "programs", "", "a folder with nats-server and the services that are measured")
	f.IntVar(&o.tenants, "tenants", 300, "how many tenants there are")
	f.IntVar(&o.persons, "persons", 100, "how many persons are in the register of each")
	f.StringVar(&o.dir, "dir", "", "where to work, for another disk than that of temporary files")
}

// services are the programs of the fleet.
func services() []string {
	return []string{"source-memory", "target-memory", "target-apple-school-manager"}
}

// patience is how long a fleet may take to start, or to settle.
const patience = 10 * time.Minute

// launch starts a fleet whose tenants have been loaded: every target is as its register says. close ends it.
func launch(ctx context.Context, o fleetOptions, stderr io.Writer) (_ *fleet, err error) {
	if o.programs == "" || o.tenants < 1 || o.persons < 1 {
		return nil, errors.New("-programs is required: a folder with nats-server and the services; make bench builds it")
	}
	f := &fleet{fleetOptions: o, stderr: stderr, password: rand.Text()}
	if f.dir, err = os.MkdirTemp(o.dir, "ess-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	for _, d := range []string{"tenants", "drop"} {
		if err := os.Mkdir(f.path(d), 0o700); err != nil {
			return nil, err
		}
	}
	for name, value := range map[string]string{"password": f.password, "pepper": rand.Text() + rand.Text()} {
		if err := os.WriteFile(f.path(name), []byte(value), 0o600); err != nil {
			return nil, err
		}
	}
	if f.drop, err = sftpserver.Start(ctx, sftpserver.Options{Dir: f.path("drop"), User: tenantName, Password: f.password}); err != nil {
		return nil, err
	}
	if err := f.serveNATS(ctx); err != nil {
		return nil, err
	}
	begun := time.Now()
	for n := range f.tenants {
		if err := f.add(ctx, f.name(n), f.persons, memoryLinks); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(stderr, "bench: %d tenants have their streams after %s\n", f.tenants, time.Since(begun).Round(time.Second))
	for _, name := range services() {
		if err := f.start(ctx, name); err != nil {
			return nil, err
		}
	}
	for n := range f.tenants {
		if err := f.await(ctx, f.name(n), 1); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(stderr, "bench: their targets are as the registers say after %s\n", time.Since(begun).Round(time.Second))
	return f, nil
}

func (f *fleet) close() {
	if f.st != nil {
		f.st.Close()
	}
	for _, program := range slices.Backward(f.all) {
		_ = program.Process.Kill()
		_ = program.Wait() // it was killed
	}
	if f.drop != nil {
		_ = f.drop.Close()
	}
	_ = os.RemoveAll(f.dir)
}

func (f *fleet) path(parts ...string) string {
	return filepath.Join(append([]string{f.dir}, parts...)...)
}

func (f *fleet) name(n int) string { return fmt.Sprintf("ort%03d", n) }

// run starts a program that runs until close.
func (f *fleet) run(ctx context.Context, program string, args, environment []string) error {
	log, err := os.Create(f.path(program + ".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, filepath.Join(f.programs, program), args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(os.Environ(), environment...)
	if err := cmd.Start(); err != nil {
		return err
	}
	f.all = append(f.all, cmd)
	return nil
}

func (f *fleet) serveNATS(ctx context.Context) error {
	addr, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	config := fmt.Sprintf("listen: %s\njetstream { store_dir: %q, sync_interval: always }\n", addr, f.path("nats"))
	if err := os.WriteFile(f.path("nats.conf"), []byte(config), 0o600); err != nil {
		return err
	}
	if err := f.run(ctx, "nats-server", []string{"-c", f.path("nats.conf")}, nil); err != nil {
		return err
	}
	f.nats = "nats://" + addr
	if err := until(ctx, "nats-server", func() (bool, error) {
		f.st, err = store.Connect(ctx, store.Options{URL: f.nats, Name: "bench"})
		return err == nil, nil
	}); err != nil {
		return err
	}
	return errors.Join(f.st.EnsureMembers(ctx, 1, 0), f.st.EnsureControl(ctx, 1))
}

// start starts a service, and returns when it is ready.
func (f *fleet) start(ctx context.Context, program string) error {
	addr, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	if err := f.run(ctx, program, nil, []string{
		"ESS_NATS_URL=" + f.nats, "ESS_CONFIG=" + f.path("tenants"), "ESS_HTTP=" + addr, "ESS_READ_NOW=true",
	}); err != nil {
		return err
	}
	f.http = append(f.http, addr)
	client := http.Client{Timeout: 10 * time.Second}
	return until(ctx, program+" to be ready; its log is "+f.path(program+".log"), func() (bool, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
		if err != nil {
			return false, err
		}
		resp, err := client.Do(r)
		if err != nil {
			return false, nil //nolint:nilerr // it is asked again
		}
		return resp.StatusCode == http.StatusOK, resp.Body.Close()
	})
}

func freeAddr(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// until returns when done does.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	for deadline := time.Now().Add(patience); ; {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %s", what, patience)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// The links of a tenant: [4] is the folder of its directories, [5] that of its drop, and [6] how to sign in there.
const (
	memoryLinks = "  - {target: memory, mode: active, settings: {file: %[4]s/directory.json, trouble: %[4]s/trouble.yaml}}\n" +
		"  - {target: memory, instance: second, mode: active, settings: {file: %[4]s/second.json}}\n" + appleLink
	appleLink = "  - {target: apple-school-manager, mode: active, settings: {directory: %[5]s, every: 0s, sftp: %[6]s}}\n"
)

// add adds a tenant with a register of some persons.
func (f *fleet) add(ctx context.Context, name string, persons int, links string) error {
	if err := errors.Join(os.MkdirAll(f.path("of", name), 0o700), os.MkdirAll(f.path("drop", name), 0o700)); err != nil {
		return err
	}
	if err := f.register(name, persons, 1); err != nil {
		return err
	}
	if err := f.st.EnsureTenant(ctx, name, 1); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(f.drop.Addr())
	if err != nil {
		return err
	}
	login := fmt.Sprintf(`{host: %s, port: %s, user: %s, password: "file:%s", hostKeys: ["%s"]}`, host, port, tenantName, f.path("password"), f.drop.Fingerprint())
	return os.WriteFile(f.path("tenants", name+".yaml"), fmt.Appendf(nil, `tenant: %s
pepper: file:%s
sources:
  - {system: memory, protected: flag, schedule: "0 0 1 1 *", settings: {file: %s}}
links:
`+links, name, f.path("pepper"), f.path("of", name, "register.json"), f.path("of", name), name, login), 0o600)
}

// register writes the register of a tenant. Its first class is called after the version; nothing else changes.
func (f *fleet) register(name string, persons, version int) error {
	var b strings.Builder
	fmt.Fprintf(&b, `{"version": %d, "since": 0, "units": [{"id": "u", "version": 1, "name": "Provskolan"}], "persons": [`, version)
	for n := range persons {
		if n > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, `{"id": "p%d", "version": 1, "givenName": "Testa", "familyName": "Åkesdotter", "username": "p%d", "email": "p%d@skola.example", "role": "pupil", "unit": "u", "marking": "Ingen"}`, n, n, n)
	}
	b.WriteString(`], "groups": [`)
	for first := 0; first < persons; first += 25 {
		v, called := 1, fmt.Sprintf("Klass %d", first)
		if first == 0 {
			v, called = version, stamp(version)
		} else {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, `{"id": "g%d", "version": %d, "name": "%s", "type": "Klass", "unit": "u", "members": [`, first, v, called)
		for n := first; n < min(first+25, persons); n++ {
			if n > first {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, `{"person": "p%d", "role": "pupil"}`, n)
		}
		b.WriteString("]}")
	}
	b.WriteString("]}\n")
	part := f.path("of", name, "register.part")
	return errors.Join(os.WriteFile(part, []byte(b.String()), 0o600), os.Rename(part, f.path("of", name, "register.json")))
}

func stamp(version int) string { return fmt.Sprintf("Version %d of it", version) }

// read asks for the register of a tenant to be read, as essctl does.
func (f *fleet) read(ctx context.Context, name string) error {
	_, err := f.st.Control().Ask(ctx, store.Ask{
		Place: store.SourcePlace(name, roster.Source{System: "memory", Instance: "default"}), ID: uuid.NewString(), Verb: store.VerbRead, Asked: time.Now(), By: "bench", Why: "it is measured",
	})
	return err
}

// await returns when the first directory of a tenant shows a version.
func (f *fleet) await(ctx context.Context, name string, version int) error {
	return until(ctx, name, func() (bool, error) {
		data, err := os.ReadFile(f.path("of", name, "directory.json"))
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		return strings.Contains(string(data), stamp(version)), err
	})
}
