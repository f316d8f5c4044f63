package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// What is here reads a little of a tenant, where Load reads all of it: what concerns one person.

// About reads the last message of each source about an entity, tombstones too.
func (l *Log) About(ctx context.Context, ref roster.Ref, each func(roster.Event)) error {
	r := reading{
		stream:  l.stream,
		filter:  logSubjects + l.tenant + ".*.*." + string(ref.Kind) + "." + ref.Key.String(),
		deliver: jetstream.DeliverLastPerSubjectPolicy,
	}
	_, err := l.s.readAll(ctx, r, func(d delivery) error {
		each(event(d, false))
		return nil
	})
	return err
}

// Naming reads the last message about each entity of a kind in whose bytes any of the words stands; without words that of
// every entity. With a source only what that one says is read. It decodes nothing else: a word that is found may stand for
// something else there, which the caller looks after.
func (l *Log) Naming(ctx context.Context, kind roster.Kind, s roster.Source, words [][]byte, each func(roster.Event)) error {
	return l.naming(ctx, kind, s, words, jetstream.DeliverLastPerSubjectPolicy, each)
}

// NamingEver is Naming of every message that the log still has, the oldest first.
func (l *Log) NamingEver(ctx context.Context, kind roster.Kind, s roster.Source, words [][]byte, each func(roster.Event)) error {
	return l.naming(ctx, kind, s, words, jetstream.DeliverAllPolicy, each)
}

func (l *Log) naming(ctx context.Context, kind roster.Kind, s roster.Source, words [][]byte, deliver jetstream.DeliverPolicy, each func(roster.Event)) error {
	of := "*.*"
	if s != (roster.Source{}) {
		if err := validSource(s); err != nil {
			return err
		}
		of = s.System + "." + s.Instance
	}
	r := reading{stream: l.stream, filter: logSubjects + l.tenant + "." + of + "." + string(kind) + ".*", deliver: deliver}
	_, err := l.s.readAll(ctx, r, func(d delivery) error {
		if len(words) == 0 || slices.ContainsFunc(words, func(w []byte) bool { return bytes.Contains(d.Data(), w) }) {
			each(event(d, false))
		}
		return nil
	})
	return err
}

// Each reads the last message of some sources about some entities, one request each and many at once. What a source says
// nothing of is left out.
func (l *Log) Each(ctx context.Context, refs []roster.Ref, sources []roster.Source, each func(roster.Event)) error {
	var subjects []string
	for _, s := range sources {
		if err := validSource(s); err != nil {
			return err
		}
		for _, ref := range refs {
			subjects = append(subjects, under(logSubjects, l.tenant, s)+string(ref.Kind)+"."+ref.Key.String())
		}
	}
	return l.s.lastMsgs(ctx, l.stream, subjects, func(m *jetstream.RawStreamMsg) error {
		each(event(delivery{Msg: stored{raw: m}, seq: m.Sequence, time: m.Time}, false))
		return nil
	})
}

// Entries reads what the ledger knows of some resources of a link, by id. What it knows nothing of is left out.
func (l *Ledger) Entries(ctx context.Context, link roster.Source, ids []target.ID) ([]target.Entry, error) {
	if err := validSource(link); err != nil {
		return nil, err
	}
	prefix := under(ledgerSubjects, l.tenant, link) + "entry."
	subjects := make([]string, len(ids))
	for i, id := range ids {
		subjects[i] = prefix + token(id.Kind, id.Key)
	}
	var list []target.Entry
	err := l.s.lastMsgs(ctx, l.stream, subjects, func(m *jetstream.RawStreamMsg) error {
		if len(m.Data) == 0 {
			return nil // it was taken out
		}
		e, err := decodeEntry(m.Data)
		if err != nil {
			return unreadable(delivery{Msg: stored{raw: m}, seq: m.Sequence, time: m.Time}, err)
		}
		list = append(list, e)
		return nil
	})
	slices.SortFunc(list, func(a, b target.Entry) int { return a.ID.Compare(b.ID) })
	return list, err
}

// Delivered returns a delivered set of a link, of which only the parts that are read are fetched, and how long it is. It is
// an error that there is none under the name, or that another takes its place meanwhile.
func (l *Ledger) Delivered(ctx context.Context, link roster.Source, name string) (io.ReaderAt, int64, error) {
	if err := validSource(link); err != nil {
		return nil, 0, err
	}
	prefix := under(blobSubjects, l.tenant, link) + token(name) + "."
	head, err := l.s.lastMsg(ctx, l.stream, prefix+"head")
	if err != nil {
		return nil, 0, fmt.Errorf("blob %s of link %s: %w", name, link, err)
	}
	n, err := strconv.Atoi(head.Header.Get(headerChunks))
	digest := head.Header.Get(headerDigest)
	if err != nil || n < 1 || len(digest) != 2*sha256.Size {
		return nil, 0, fmt.Errorf("blob %s of link %s: its head is not readable", name, link)
	}
	b := &delivered{ctx: ctx, s: l.s, stream: l.stream, prefix: prefix + digest[:16] + ".", chunks: map[int][]byte{}, n: n}
	if err := b.fetch(n-1, n-1); err != nil {
		return nil, 0, fmt.Errorf("blob %s of link %s: %w", name, link, err)
	}
	return b, int64(n-1)*chunk + int64(len(b.chunks[n-1])), nil
}

// delivered reads a blob in parts, one after the other. It lives for one call.
type delivered struct {
	ctx            context.Context //nolint:containedctx // io.ReaderAt takes none
	s              *Store
	stream, prefix string
	n              int
	chunks         map[int][]byte
}

// fetch gets chunks that are not there yet.
func (b *delivered) fetch(first, last int) error {
	var subjects []string
	for i := first; i <= last; i++ {
		if b.chunks[i] == nil {
			subjects = append(subjects, b.prefix+strconv.Itoa(i))
		}
	}
	err := b.s.lastMsgs(b.ctx, b.stream, subjects, func(m *jetstream.RawStreamMsg) error {
		i, err := strconv.Atoi(strings.TrimPrefix(m.Subject, b.prefix))
		b.chunks[i] = m.Data
		return err
	})
	for i := first; i <= last && err == nil; i++ {
		if b.chunks[i] == nil {
			err = fmt.Errorf("chunk %d of %d is missing: another set has taken its place", i+1, b.n)
		}
	}
	return err
}

// ReadAt reads from an offset.
func (b *delivered) ReadAt(p []byte, off int64) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	first, last := int(off/chunk), int((off+int64(len(p))-1)/chunk)
	if off < 0 || first >= b.n {
		return 0, io.EOF
	}
	if err := b.fetch(first, min(last, b.n-1)); err != nil {
		return 0, err
	}
	for n < len(p) {
		at := off + int64(n)
		have := b.chunks[int(at/chunk)]
		if at%chunk >= int64(len(have)) {
			return n, io.EOF
		}
		n += copy(p[n:], have[at%chunk:])
	}
	return n, nil
}

// atOnce is how many requests for single messages are under way together.
const atOnce = 32

// lastMsgs hands over the last message on each of some subjects, in no order and one at a time. A subject without one is
// left out.
func (s *Store) lastMsgs(ctx context.Context, stream string, subjects []string, each func(*jetstream.RawStreamMsg) error) error {
	if len(subjects) == 0 {
		return nil
	}
	var st jetstream.Stream
	err := s.request(ctx, stream, "", "look for stream "+stream, func(ctx context.Context) (err error) {
		st, err = s.js.Stream(ctx, stream)
		return err
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	var mu sync.Mutex
	for _, subject := range subjects {
		group.Go(func() error {
			var m *jetstream.RawStreamMsg
			err := s.request(ctx, stream, "", "read "+subject, func(ctx context.Context) (err error) {
				m, err = st.GetLastMsgForSubject(ctx, subject)
				return err
			})
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			return each(m)
		})
	}
	return group.Wait()
}

// stored is a message that was asked for by itself, where only what it says is looked at: there is nothing to acknowledge.
type stored struct {
	jetstream.Msg // nil
	raw           *jetstream.RawStreamMsg
}

func (s stored) Data() []byte         { return s.raw.Data }
func (s stored) Headers() nats.Header { return s.raw.Header }
func (s stored) Subject() string      { return s.raw.Subject }
