package service

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/robfig/cron/v3"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

var (
	alvis = roster.Source{System: "alvis", Instance: "default"}
	apple = roster.Source{System: "apple-school-manager", Instance: "default"}
	child = roster.Ref{Kind: roster.KindPerson, Key: roster.Key{1, 2, 3, 0xab, 0xcd}}
)

// morning is when the statuses of the tests are sent.
var morning = time.Date(2026, 10, 2, 6, 30, 0, 0, roster.Stockholm())

// cluster is a server with tenants on it.
func cluster(t *testing.T, tenants ...string) *store.Store {
	t.Helper()
	server, err := store.Embedded(store.ServerOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	st, err := store.Connect(t.Context(), store.Options{Server: server, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	for _, name := range tenants {
		if err := st.EnsureTenant(t.Context(), name, 1); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

func save(t *testing.T, st *store.Store, runs ...source.Run) {
	t.Helper()
	for _, r := range runs {
		r.ID, r.Source, r.Ended = r.Started.Format(time.RFC3339), alvis, r.Started.Add(time.Minute)
		if err := st.Runs("lund").Save(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStatusOfASource(t *testing.T) {
	why := reason.New(reason.Unreachable, "address", "sftp.example")
	ago := func(h int, s source.State) source.Run {
		r := source.Run{Started: morning.Add(-time.Duration(h) * time.Hour), State: s}
		if !r.Believed() {
			r.Reason = &why
		}
		return r
	}
	serious := func(s source.IssueState) *source.Found {
		return &source.Found{Issues: []source.Issue{
			{Reason: reason.New(reason.InvalidNumber), Severity: fact.Serious, Effect: fact.KeptBack, Ref: child, Count: 2, State: s, Since: morning},
			{Reason: reason.New(reason.UnknownCode), Severity: fact.Warning, Effect: fact.Noted, Count: 5, State: source.IssueStill, Since: morning},
		}}
	}
	hold := func(seen time.Time) guard.Kept {
		items := []guard.HeldItem{{Item: guard.Item{Ref: child, Expect: 1, Operation: guard.Delete}}}
		h := guard.NewHold(items, nil, "run", seen, nil)
		return guard.Kept{Hold: h}
	}
	decided := hold(morning.Add(-12 * time.Hour))
	if _, err := decided.Decide(decided.Hold.Digest, nil, guard.Rejected, "anna", morning); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		runs []source.Run
		kept guard.Kept
		want Verdict
		says []string // in the English text
	}{
		"never read":             {nil, guard.Kept{}, Look, []string{"Has never been read."}},
		"read last evening":      {[]source.Run{ago(12, source.Published)}, guard.Kept{}, OK, []string{"Last read: read, changes published, 2026-10-01 18:30 (12 h ago)."}},
		"nothing changed":        {[]source.Run{ago(12, source.Unchanged)}, guard.Kept{}, OK, []string{"nothing changed"}},
		"unreachable, once":      {[]source.Run{ago(36, source.Published), ago(1, source.Unreachable)}, guard.Kept{}, Look, []string{"unreachable", "60 min ago", "sftp.example could not be reached", "Last believed read: 2026-09-30 18:30 (36 h ago)."}},
		"unreachable, for long":  {[]source.Run{ago(8*24, source.Published), ago(1, source.Unreachable)}, guard.Kept{}, Act, []string{"8 days ago"}},
		"unreachable, from 1":    {[]source.Run{ago(1, source.Unreachable)}, guard.Kept{}, Look, []string{"No read has been believed yet."}},
		"refused":                {[]source.Run{ago(36, source.Published), ago(1, source.Refused)}, guard.Kept{}, Act, []string{"refused"}},
		"nobody reads":           {[]source.Run{ago(72, source.Published)}, guard.Kept{}, Look, []string{"3 days ago"}},
		"nobody reads, for long": {[]source.Run{ago(8*24, source.Published)}, guard.Kept{}, Act, []string{"8 days ago"}},
		"held":                   {[]source.Run{ago(36, source.Published), ago(12, source.Held)}, hold(morning.Add(-12 * time.Hour)), Act, []string{"a part is held", "1 changes wait for a decision since 2026-10-01 18:30"}},
		"held, and decided":      {[]source.Run{ago(36, source.Published), ago(12, source.Held)}, decided, Look, []string{"a part is held"}},
		"held for too long":      {[]source.Run{ago(12, source.Unchanged)}, hold(morning.Add(-8 * 24 * time.Hour)), Act, []string{"are too old"}},
		"a new error": {
			[]source.Run{{Started: morning.Add(-time.Hour), State: source.Published, Found: serious(source.IssueNew)}},
			guard.Kept{},
			Look,
			[]string{"Findings, errors: 2 new, 0 still, 0 gone.", "Findings, warnings: 0 new, 5 still, 0 gone."},
		},
		"an old error": {
			[]source.Run{{Started: morning.Add(-time.Hour), State: source.Published, Found: serious(source.IssueStill)}},
			guard.Kept{},
			OK,
			[]string{"Findings, errors: 0 new, 2 still, 0 gone."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := cluster(t, "lund")
			for i := range c.runs {
				if f := c.runs[i].Found; f != nil {
					f.Run = c.runs[i].Started.Format(time.RFC3339)
				}
			}
			save(t, st, c.runs...)
			if c.kept.Hold != nil {
				if err := st.Holds("lund").Keep(t.Context(), alvis, c.kept); err != nil {
					t.Fatal(err)
				}
			}
			s, err := StatusOf(t.Context(), st, Subject{Tenant: "lund", Sources: []roster.Source{alvis}}, morning)
			if err != nil {
				t.Fatal(err)
			}
			text := s.Text(reason.English)
			if s.Verdict != c.want || len(s.Sources) != 1 || s.Sources[0].Verdict != c.want {
				t.Errorf("verdict %s, want %s", s.Verdict, c.want)
			}
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said:\n%s", want, text)
				}
			}
			body, err := json.Marshal(s)
			if err != nil || strings.Contains(string(body)+text, child.Key.String()) {
				t.Errorf("R8: the key of a person is told, %v", err)
			}
		})
	}
}

func TestStatusOfALink(t *testing.T) {
	halt := reason.New(reason.WrongCredentials, "address", "upload.example", "user", "lund")
	log := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end := roster.Position{Log: log, Seq: 100}
	at := func(seq uint64, s target.Status) target.Mark {
		return target.Mark{Cursor: roster.Position{Log: log, Seq: seq}, Status: s, Set: target.SetRef{At: morning}}
	}
	active := target.Status{Mode: target.ModeActive}
	for name, c := range map[string]struct {
		mode    target.Mode
		mark    target.Mark
		settled bool
		held    *Waits
		want    Verdict
		shown   target.Mode
		lag     uint64
	}{
		"in preview":     {target.ModePreview, target.Mark{}, false, nil, OK, target.ModePreview, 0},
		"paused":         {target.ModePaused, at(7, target.Status{Mode: target.ModeHalted, Reason: &halt}), true, nil, OK, target.ModePaused, 93},
		"right":          {target.ModeActive, at(100, active), true, nil, OK, target.ModeActive, 0},
		"never settled":  {target.ModeActive, target.Mark{}, false, nil, Look, target.ModeActive, 0},
		"behind":         {target.ModeActive, at(90, active), true, nil, Look, target.ModeActive, 10},
		"another log":    {target.ModeActive, target.Mark{Cursor: roster.Position{Log: log.Add(1), Seq: 7}, Status: active}, true, nil, OK, target.ModeActive, 0},
		"parked":         {target.ModeActive, at(100, target.Status{Mode: target.ModeActive, Parked: 1}), true, nil, Look, target.ModeActive, 0},
		"withheld":       {target.ModeActive, at(100, target.Status{Mode: target.ModeActive, Withheld: 9, Waiting: 3}), true, nil, OK, target.ModeActive, 0},
		"halted":         {target.ModeActive, at(100, target.Status{Mode: target.ModeHalted, Reason: &halt}), true, nil, Act, target.ModeHalted, 0},
		"held":           {target.ModeActive, at(100, target.Status{Mode: target.ModeHeld}), true, &Waits{Changes: 3}, Act, target.ModeHeld, 0},
		"held, decided":  {target.ModeActive, at(100, target.Status{Mode: target.ModeHeld}), true, nil, Look, target.ModeHeld, 0},
		"mode not known": {"", at(100, active), true, nil, OK, target.ModeActive, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := linkStatus(apple, c.mode, c.mark, c.settled, end, c.held)
			if s.Verdict != c.want || s.Mode != c.shown || s.Lag != c.lag {
				t.Errorf("%+v, want %s, %s, %d behind", s, c.want, c.shown, c.lag)
			}
			if told := s.Why != nil; told != (s.Mode == target.ModeHalted) {
				t.Errorf("why: %v", s.Why)
			}
		})
	}
}

// A complete set whose first delivery waits, for a source that has never been believed, has a mark and no place in the log.
func TestALinkThatNeverDeliveredIsLookedAt(t *testing.T) {
	end := roster.Position{Log: morning, Seq: 3}
	for name, c := range map[string]struct {
		mark target.Mark
		want Verdict
	}{
		"it waits":   {target.Mark{}, Look},
		"it is done": {target.Mark{Cursor: end}, OK},
	} {
		if got := linkStatus(apple, target.ModeActive, c.mark, true, end, nil); got.Verdict != c.want || got.Settled != (c.want == OK) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The worst stands first, and every language has every word.
func TestStatusAsText(t *testing.T) {
	why := told(&reason.Reason{Code: reason.EmptyRead})
	s := Status{
		Tenant: "lund", Title: "Lunds kommun", At: morning, Verdict: OK, Console: "https://console.example/tenants/lund",
		Sources: []SourceStatus{
			{Source: alvis, Name: "alvis/a", Verdict: OK, State: source.Published, Started: morning, Believed: morning},
			{Source: alvis, Name: "alvis/b", Verdict: Act, State: source.Empty, Started: morning, Why: why, Held: &Waits{28, morning, false}},
		},
		Links: []LinkStatus{
			{Link: apple, Name: "apple/a", Verdict: OK, Mode: target.ModePreview},
			{Link: apple, Name: "apple/b", Verdict: Look, Mode: target.ModeActive, Settled: true, Lag: 7, Parked: 1, Delivered: morning},
		},
		UnknownUnits: []string{"alvis/default S9"},
	}
	s.rank()
	if s.Verdict != Act || s.Sources[0].Name != "alvis/b" || s.Links[0].Name != "apple/b" {
		t.Errorf("order: %+v", s)
	}
	for language, want := range map[reason.Language]string{
		reason.Swedish: `Lunds kommun (lund): åtgärda, 2026-10-02 06:30

Källa, alvis/b: åtgärda
  Senaste läsning: tom, 2026-10-02 06:30 (0 min sedan).
  Läsningen gav inga personer. Kontrollera exporten i registret. Inget har ändrats.
  Ingen läsning har ännu godtagits.
  28 ändringar väntar på beslut sedan 2026-10-02 06:30: visa dem med essctl held show.

Källa, alvis/a: i ordning
  Senaste läsning: läst, ändringar publicerade, 2026-10-02 06:30 (0 min sedan).

Mål, apple/b: titta på
  Aktiv.
  7 händelser efter.
  0 väntar, 1 parkerade, 0 skickas inte.
  Senaste leverans: 2026-10-02 06:30.

Mål, apple/a: i ordning
  Förhandsvisning: inget skrivs.

Skolenheter i inställningarna som registren inte har: alvis/default S9.

https://console.example/tenants/lund
`,
		reason.English: `Lunds kommun (lund): act, 2026-10-02 06:30

Source, alvis/b: act
  Last read: empty, 2026-10-02 06:30 (0 min ago).
  The read gave no persons. Check the export in the register. Nothing was changed.
  No read has been believed yet.
  28 changes wait for a decision since 2026-10-02 06:30: see essctl held show.

Source, alvis/a: ok
  Last read: read, changes published, 2026-10-02 06:30 (0 min ago).

Target, apple/b: look
  Active.
  7 events behind.
  0 waiting, 1 parked, 0 not sent.
  Last delivery: 2026-10-02 06:30.

Target, apple/a: ok
  Preview: nothing is written.

School units in the settings that the registers do not have: alvis/default S9.

https://console.example/tenants/lund
`,
	} {
		if got := s.Text(language); got != want {
			t.Errorf("in %s:\n%s", language, got)
		}
		w := wordsIn(language)
		for _, state := range []source.State{
			source.Published, source.Unchanged, source.Held, source.Empty, source.Incomplete, source.Stale, source.Unreadable,
			source.Unreachable, source.Refused, source.Failed,
		} {
			if w.states[state] == "" {
				t.Errorf("%s has no word for %s", language, state)
			}
		}
		for _, mode := range []target.Mode{target.ModePreview, target.ModeActive, target.ModePaused, target.ModeHeld, target.ModeHalted} {
			if w.modes[mode] == "" {
				t.Errorf("%s has no words for %s", language, mode)
			}
		}
	}
}

// document returns one with a table of units, of which only the first two are in the log.
func document(t *testing.T) *tenant.Document {
	t.Helper()
	t.Setenv("SERVICE_TEST_PEPPER", strings.Repeat("p", roster.MinPepper))
	d, err := tenant.Parse([]byte(`
tenant: lund
pepper: env:SERVICE_TEST_PEPPER
sources: [{system: alvis}]
links: [{target: apple-school-manager, mode: active}]
units:
  - {source: alvis, id: S1, mergedInto: {source: alvis, id: S2}}
  - {source: alvis, id: S2, name: Storskolan}
  - {source: alvis, id: S3, mergedInto: {source: alvis, id: S1x}}
  - {source: alvis, id: S4, excluded: true}
`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestStatusWarnsOfUnitsThatTheLogDoesNotKnow(t *testing.T) {
	st, d := cluster(t, "lund"), document(t)
	k, err := roster.NewKeyer([]byte(strings.Repeat("p", roster.MinPepper)))
	if err != nil {
		t.Fatal(err)
	}
	var changes []source.Change
	for _, id := range []string{"S1", "S2", "S1x"} {
		ref := roster.Ref{Kind: roster.KindOrganisation, Key: k.Organisation(alvis, id)}
		r := roster.Record{Ref: ref, Source: alvis, Organisation: &roster.Organisation{DisplayName: "Testskolan", Type: roster.SchoolUnit}}
		if id != "S2" {
			r.Organisation, r.Tombstone = nil, &roster.Tombstone{Reason: roster.TombstoneLeft}
		}
		changes = append(changes, source.Change{Record: r, Hash: k.Hash(&r)})
	}
	if err := st.Log("lund").Publish(t.Context(), alvis, "run", changes, func(int) {}); err != nil {
		t.Fatal(err)
	}
	s, err := StatusOf(t.Context(), st, SubjectOf(d, k, ""), morning)
	if err != nil {
		t.Fatal(err)
	}
	// S1 is gone from the register, which is why it is merged; S1x is gone too, and nobody can count as it.
	if want := "alvis/default S1x, alvis/default S3, alvis/default S4"; strings.Join(s.UnknownUnits, ", ") != want || s.Verdict != Look || s.Console != "" {
		t.Errorf("%s, %s, want %s", s.Verdict, s.UnknownUnits, want)
	}
}

// A tenant without a document is told of by what the log knows of it.
func TestStatusWithoutADocument(t *testing.T) {
	st := cluster(t, "lund")
	save(t, st, source.Run{Started: morning.Add(-time.Hour), State: source.Unchanged})
	book, err := st.Ledger("lund").Own(t.Context(), apple, target.Owner{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	end, err := st.Log("lund").End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := book.Save(t.Context(), nil, target.Mark{Cursor: end}); err != nil {
		t.Fatal(err)
	}
	subject, err := SubjectKnown(t.Context(), st, "lund", "https://console.example/")
	if err != nil {
		t.Fatal(err)
	}
	s, err := StatusOf(t.Context(), st, subject, morning)
	if err != nil || len(s.Sources) != 1 || len(s.Links) != 1 || s.Verdict != OK || s.Console != "https://console.example/tenants/lund" {
		t.Errorf("%+v, %v", s, err)
	}
}

// inbox is a notifier that keeps what it gets.
type inbox struct {
	got  []Status
	fail error
}

func (i *inbox) Notify(_ context.Context, s Status) error {
	i.got = append(i.got, s)
	return i.fail
}

func TestAStatusThatWasMissedIsSentAtTheStart(t *testing.T) {
	st, d := cluster(t, "lund"), document(t)
	at, err := cron.ParseStandard(statusAt)
	if err != nil {
		t.Fatal(err)
	}
	now := morning.Add(-time.Hour)
	box := &inbox{}
	r := Reporter{store: st, tenant: d, to: []Notifier{box}, logger: slog.New(slog.DiscardHandler), now: func() time.Time { return now }}
	start := func(when string, hours int, want bool) {
		t.Helper()
		now = morning.Add(time.Duration(hours) * time.Hour)
		missed, err := r.missed(t.Context(), at)
		if err != nil || missed != want {
			t.Errorf("%s: missed %t, %v, want %t", when, missed, err, want)
		}
	}
	start("the first time", -1, false)
	start("after its time", 1, true)
	box.fail = errors.New("not now")
	r.report(t.Context())
	start("when it did not arrive", 2, true)
	box.fail = nil
	r.report(t.Context())
	start("when it was sent", 3, false)
	start("before the next one's time", 23, false)
	start("in the evening after it", 36, true)
	if len(box.got) != 2 || box.got[1].Tenant != "lund" || len(box.got[1].Sources) != 1 {
		t.Errorf("sent %+v", box.got)
	}
}

// The nights on which the clock is changed are among them: once a day, by the clock on the wall.
func TestDaily(t *testing.T) {
	for _, c := range []struct {
		at, from, want string
	}{
		{statusAt, "2000-01-01 01:00", "2000-01-01 06:30, 2000-01-02 06:30, 2000-01-03 06:30"},
		{statusAt, "2000-03-25 07:00", "2000-03-26 06:30, 2000-03-27 06:30, 2000-03-28 06:30"},
		{statusAt, "2000-10-28 07:00", "2000-10-29 06:30, 2000-10-30 06:30, 2000-10-31 06:30"},
		{sweepAt, "2000-03-25 07:00", "2000-03-26 03:10, 2000-03-27 03:10, 2000-03-28 03:10"},
		{sweepAt, "2000-10-28 07:00", "2000-10-29 03:10, 2000-10-30 03:10, 2000-10-31 03:10"},
	} {
		t.Run(c.from, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at, err := cron.ParseStandard(c.at)
				if err != nil {
					t.Fatal(err)
				}
				from, err := time.ParseInLocation("2006-01-02 15:04", c.from, roster.Stockholm())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Until(from))
				ctx, stop := context.WithTimeout(t.Context(), 73*time.Hour) // a day may have 25 hours
				defer stop()
				var called []string
				err = daily(ctx, at, time.Now, func(context.Context) { called = append(called, clock(time.Now())) })
				if strings.Join(called, ", ") != c.want || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("called at %s; %v", called, err)
				}
			})
		})
	}
}
