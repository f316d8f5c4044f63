package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	essv1 "eventful.se/ess/proto/ess/v1"
)

// AuditEntry is one thing that a person did. It may hold keys, never the name or number of a pupil.
type AuditEntry struct {
	When    time.Time
	Who     string
	What    string            // "held.approve"; tokens of a-z, 0-9 and -, with points between
	On      string            // the source, link or entity that it was done to
	Why     string            // as the person wrote it
	Details map[string]string // a digest, a count, a key
}

// Audit keeps who did what, when and why: a stream that only grows. It is safe for concurrent use.
type Audit struct {
	s      *Store
	tenant string
	stream string
}

// Audit returns the audit of a tenant. A tenant that has none shows at the first call.
func (s *Store) Audit(tenant string) *Audit { return &Audit{s, tenant, auditStream(tenant)} }

// Record keeps an entry. Call it before what it tells of: what was not written down must not be done, and an entry whose
// deed failed is followed by another that says so.
func (a *Audit) Record(ctx context.Context, e AuditEntry) error {
	for token := range strings.SplitSeq(e.What, ".") {
		if err := validToken("what", token); err != nil {
			return fmt.Errorf("record %q in the audit of %s: %w", e.What, a.tenant, err)
		}
	}
	if e.Who == "" || e.Why == "" || e.When.IsZero() {
		return fmt.Errorf("record %s in the audit of %s: who, when and why must be told", e.What, a.tenant)
	}
	body, err := marshal(&essv1.AuditEntry{
		Schema: schemaMajor, When: timeTo(e.When), Who: e.Who, What: e.What, On: e.On, Why: e.Why, Details: e.Details,
	})
	if err != nil {
		return fmt.Errorf("record %s in the audit of %s: %w", e.What, a.tenant, err)
	}
	m := nats.NewMsg(auditSubjects + a.tenant + "." + e.What)
	m.Data = body
	if _, err = a.s.publish(ctx, a.stream, m); err != nil {
		return fmt.Errorf("record %s in the audit of %s: %w", e.What, a.tenant, err)
	}
	return nil
}

// Entries returns every entry, the oldest first.
func (a *Audit) Entries(ctx context.Context) (list []AuditEntry, err error) {
	r := reading{stream: a.stream, filter: auditSubjects + a.tenant + ".>", deliver: jetstream.DeliverAllPolicy}
	_, err = a.s.readAll(ctx, r, func(d delivery) error {
		var p essv1.AuditEntry
		if err := unmarshal(d.Data(), &p); err != nil {
			return unreadable(d, err)
		}
		list = append(list, AuditEntry{timeFrom(p.GetWhen()), p.GetWho(), p.GetWhat(), p.GetOn(), p.GetWhy(), p.GetDetails()})
		return nil
	})
	return list, err
}
