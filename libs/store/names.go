package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	essv1 "eventful.se/ess/proto/ess/v1"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// Names keeps whose each user name of a tenant is: each name on a subject of its own, so that no two can have it, and a
// head beside them, rewritten in the same batch, whose sequence is the version of all of them. The head tells how many
// stand, so that a book with a name missing is not read as one in which it is free; and the salt with which a subject is
// made of a name, for a name is personal and no subject may be. It is safe for concurrent use.
type Names struct {
	s      *Store
	tenant string
	stream string

	mu   sync.Mutex
	last nameBook
}

// nameBook is what is known of the subjects of a tenant's names.
type nameBook struct {
	version  uint64
	salt     []byte
	standing map[string]struct{} // tokens
}

var _ target.NameStore = (*Names)(nil)

// Names returns whose the names of a tenant are. A tenant that has none shows at the first call.
func (s *Store) Names(tenant string) *Names {
	return &Names{s: s, tenant: tenant, stream: ledgerStream(tenant)}
}

func (n *Names) head() string { return nameSubjects + n.tenant + ".head" }

func (n *Names) claim(token string) string { return nameSubjects + n.tenant + ".claim." + token }

// token makes the token of a name.
func (b *nameBook) token(name string) string {
	mac := hmac.New(sha256.New, b.salt)
	mac.Write([]byte(name))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Version returns the version of what Load would return; 0 before anything was saved.
func (n *Names) Version(ctx context.Context) (uint64, error) {
	seq, err := n.s.lastSeq(ctx, n.stream, n.head())
	if err != nil {
		return 0, fmt.Errorf("see whether names were given: %w", err)
	}
	return seq, nil
}

// Load returns every claim, sorted by name, and the version that [Names.Save] expects. What is saved while it reads makes
// it read again.
func (n *Names) Load(ctx context.Context) ([]names.Claim, uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	const attempts = 5
	found := 0
	for range attempts {
		list, book, whole, err := n.read(ctx)
		if err != nil {
			return nil, 0, fmt.Errorf("read whose the names are: %w", err)
		}
		if whole {
			n.last = book
			return list, book.version, nil
		}
		found = len(list)
	}
	return nil, 0, reason.Errorf(reason.Transient, nil, reason.NamesIncomplete, "found", found)
}

// read reads what there is, and tells whether that is as many claims as the head says.
func (n *Names) read(ctx context.Context) (list []names.Claim, book nameBook, whole bool, err error) {
	book.standing = map[string]struct{}{}
	claims, standing := map[string]names.Claim{}, 0
	r := reading{stream: n.stream, filter: nameSubjects + n.tenant + ".>", deliver: jetstream.DeliverLastPerSubjectPolicy}
	_, err = n.s.readAll(ctx, r, func(d delivery) error {
		token, isClaim := strings.CutPrefix(d.Subject(), n.claim(""))
		if !isClaim {
			var p essv1.NameBook
			if err := unmarshal(d.Data(), &p); err != nil {
				return unreadable(d, err)
			}
			book.version, book.salt, standing = d.seq, p.GetSalt(), int(p.GetStanding())
			return nil
		}
		c, err := decodeClaim(d.Data())
		if err != nil {
			return unreadable(d, err)
		}
		claims[token], book.standing[token] = c, struct{}{} // a subject that changes meanwhile comes twice
		return nil
	})
	for _, c := range claims {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b names.Claim) int { return strings.Compare(a.Name, b.Name) })
	return list, book, len(list) == standing, err
}

// Save puts claims in the place of those of the same names, in atomic batches, and returns the version after that. It ends
// with [target.ErrNamesChanged], and nothing of the batch stands, when somebody else has saved something since version;
// batches before it stand. When NATS did not answer (reason OutcomeUnknown) the batch may stand: load again.
func (n *Names) Save(ctx context.Context, claims []names.Claim, version uint64) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last.version != version || n.last.standing == nil {
		_, book, whole, err := n.read(ctx)
		switch {
		case err != nil:
			return 0, fmt.Errorf("read whose the names are: %w", err)
		case book.version != version || !whole:
			return 0, target.ErrNamesChanged
		}
		n.last = book
	}
	if len(n.last.salt) == 0 {
		n.last.salt = make([]byte, sha256.Size)
		_, _ = rand.Read(n.last.salt) // never fails
	}
	for batch := range slices.Chunk(claims, maxBatch-1) {
		if err := n.save(ctx, batch); err != nil {
			n.last = nameBook{} // nobody knows what stands
			return 0, err
		}
	}
	return n.last.version, nil
}

// save saves as many claims as a batch holds.
func (n *Names) save(ctx context.Context, claims []names.Claim) (err error) {
	var msgs []*nats.Msg
	for _, c := range claims {
		token := n.last.token(c.Name)
		m := nats.NewMsg(n.claim(token))
		if m.Data, err = encodeClaim(c); err != nil {
			return fmt.Errorf("save whose a name is: %w", err)
		}
		if err := n.s.checkSize(m, roster.Ref{Kind: roster.KindPerson, Key: c.Owner.Person}); err != nil {
			return err
		}
		n.last.standing[token] = struct{}{}
		msgs = append(msgs, m)
	}
	head := nats.NewMsg(n.head())
	if head.Data, err = marshal(&essv1.NameBook{Schema: schemaMajor, Salt: n.last.salt, Standing: int64(len(n.last.standing))}); err != nil {
		return err
	}
	expectSeq(head, n.last.version)
	last, err := n.s.storeBatch(ctx, n.stream, append(msgs, head))
	switch {
	case refusedExpectation(err):
		return fmt.Errorf("%w: %w", target.ErrNamesChanged, err)
	case err != nil:
		return fmt.Errorf("save whose the names are: %w", err)
	}
	n.last.version = last
	return nil
}
