package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// controlStream holds what operators ask of the readers and links of all tenants.
const controlStream = "ESS-CONTROL"

// standing is the id of the ask that says whether a place is paused: it is overwritten, and never swept.
const standing = "paused"

// Asks that a reader keeps for itself, each with an ID of its own.
const (
	HintAsk         = "hint"         // the read that its register's last hints came to
	SubscriptionAsk = "subscription" // what its register has promised to tell; never to be done
	SiteAsk         = "site"         // that the program at the customer's lives, and how its line was; never to be done
)

// ErrAskChanged says that somebody else took, answered or called off an ask meanwhile.
var ErrAskChanged = errors.New("somebody else took, answered or called off the ask meanwhile")

// Place is a reader or a link: what an ask is about, and what its owner answers for.
type Place struct{ Program, Tenant, Instance string }

// What the program of a place begins with.
const (
	sourceProgram = "source-"
	targetProgram = "target-"
)

// SourcePlace returns the place of a reader.
func SourcePlace(tenant string, s roster.Source) Place {
	return Place{sourceProgram + s.System, tenant, s.Instance}
}

// LinkPlace returns the place of a link.
func LinkPlace(tenant string, target roster.Source) Place {
	return Place{targetProgram + target.System, tenant, target.Instance}
}

// Link tells whether it is the place of a link.
func (p Place) Link() bool { return strings.HasPrefix(p.Program, targetProgram) }

// Ref returns the system and the instance.
func (p Place) Ref() roster.Source {
	_, system, _ := strings.Cut(p.Program, "-")
	return roster.Source{System: system, Instance: p.Instance}
}

func (p Place) subject(id string) string {
	return controlSubjects + p.Program + "." + p.Tenant + "." + p.Instance + "." + id
}

func (p Place) valid() error {
	return cmp.Or(validToken("program", p.Program), validToken("tenant", p.Tenant), validToken("instance", p.Instance))
}

// Verb is what is asked.
type Verb string

// The verbs.
const (
	VerbRead   Verb = "read"   // of a source: read now
	VerbCheck  Verb = "check"  // tell, step by step, what would work; change nothing
	VerbPause  Verb = "pause"  // do nothing until resumed, over restarts too
	VerbResume Verb = "resume" // go on
	VerbReplay Verb = "replay" // of a link: plan what the log took since a time
	VerbResync Verb = "resync" // of a link: plan everything
	VerbSync   Verb = "sync"   // of a link: plan some entities
	VerbRetry  Verb = "retry"  // of a link: try what is parked again
	// VerbPasswords has a link give accounts of some persons other passwords: of a group or a unit those of its pupils.
	VerbPasswords Verb = "passwords"
)

// AskState is how far an ask is.
type AskState string

// The states.
const (
	AskNew     AskState = "asked"
	AskWorking AskState = "working" // who was at it and went without an answer is followed by the next owner, who does it
	AskDone    AskState = "done"
	AskFailed  AskState = "failed"
)

// Ask is one thing that an operator asks of a reader or a link, with its answer. It holds keys, never the name or the
// number of a pupil.
type Ask struct {
	Place
	ID            string
	Verb          Verb
	Asked         time.Time
	By, Why       string
	Since         time.Time    // of a replay
	Verify, Force bool         // of a resync
	Refs          []roster.Ref // of a sync, or of passwords

	State        AskState
	Worker       string // who does or did it
	Begun, Ended time.Time
	Reason       *reason.Reason // why it failed, or what stopped it last
	Text         string         // what came of it, in English
	Counts       map[string]int
	Detail       []byte // what else there is to tell, as JSON; empty for nothing

	seq uint64
}

// Open tells whether it is still to be done.
func (a Ask) Open() bool { return a.State == AskNew || a.State == AskWorking }

// Standing tells whether it says how the place stands, paused or not, until the next one says otherwise.
func (a Ask) Standing() bool { return a.ID == standing }

// Pauses tells whether the place does nothing for it.
func (a Ask) Pauses() bool { return a.Standing() && a.Verb == VerbPause && a.State != AskFailed }

// After tells whether it is a later state of the same ask than another.
func (a Ask) After(b Ask) bool { return a.seq > b.seq }

// With returns another ask, to be put in place of a.
func (a Ask) With(b Ask) Ask {
	b.seq = a.seq
	return b
}

// Control keeps what operators ask of readers and links. It is safe for concurrent use.
type Control struct{ s *Store }

// Control returns what is asked. A cluster without the stream shows at the first call, as log-missing.
func (s *Store) Control() *Control { return &Control{s} }

// EnsureControl makes the stream of what is asked if there is none, with 1, 3 or 5 replicas.
func (s *Store) EnsureControl(ctx context.Context, replicas int) error {
	return s.request(ctx, controlStream, "", "make stream "+controlStream, func(ctx context.Context) error {
		_, err := s.js.Stream(ctx, controlStream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			_, err = s.js.CreateStream(ctx, jetstream.StreamConfig{
				Name: controlStream, Description: "what operators ask of readers and links, and the answers", Subjects: []string{controlSubjects + ">"},
				Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, Replicas: replicas,
				MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: 1, Duplicates: time.Second,
			})
		}
		return err
	})
}

// Ask asks. One to pause or to resume takes the place of the one before, whatever its ID; every other one has an ID of
// its own.
func (c *Control) Ask(ctx context.Context, a Ask) (Ask, error) {
	if a.Verb == VerbPause || a.Verb == VerbResume {
		a.ID = standing
		before, err := c.Get(ctx, a.Place, standing)
		if err != nil {
			return a, err
		}
		a.seq = before.seq
	} else if a.ID == standing {
		return a, fmt.Errorf("ask to %s: %q is no id of an ask", a.Verb, a.ID)
	}
	a.State = AskNew
	return c.Put(ctx, a)
}

// Put keeps an ask in place of the one that was read. It ends with ErrAskChanged when another came after that one.
func (c *Control) Put(ctx context.Context, a Ask) (Ask, error) {
	if err := cmp.Or(a.valid(), validToken("the id of an ask", a.ID)); err != nil {
		return a, err
	}
	body, err := marshal(askTo(a))
	if err != nil {
		return a, fmt.Errorf("keep ask %s: %w", a.ID, err)
	}
	m := nats.NewMsg(a.subject(a.ID))
	m.Data = body
	expectSeq(m, a.seq)
	if err := c.s.checkSize(m, subjectName(m.Subject)); err != nil {
		return a, err
	}
	seq, err := c.s.publish(ctx, controlStream, m)
	if refusedExpectation(err) {
		return a, fmt.Errorf("ask %s: %w", a.ID, ErrAskChanged)
	}
	if err != nil {
		return a, fmt.Errorf("keep ask %s: %w", a.ID, err)
	}
	a.seq = seq
	return a, nil
}

// Get returns an ask; the zero value with its place and ID where there is none.
func (c *Control) Get(ctx context.Context, p Place, id string) (Ask, error) {
	none := Ask{Place: p, ID: id}
	if err := cmp.Or(p.valid(), validToken("the id of an ask", id)); err != nil {
		return none, err
	}
	m, err := c.s.lastMsg(ctx, controlStream, p.subject(id))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("ask %s: %w", id, err)
	}
	return askFrom(m.Subject, m.Data, m.Sequence)
}

// Paused returns the ask that says whether a place is paused, and since when; see [Ask.Pauses].
func (c *Control) Paused(ctx context.Context, p Place) (Ask, error) { return c.Get(ctx, p, standing) }

// Reach tells whether anything can be asked: NATS answers, and there is the stream of it.
func (c *Control) Reach(ctx context.Context) error {
	_, err := c.s.end(ctx, controlStream)
	return err
}

// List returns every ask that is kept, of a tenant or with none named of all, in the order in which they were asked. One
// that cannot be read is left out: it is somebody's of a newer version.
func (c *Control) List(ctx context.Context, tenant string) (list []Ask, err error) {
	r := reading{stream: controlStream, filter: controlSubjects + ">", deliver: jetstream.DeliverLastPerSubjectPolicy}
	_, err = c.s.readAll(ctx, r, func(d delivery) error {
		a, err := askFrom(d.Subject(), d.Data(), d.seq)
		if err == nil && (tenant == "" || a.Tenant == tenant) {
			list = append(list, a)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b Ask) int { return cmp.Or(a.Asked.Compare(b.Asked), cmp.Compare(a.seq, b.seq)) })
	return list, err
}

// Follow hands over the asks that are kept of a program, or with none named of all, and of a tenant, or of all, and then those that come, each as it
// is by then, until ctx ends or each returns an error. It calls caughtUp whenever it has handed over all that was kept
// when it began to read. A lost connection or a gap makes it read on; a stream that is not there is waited for.
func (c *Control) Follow(ctx context.Context, program, tenant string, each func(Ask), caughtUp func()) error {
	filter := controlSubjects
	for what, token := range map[string]string{"program": program, "tenant": tenant} {
		if token != "" {
			if err := validToken(what, token); err != nil {
				return err
			}
		}
	}
	switch {
	case tenant != "":
		filter += cmp.Or(program, "*") + "." + tenant + ".>"
	case program != "":
		filter += program + ".>"
	default:
		filter += ">"
	}
	return c.s.tail(ctx, controlStream, filter, func(d delivery) {
		a, err := askFrom(d.Subject(), d.Data(), d.seq)
		if err != nil {
			c.s.log.ErrorContext(ctx, "an ask cannot be read and is left alone", "subject", d.Subject(), "error", err)
			return
		}
		each(a)
	}, caughtUp)
}

// Wait returns an ask once it is done, failed or changed to another; meanwhile it tells each step.
func (c *Control) Wait(ctx context.Context, a Ask, each func(Ask)) (Ask, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	last := a
	err := c.s.tail(ctx, controlStream, a.subject(a.ID), func(d delivery) {
		if next, err := askFrom(d.Subject(), d.Data(), d.seq); err == nil && next.seq >= a.seq {
			if last = next; each != nil {
				each(next)
			}
			if !next.Open() {
				stop()
			}
		}
	}, func() {})
	if !last.Open() {
		return last, nil
	}
	return last, err
}

// Sweep takes out the answers of a tenant, or with none named of all, that are older than a time, and returns how many there
// were. What is still to be done stays, and so does what says that a place is paused.
func (c *Control) Sweep(ctx context.Context, tenant string, before time.Time) (n int, err error) {
	list, err := c.List(ctx, tenant)
	if err != nil {
		return 0, err
	}
	for _, a := range list {
		if a.Open() || a.Standing() || !a.Ended.Before(before) {
			continue
		}
		if err := c.s.purge(ctx, controlStream, jetstream.WithPurgeSubject(a.subject(a.ID)), jetstream.WithPurgeSequence(a.seq+1)); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// tail hands over the newest message of every subject of a filter in a stream with one message a subject, and then those
// that come, until ctx ends; caughtUp is called whenever all that stood has been handed over. It goes on by itself after a
// lost connection or stream.
func (s *Store) tail(ctx context.Context, stream, filter string, each func(delivery), caughtUp func()) error {
	retry := newRetry()
	var at roster.Position
	for said := reason.Code(""); ; {
		end, err := s.end(ctx, stream)
		if err == nil {
			if at.Regressed(end) || at.IsZero() {
				at = roster.Position{Log: end.Log}
			}
			before := at.Seq
			if err = s.tailOnce(ctx, stream, filter, &at, each, caughtUp); at.Seq != before {
				retry.Reset()
				said = ""
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if code := reason.Of(err).Code; code != said { // once, not at every try
			said = code
			s.log.WarnContext(ctx, "a stream cannot be followed; trying again", "stream", stream, "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retry.NextBackOff()):
		}
	}
}

func (s *Store) tailOnce(ctx context.Context, stream, filter string, at *roster.Position, each func(delivery), caughtUp func()) error {
	ctx, stop := s.bad.watch(ctx, func(x refusal) bool { return concernsReading(x, stream) })
	defer stop()
	c, err := s.newConsumer(ctx, reading{stream: stream, filter: filter, deliver: jetstream.DeliverByStartSequencePolicy, seq: at.Seq + 1})
	if err != nil {
		return err
	}
	defer c.remove(ctx)
	behind := c.pending > 0
	if !behind {
		caughtUp()
	}
	err = c.each(ctx, func(d delivery) error {
		each(d)
		at.Seq = d.seq
		if behind && d.pending == 0 {
			behind = false
			caughtUp()
		}
		return ctx.Err()
	})
	return endOf(ctx, err, "follow "+stream, stream)
}
