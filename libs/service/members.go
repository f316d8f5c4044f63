package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/share"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
)

// Members is this process among the replicas of its program. They share what there is to run, its items: each has those
// that every replica reckons it to have, and no more than a quarter above the mean. A nil Members has everything.
//
// A replica holds a lease: what it renewed last counts for the TTL, and from half of that on it has nothing until it could
// renew again. So another that finds it gone finds nothing of it under way.
type Members struct {
	o     MembersOptions
	store *store.Members
	self  store.Member // but Leaving

	mu      sync.Mutex
	items   map[*item]struct{}
	changed chan struct{} // holds a token when items came or went
	roll    store.Roll    // as it was found last
	doubted time.Time     // when the stream was found to have lost something
	sent    time.Time     // when the last renewal was sent that NATS took, and after which it told who is there
	leased  bool
	leaving bool
	trouble error // why there is no lease
	end     *time.Timer
}

// MembersOptions are what Members are made of.
type MembersOptions struct {
	Store    *store.Store
	Program  string // such as target-apple-school-manager
	Instance string // names this process for people
	Session  string // of this start of the process: no other has it; of a-z, 0-9 and -
	Logger   *slog.Logger
	Now      func() time.Time
	Ensure   bool // make the stream of the members where there is none
	// OnMembers is told how many replicas share the work, at the start and whenever others do; nil for nobody. It is not
	// to call the Members.
	OnMembers func(n int)
}

// errMoved is the cause with which an item ends that another replica has now.
var errMoved = errors.New("another replica has it now")

// The beat of a membership, as parts of the TTL.
const (
	renewals   = 5  // in a TTL
	leases     = 2  // how often the lease ends in it, if nothing renews it
	retries    = 15 // after what failed
	lookAgains = 10 // at what another replica has still
)

// yielding is how long one try to hand something over may take.
const yielding = 5 * time.Second

// settling is how long after an item came or went it is reckoned anew who has which: they come and go together.
const settling = 100 * time.Millisecond

// members returns who shares the work of this program; nobody where the log is its own, and on site, where the epoch of a
// read keeps a second program from doing harm and a read goes on over a cut of the line. share is told of how many there are.
func (p Process) members(st *store.Store, share func(int)) *Members {
	if p.Server != nil || p.onSite() {
		return nil
	}
	return NewMembers(MembersOptions{
		Store: st, Program: p.Name, Instance: p.Owner, Session: uuid.NewString(), Logger: p.Logger, Now: time.Now, Ensure: p.KeepLogs, OnMembers: share,
	})
}

// NewMembers returns a member that has nothing before Join.
func NewMembers(o MembersOptions) *Members {
	return &Members{
		o: o, store: o.Store.Members(), self: store.Member{Program: o.Program, Instance: store.InstanceToken(o.Instance), Session: o.Session},
		items: map[*item]struct{}{}, changed: make(chan struct{}, 1), trouble: errors.New("it has not joined yet"),
	}
}

// Join has this process join the replicas, and keeps it one of them. When ctx ends it takes nothing more; it stays one of
// them until leave is called, after what it had has ended. Where there is no stream of members it goes on trying.
func (m *Members) Join(ctx context.Context) (leave func()) {
	if m == nil {
		return func() {}
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	left := make(chan struct{})
	go func() {
		defer close(left)
		m.run(running, ctx.Done())
	}()
	return func() {
		stop()
		<-left
	}
}

// Ready says why this process has nothing; nil when it is one of the replicas.
func (m *Members) Ready() error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leased {
		return nil
	}
	return fmt.Errorf("not one of the replicas of %s now: %w", m.self.Program, m.trouble)
}

// Has tells whether this process has an item now.
func (m *Members) Has(name string) bool {
	if m == nil {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for it := range m.items {
		if it.name == name {
			return it.mine
		}
	}
	return false
}

// While runs do whenever this process has the item, until ctx ends or do ends by itself. The context of do ends when
// another has the item, and with [target.ErrLeaseLost] as its cause when the lease does. Each time that do has ended,
// yield tells whoever comes next, if there is something to tell; it is called until it has.
func (m *Members) While(ctx context.Context, name string, do, yield func(context.Context) error) error {
	if m == nil {
		return do(ctx)
	}
	it := m.enter(name)
	defer m.exit(it)
	for {
		turn, end, err := m.await(ctx, it)
		if err != nil {
			return err
		}
		err = do(turn)
		ended := turn.Err() == nil
		end()
		if yield != nil {
			m.insist(ctx, name, yield)
		}
		switch {
		case ended:
			return err
		case ctx.Err() != nil: // whatever became of the turn meanwhile
			return context.Cause(ctx)
		}
	}
}

// insist calls yield until it has told, also after a lease was lost: who is a member again, without the item, would keep it
// from the others. When ctx has ended it tries once more; what a process had that is gone is free after the TTL.
func (m *Members) insist(ctx context.Context, name string, yield func(context.Context) error) {
	for {
		trying, cancel := context.WithTimeout(context.WithoutCancel(ctx), yielding)
		err := yield(trying)
		cancel()
		if err == nil {
			return
		}
		m.o.Logger.DebugContext(ctx, "what has ended here is not handed over yet", "item", name, "error", err)
		if ctx.Err() != nil {
			return
		}
		select {
		case <-time.After(m.poll()):
		case <-ctx.Done():
		}
	}
}

// owner says who we are in the ledger of a link.
func (m *Members) owner(name string) target.Owner {
	if m == nil {
		return target.Owner{Name: name}
	}
	return target.Owner{Name: name, Session: m.self.Session, Lives: m.lives}
}

// lives tells whether another session of any program may run still. A roll that has it will do for that it does; that it
// does not, only one which was asked for after the session was seen.
func (m *Members) lives(ctx context.Context, session string) (bool, error) {
	m.mu.Lock()
	for _, who := range m.roll.Members {
		if who.Session == session {
			m.mu.Unlock()
			return true, nil
		}
	}
	m.mu.Unlock()
	roll, err := m.store.Lives(ctx, session)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.weigh(roll)
	return len(roll.Members) > 0 || m.doubtful(roll), nil
}

// doubtful tells whether one who lives may be missing on a roll; mu is held.
func (m *Members) doubtful(r store.Roll) bool {
	return r.Age < r.TTL || !m.doubted.IsZero() && m.o.Now().Sub(m.doubted) < r.TTL
}

// weigh notes when a roll shows that the stream is another one, or has lost something; mu is held.
func (m *Members) weigh(r store.Roll) {
	if !m.roll.Log.IsZero() && (!r.Log.Equal(m.roll.Log) || r.Seq < m.roll.Seq) {
		m.doubted = m.o.Now()
	}
	m.roll.Log, m.roll.Seq = r.Log, r.Seq
}

// poll is how long to wait before it is looked again at what another has still.
func (m *Members) poll() time.Duration {
	if m == nil {
		return time.Second
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.roll.TTL / lookAgains
}

// run renews until ctx ends, and leaves.
func (m *Members) run(ctx context.Context, leaving <-chan struct{}) {
	beat := time.NewTimer(0)
	defer beat.Stop()
	var settle <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			m.quit(ctx)
			return
		case <-leaving:
			leaving = nil
			m.mu.Lock()
			m.leaving = true
			m.mu.Unlock()
			beat.Reset(0)
		case <-beat.C:
			beat.Reset(m.renew(ctx))
		case <-m.changed:
			if settle == nil {
				settle = time.After(settling)
			}
		case <-settle:
			settle = nil
			m.mu.Lock()
			m.deal()
			m.mu.Unlock()
		}
	}
}

// renew renews the membership, looks who else is there, and returns when to do so again.
func (m *Members) renew(ctx context.Context) (again time.Duration) {
	m.mu.Lock()
	ttl, who := m.roll.TTL, m.self
	who.Leaving = m.leaving
	m.mu.Unlock()
	if ttl == 0 {
		roll, err := m.store.Look(ctx, who.Program)
		if m.o.Ensure && reason.Of(err).Code == reason.MembersMissing {
			if err = m.o.Store.EnsureMembers(ctx, 1, 0); err == nil {
				roll, err = m.store.Look(ctx, who.Program)
			}
		}
		if err != nil {
			m.troubled(ctx, err)
			return time.Second
		}
		m.mu.Lock()
		m.roll.TTL, ttl = roll.TTL, roll.TTL
		m.mu.Unlock()
	}
	sent := m.o.Now()
	// One that is under way is awaited even when all ends: it could arrive after the word that this process has left.
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), ttl/renewals)
	defer cancel()
	err := m.store.Renew(asking, who)
	var roll store.Roll
	if err == nil {
		roll, err = m.store.Look(asking, who.Program)
	}
	if err == nil {
		err = m.heard(ctx, sent, roll)
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && reason.Of(err).Code == reason.Unexpected {
		err = reason.Errorf(reason.Transient, err, reason.OutcomeUnknown, "what", "that this process lives")
	}
	if err != nil {
		m.troubled(ctx, err)
		return ttl / retries
	}
	return max(0, ttl/renewals-m.o.Now().Sub(sent))
}

// heard takes a roll over that was found after a renewal, and has the lease last from when that was sent.
func (m *Members) heard(ctx context.Context, sent time.Time, roll store.Roll) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.ContainsFunc(roll.Members, func(who store.Member) bool { return who.Session == m.self.Session }) {
		return errors.New("NATS took the renewal, and does not know of it")
	}
	left := roll.TTL/leases - m.o.Now().Sub(sent)
	if left <= 0 {
		return fmt.Errorf("NATS took %s to answer, and the lease is %s", m.o.Now().Sub(sent), roll.TTL/leases)
	}
	m.sent = sent
	if m.end != nil {
		m.end.Stop()
	}
	m.end = time.AfterFunc(left, m.lose)
	before, known := m.sessions(), m.leased
	m.weigh(roll)
	m.roll, m.leased, m.trouble = roll, true, nil
	here := m.sessions()
	if known && slices.Equal(before, here) {
		return nil
	}
	m.o.Logger.InfoContext(ctx, "one of the replicas", "program", m.self.Program, "replicas", len(here), "session", m.self.Session)
	if m.o.OnMembers != nil {
		m.o.OnMembers(max(len(here), 1))
	}
	m.deal()
	return nil
}

// sessions are those who share the work, sorted; mu is held.
func (m *Members) sessions() (list []string) {
	for _, who := range m.roll.Members {
		if !who.Leaving {
			list = append(list, who.Session)
		}
	}
	slices.Sort(list)
	return list
}

// troubled notes why nothing was renewed, and says so where there is no lease.
func (m *Members) troubled(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leased {
		m.o.Logger.DebugContext(ctx, "the membership was not renewed", "error", err)
		return
	}
	if m.trouble == nil || m.trouble.Error() != err.Error() {
		why := reason.Of(err)
		m.o.Logger.ErrorContext(ctx, "not one of the replicas: nothing is done here", "program", m.self.Program, "error", err, "next_step", why.Next(reason.English))
	}
	m.trouble = err
}

// lose ends the lease, unless it was renewed.
func (m *Members) lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.leased || m.o.Now().Sub(m.sent) < m.roll.TTL/leases {
		return
	}
	m.leased, m.trouble = false, target.ErrLeaseLost
	m.o.Logger.Error("the membership could not be renewed in time: everything stops here until it can be", "program", m.self.Program)
	for it := range m.items {
		it.turn(false, target.ErrLeaseLost)
	}
}

// quit leaves the replicas. Who cannot say so is dropped after the TTL.
func (m *Members) quit(ctx context.Context) {
	m.mu.Lock()
	ttl := m.roll.TTL
	m.leased, m.trouble = false, errors.New("it has left")
	if m.end != nil {
		m.end.Stop()
	}
	for it := range m.items {
		it.turn(false, errMoved)
	}
	m.mu.Unlock()
	if ttl == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ttl/renewals)
	defer cancel()
	if err := m.store.Leave(ctx, m.self); err != nil {
		m.o.Logger.WarnContext(ctx, "the other replicas will know late that this one has left", "program", m.self.Program, "error", err)
	}
}

// deal reckons who has which item; mu is held.
func (m *Members) deal() {
	if !m.leased {
		return
	}
	names := make([]string, 0, len(m.items))
	for it := range m.items {
		names = append(names, it.name)
	}
	owners := share.Assign(m.sessions(), names)
	for it := range m.items {
		it.turn(owners[it.name] == m.self.Session, errMoved)
	}
}

// item is something that one replica at a time has.
type item struct {
	name string

	// Guarded by the mu of its Members.
	mine bool
	wake chan struct{}           // closed when it is mine
	stop context.CancelCauseFunc // ends what runs of it; nil for nothing
}

// turn says whether the item is ours, and if not, why.
func (it *item) turn(mine bool, why error) {
	if mine == it.mine {
		return
	}
	if it.mine = mine; mine {
		close(it.wake)
		return
	}
	it.wake = make(chan struct{})
	if it.stop != nil {
		it.stop(why)
	}
}

func (m *Members) enter(name string) *item {
	it := &item{name: name, wake: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.items[it] = struct{}{}
	m.stir()
	return it
}

func (m *Members) exit(it *item) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.items, it)
	m.stir()
}

// stir has it reckoned anew who has which item.
func (m *Members) stir() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// await waits until the item is ours, and returns the context that ends when it is not any more.
func (m *Members) await(ctx context.Context, it *item) (turn context.Context, end func(), err error) {
	for {
		m.mu.Lock()
		if it.mine {
			turn, stop := context.WithCancelCause(ctx)
			it.stop = stop
			m.mu.Unlock()
			return turn, func() {
				m.mu.Lock()
				it.stop = nil
				m.mu.Unlock()
				stop(nil)
			}, nil
		}
		wake := it.wake
		m.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// SourceItem names a source that is read.
func SourceItem(tenant string, s roster.Source) string { return "source " + tenant + " " + s.String() }

// LinkItem names a link.
func LinkItem(tenant string, link roster.Source) string {
	return "link " + tenant + " " + link.String()
}
