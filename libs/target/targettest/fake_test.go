package targettest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
	"eventful.se/ess/libs/tenant"
)

// fake is a system and its connector, right in everything but what a test breaks.
type fake struct {
	complete bool // it takes complete sets
	broken   string
	deadline time.Duration // how long its sink waits for an answer

	mu    sync.Mutex
	peers []*peer
}

// is tells whether it is broken in a way.
func (f *fake) is(way string) bool { return f.broken == way }

func (f *fake) under() targettest.Under {
	u := targettest.Under{
		Connector: target.Connector{System: "fake", Title: "Fake", New: func() target.Config { return &config{fake: f} }},
		Peer: func(*testing.T) (targettest.Peer, string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			p := &peer{complete: f.complete, things: map[string]thing{"n0": {mine: false, fields: target.Fields{{Name: "name", Value: "foreign"}}}}, serial: 1, cache: map[target.ID]target.Held{}}
			f.peers = append(f.peers, p)
			return p, "peer: " + strconv.Itoa(len(f.peers))
		},
		Refused: map[string]string{"{}": "peer"},
		Secrets: []string{"hemligheten"},
		Claims: targettest.Claims{
			Pupils: true, Staff: true, Groups: true,
			Shows:    []targettest.Attribute{targettest.GivenName, targettest.Username, targettest.GroupName},
			Disables: true, Aliases: !f.is("does not claim its aliases"), Lists: true, Verifies: !f.is("does not claim that it can be asked"), Deadline: f.deadline,
			Rate: &targettest.Rate{Settings: "rate: 2", PerSecond: 2, Burst: 2, Shared: !f.is("says that every link is counted by itself")},
		},
		Against: "a map",
	}
	if u.Claims.Moves, u.Claims.Finds = true, "find: true"; f.complete {
		u.Claims.Aliases, u.Claims.Lists, u.Claims.Moves, u.Claims.Finds = false, false, false, ""
	}
	if f.is("does not claim its rate") {
		u.Claims.Rate = nil
	}
	return u
}

type config struct {
	Peer int     `yaml:"peer"`
	Rate float64 `yaml:"rate"`
	Find bool    `yaml:"find"` // by the user name
	fake *fake
}

func (c *config) Validate(p tenant.Problems) {
	if c.Peer == 0 && !c.fake.is("takes any settings") {
		p.At("peer").Add("is required")
	}
}

func (c *config) Open(env target.Env) (*target.Target, error) {
	c.fake.mu.Lock()
	defer c.fake.mu.Unlock()
	s := &sink{fake: c.fake, finds: c.Find, peer: c.fake.peers[c.Peer-1], seen: map[target.ID]target.Held{}}
	if c.fake.is("believes itself") {
		s.seen = s.peer.cache
	}
	spec := budget.Spec{Name: "fake", Scope: strconv.Itoa(c.Peer), Rate: c.Rate}
	switch {
	case c.fake.is("has a budget for every link"):
		spec.Scope += env.Target.String()
	case c.fake.is("takes a second for a minute"):
		spec.Rate *= 60
	}
	if !c.fake.is("has no budget") {
		s.budget = env.Budgets.Of(spec)
	}
	if c.fake.is("writes when it is opened") {
		s.peer.write(target.ID{})
	}
	made := &target.Target{Quarantine: !c.fake.complete, Mapping: &mapping{fake: c.fake, handling: env.Handling}, Guarded: []string{"user", "group"}, Watched: map[string]guard.Operation{"username": guard.Rename}}
	if c.fake.complete && !c.fake.is("deletes who is left out") {
		made.Omission = target.DisableStep
	}
	if c.fake.is("does not say what people sign in with") {
		made.Watched = nil
	}
	if c.fake.complete {
		made.Deliverer = delivery{s}
	} else {
		made.Applier, made.Accounts, made.Parallel = s, []string{"user"}, 3
	}
	return made, nil
}

// mapping wishes a user of everybody with a role, and a group of every group.
type mapping struct {
	fake     *fake
	handling func(roster.Role) target.Handling
	count    int
}

func (*mapping) Version() string { return "1" }

func (m *mapping) Map(v target.View, e roster.Ref) []target.Wish {
	anchored := target.Anchor(v, e.Key)
	if m.fake.is("makes ids of the key of today") {
		anchored = e.Key
	}
	switch e.Kind {
	case roster.KindPerson:
		p := v.Person(e.Key)
		if p == nil {
			return nil
		}
		w := target.Wish{Resource: target.Resource{ID: target.ID{Kind: "user", Key: anchored.String()}, Entity: e}}
		if len(p.Enrolments)+len(p.Duties) == 0 {
			why := reason.New(reason.NoActiveRole)
			if w.Withheld, w.Fate = &why, target.Leaves; m.fake.is("takes who leaves at once") {
				w.Fate = target.Taken
			}
			return []target.Wish{w}
		}
		w.Resource.Fields = target.Fields{{Name: "given", Value: p.GivenName}, {Name: "username", Value: p.Personas[0].Username}}
		if len(p.Duties) > 0 {
			w.Match = m.handling(roster.RoleStaff) == target.Match
		}
		if m.fake.is("makes ids of names") {
			w.Resource.ID.Key = p.Personas[0].Username.Reveal()
		}
		if m.fake.is("writes the day into a field") {
			w.Resource.Fields = append(w.Resource.Fields, target.Field{Name: "day", Value: roster.Personal(v.Today().String())})
		}
		if m.fake.is("counts what it maps") {
			m.count++
			w.Resource.Fields = append(w.Resource.Fields, target.Field{Name: "count", Value: roster.Personal(strconv.Itoa(m.count))})
		}
		if m.fake.is("sends the identity number") {
			w.Resource.Fields = append(w.Resource.Fields, target.Field{Name: "number", Value: roster.Personal(p.CivicNo.Reveal())})
		}
		if m.fake.is("reads the friends of friends") {
			for _, k := range v.Groups(e.Key) {
				for _, other := range v.Group(k).Members {
					v.Person(other.Person)
				}
			}
		}
		return []target.Wish{w}
	case roster.KindGroup:
		g := v.Group(e.Key)
		if g == nil {
			return nil
		}
		if m.fake.is("sorts the lists of the roster") {
			slices.Reverse(g.Members)
		}
		set := target.Set{Name: "members"}
		for _, x := range g.Members {
			key := target.Anchor(v, x.Person)
			if m.fake.is("makes ids of the key of today") || m.fake.is("has members by the key of today") {
				key = x.Person
			}
			set.Members = append(set.Members, target.ID{Kind: "user", Key: key.String()})
		}
		slices.SortFunc(set.Members, target.ID.Compare)
		r := target.Resource{ID: target.ID{Kind: "group", Key: e.Key.String()}, Entity: e, Fields: target.Fields{{Name: "name", Value: roster.Personal(g.DisplayName)}}, Sets: []target.Set{set}}
		return []target.Wish{{Resource: r}}
	default:
		return nil
	}
}

// sink is the connector's.
type sink struct {
	fake   *fake
	peer   *peer
	finds  bool
	budget *budget.Budget
	mu     sync.Mutex
	seen   map[target.ID]target.Held // of a sink that believes itself
	latest []target.Operation        // of one that has room for one call
	said   error                     // of one that answers for the call before
}

// read draws and counts a call that changes nothing.
func (s *sink) read(ctx context.Context) error {
	if !s.fake.is("draws only what it writes") {
		if err := s.budget.Wait(ctx); err != nil {
			return err
		}
	}
	s.peer.mu.Lock()
	defer s.peer.mu.Unlock()
	s.peer.calls++
	return nil
}

func (*sink) Kinds() []string { return []string{"user", "group"} }

// answer is the error of a status, as the classifier of a connector makes it.
func (s *sink) answer(ctx context.Context, status int, op target.Operation) error {
	f := s.fake
	to := func(fault reason.Fault, code reason.Code) *reason.Error {
		e := &reason.Error{Fault: fault, Reason: reason.New(code, "address", "fake"), Err: errors.New("status " + strconv.Itoa(status))}
		if f.is("tells who it was in its errors") {
			for _, x := range op.Resource.Fields {
				e.Err = errors.New("cannot write " + x.Value.Reveal())
			}
		}
		return e
	}
	switch status {
	case 200:
		return nil
	case 422:
		return to(reason.Invalid, reason.ItemRefused)
	case 401:
		if f.is("goes on with refused credentials") {
			return to(reason.Transient, reason.WrongCredentials)
		}
		return to(reason.Misconfigured, reason.WrongCredentials)
	case 429:
		err := to(reason.Transient, reason.Throttled)
		if s.peer.fault == targettest.Throttle && !f.is("calls again at once") {
			err.After = targettest.Wait
		}
		if !f.is("keeps to itself that it called too often") {
			s.budget.Throttled(err.After)
		}
		return err
	case -1:
		wait := f.deadline
		if f.is("waits for ever") {
			wait = 3 * time.Second
		}
		if f.is("does not hear that it is to stop") {
			ctx = context.Background()
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		return to(reason.Transient, reason.NoAnswer)
	case 0:
		if f.is("takes anything for a yes") {
			return nil
		}
		return to(reason.Transient, reason.AnswerUnreadable)
	default:
		if f.is("takes a fault for a refusal") {
			return to(reason.Invalid, reason.ItemRefused)
		}
		return to(reason.Transient, reason.ServerRefused)
	}
}

func (s *sink) Apply(ctx context.Context, ops []target.Operation) []target.Outcome {
	if s.fake.is("has room for one call") {
		s.mu.Lock()
		s.latest = ops
		s.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		s.mu.Lock()
		ops = s.latest
		s.mu.Unlock()
	}
	out := s.applyAll(ctx, ops)
	if s.fake.is("answers for the call before") {
		s.mu.Lock()
		out[0].Err, s.said = s.said, out[0].Err
		s.mu.Unlock()
	}
	if s.fake.is("answers in another order") {
		slices.Reverse(out)
	}
	for i := range out {
		if s.fake.is("keeps the target's ids to itself") {
			out[i].Native = ""
		}
	}
	return out
}

func (s *sink) applyAll(ctx context.Context, ops []target.Operation) []target.Outcome {
	if s.fake.is("leaves something running") {
		go func() { select {} }()
	}
	out := make([]target.Outcome, len(ops))
	for i, op := range ops {
		if !s.fake.is("draws once for a batch") || i == 0 {
			out[i].Err = s.budget.Wait(ctx)
		}
		if out[i].Err == nil {
			out[i] = s.apply(ctx, op)
		}
		if out[i].Err == nil {
			continue
		}
		fault := reason.FaultOf(out[i].Err)
		if s.fake.is("gives a batch up for one item") || fault == reason.Transient || fault == reason.Misconfigured && !s.fake.is("signs in for every item") {
			for j := range out {
				if j > i || s.fake.is("gives a batch up for one item") {
					out[j].Err = out[i].Err
				}
			}
			return out
		}
	}
	return out
}

func (s *sink) apply(ctx context.Context, op target.Operation) (out target.Outcome) {
	id := op.Resource.ID
	native, there := s.find(id)
	if op.Verb == target.Update && !there && s.takesOver(op) {
		native, there = op.Native, true
	}
	if op.Verb == target.Delete && !there {
		return out
	}
	if op.Verb == target.Update && !there && s.fake.is("takes what is not there for done") {
		return out
	}
	if op.Verb == target.Create && there && !s.fake.is("makes again what it made") || op.Verb != target.Create && !there {
		out.Err = reason.Errorf(reason.Conflict, nil, reason.ItemChanged, "address", "fake")
		return out
	}
	done, status := s.peer.write(id)
	if two := s.fake.is("changes members in two calls"); done && len(op.SetsDrop) > 0 && (two || s.fake.is("forgets that members failed")) {
		leave := op
		leave.Resource.Sets = s.without(native, op.SetsDrop)
		s.do(leave, &native)
		if done, status = s.peer.write(id); !done && !two {
			status = 200
		}
	}
	switch {
	case done:
		s.do(op, &native)
	case there && s.fake.is("disables who could not be written"):
		s.do(target.Operation{Verb: target.Disable, Resource: op.Resource}, &native)
	}
	return target.Outcome{Native: native, Err: s.answer(ctx, status, op)}
}

// without are the sets of a thing without some of their members.
func (s *sink) without(native string, drop []target.Set) (out []target.Set) {
	s.peer.mu.Lock()
	defer s.peer.mu.Unlock()
	for _, set := range s.peer.things[native].Sets {
		stay := target.Set{Name: set.Name}
		for _, m := range set.Members {
			if !slices.ContainsFunc(drop, func(d target.Set) bool { return d.Name == set.Name && slices.Contains(d.Members, m) }) {
				stay.Members = append(stay.Members, m)
			}
		}
		out = append(out, stay)
	}
	return out
}

// do is what the peer does.
func (s *sink) do(op target.Operation, native *string) {
	p, f := s.peer, s.fake
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.things[*native]
	for i, set := range op.Resource.Sets {
		set.Members = slices.Clone(set.Members)
		for j, m := range set.Members {
			if n := op.Natives[m]; n != "" && !p.things[n].mine && !f.is("knows members by our ids alone") {
				set.Members[j] = target.ID{Kind: target.Foreign, Key: n}
			}
		}
		op.Resource.Sets = slices.Clone(op.Resource.Sets)
		op.Resource.Sets[i] = set
	}
	switch op.Verb {
	case target.Create:
		*native = fmt.Sprint("n", p.serial)
		p.serial++
		x = thing{mine: true, Held: target.Held{ID: op.Resource.ID, Native: *native, Fields: op.Resource.Fields, Sets: op.Resource.Sets}}
	case target.Update:
		if f.is("says that it did and did not") {
			return
		}
		if f.is("forgets who comes later") {
			op.Resource.Sets = x.Sets
		}
		x.Fields, x.Sets, x.Disabled = op.Resource.Fields, op.Resource.Sets, x.Disabled && f.is("does not let anybody back in")
		x.mine, x.ID, x.away = true, op.Resource.ID, x.away && f.is("leaves where she lies who came back")
	case target.Move:
		x.away, x.Disabled = true, !f.is("moves her and lets her in")
	case target.Disable, target.Contain:
		if f.is("deletes in place of disabling") {
			delete(p.things, *native)
			return
		}
		x.Disabled = !op.Alias
		if op.Verb == target.Contain && !f.is("shows who is protected") {
			x.Fields = target.Fields{{Name: "username", Value: roster.Personal(*native)}}
		}
	case target.Delete:
		if f.is("forgets to delete") {
			return
		}
		if f.is("clears away what is not its own") {
			delete(p.things, "n0")
		}
		delete(p.things, *native)
		return
	}
	p.things[*native] = x
	for _, other := range p.things { // who was a member as the customer's own is one as ours
		for _, set := range other.Sets {
			for i, m := range set.Members {
				if m == (target.ID{Kind: target.Foreign, Key: *native}) && x.mine {
					set.Members[i] = x.ID
				}
			}
		}
	}
	s.mu.Lock()
	s.seen[x.ID] = x.Held
	s.mu.Unlock()
}

// takesOver tells whether an update is of something of the customer, which is ours from then on.
func (s *sink) takesOver(op target.Operation) bool {
	s.peer.mu.Lock()
	defer s.peer.mu.Unlock()
	x, there := s.peer.things[op.Native]
	return there && !x.mine && !s.fake.is("does not take over what it found")
}

// Match finds things of the customer by the user name.
func (s *sink) Match(ctx context.Context, wanted []target.Resource) ([][]target.Found, error) {
	out := make([][]target.Found, len(wanted))
	if !s.finds {
		return out, nil
	}
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	s.peer.mu.Lock()
	defer s.peer.mu.Unlock()
	for i, r := range wanted {
		for _, native := range slices.Sorted(maps.Keys(s.peer.things)) {
			x := s.peer.things[native]
			named := func(f target.Field) bool { return f.Name == "username" && slices.Contains(r.Fields, f) }
			if r.ID.Kind != "user" || x.mine && x.ID != r.ID || !slices.ContainsFunc(x.Fields, named) {
				continue
			}
			f := target.Found{Held: x.Held, By: "username"}
			if x.guarded && !s.fake.is("takes over whom it must not") {
				f.Refused = "it is guarded"
			}
			if s.fake.is("marks what it found") && !x.mine {
				x.Fields = append(slices.Clone(x.Fields), target.Field{Name: "seen", Value: "yes"})
				s.peer.things[native] = x
			}
			out[i] = append(out[i], f)
			if s.fake.is("tells of one of several") {
				break
			}
		}
	}
	return out, nil
}

// find looks for a thing by its anchor.
func (s *sink) find(id target.ID) (native string, there bool) {
	s.peer.mu.Lock()
	defer s.peer.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(s.peer.things)) {
		if x := s.peer.things[n]; x.mine && s.takesFor(x.Held, id) {
			return n, true
		}
	}
	return "", false
}

// takesFor tells whether it takes a thing for the one with an id.
func (s *sink) takesFor(x target.Held, id target.ID) bool {
	switch f := s.fake; {
	case f.is("finds what begins alike"):
		return x.ID.Kind == id.Kind && strings.HasPrefix(x.ID.Key, id.Key)
	case f.is("finds what is of another kind"):
		return x.ID.Key == id.Key
	case f.is("remembers only in memory what it made"):
		return s.seen[id].Native == x.Native
	default:
		return x.ID == id
	}
}

func (s *sink) Lookup(ctx context.Context, id target.ID, _ string) (target.Held, error) {
	if err := s.read(ctx); err != nil {
		return target.Held{}, err
	}
	if s.fake.is("touches what it is asked about") {
		s.peer.write(id)
	}
	native, there := s.find(id)
	if !there || s.fake.is("makes again what it made") {
		return target.Held{}, target.ErrNotFound
	}
	s.peer.mu.Lock()
	defer s.peer.mu.Unlock()
	return s.peer.things[native].Held, nil
}

func (s *sink) List(ctx context.Context, found func(target.Held) error) error {
	if err := s.read(ctx); err != nil {
		return err
	}
	all, _ := s.peer.Holds()
	if s.fake.is("believes itself") {
		all = slices.Collect(maps.Values(s.seen))
	}
	for i, h := range all {
		if i == 3 && s.fake.is("lists one page") {
			return nil
		}
		if err := found(h); err != nil {
			return err
		}
	}
	return nil
}

// delivery is the sink of a system that takes complete sets.
type delivery struct{ *sink }

func (d delivery) Render(set []target.Resource) (target.Package, []target.Problem) {
	var body bytes.Buffer
	for _, r := range set {
		fmt.Fprintln(&body, r.ID, len(r.Fields), r.Sets)
		for _, f := range r.Fields {
			fmt.Fprintln(&body, f.Name, f.Value.Reveal())
		}
	}
	if d.fake.is("writes the time into its file") {
		fmt.Fprintln(&body, time.Now().UnixNano())
	}
	sum := sha256.Sum256(body.Bytes())
	digest := hex.EncodeToString(sum[:8])
	sets.Store(digest, slices.Clone(set))
	return target.Package{Name: digest + ".txt", Digest: digest, Body: body.Bytes()}, nil
}

// sets are what packages were rendered of, so that the peer can take them apart.
var sets sync.Map

func (d delivery) Deliver(ctx context.Context, p target.Package) error {
	loaded, _ := sets.Load(p.Digest)
	set := loaded.([]target.Resource)
	if err := d.budget.Wait(ctx); err != nil {
		return err
	}
	done, status := d.peer.write(target.ID{})
	d.peer.mu.Lock()
	defer d.peer.mu.Unlock()
	if d.fake.is("clears the inbox first") || done {
		maps.DeleteFunc(d.peer.things, func(_ string, x thing) bool { return x.mine })
	}
	if done {
		for _, r := range set {
			d.peer.things[r.ID.String()] = thing{mine: true, Held: target.Held{ID: r.ID, Fields: r.Fields, Sets: r.Sets}}
		}
	}
	return d.answer(ctx, status, target.Operation{})
}

func (d delivery) Delivered(ctx context.Context, p target.Package) (bool, error) {
	if err := d.read(ctx); err != nil {
		return false, err
	}
	loaded, ok := sets.Load(p.Digest)
	if !ok {
		return false, nil
	}
	d.peer.mu.Lock()
	defer d.peer.mu.Unlock()
	n := 0
	for _, r := range loaded.([]target.Resource) {
		if x, there := d.peer.things[r.ID.String()]; there && slices.Equal(x.Fields, r.Fields) && fmt.Sprint(x.Sets) == fmt.Sprint(r.Sets) {
			n++
		}
	}
	return n == len(loaded.([]target.Resource)), nil
}
