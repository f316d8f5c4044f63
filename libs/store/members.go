package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/reason"
)

// membersStream holds who runs: a message for each process, which the server drops when it was not renewed in time.
const membersStream = "ESS-MEMBERS"

// DefaultTTL is how long a process that does not renew its membership counts as one that lives.
const DefaultTTL = 15 * time.Second

// Member is a process of a program that has several.
type Member struct {
	Program  string // such as target-apple-school-manager
	Instance string // names the process for people
	Session  string // of this start of the process: no other has it
	// Leaving says that the process is on its way out: it ends what it has, and takes nothing more.
	Leaving bool
}

// What stands at the end of a member's subject.
const (
	memberHere    = "here"
	memberLeaving = "leaving"
)

func (m Member) prefix() string {
	return memberSubjects + m.Program + "." + m.Instance + "." + m.Session + "."
}

func (m Member) subject() string {
	if m.Leaving {
		return m.prefix() + memberLeaving
	}
	return m.prefix() + memberHere
}

func (m Member) validate() error {
	return errors.Join(validToken("program", m.Program), validToken("instance", m.Instance), validToken("session", m.Session))
}

// InstanceToken returns the name of a process, such as that of its host, as it can stand in a subject.
func InstanceToken(name string) string {
	token := strings.Map(func(r rune) rune {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return '-'
		}
		return r
	}, strings.ToLower(name))
	return cmp.Or(token[:min(len(token), 64)], "unknown")
}

// Roll is which processes live, as a look at the members found it.
type Roll struct {
	Members []Member      // sorted; one that is leaving stands once
	TTL     time.Duration // after which one that does not renew is dropped
	// Age is how old the stream is. Until it is as old as the TTL, one who lives may be missing.
	Age time.Duration
	// Now is when the look was taken, by the clock of NATS.
	Now time.Time
	// Log names the stream: another time is another stream.
	Log time.Time
	// Seq is the last message of the stream. One that is less than in an earlier look has lost something since.
	Seq uint64
}

// Members are the processes that run, of all programs. It is safe for concurrent use.
type Members struct {
	s      *Store
	stream atomic.Pointer[jetstream.Stream] // once it was found, so that a look is one request
}

// Members returns who runs. A log without them shows at the first call, as members-missing.
func (s *Store) Members() *Members { return &Members{s: s} }

// EnsureMembers makes the stream of the members if there is none, with 1, 3 or 5 replicas. A process counts as one that
// lives until it did not renew for ttl; zero means [DefaultTTL].
func (s *Store) EnsureMembers(ctx context.Context, replicas int, ttl time.Duration) error {
	return s.request(ctx, membersStream, "", "make stream "+membersStream, func(ctx context.Context) error {
		_, err := s.js.Stream(ctx, membersStream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			_, err = s.js.CreateStream(ctx, jetstream.StreamConfig{
				Name: membersStream, Description: "which processes run", Subjects: []string{memberSubjects + ">"},
				Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, Replicas: replicas,
				MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: 1, MaxAge: cmp.Or(ttl, DefaultTTL), Duplicates: min(time.Second, cmp.Or(ttl, DefaultTTL)),
			})
		}
		return err
	})
}

// Renew has a member count as one that lives, for the TTL from when NATS takes it.
func (m *Members) Renew(ctx context.Context, who Member) error {
	if err := who.validate(); err != nil {
		return err
	}
	_, err := m.s.publish(ctx, membersStream, nats.NewMsg(who.subject()))
	return m.missing(err)
}

// Leave takes a member out at once.
func (m *Members) Leave(ctx context.Context, who Member) error {
	if err := who.validate(); err != nil {
		return err
	}
	return m.missing(m.s.purge(ctx, membersStream, jetstream.WithPurgeSubject(who.prefix()+"*")))
}

// Look returns the members of a program that live, of all programs when none is named.
func (m *Members) Look(ctx context.Context, program string) (Roll, error) {
	return m.look(ctx, memberSubjects+cmp.Or(program, "*")+".*.*.*")
}

// Lives returns a roll of no more than the member of a session, whatever its program. Who renewed before the call is on it.
func (m *Members) Lives(ctx context.Context, session string) (Roll, error) {
	if err := validToken("session", session); err != nil {
		return Roll{}, err
	}
	return m.look(ctx, memberSubjects+"*.*."+session+".*")
}

// look asks the server once, without a consumer.
func (m *Members) look(ctx context.Context, filter string) (r Roll, err error) {
	var i *jetstream.StreamInfo
	err = m.s.request(ctx, membersStream, "", "ask about "+membersStream, func(ctx context.Context) error {
		st, err := m.open(ctx)
		if err != nil {
			return err
		}
		i, err = st.Info(ctx, jetstream.WithSubjectFilter(filter))
		return err
	})
	if err != nil {
		return r, m.missing(err)
	}
	r = Roll{TTL: i.Config.MaxAge, Age: i.TimeStamp.Sub(i.Created), Now: i.TimeStamp.UTC(), Log: i.Created.UTC(), Seq: i.State.LastSeq}
	if r.TTL <= 0 {
		return r, fmt.Errorf("stream %s keeps members for good: give it a max age of %s", membersStream, DefaultTTL)
	}
	found := map[Member]bool{} // without Leaving
	for subject := range i.State.Subjects {
		t := strings.Split(subject, ".")
		who := Member{Program: t[1], Instance: t[2], Session: t[3]}
		found[who] = found[who] || t[4] == memberLeaving
	}
	for who, leaving := range found {
		who.Leaving = leaving
		r.Members = append(r.Members, who)
	}
	slices.SortFunc(r.Members, func(a, b Member) int { return strings.Compare(a.prefix(), b.prefix()) })
	return r, nil
}

// Renewed returns when NATS took the last renewal of a member of a roll, by its clock; zero when it stands no longer.
func (m *Members) Renewed(ctx context.Context, who Member) (at time.Time, err error) {
	if err := who.validate(); err != nil {
		return at, err
	}
	err = m.s.request(ctx, membersStream, "", "read "+membersStream, func(ctx context.Context) error {
		st, err := m.open(ctx)
		if err != nil {
			return err
		}
		msg, err := st.GetLastMsgForSubject(ctx, who.prefix()+"*")
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return nil
		case err != nil:
			return err
		}
		at = msg.Time.UTC()
		return nil
	})
	return at, m.missing(err)
}

// open returns the stream, which it looks for once.
func (m *Members) open(ctx context.Context) (jetstream.Stream, error) {
	if st := m.stream.Load(); st != nil {
		return *st, nil
	}
	st, err := m.s.js.Stream(ctx, membersStream)
	if err == nil {
		m.stream.Store(&st)
	}
	return st, err
}

// missing says what to do about a stream that is not there.
func (m *Members) missing(err error) error {
	if reason.Of(err).Code == reason.LogMissing {
		return reason.Errorf(reason.Misconfigured, nil, reason.MembersMissing, "stream", membersStream)
	}
	return err
}
