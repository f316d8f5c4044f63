package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	essv1 "eventful.se/ess/proto/ess/v1"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// Ledger keeps what is known that the targets of one tenant hold: one compacted stream, in which every entry of every
// link has its subject. It is safe for concurrent use.
type Ledger struct {
	s      *Store
	tenant string
	stream string
}

var (
	_ target.Ledger = (*Ledger)(nil)
	_ target.Book   = (*Book)(nil)
)

// Ledger returns the ledger of a tenant. A tenant that has none shows at the first call.
func (s *Store) Ledger(tenant string) *Ledger { return &Ledger{s, tenant, ledgerStream(tenant)} }

// Own makes the caller the owner of a link: what an older owner writes is refused from then on. The sequence of the
// owner's record is its epoch, and each expects the one before: of two who take a link over at once, one gets ErrOwned.
func (l *Ledger) Own(ctx context.Context, link roster.Source, by target.Owner) (target.Book, error) {
	if err := validSource(link); err != nil {
		return nil, err
	}
	b := l.book(link, by)
	var err error
	if b.epoch, err = b.free(ctx); err != nil {
		return nil, fmt.Errorf("own link %s: %w", link, err)
	}
	err = b.sign(ctx, &essv1.Owner{Schema: schemaMajor, Owner: by.Name, Session: by.Session})
	if refusedExpectation(err) {
		err = fmt.Errorf("%w: %w", target.ErrOwned, err)
	}
	if err != nil {
		return nil, fmt.Errorf("own link %s: %w", link, err)
	}
	return b, nil
}

// free returns the epoch of the owner that the link had last, or ErrOwned when that one has it still.
func (b *Book) free(ctx context.Context) (epoch uint64, err error) {
	last, epoch, err := b.last(ctx)
	if err != nil || last.GetHandedOver() || last.GetSession() == "" || last.GetSession() == b.owner.Session || b.owner.Lives == nil {
		return epoch, err
	}
	lives, err := b.owner.Lives(ctx, last.GetSession())
	if err != nil {
		return 0, fmt.Errorf("ask whether its owner %s lives: %w", last.GetOwner(), err)
	}
	if lives {
		return 0, fmt.Errorf("%w: %s", target.ErrOwned, last.GetOwner())
	}
	return epoch, nil
}

// last returns the record of the owner that the link has or had last, an empty one for none, and its epoch.
func (b *Book) last(ctx context.Context) (*essv1.Owner, uint64, error) {
	o := &essv1.Owner{}
	m, err := b.l.s.lastMsg(ctx, b.l.stream, b.prefix+"owner")
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return o, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if err := unmarshal(m.Data, o); err != nil {
		return nil, 0, fmt.Errorf("the record of its owner is not readable: %w", err)
	}
	return o, m.Sequence, nil
}

// sign writes the record of the owner after the one of the book's epoch, which it becomes.
func (b *Book) sign(ctx context.Context, o *essv1.Owner) error {
	m := nats.NewMsg(b.prefix + "owner")
	expectSeq(m, b.epoch)
	var err error
	if m.Data, err = marshal(o); err != nil {
		return err
	}
	seq, err := b.l.s.publish(ctx, b.l.stream, m)
	if err == nil {
		b.epoch = seq
	}
	return err
}

// HandOver says that a session has ended what it had of a link, so that the next owner need not wait for the session to
// end: whatever the session writes is refused after it. It does nothing where the session is not the owner.
func (l *Ledger) HandOver(ctx context.Context, link roster.Source, by target.Owner) error {
	b := l.book(link, by)
	last, epoch, err := b.last(ctx)
	if err == nil && (last.GetSession() != by.Session || last.GetHandedOver()) {
		return nil
	}
	if err == nil {
		b.epoch = epoch
		err = b.sign(ctx, &essv1.Owner{Schema: schemaMajor, Owner: by.Name, Session: by.Session, HandedOver: true})
	}
	if err != nil && !refusedExpectation(err) { // another has it already
		return fmt.Errorf("hand link %s over: %w", link, err)
	}
	return nil
}

// Holder is who owns a link.
type Holder struct {
	Owner      string
	Session    string // empty where there is only one process at a time
	HandedOver bool   // it has ended
	Since      time.Time
}

// Holders returns who owns each link that ever had an owner.
func (l *Ledger) Holders(ctx context.Context) (map[roster.Source]Holder, error) {
	holders := map[roster.Source]Holder{}
	r := reading{stream: l.stream, filter: ledgerSubjects + l.tenant + ".*.*.owner", deliver: jetstream.DeliverLastPerSubjectPolicy}
	_, err := l.s.readAll(ctx, r, func(d delivery) error {
		var o essv1.Owner
		if err := unmarshal(d.Data(), &o); err != nil {
			return unreadable(d, err)
		}
		tokens := strings.Split(d.Subject(), ".")
		holders[roster.Source{System: tokens[2], Instance: tokens[3]}] = Holder{o.GetOwner(), o.GetSession(), o.GetHandedOver(), d.time}
		return nil
	})
	return holders, err
}

// Marks returns how far each link has come that has ever settled, without owning any.
func (l *Ledger) Marks(ctx context.Context) (map[roster.Source]target.Mark, error) {
	marks := map[roster.Source]target.Mark{}
	r := reading{stream: l.stream, filter: ledgerSubjects + l.tenant + ".*.*.mark", deliver: jetstream.DeliverLastPerSubjectPolicy}
	_, err := l.s.readAll(ctx, r, func(d delivery) error {
		m, err := decodeMark(d.Data())
		if err != nil {
			return unreadable(d, err)
		}
		tokens := strings.Split(d.Subject(), ".")
		marks[roster.Source{System: tokens[2], Instance: tokens[3]}] = m
		return nil
	})
	return marks, err
}

// Look returns the book of a link to read only, whoever owns it.
func (l *Ledger) Look(_ context.Context, link roster.Source) (target.Book, error) {
	if err := validSource(link); err != nil {
		return nil, err
	}
	b := l.book(link, target.Owner{})
	b.readOnly = true
	return b, nil
}

func (l *Ledger) book(link roster.Source, by target.Owner) *Book {
	return &Book{l: l, link: link, owner: by, prefix: under(ledgerSubjects, l.tenant, link), blobs: under(blobSubjects, l.tenant, link)}
}

// Book is the ledger of one link in the hands of its owner, or of who only looks. It is safe for concurrent use; writes wait for each other.
type Book struct {
	l      *Ledger
	link   roster.Source
	prefix string
	blobs  string
	owner  target.Owner
	epoch  uint64

	readOnly bool
	mu       sync.Mutex
}

// Load reads every entry, and the mark.
func (b *Book) Load(ctx context.Context, each func(target.Entry) error) (m target.Mark, err error) {
	r := reading{stream: b.l.stream, filter: b.prefix + ">", deliver: jetstream.DeliverLastPerSubjectPolicy}
	_, err = b.l.s.readAll(ctx, r, func(d delivery) error {
		switch what := strings.TrimPrefix(d.Subject(), b.prefix); {
		case what == "mark":
			if m, err = decodeMark(d.Data()); err != nil {
				return unreadable(d, err)
			}
		case strings.HasPrefix(what, "entry.") && len(d.Data()) > 0: // an empty one was taken out
			e, err := decodeEntry(d.Data())
			if err != nil {
				return unreadable(d, err)
			}
			return each(e)
		}
		return nil
	})
	return m, err
}

// Save records entries and the mark, in atomic batches, the mark in the last. When NATS did not answer (reason
// OutcomeUnknown) all, a part or nothing of it stands; to save the same again is right.
func (b *Book) Save(ctx context.Context, entries []target.Entry, m target.Mark) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.writer()
	for _, e := range entries {
		msg := nats.NewMsg(b.prefix + "entry." + token(e.ID.Kind, e.ID.Key))
		if e.State != target.Gone || e.Reason != nil {
			body, err := encodeEntry(e)
			if err != nil {
				return fmt.Errorf("save entry of %s in link %s: %w", e.Entity, b.link, err)
			}
			msg.Data = body
		}
		if err := b.l.s.checkSize(msg, e.Entity); err != nil {
			return fmt.Errorf("save entry in link %s: %w", b.link, err)
		}
		if err := w.add(ctx, msg); err != nil {
			return err
		}
	}
	mark := nats.NewMsg(b.prefix + "mark")
	var err error
	if mark.Data, err = encodeMark(m); err != nil {
		return fmt.Errorf("save mark of link %s: %w", b.link, err)
	}
	if err := w.add(ctx, mark); err != nil {
		return err
	}
	return w.flush(ctx)
}

// writer collects messages into batches, each headed by the fence that expects us to be the owner still.
type writer struct {
	b    *Book
	msgs []*nats.Msg
	size int
}

func (b *Book) writer() *writer { return &writer{b: b} }

func (w *writer) add(ctx context.Context, m *nats.Msg) error {
	if w.b.readOnly {
		return target.ErrReadOnly
	}
	if len(w.msgs) >= maxBatch-1 || len(w.msgs) > 0 && w.size+m.Size() > maxBatchBytes {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.msgs, w.size = append(w.msgs, m), w.size+m.Size()
	return nil
}

func (w *writer) flush(ctx context.Context) error {
	b := w.b
	msgs := append([]*nats.Msg{fence(b.prefix+"fence", b.prefix+"owner", b.epoch)}, w.msgs...)
	w.msgs, w.size = w.msgs[:0], 0
	err := b.l.s.publishBatch(ctx, b.l.stream, msgs)
	if !refusedExpectation(err) {
		return err
	}
	// A refusal is no proof of another owner: something else may have been under way on the subject.
	owner, seqErr := b.l.s.lastSeq(ctx, b.l.stream, b.prefix+"owner")
	switch {
	case seqErr != nil:
		return errors.Join(err, seqErr)
	case owner != b.epoch:
		return fmt.Errorf("write the ledger of link %s: %w", b.link, target.ErrOwnerLost)
	default:
		return reason.Errorf(reason.Transient, err, reason.OutcomeUnknown, "what", "a batch for "+b.l.stream)
	}
}

// chunk is how much of a blob stands in one message; well below the default max_payload of 1 MiB.
const chunk = 512 << 10

// The headers of a blob's head, which is written with its last chunk.
const (
	headerChunks = "Ess-Chunks"
	headerDigest = "Ess-Digest"
)

// Put keeps a blob under a name, then removes the blobs of this link other than name and keep. An interrupted Put
// leaves no blob under the name, unless one stood there.
func (b *Book) Put(ctx context.Context, name, keep string, data []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := sha256.Sum256(data)
	version := hex.EncodeToString(sum[:8])
	prefix := b.blobs + token(name) + "."
	w := b.writer()
	n := 0
	for rest := data; len(rest) > 0; n++ {
		size := min(len(rest), chunk)
		m := nats.NewMsg(prefix + version + "." + strconv.Itoa(n))
		m.Data, rest = rest[:size], rest[size:]
		if err := w.add(ctx, m); err != nil {
			return err
		}
	}
	head := nats.NewMsg(prefix + "head")
	head.Header[headerChunks] = []string{strconv.Itoa(n)}
	head.Header[headerDigest] = []string{hex.EncodeToString(sum[:])}
	if err := w.add(ctx, head); err != nil {
		return err
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	return b.removeBlobs(ctx, map[string]string{token(name): version, token(keep): ""})
}

// Blob returns a blob. It is an error that there is none under the name.
func (b *Book) Blob(ctx context.Context, name string) ([]byte, error) {
	prefix := b.blobs + token(name) + "."
	head, err := b.l.s.lastMsg(ctx, b.l.stream, prefix+"head")
	if err != nil {
		return nil, fmt.Errorf("blob %s of link %s: %w", name, b.link, err)
	}
	digest := head.Header.Get(headerDigest)
	n, err := strconv.Atoi(head.Header.Get(headerChunks))
	if err != nil || len(digest) != 2*sha256.Size {
		return nil, fmt.Errorf("blob %s of link %s: its head is not readable", name, b.link)
	}
	var data []byte
	for i := range n {
		m, err := b.l.s.lastMsg(ctx, b.l.stream, prefix+digest[:16]+"."+strconv.Itoa(i))
		if err != nil {
			return nil, fmt.Errorf("blob %s of link %s, chunk %d of %d: %w", name, b.link, i+1, n, err)
		}
		data = append(data, m.Data...)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("blob %s of link %s is damaged: its digest is another", name, b.link)
	}
	return data, nil
}

// removeBlobs removes the blobs of the link but those of the kept names, of which only the version is left where one
// is given.
func (b *Book) removeBlobs(ctx context.Context, kept map[string]string) error {
	var subjects map[string]uint64
	st, err := b.l.s.info(ctx, b.l.stream, jetstream.WithSubjectFilter(b.blobs+">"))
	if err != nil {
		return err
	}
	subjects = st.State.Subjects
	drop := make(map[string]struct{})
	for subject := range subjects {
		t := strings.Split(strings.TrimPrefix(subject, b.blobs), ".")
		version, ok := kept[t[0]]
		switch {
		case !ok:
			drop[b.blobs+t[0]+".>"] = struct{}{}
		case version != "" && len(t) == 3 && t[1] != version:
			drop[b.blobs+t[0]+"."+t[1]+".>"] = struct{}{}
		}
	}
	for filter := range drop {
		if err := b.l.s.purge(ctx, b.l.stream, jetstream.WithPurgeSubject(filter)); err != nil {
			return err
		}
	}
	return nil
}
