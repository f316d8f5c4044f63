package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/roster"
)

// statusSubject is where it stands when a tenant's status was sent last.
func statusSubject(tenant string) string { return runSubjects + tenant + ".status" }

// headerSent is that time.
const headerSent = "Ess-Sent"

// StatusSent returns when a tenant's status was sent last; zero for never.
func (s *Store) StatusSent(ctx context.Context, tenant string) (at time.Time, err error) {
	if err := validToken("tenant", tenant); err != nil {
		return at, err
	}
	m, err := s.lastMsg(ctx, ledgerStream(tenant), statusSubject(tenant))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return at, nil
	}
	if err == nil {
		at, err = time.Parse(time.RFC3339Nano, m.Header.Get(headerSent))
	}
	if err != nil {
		return at, fmt.Errorf("when the status of %s was sent: %w", tenant, err)
	}
	return at, nil
}

// SaveStatusSent records when a tenant's status was sent.
func (s *Store) SaveStatusSent(ctx context.Context, tenant string, at time.Time) error {
	if err := validToken("tenant", tenant); err != nil {
		return err
	}
	m := nats.NewMsg(statusSubject(tenant))
	m.Header[headerSent] = []string{timeHeader(at)}
	_, err := s.publish(ctx, ledgerStream(tenant), m)
	return err
}

// Sources returns the sources that have ever had a run, in no order.
func (r *Runs) Sources(ctx context.Context) (list []roster.Source, err error) {
	rd := reading{stream: r.stream, filter: runSubjects + r.tenant + ".*.*.newest", deliver: jetstream.DeliverLastPerSubjectPolicy, headers: true}
	_, err = r.s.readAll(ctx, rd, func(d delivery) error {
		tokens := strings.Split(d.Subject(), ".")
		list = append(list, roster.Source{System: tokens[2], Instance: tokens[3]})
		return nil
	})
	return list, err
}

// Stands tells whether a source has ever said anything of an entity, and whether what it said last is no tombstone.
func (l *Log) Stands(ctx context.Context, s roster.Source, ref roster.Ref) (known, stands bool, err error) {
	if err := validSource(s); err != nil {
		return false, false, err
	}
	m, err := l.s.lastMsg(ctx, l.stream, under(logSubjects, l.tenant, s)+string(ref.Kind)+"."+ref.Key.String())
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	return true, m.Header.Get(headerTombstone) == "", nil
}
