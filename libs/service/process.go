// Package service is the shell of every ESS program: environment, logs, telemetry, health, shutdown, and the wiring of
// connectors to the log.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
)

// Process is what a program gets from its environment.
type Process struct {
	Name  string
	NATS  string // ESS_NATS_URL
	Creds string // ESS_NATS_CREDS, a reference to a credentials file; empty for none
	// LineURL is where a program at a customer's makes its line to, in place of NATS (ESS_LINE_URL); LineCA who signed the
	// certificate there (ESS_LINE_CA), and Tenant whose it is, and whose documents it knows (ESS_TENANT).
	LineURL, LineCA, Tenant string

	Server *store.Server // a NATS server in this process, in place of NATS; nil for none
	Config string        // ESS_CONFIG, the folder with a YAML document for each tenant, or [Applied]
	HTTP   string        // ESS_HTTP, the address of health, readiness and metrics; empty for none
	// KeepLogs makes the streams of a tenant that has none, sweeps them every night, and sends every tenant's status in
	// the morning. Off, a missing log is an error, for it may be a lost one, and another program does the rest.
	KeepLogs bool
	Console  string // ESS_CONSOLE_URL, the address of the console, for the status to point at; empty for none
	Complete bool   // every connector there is, is in this program; see [Host]
	ReadNow  bool   // ESS_READ_NOW, true or false: read every source once at the start too
	Owner    string // names this process in ledgers: ESS_INSTANCE, or the host name and process id
	Logger   *slog.Logger
}

// Environment reads the settings of a program. It reports everything that is wrong at once.
func Environment(name string, getenv func(string) string, logs io.Writer) (Process, error) {
	p := Process{
		Name: name, NATS: getenv("ESS_NATS_URL"), Creds: getenv("ESS_NATS_CREDS"), Config: getenv("ESS_CONFIG"),
		HTTP: getenv("ESS_HTTP"), Owner: getenv("ESS_INSTANCE"), Console: getenv("ESS_CONSOLE_URL"),
		LineURL: getenv("ESS_LINE_URL"), LineCA: getenv("ESS_LINE_CA"), Tenant: getenv("ESS_TENANT"),
	}
	if p.HTTP == "" {
		p.HTTP = ":8080"
		if p.onSite() {
			p.HTTP = "127.0.0.1:8080" // nothing at a customer's is to hear the network
		}
	}
	if p.Owner == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "unknown"
		}
		p.Owner = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	var errs []error
	switch {
	case p.onSite() && p.NATS != "":
		errs = append(errs, errors.New("ESS_NATS_URL and ESS_LINE_URL are both set: on site there is the line, else NATS"))
	case p.onSite() && p.Tenant == "":
		errs = append(errs, errors.New("ESS_TENANT is not set: the customer at whose site this is"))
	case !p.onSite() && p.NATS == "":
		errs = append(errs, errors.New("ESS_NATS_URL is not set: the address of NATS, such as nats://nats:4222"))
	}
	if !p.onSite() && (p.Tenant != "" || p.LineCA != "") {
		errs = append(errs, errors.New("ESS_TENANT and ESS_LINE_CA are of a program on site: set ESS_LINE_URL, or neither"))
	}
	if p.Config == "" {
		errs = append(errs, errors.New("ESS_CONFIG is not set: the folder that holds a YAML document for each tenant, or nats: for those that were applied"))
	}
	if now := getenv("ESS_READ_NOW"); now != "" {
		var err error
		if p.ReadNow, err = strconv.ParseBool(now); err != nil {
			errs = append(errs, fmt.Errorf("ESS_READ_NOW is %q: write true or false", now))
		}
	}
	logger, err := NewLogger(logs, getenv("ESS_LOG_LEVEL"), getenv("ESS_LOG_FORMAT"))
	errs = append(errs, err)
	p.Logger = logger
	return p, errors.Join(errs...)
}

// credentials returns the reference to the credentials file.
func (p Process) credentials() tenant.Secret { return tenant.Secret(p.Creds) }

// NewLogger returns a logger of a level (debug, info, warn, error; default info) and a format (json, text; default json).
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if level != "" {
		if err := l.UnmarshalText([]byte(level)); err != nil {
			return nil, fmt.Errorf("ESS_LOG_LEVEL is %q: write debug, info, warn or error", level)
		}
	}
	options := &slog.HandlerOptions{Level: l}
	switch strings.ToLower(format) {
	case "", "json":
		return slog.New(traced{slog.NewJSONHandler(w, options)}), nil
	case "text":
		return slog.New(traced{slog.NewTextHandler(w, options)}), nil
	default:
		return nil, fmt.Errorf("ESS_LOG_FORMAT is %q: write json or text", format)
	}
}

// Frugal has garbage collected earlier than Go does by itself, unless GOGC says otherwise: a program that holds a whole
// register for some seconds a night should not need twice its size for it.
func Frugal() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(frugalPercent)
	}
}

const frugalPercent = 75

// shutdownGrace is how long a program may take to finish what it began after it was asked to stop.
const shutdownGrace = 20 * time.Second

// Signals returns a context that ends at SIGINT or SIGTERM, as any that was cancelled: to be asked to stop is no error. A
// second signal ends the process at once.
func Signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	asked, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(asked, func() {
		stop()
		cancel()
	})
	return ctx, cancel
}
