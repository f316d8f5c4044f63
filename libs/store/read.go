package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"eventful.se/ess/libs/roster"
)

// reading says what to read of a stream.
type reading struct {
	stream  string
	filter  string // one literal prefix: several filters are slow, and a permission can hang on one
	deliver jetstream.DeliverPolicy
	seq     uint64    // with DeliverByStartSequencePolicy
	since   time.Time // with DeliverByStartTimePolicy
	headers bool      // headers only
}

// window is how many messages are on their way to us.
const window = 4096

// heartbeat is how often the server says that it still has nothing. Who has less time for a request hears it more often.
const heartbeat = 5 * time.Second

// shortestHeartbeat is what a server can be asked to keep.
const shortestHeartbeat = 500 * time.Millisecond

var (
	errGap   = errors.New("a message is missing in the delivery")
	errStall = errors.New("nothing is delivered although something waits")
	errStop  = errors.New("read enough")
)

// consumer is a consumer of one reader, gone when the reader is. It stands in memory on one server: when that is lost,
// the reader makes another.
type consumer struct {
	jetstream.Consumer
	s       *Store
	r       reading
	pending uint64 // what waited when it was made
}

func (s *Store) newConsumer(ctx context.Context, r reading) (*consumer, error) {
	c := &consumer{s: s, r: r}
	cfg := jetstream.ConsumerConfig{
		Name: nuid.Next(), FilterSubject: r.filter, DeliverPolicy: r.deliver, OptStartSeq: r.seq, HeadersOnly: r.headers,
		AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: time.Minute, MemoryStorage: true, Replicas: 1,
	}
	if !r.since.IsZero() {
		cfg.OptStartTime = &r.since
	}
	err := s.request(ctx, r.stream, "", "read "+r.stream, func(ctx context.Context) (err error) {
		c.Consumer, err = s.js.CreateConsumer(ctx, r.stream, cfg)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.pending = c.CachedInfo().NumPending
	return c, nil
}

// noPull is a request for messages that every server refuses, for it wants heartbeats and has no end.
const noPull = `{"batch":1,"idle_heartbeat":1}`

// reached returns when a request for messages comes to the consumer. In a cluster the answer that it stands may come before our
// server knows where it stands, and the client notices that nobody heard a request only when heartbeats are missing.
func (c *consumer) reached(ctx context.Context) error {
	api := "$JS.API"
	if c.s.line != nil {
		api = "$JS." + lineDomain + ".API"
	}
	for retry := newRetry(); ; {
		_, err := c.s.nc.RequestWithContext(ctx, api+".CONSUMER.MSG.NEXT."+c.r.stream+"."+c.CachedInfo().Name, []byte(noPull))
		if !errors.Is(err, nats.ErrNoResponders) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retry.NextBackOff()):
		}
	}
}

// remove takes the consumer away, also when ctx has ended; one that cannot be reached goes by itself.
func (c *consumer) remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = c.s.js.DeleteConsumer(ctx, c.r.stream, c.CachedInfo().Name)
}

// delivery is a message as a consumer delivers it.
type delivery struct {
	jetstream.Msg
	seq     uint64
	time    time.Time
	pending uint64 // how many wait behind it
}

// each hands over the messages in order until each or the delivery ends with an error, which is never nil.
func (c *consumer) each(ctx context.Context, each func(delivery) error) error {
	if err := c.s.request(ctx, c.r.stream, "", "read "+c.r.stream, c.reached); err != nil {
		return err
	}
	it, err := c.Messages(jetstream.PullMaxMessages(window), jetstream.PullHeartbeat(max(shortestHeartbeat, min(heartbeat, c.s.timeout/2))), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return fmt.Errorf("read %s: %w", c.r.stream, err)
	}
	defer it.Stop()
	for delivered := uint64(1); ; delivered++ {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		md, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read %s: %w", c.r.stream, err)
		}
		if md.Sequence.Consumer != delivered {
			return errGap
		}
		if err := each(delivery{m, md.Sequence.Stream, md.Timestamp, md.NumPending}); err != nil {
			return err
		}
	}
}

// readAll reads what there is and returns the sequence of the last message.
func (s *Store) readAll(ctx context.Context, r reading, each func(delivery) error) (last uint64, err error) {
	c, err := s.newConsumer(ctx, r)
	if err != nil {
		return 0, err
	}
	defer c.remove(ctx)
	if c.pending == 0 {
		return 0, nil
	}
	ctx, stop := s.bad.watch(ctx, func(x refusal) bool { return concernsReading(x, r.stream) })
	defer stop()
	err = c.each(ctx, func(d delivery) error {
		if err := each(d); err != nil {
			return err
		}
		if last = d.seq; d.pending == 0 {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return last, nil
	}
	return last, endOf(ctx, err, "read "+r.stream, r.stream)
}

// endOf returns why a read ended: a refusal if there is one, else ctx, else err.
func endOf(ctx context.Context, err error, what, stream string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return wrapped(err, stream, what)
}

func position(i *jetstream.StreamInfo) roster.Position {
	return roster.Position{Log: i.Created.UTC(), Seq: i.State.LastSeq}
}

// end returns the position of a stream's end.
func (s *Store) end(ctx context.Context, stream string) (p roster.Position, err error) {
	err = s.request(ctx, stream, "", "ask for the end of "+stream, func(ctx context.Context) error {
		st, err := s.js.Stream(ctx, stream)
		if err == nil {
			p = position(st.CachedInfo())
		}
		return err
	})
	return p, err
}

// info returns a stream's state; with a filter on subjects, their counts too.
func (s *Store) info(ctx context.Context, stream string, opts ...jetstream.StreamInfoOpt) (i *jetstream.StreamInfo, err error) {
	err = s.request(ctx, stream, "", "ask about "+stream, func(ctx context.Context) error {
		st, err := s.js.Stream(ctx, stream)
		if err == nil {
			i, err = st.Info(ctx, opts...)
		}
		return err
	})
	return i, err
}

// lastMsg returns the last message on a subject, or jetstream.ErrMsgNotFound.
func (s *Store) lastMsg(ctx context.Context, stream, subject string) (m *jetstream.RawStreamMsg, err error) {
	err = s.request(ctx, stream, "", "read "+subject, func(ctx context.Context) error {
		st, err := s.js.Stream(ctx, stream)
		if err == nil {
			m, err = st.GetLastMsgForSubject(ctx, subject)
		}
		return err
	})
	return m, err
}

// lastSeq returns the sequence of the last message on a subject; 0 when there is none.
func (s *Store) lastSeq(ctx context.Context, stream, subject string) (uint64, error) {
	m, err := s.lastMsg(ctx, stream, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return m.Sequence, nil
}

func (s *Store) purge(ctx context.Context, stream string, opts ...jetstream.StreamPurgeOpt) error {
	return s.request(ctx, stream, "", "purge a part of "+stream, func(ctx context.Context) error {
		st, err := s.js.Stream(ctx, stream)
		if err == nil {
			err = st.Purge(ctx, opts...)
		}
		return err
	})
}
