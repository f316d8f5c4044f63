package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/services/ess/municipality"
)

// notTold is what is said of who is protected.
const notTold = "whom it concerns is not told"

// patience is how long an effect may take to reach the targets.
const patience = 2 * time.Minute

// scene is one thing that happens in the register, and what is to come of it.
type scene struct {
	title  string
	change municipality.Mutation // nil for none
	// play has it read, and checks what comes of it. Before is the register before the change.
	play func(s *stage, ctx context.Context, before *municipality.Municipality) error
}

func scenes(pupils int) []scene {
	many := municipality.ManyLeave(max(20, pupils/10)) // more than the guard lets leave unseen
	var before *municipality.Municipality
	var who string // left
	leave := func(m *municipality.Municipality) (municipality.Change, error) {
		before = m.Clone()
		c, err := m.Leave()
		who = c.Person
		return c, err
	}
	back := func(m *municipality.Municipality) (municipality.Change, error) {
		return municipality.Return(before, who)(m)
	}
	return []scene{
		{"The first read: the register is new to us", nil, (*stage).readOn},
		{"The same register again", nil, (*stage).readOn},
		{"A pupil moves to another group", (*municipality.Municipality).MoveClass, (*stage).readOn},
		{"A pupil leaves", leave, (*stage).readOn},
		{"That pupil comes back, and finds the same account", back, (*stage).readOn},
		{"A pupil joins", (*municipality.Municipality).Join, (*stage).readOn},
		{"A pupil changes surname", (*municipality.Municipality).Rename, (*stage).readOn},
		{"A pupil is protected: gone with the same read, past every limit", (*municipality.Municipality).Protect, (*stage).readOn},
		{"Many pupils are missing at once: held, and nobody is taken away", many, (*stage).readHeld},
		{"Somebody looks at what is held, and approves it", nil, (*stage).approve},
	}
}

func (s *stage) introduce() {
	size := s.town.Size()
	s.say.title("ESS demo: everything runs on this machine, and everyone in it is invented")
	s.say.fact("municipality", "%s: %d pupils, %d staff, %d units, %d groups", s.town.Name, size.Pupils, size.Staff, size.Units, size.Groups)
	s.say.fact("register", "%s", s.registry.where())
	s.say.fact("log", "%s   NATS JetStream in %s", s.nats.URL(), s.path("nats"))
	s.say.fact("inbox", "sftp://%s@%s/dropbox   in place of Apple School Manager", user, s.inbox.Addr())
	s.say.fact("directory", "%s   accounts and groups, in place of a directory service", s.path("directory.json"))
	s.say.fact("tenant", "%s   what an operator writes", s.path("tenants", tenantName+".yaml"))
}

// play shows every scene, then that a replay and a resync have nothing to do.
func (s *stage) play(ctx context.Context) error {
	begun := s.o.Now()
	scenes := scenes(s.o.Pupils)
	for i, scene := range scenes {
		if i > 0 && !s.o.Once {
			if err := wait(ctx, s.o.Pause); err != nil {
				return err
			}
		}
		s.say.step(i+1, scene.title)
		if err := s.happen(ctx, scene); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(scene.title), err)
		}
	}
	if err := s.recovery(ctx, len(scenes)+1, begun); err != nil {
		return err
	}
	s.say.title("Summary")
	if s.failed > 0 {
		s.say.bad("%d of %d steps did not come out as the register says", s.failed, len(scenes)+1)
		return errors.New("the targets do not equal the register")
	}
	s.say.good("after every step the delivered files and the directory equalled the register (%s in all)", s.o.Now().Sub(begun).Round(time.Millisecond))
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// happen changes the register, and plays what comes of it.
func (s *stage) happen(ctx context.Context, sc scene) error {
	before := s.town.Clone()
	if sc.change != nil {
		what, err := sc.change(s.town)
		if err != nil {
			return err
		}
		s.say.fact("register", "%s", what)
		if err := s.show(); err != nil {
			return err
		}
	}
	return sc.play(s, ctx, before)
}

// readOn has the register read, and compares what comes of it with the register.
func (s *stage) readOn(ctx context.Context, _ *municipality.Municipality) error {
	run, err := s.read(ctx)
	if err != nil {
		return err
	}
	s.tellRun(run)
	if !run.Believed() {
		return errors.New("the read was not believed")
	}
	if run.State == source.Unchanged {
		s.say.fact("deliver", "nothing: no event, no upload")
		s.say.fact("directory", "nothing: no event, no call")
		return s.check(s.town)
	}
	settled, err := s.await(ctx)
	if err != nil {
		return err
	}
	s.tellDelivered(settled[apple()])
	now, differs := s.look(s.town)
	s.tellDirectory(settled[directory()], now)
	return s.compare(s.town, now, differs)
}

// read has the register read now, and waits for what that comes to.
func (s *stage) read(ctx context.Context) (source.Run, error) {
	s.schedule.Trigger(s.register().String())
	select {
	case run := <-s.runs:
		return run, nil
	case <-ctx.Done():
		return source.Run{}, context.Cause(ctx)
	}
}

// await waits until every link has settled all that is in the log, and returns what that came to.
func (s *stage) await(ctx context.Context) (map[roster.Source]target.Settled, error) {
	end, err := s.store.Log(tenantName).End(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sums := map[roster.Source]target.Settled{}
	for s.behind(end) {
		select {
		case <-s.settled.more:
			for _, got := range s.settled.take() {
				if got.Halted != nil {
					return nil, fmt.Errorf("the link to %s is halted: %s", got.of, got.Halted)
				}
				sums[got.of] = sum(sums[got.of], got.Settled)
				s.cursors[got.of] = got.Cursor
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("the links did not come to the end of the log: %w", context.Cause(ctx))
		}
	}
	return sums, nil
}

func (s *stage) behind(end roster.Position) bool {
	for of := range s.links {
		if s.cursors[of].Seq < end.Seq {
			return true
		}
	}
	return false
}

// sum adds what a round did to what was done before. A delivery tells all that it changed by itself, and a round that
// looked at little tells nothing of how all stands.
func sum(before, now target.Settled) target.Settled {
	if now.Delivered != "" {
		return now
	}
	kinds := maps.Clone(before.Kinds)
	if kinds == nil {
		kinds = map[string]target.Delta{}
	}
	for kind, d := range now.Kinds {
		b := kinds[kind]
		kinds[kind] = target.Delta{Created: b.Created + d.Created, Updated: b.Updated + d.Updated, Disabled: b.Disabled + d.Disabled, Moved: b.Moved + d.Moved, Deleted: b.Deleted + d.Deleted}
	}
	before.Kinds = kinds
	if now.Withheld+now.Waiting+now.Parked > 0 {
		before.Withheld, before.Waiting, before.Parked = now.Withheld, now.Waiting, now.Parked
	}
	return before
}

// recovery shows that nothing is written where nothing differs, and that what is lost is made good.
func (s *stage) recovery(ctx context.Context, n int, begun time.Time) error {
	s.say.step(n, "Replay and resync, then a recovery after the inbox was emptied and the directory lost its groups")
	var replayed, resynced, sent int
	for _, link := range s.links {
		again, err := link.Replay(ctx, begun)
		if err != nil {
			return err
		}
		all, err := link.Resync(ctx, false, false)
		if err != nil {
			return err
		}
		replayed, resynced = replayed+again.Operations(), resynced+all.Operations()
		sent += uploads(again) + uploads(all)
	}
	now, _ := s.look(s.town) // how it differs is told below
	calls := now.Calls - s.shown.Calls
	s.say.fact("replay", "%d operations", replayed)
	s.say.fact("resync", "%d operations; %d uploads and %d calls in both", resynced, sent, calls)
	if replayed+resynced+sent > 0 || calls != 0 {
		s.failed++
		s.say.bad("a replay or a resync wrote something although nothing had changed")
	}
	if err := s.lose(); err != nil {
		return err
	}
	delivered, err := s.links[apple()].Resync(ctx, true, false)
	if err != nil {
		return err
	}
	s.say.fact("verify", "the inbox was empty: delivered %s again", delivered.Delivered)
	made, err := s.links[directory()].Resync(ctx, true, false)
	if err != nil {
		return err
	}
	s.say.fact("verify", "the directory had no groups: %s", changes(made))
	return s.check(s.town)
}

// lose empties the inbox, and takes the groups out of the directory behind its back.
func (s *stage) lose() error {
	files, err := filepath.Glob(s.path("apple", "dropbox", "*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(s.path("directory.json"))
	if err != nil {
		return err
	}
	var file map[string]any
	if err := json.Unmarshal(data, &file); err != nil {
		return err
	}
	objects, _ := file["objects"].([]any)
	file["objects"] = slices.DeleteFunc(objects, func(o any) bool {
		fields, _ := o.(map[string]any)
		return fields["type"] == "group"
	})
	if data, err = json.Marshal(file); err != nil {
		return err
	}
	return os.WriteFile(s.path("directory.json"), data, 0o600)
}

func uploads(s target.Settled) int {
	if s.Delivered != "" && !s.Adopted {
		return 1
	}
	return 0
}

// check compares the newest delivery, and the directory, with a register.
func (s *stage) check(town *municipality.Municipality) error {
	d, differs := s.look(town)
	return s.compare(town, d, differs)
}

// compare compares the newest delivery with a register, and tells how the directory that was just looked at differs.
func (s *stage) compare(town *municipality.Municipality, d Directory, differs error) error {
	path, err := newest(s.path("apple", "dropbox"))
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	content, err := Verify(data, town, roster.Today(s.o.Now()))
	if err != nil {
		s.failed++
		s.say.bad("%s does not equal the register: %v", filepath.Base(path), err)
	} else {
		s.say.good("%s equals the register: %d students, %d staff, %d classes with %d places, %d locations",
			filepath.Base(path), content.Students, content.Staff, content.Classes, content.Enrolled, content.Locations)
	}
	s.shown = d
	if differs != nil {
		s.failed++
		s.say.bad("the directory does not equal the register: %v", differs)
		return nil
	}
	s.say.good("the directory equals the register: %d accounts in use and %d disabled, %d groups with %d places, %d units",
		len(d.Accounts), len(d.Disabled), d.Groups, len(d.Places), d.Units)
	maps.Copy(s.accounts, d.Accounts)
	return nil
}

// look compares the directory with a register.
func (s *stage) look(town *municipality.Municipality) (Directory, error) {
	data, err := os.ReadFile(s.path("directory.json"))
	if err != nil {
		return Directory{}, err
	}
	return VerifyDirectory(data, town, roster.Today(s.o.Now()), s.accounts)
}

func newest(dir string) (path string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var last time.Time
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return "", err
		}
		if path == "" || info.ModTime().After(last) {
			path, last = filepath.Join(dir, e.Name()), info.ModTime()
		}
	}
	if path == "" {
		return "", fmt.Errorf("nothing was delivered to %s", dir)
	}
	return path, nil
}

func (s *stage) tellRun(r source.Run) {
	s.say.fact("read", "%s: %s, complete: %t", r.Origin, counts(r.Seen), r.Complete)
	for _, f := range r.Findings {
		s.say.fact("finding", "%d × %s", f.Count, f.Reason.Text(reason.English))
	}
	took := r.Ended.Sub(r.Started).Round(time.Millisecond)
	if r.State == source.Unchanged {
		s.say.fact("publish", "0 events: nothing changed (%s)", took)
		return
	}
	if r.Reason != nil {
		s.say.bad("%s: %s\n      %s", r.State, r.Reason.Text(reason.English), r.Reason.Next(reason.English))
		return
	}
	s.say.fact("publish", "%s (%s)", counts(r.Counts), took)
}

func (s *stage) tellDelivered(t target.Settled) {
	if t.Delivered == "" {
		s.say.fact("deliver", "nothing: the files did not change")
		return
	}
	s.say.fact("deliver", "%s: %s (plan %s, files %s, upload %s)", t.Delivered, changes(t),
		t.PlanTook.Round(time.Millisecond), t.RenderTook.Round(time.Millisecond), t.DeliverTook.Round(time.Millisecond))
	s.tellLeftOut(t)
}

// tellDirectory tells what the link did, and what somebody who looks at the directory sees of it. Of who is protected
// nothing is told.
func (s *stage) tellDirectory(t target.Settled, now Directory) {
	s.say.fact("directory", "%s", changes(t))
	for _, line := range now.since(s.shown) {
		s.say.fact("", "%s", line)
	}
	s.tellLeftOut(t)
}

func (s *stage) tellLeftOut(t target.Settled) {
	if t.Withheld+t.Waiting+t.Parked > 0 {
		s.say.fact("", "left out: %d withheld and %d waiting, each with its reason", t.Withheld, t.Waiting+t.Parked)
	}
}

// changes counts what a link did by kind of resource.
func changes(t target.Settled) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(t.Kinds)) {
		d := t.Kinds[kind]
		for _, c := range []struct {
			sign string
			n    int
		}{{"+", d.Created}, {"~", d.Updated}, {"⊖", d.Disabled + d.Moved}, {"−", d.Deleted}} {
			if c.n > 0 {
				parts = append(parts, fmt.Sprintf("%s%d %s", c.sign, c.n, kind))
			}
		}
	}
	if len(parts) == 0 {
		return notTold
	}
	return strings.Join(parts, ", ")
}

func counts(m map[string]int) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(m)) {
		if m[what] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", m[what], strings.ReplaceAll(what, ".", " ")))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// printer writes for a person at a terminal.
type printer struct{ w io.Writer }

func (p printer) title(text string)               { fmt.Fprintf(p.w, "\n%s\n", text) }
func (p printer) step(n int, text string)         { fmt.Fprintf(p.w, "\n%d  %s\n", n, text) }
func (p printer) note(text string)                { fmt.Fprintf(p.w, "\n%s\n", text) }
func (p printer) good(format string, args ...any) { fmt.Fprintf(p.w, "   ✓  "+format+"\n", args...) }

func (p printer) bad(format string, args ...any) { fmt.Fprintf(p.w, "   ✗  "+format+"\n", args...) }

func (p printer) fact(what, format string, a ...any) {
	fmt.Fprintf(p.w, "   %-13s "+format+"\n", append([]any{what}, a...)...)
}
