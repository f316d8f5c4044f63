package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/google/uuid"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/services/connectors"
	"eventful.se/ess/services/ess/municipality"
)

// childWord is the first argument of a process that does one step and reports.
const childWord = "child"

// The steps of a child.
const (
	stepGenerate = "generate" // write the export
	stepAssemble = "assemble" // read the export and assemble records, as ess inspect does
	stepRead     = "read"     // a whole run of the reader
	stepDeliver  = "deliver"  // the writer, from its start to the delivered set
)

// work is what a child is told.
type work struct {
	size     size
	file     string
	data     string
	document string
	want     string
	profile  string
	base     string
	limit    int
	delay    time.Duration
	stderr   io.Writer
}

func child(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	if len(args) == 0 {
		return errors.New("no step is named")
	}
	w := work{stderr: stderr}
	f := flag.NewFlagSet(childWord, flag.ContinueOnError)
	w.size.flags(f)
	f.StringVar(&w.file, "file", "", "the export")
	f.StringVar(&w.data, "data", "", "where NATS keeps the log")
	f.StringVar(&w.document, "document", "", "what an operator wrote about the tenant")
	f.StringVar(&w.want, "want", "", "the state in which the run must end")
	f.StringVar(&w.profile, "profile", "", "where to write profiles, without the ending")
	f.StringVar(&w.base, "base", "", "the address of the lists of SS 12000")
	f.IntVar(&w.limit, "limit", 0, "how many objects a page has")
	f.DurationVar(&w.delay, "delay", 0, "how long to wait before each page")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	if w.profile != "" {
		stop, err := profile(w.profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	var r report
	switch args[0] {
	case stepServe:
		return w.serve(ctx, os.Stdin, stdout)
	case stepAPI:
		r, err = w.api(ctx)
	case stepFetch:
		r, err = w.fetch(ctx)
	case stepTables:
		err = w.tables()
	case stepRows, stepRowsRecords:
		r, err = w.rows(ctx, args[0] == stepRowsRecords)
	case stepGenerate:
		err = w.generate()
	case stepAssemble:
		r, err = w.assemble(ctx)
	case stepRead:
		r, err = w.read(ctx)
	case stepDeliver:
		r, err = w.deliver(ctx)
	default:
		err = fmt.Errorf("there is no step %q", args[0])
	}
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return json.NewEncoder(stdout).Encode(r)
}

// profile writes what the processor did until stop, and who asked for memory.
func profile(path string) (stop func() error, err error) {
	cpu, err := os.Create(path + ".cpu")
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		mem, err := os.Create(path + ".mem")
		if err != nil {
			return err
		}
		runtime.GC()
		return errors.Join(cpu.Close(), pprof.Lookup("allocs").WriteTo(mem, 0), mem.Close())
	}, nil
}

// clock returns the time of the municipality's day, which goes on as time does: whoever is in it today is so whenever
// this is run.
func clock() func() time.Time {
	begun := time.Now()
	morning := municipality.DefaultDay.Start().Add(9 * time.Hour)
	return func() time.Time { return morning.Add(time.Since(begun)) }
}

func (w *work) generate() error {
	m, err := municipality.Sized(w.size.persons, w.size.groups, w.size.members, w.size.seed)
	if err != nil {
		return err
	}
	paths, err := m.WriteDir(filepath.Dir(w.file), municipality.FormatAlvis, nil)
	if err != nil {
		return err
	}
	return os.Rename(paths[0], w.file)
}

// assemble does what ess inspect does before it prints.
func (w *work) assemble(ctx context.Context) (r report, err error) {
	c := connectors.Sources()[0]
	from := roster.Source{System: c.System, Instance: "default"}
	opened, err := c.New().Open(source.Env{Source: from, Logger: slog.New(slog.DiscardHandler), Now: clock()})
	if err != nil {
		return r, err
	}
	files, ok := opened.(source.FileReader)
	if !ok {
		return r, fmt.Errorf("%s reads no file", from)
	}
	keyer, err := roster.NewKeyer([]byte("a pepper of nobody, for measuring only"))
	if err != nil {
		return r, err
	}
	f, err := os.Open(w.file)
	if err != nil {
		return r, err
	}
	defer f.Close()
	a := fact.NewAssembler(fact.Options{Source: from, Keyer: keyer, Today: roster.Today(clock()())})
	read, err := files.ReadFile(ctx, filepath.Base(w.file), bufio.NewReaderSize(f, 1<<16), a.Add)
	if err != nil {
		return r, err
	}
	if read.Seen["persons"] != w.size.persons || read.Seen["groups"] != w.size.groups {
		return r, fmt.Errorf("saw %v, want %d persons and %d groups", read.Seen, w.size.persons, w.size.groups)
	}
	r.Count = len(a.Assemble().Records)
	return r, nil
}

// installation is a small installation: everything in one process, NATS too.
type installation struct {
	server *store.Server
	store  *store.Store
	*service.Tenant
}

func (w *work) install(ctx context.Context, sources []source.Connector, targets []target.Connector, observe service.Observer) (i installation, err error) {
	document, err := tenant.Load(w.document)
	if err != nil {
		return i, err
	}
	logger, err := service.NewLogger(w.stderr, "warn", "text")
	if err != nil {
		return i, err
	}
	telemetry, err := service.NewTelemetry(ctx, "ess", false)
	if err != nil {
		return i, err
	}
	if i.server, err = store.Embedded(store.ServerOptions{Dir: w.data, Listen: true, Logger: logger}); err != nil {
		return i, err
	}
	if i.store, err = store.Connect(ctx, store.Options{URL: i.server.URL(), Name: "ess-bench", Logger: logger}); err != nil {
		return i, err
	}
	if err = i.store.EnsureTenant(ctx, document.Tenant, 1); err != nil {
		return i, err
	}
	host := &service.Host{
		Store: i.store, Owner: "bench", Logger: logger, Telemetry: telemetry, Now: clock(), NewID: uuid.NewString, Observe: observe,
	}
	i.Tenant, err = host.Open(document, sources, targets)
	return i, err
}

func (i installation) close() {
	i.store.Close()
	i.server.Shutdown()
}

// timedLog is a log that takes the time of its publications.
type timedLog struct {
	source.Log
	took    time.Duration
	changes int
}

// Publish publishes.
func (l *timedLog) Publish(ctx context.Context, s roster.Source, run string, changes []source.Change, progress func(done int)) error {
	begun := time.Now()
	err := l.Log.Publish(ctx, s, run, changes, progress)
	l.took += time.Since(begun)
	l.changes += len(changes)
	return err
}

// read fetches the export, compares it with the log and publishes what differs.
func (w *work) read(ctx context.Context) (r report, err error) {
	i, err := w.install(ctx, connectors.Sources(), nil, service.Observer{})
	if err != nil {
		return r, err
	}
	defer i.close()
	for _, reader := range i.Readers {
		log := &timedLog{Log: reader.Log}
		reader.Log = log
		run, err := reader.Run(ctx)
		switch {
		case err != nil:
			return r, err
		case string(run.State) != w.want:
			return r, fmt.Errorf("the run is %s (%v), want %s", run.State, run.Reason, w.want)
		}
		r.Count, r.Seconds = r.Count+log.changes, r.Seconds+log.took.Seconds()
	}
	return r, nil
}

// deliver runs the link until the set is delivered.
func (w *work) deliver(ctx context.Context) (r report, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	delivered := errors.New("delivered")
	i, err := w.install(ctx, nil, connectors.Targets(), service.Observer{
		Settled: func(_ string, _ roster.Source, s target.Settled) {
			switch {
			case ctx.Err() != nil: // a round after the one that is measured
			case s.Delivered == "":
				cancel(fmt.Errorf("nothing was delivered: %+v", s))
			default:
				r.Count, r.Seconds = s.Operations(), (s.PlanTook + s.RenderTook).Seconds()
				cancel(delivered)
			}
		},
	})
	if err != nil {
		return r, err
	}
	defer i.close()
	if err := i.Run(ctx); err != nil && !errors.Is(err, delivered) {
		return r, err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, delivered) {
		return r, cause
	}
	return r, nil
}
