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

// Letter is an initial password that waits to be handed out, sealed to a school's key: nobody here can read it.
type Letter struct {
	Link   roster.Source // of the account
	Person roster.Key    // the key that the person had when it was written
	Role   roster.Role   // of the account
	At     time.Time     // when it was written
	Body   []byte        // sealed

	seq uint64
}

// Letters keep the newest letter of each account until it is handed out. Bodies are sealed, and subjects hold keys only.
// It is safe for concurrent use.
type Letters struct {
	s      *Store
	tenant string
	stream string
}

// Letters returns the letters of a tenant. A tenant that has none shows at the first call.
func (s *Store) Letters(tenant string) *Letters { return &Letters{s, tenant, ledgerStream(tenant)} }

// anyRole stands in a subject for the account of somebody whose role nobody tells.
const anyRole = "none"

func roleToken(r roster.Role) string {
	if r == roster.RoleNone {
		return anyRole
	}
	return string(r)
}

func (l *Letters) of(link roster.Source, person roster.Key) string {
	return under(letterSubjects, l.tenant, link) + person.String() + "."
}

// Put keeps a letter in the place of the one before of the same account.
func (l *Letters) Put(ctx context.Context, x Letter) error {
	if err := errors.Join(validSource(x.Link), validToken("role", roleToken(x.Role))); err != nil {
		return err
	}
	if x.Person.IsZero() || len(x.Body) == 0 {
		return errors.New("keep a letter: it is empty, or nobody's")
	}
	m := nats.NewMsg(l.of(x.Link, x.Person) + roleToken(x.Role))
	m.Data = x.Body
	if err := l.s.checkSize(m, subjectName(m.Subject)); err != nil {
		return err
	}
	if _, err := l.s.publish(ctx, l.stream, m); err != nil {
		return fmt.Errorf("keep a letter: %w", err)
	}
	return nil
}

// List returns the letters that wait, in the order in which they were written.
func (l *Letters) List(ctx context.Context) (list []Letter, err error) {
	found := map[string]Letter{}
	var order []string
	r := reading{stream: l.stream, filter: letterSubjects + l.tenant + ".>", deliver: jetstream.DeliverLastPerSubjectPolicy}
	_, err = l.s.readAll(ctx, r, func(m delivery) error {
		x, err := letterAt(m.Subject())
		if err != nil {
			return unreadable(m, err)
		}
		x.At, x.Body, x.seq = m.time, m.Data(), m.seq
		found[m.Subject()] = x // a subject that changes meanwhile comes twice
		order = append(order, m.Subject())
		return nil
	})
	for _, subject := range order {
		if x, ok := found[subject]; ok && len(x.Body) > 0 {
			list = append(list, x)
		}
		delete(found, subject)
	}
	return list, err
}

func letterAt(subject string) (x Letter, err error) {
	t := strings.Split(subject, ".")
	if len(t) != 6 {
		return x, fmt.Errorf("subject %q is of no letter", subject)
	}
	x.Link, x.Role = roster.Source{System: t[2], Instance: t[3]}, roster.Role(t[5])
	if x.Role == anyRole {
		x.Role = roster.RoleNone
	}
	if x.Person, err = roster.ParseKey(t[4]); err != nil {
		return x, fmt.Errorf("subject %q: %w", subject, err)
	}
	return x, nil
}

// HandOut drops letters that were handed out, and returns how many: one in whose place another was written since stays.
func (l *Letters) HandOut(ctx context.Context, list []Letter) (n int, err error) {
	for _, x := range list {
		m := nats.NewMsg(l.of(x.Link, x.Person) + roleToken(x.Role))
		expectSeq(m, x.seq)
		_, err := l.s.publish(ctx, l.stream, m)
		if refusedExpectation(err) {
			continue
		}
		if err != nil {
			return n, fmt.Errorf("drop a letter: %w", err)
		}
		n++
	}
	return n, nil
}

// Drop drops the letter of a person's account in a link, or with no role those of all of them there.
func (l *Letters) Drop(ctx context.Context, link roster.Source, person roster.Key, role roster.Role) error {
	subject := l.of(link, person) + ">"
	if role != roster.RoleNone {
		subject = l.of(link, person) + roleToken(role)
	}
	return l.s.purge(ctx, l.stream, jetstream.WithPurgeSubject(subject))
}

// forget drops every letter of some persons.
func (l *Letters) forget(ctx context.Context, keys map[roster.Key]bool) error {
	for key := range keys {
		if err := l.s.purge(ctx, l.stream, jetstream.WithPurgeSubject(letterSubjects+l.tenant+".*.*."+key.String()+".>")); err != nil {
			return err
		}
	}
	return nil
}

// sweep takes out the letters that were written before a time, those of persons who do not stand, and what marks those that
// were handed out. It returns how many letters it took.
func (l *Letters) sweep(ctx context.Context, before time.Time, stands func(roster.Key) bool) (n int, err error) {
	type old struct {
		subject string
		seq     uint64
	}
	var gone []old
	r := reading{stream: l.stream, filter: letterSubjects + l.tenant + ".>", deliver: jetstream.DeliverLastPerSubjectPolicy, headers: true}
	_, err = l.s.readAll(ctx, r, func(m delivery) error {
		x, err := letterAt(m.Subject())
		if err != nil {
			return unreadable(m, err)
		}
		empty := m.Headers().Get(nats.MsgSize) == "0" || m.Headers().Get(nats.MsgSize) == ""
		if empty || m.time.Before(before) || !stands(x.Person) {
			gone = append(gone, old{m.Subject(), m.seq})
			if !empty {
				n++
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, x := range gone { // not what was written since
		if err := l.s.purge(ctx, l.stream, jetstream.WithPurgeSubject(x.subject), jetstream.WithPurgeSequence(x.seq+1)); err != nil {
			return 0, err
		}
	}
	return n, nil
}
