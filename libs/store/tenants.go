package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/roster"
)

// tenantsStream holds the documents of all tenants.
const tenantsStream = "ESS-TENANTS"

// The headers of a document.
const (
	headerVersion        = "Ess-Version"         // 1 for the first of the tenant
	headerDocumentDigest = "Ess-Document-Digest" // see [DocumentDigest]
	headerWho            = "Ess-Who"             // quoted
)

// ErrTenantChanged says that another version of a tenant's document came meanwhile.
var ErrTenantChanged = errors.New("somebody else applied or retired the tenant meanwhile")

// TenantVersion is a tenant's document as it was applied. It holds references to secrets, never a secret.
type TenantVersion struct {
	Tenant   string
	Number   int // 1 for the first; 0 for none yet
	At       time.Time
	Who      string
	Digest   string // see [DocumentDigest]
	Document []byte // the YAML as it was written; empty when the tenant was retired

	seq uint64
}

// Retired tells whether the version took the tenant out.
func (v TenantVersion) Retired() bool { return v.Number > 0 && len(v.Document) == 0 }

// InForce tells whether the version is a document that is to be run.
func (v TenantVersion) InForce() bool { return len(v.Document) > 0 }

// DocumentDigest returns what names a document: the first 12 digits of its SHA-256.
func DocumentDigest(document []byte) string {
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:6])
}

// Tenants keeps the documents of all tenants, and every version of them. It is safe for concurrent use.
type Tenants struct{ s *Store }

// Tenants returns the documents of all tenants. A log without them shows at the first call, as log-missing.
func (s *Store) Tenants() *Tenants { return &Tenants{s} }

// EnsureTenants makes the stream of the documents if there is none, with 1, 3 or 5 replicas.
func (s *Store) EnsureTenants(ctx context.Context, replicas int) error {
	return s.request(ctx, tenantsStream, "", "make stream "+tenantsStream, func(ctx context.Context) error {
		_, err := s.js.Stream(ctx, tenantsStream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			_, err = s.js.CreateStream(ctx, jetstream.StreamConfig{
				Name: tenantsStream, Description: "documents of all tenants, every version", Subjects: []string{tenantSubjects + ">"},
				Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, Replicas: replicas,
				MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, Duplicates: time.Second, DenyDelete: true, DenyPurge: true,
			})
		}
		return err
	})
}

// Newest returns the newest version of a tenant; the zero value where there is none.
func (t *Tenants) Newest(ctx context.Context, tenant string) (v TenantVersion, err error) {
	if err := validToken("tenant", tenant); err != nil {
		return v, err
	}
	m, err := t.s.lastMsg(ctx, tenantsStream, tenantSubjects+tenant)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return TenantVersion{Tenant: tenant}, nil
	}
	if err != nil {
		return v, fmt.Errorf("the document of tenant %s: %w", tenant, err)
	}
	return tenantVersion(m.Subject, m.Header, m.Data, m.Time, m.Sequence)
}

// List returns the newest version of every tenant, those that were retired too, in no order.
func (t *Tenants) List(ctx context.Context) ([]TenantVersion, error) {
	return t.read(ctx, ">", jetstream.DeliverLastPerSubjectPolicy)
}

// History returns every version of a tenant, the oldest first.
func (t *Tenants) History(ctx context.Context, tenant string) ([]TenantVersion, error) {
	if err := validToken("tenant", tenant); err != nil {
		return nil, err
	}
	return t.read(ctx, tenant, jetstream.DeliverAllPolicy)
}

func (t *Tenants) read(ctx context.Context, below string, deliver jetstream.DeliverPolicy) (list []TenantVersion, err error) {
	r := reading{stream: tenantsStream, filter: tenantSubjects + below, deliver: deliver}
	_, err = t.s.readAll(ctx, r, func(d delivery) error {
		v, err := tenantVersion(d.Subject(), d.Headers(), d.Data(), d.time, d.seq)
		if err != nil {
			return err
		}
		list = append(list, v)
		return nil
	})
	return list, err
}

// Put keeps a document as the version after another, an empty one for a tenant that is retired. It ends with
// ErrTenantChanged when another version came after that one.
func (t *Tenants) Put(ctx context.Context, after TenantVersion, document []byte, who string) (TenantVersion, error) {
	v := TenantVersion{Tenant: after.Tenant, Number: after.Number + 1, Who: who, Digest: DocumentDigest(document), Document: document}
	if err := validToken("tenant", v.Tenant); err != nil {
		return v, err
	}
	m := nats.NewMsg(tenantSubjects + v.Tenant)
	m.Data = document
	m.Header[headerVersion] = []string{strconv.Itoa(v.Number)}
	m.Header[headerDocumentDigest] = []string{v.Digest}
	m.Header[headerWho] = []string{strconv.QuoteToASCII(who)}
	expectSeq(m, after.seq)
	err := t.s.checkSize(m, subjectName(m.Subject))
	if err == nil {
		v.seq, err = t.s.publish(ctx, tenantsStream, m)
	}
	if refusedExpectation(err) {
		err = fmt.Errorf("%w: %w", ErrTenantChanged, err)
	}
	if err != nil {
		return v, fmt.Errorf("keep the document of tenant %s: %w", v.Tenant, err)
	}
	return v, nil
}

type subjectName string

func (s subjectName) String() string { return string(s) }

func tenantVersion(subject string, h nats.Header, body []byte, at time.Time, seq uint64) (TenantVersion, error) {
	v := TenantVersion{
		Tenant: strings.TrimPrefix(subject, tenantSubjects), At: at, Digest: h.Get(headerDocumentDigest), Document: body, seq: seq,
	}
	var err error
	if v.Number, err = strconv.Atoi(h.Get(headerVersion)); err != nil {
		return v, fmt.Errorf("the document of tenant %s at %d does not tell its version", v.Tenant, seq)
	}
	if v.Who, err = strconv.Unquote(h.Get(headerWho)); err != nil {
		return v, fmt.Errorf("version %d of tenant %s does not tell who applied it", v.Number, v.Tenant)
	}
	if DocumentDigest(body) != v.Digest {
		return v, fmt.Errorf("version %d of tenant %s is damaged: its digest is another", v.Number, v.Tenant)
	}
	return v, nil
}

// EraseTenant removes the log and the ledger of a tenant for good. The audit stays: it says who did it, and holds keys at
// most. What targets hold stays too, for nobody knows any more that it was ours.
func (s *Store) EraseTenant(ctx context.Context, tenant string) error {
	if err := validToken("tenant", tenant); err != nil {
		return err
	}
	for _, name := range []string{ledgerStream(tenant), logStream(tenant)} { // a ledger without a log is a lost log
		err := s.request(ctx, name, "", "remove stream "+name, func(ctx context.Context) error {
			err := s.js.DeleteStream(ctx, name)
			if errors.Is(err, jetstream.ErrStreamNotFound) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Sources returns the sources that have ever written to the log.
func (l *Log) Sources(ctx context.Context) (sources []roster.Source, err error) {
	info, err := l.s.info(ctx, l.stream, jetstream.WithSubjectFilter(logSubjects+l.tenant+".*.*."+markKind+".current"))
	if err != nil {
		return nil, err
	}
	for subject := range info.State.Subjects {
		t := strings.Split(subject, ".")
		sources = append(sources, roster.Source{System: t[2], Instance: t[3]})
	}
	slices.SortFunc(sources, func(a, b roster.Source) int { return strings.Compare(a.String(), b.String()) })
	return sources, nil
}
