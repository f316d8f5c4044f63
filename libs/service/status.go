package service

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// Verdict says what a status asks of whoever reads it.
type Verdict string

// The verdicts, the worst first.
const (
	Act  Verdict = "act"  // a person has to do or decide something
	Look Verdict = "look" // something is not as it should be; it may pass by itself
	OK   Verdict = "ok"
)

// Status says how a tenant stands. It holds counts, states and reasons; never a name, the key of a person, or anything
// that tells how many persons are protected.
type Status struct {
	Tenant  string         `json:"tenant"`
	Title   string         `json:"title,omitempty"`
	At      time.Time      `json:"at"`
	Verdict Verdict        `json:"verdict"` // the worst of all below
	Console string         `json:"console,omitempty"`
	Sources []SourceStatus `json:"sources"`           // the worst first
	Links   []LinkStatus   `json:"links"`             // the worst first
	Notices []Notice       `json:"notices,omitempty"` // what the document asks for, the worst first
	// UnknownUnits are units that the document names and the log does not know, as system/instance and the source's id.
	UnknownUnits []string `json:"unknownUnits,omitempty"`
	// Conflicts counts the persons of whom the sources speak as two people; see [Across].
	Conflicts int `json:"conflicts,omitempty"`
}

// SourceStatus says how a source stands.
type SourceStatus struct {
	Source   roster.Source `json:"-"`
	Name     string        `json:"source"`
	Verdict  Verdict       `json:"verdict"`
	State    source.State  `json:"state,omitempty"`  // of the last run; empty when there was none
	Started  time.Time     `json:"started,omitzero"` // of the last run
	Believed time.Time     `json:"believed,omitzero"`
	Why      *Told         `json:"why,omitempty"`
	Held     *Waits        `json:"held,omitempty"`
	Findings []Findings    `json:"findings,omitempty"` // the most serious first
	Site     *SiteStatus   `json:"site,omitempty"`     // of one that is read by a program at the customer's
}

// LinkStatus says how a link stands.
type LinkStatus struct {
	Link      roster.Source `json:"-"`
	Name      string        `json:"link"`
	Verdict   Verdict       `json:"verdict"`
	Mode      target.Mode   `json:"mode,omitempty"` // preview, active, paused, held or halted; empty where it is not known
	Why       *Told         `json:"why,omitempty"`
	Settled   bool          `json:"settled"` // it has ever come to the end of its work
	Lag       uint64        `json:"lag"`     // messages of the log that it has not settled
	Waiting   int           `json:"waiting"`
	Parked    int           `json:"parked"`
	Withheld  int           `json:"withheld"`
	Delivered time.Time     `json:"delivered,omitzero"` // the last complete set
	Held      *Waits        `json:"held,omitempty"`
	Compared  *Compared     `json:"compared,omitempty"` // the last time with what the target holds
}

// Drift is a resource that others changed in a target.
type Drift struct {
	Resource string `json:"resource"`
	What     string `json:"what"`
	Repaired bool   `json:"repaired"`
}

// Compared says what a comparison of a link with its target came to.
type Compared struct {
	At       time.Time `json:"at"`
	Asked    time.Time `json:"asked,omitzero"` // when the target was last asked what has changed since
	Found    int       `json:"found"`          // resources that others changed
	Repaired int       `json:"repaired"`       // those that the link set out to write as they were
	Reported int       `json:"reported"`       // those in which something was left as it is
	Last     []Drift   `json:"last,omitempty"` // the newest of them
	Why      *Told     `json:"why,omitempty"`  // why the target was not believed
}

// Told is a reason with its texts, as a receiver that has no catalogue needs it.
type Told struct {
	Code reason.Code `json:"code"`
	What Text        `json:"what"`
	Next Text        `json:"next"`
}

// Text is a text in each language.
type Text map[reason.Language]string

// Waits counts what waits for a decision.
type Waits struct {
	Changes int       `json:"changes"`
	Since   time.Time `json:"since"`
	Expired bool      `json:"expired,omitempty"` // it is too old to be decided about
}

// Findings counts the findings of a severity.
type Findings struct {
	Severity fact.Severity `json:"severity"`
	New      int           `json:"new"`
	Still    int           `json:"still"`
	Gone     int           `json:"gone"`
}

// Subject is what a status is made of.
type Subject struct {
	Tenant, Title string
	Sources       []roster.Source
	OnSite        map[roster.Source]bool        // those that a program at the customer's reads
	Links         map[roster.Source]target.Mode // as configured; empty where that is not known
	Units         []tenant.NamedUnit
	Endings       []tenant.Ending // what of the document ends on a day
	Unusable      bool            // there is a newer document, which cannot be used
	Console       string          // address of the console; empty for none
}

// SubjectOf returns what a document names. Without a keyer nothing is told of units.
func SubjectOf(d *tenant.Document, k *roster.Keyer, console string) Subject {
	s := Subject{Tenant: d.Tenant, Title: d.Title, Sources: d.Precedence(), Links: map[roster.Source]target.Mode{}, OnSite: map[roster.Source]bool{}, Endings: d.Endings(), Console: console}
	for _, x := range d.Sources {
		s.OnSite[x.Ref()] = x.OnSite
	}
	for _, l := range d.Links {
		s.Links[l.Ref()] = target.Mode(l.Mode)
	}
	if k != nil {
		s.Units = d.NamedUnits(k)
	}
	return s
}

// SubjectKnown returns what the log knows of a tenant of which there is no document.
func SubjectKnown(ctx context.Context, st *store.Store, tenant, console string) (s Subject, err error) {
	s = Subject{Tenant: tenant, Links: map[roster.Source]target.Mode{}, Console: console}
	if s.Sources, err = st.Runs(tenant).Sources(ctx); err != nil {
		return s, err
	}
	marks, err := st.Ledger(tenant).Marks(ctx)
	for link := range marks {
		s.Links[link] = ""
	}
	return s, err
}

// How old the last believed read may be.
const (
	lookAfter = 48 * time.Hour
	actAfter  = 7 * 24 * time.Hour
)

// StatusOf asks the store how a tenant stands.
func StatusOf(ctx context.Context, st *store.Store, of Subject, now time.Time) (Status, error) {
	s := Status{Tenant: of.Tenant, Title: of.Title, At: now, Verdict: OK, Sources: []SourceStatus{}, Links: []LinkStatus{}}
	if of.Console != "" {
		s.Console = strings.TrimRight(of.Console, "/") + "/tenants/" + url.PathEscape(of.Tenant)
	}
	s.Notices = noticesOf(of.Endings, of.Unusable, roster.Today(now))
	end, err := st.Log(of.Tenant).End(ctx)
	if err != nil {
		return s, err
	}
	across, err := AcrossSources(ctx, st, of.Tenant, now)
	if err != nil {
		return s, err
	}
	s.Conflicts = len(across.Conflicts)
	asks, err := st.Control().List(ctx, of.Tenant)
	if err != nil && reason.Of(err).Code != reason.LogMissing { // without that stream nobody can have paused anything
		return s, err
	}
	for _, ref := range of.Sources {
		one, err := sourceStatus(ctx, st, of.Tenant, ref, across, now)
		if err != nil {
			return s, err
		}
		if one.Site = siteStatus(asks, store.SourcePlace(of.Tenant, ref), of.OnSite[ref]); one.Site != nil {
			one.Verdict = one.Verdict.or(one.Site.judge(now))
		}
		s.Sources = append(s.Sources, one)
	}
	marks, err := st.Ledger(of.Tenant).Marks(ctx)
	if err != nil {
		return s, err
	}
	for ref, mode := range of.Links {
		if slices.ContainsFunc(asks, func(a store.Ask) bool { return a.Place == store.LinkPlace(of.Tenant, ref) && a.Pauses() }) {
			mode = target.ModePaused
		}
		mark, settled := marks[ref]
		kept, err := st.LinkHolds(of.Tenant).Kept(ctx, ref)
		if err != nil {
			return s, err
		}
		s.Links = append(s.Links, linkStatus(ref, mode, mark, settled, end, waits(kept, now)))
	}
	for _, u := range of.Units {
		known, stands, err := st.Log(of.Tenant).Stands(ctx, u.Source, roster.Ref{Kind: roster.KindOrganisation, Key: u.Key})
		if err != nil {
			return s, err
		}
		if name := u.Source.String() + " " + string(u.ID); (!known || u.Must && !stands) && !slices.Contains(s.UnknownUnits, name) {
			s.UnknownUnits = append(s.UnknownUnits, name)
		}
	}
	s.rank()
	return s, nil
}

// rank puts the worst first, and takes its verdict.
func (s *Status) rank() {
	slices.SortFunc(s.Sources, func(a, b SourceStatus) int {
		return cmp.Or(a.Verdict.compare(b.Verdict), a.Source.Compare(b.Source))
	})
	slices.SortFunc(s.Links, func(a, b LinkStatus) int {
		return cmp.Or(a.Verdict.compare(b.Verdict), a.Link.Compare(b.Link))
	})
	slices.Sort(s.UnknownUnits)
	if len(s.UnknownUnits)+s.Conflicts > 0 {
		s.Verdict = Look
	}
	if len(s.Notices) > 0 {
		s.Verdict = s.Verdict.or(s.Notices[0].Verdict)
	}
	if len(s.Sources) > 0 {
		s.Verdict = s.Verdict.or(s.Sources[0].Verdict)
	}
	if len(s.Links) > 0 {
		s.Verdict = s.Verdict.or(s.Links[0].Verdict)
	}
}

// compare orders verdicts, the worst first.
func (v Verdict) compare(o Verdict) int {
	order := []Verdict{Act, Look, OK}
	return slices.Index(order, v) - slices.Index(order, o)
}

// or returns the worse of two verdicts.
func (v Verdict) or(o Verdict) Verdict {
	if o.compare(v) < 0 {
		return o
	}
	return v
}

func sourceStatus(ctx context.Context, st *store.Store, name string, ref roster.Source, across Across, now time.Time) (s SourceStatus, err error) {
	s = SourceStatus{Source: ref, Name: ref.String(), Verdict: OK}
	newest, believed, err := st.Runs(name).Last(ctx, ref)
	if err != nil {
		return s, err
	}
	kept, err := st.Holds(name).Kept(ctx, ref)
	if err != nil {
		return s, err
	}
	found, err := st.Runs(name).Found(ctx, ref, "")
	if err != nil {
		return s, err
	}
	s.Held, s.Findings = waits(kept, now), findingsOf(across.Told(found))
	if newest != nil {
		s.State, s.Started, s.Why = newest.State, newest.Started, told(newest.Reason)
	}
	if believed != nil {
		s.Believed = believed.Started
	}
	s.judge(newest, believed, now)
	return s, nil
}

// judge says what a source asks of a person. A state that a later read may mend is looked at first; it is to be acted
// upon when reads have not been believed for long, or when only a person can change it.
func (s *SourceStatus) judge(newest, believed *source.Run, now time.Time) {
	switch {
	case newest == nil:
		s.Verdict = Look
		return
	case newest.State == source.Refused:
		s.Verdict = Act
	case !newest.Believed():
		s.Verdict = Look
	}
	if s.Held != nil {
		s.Verdict = Act
	}
	if slices.ContainsFunc(s.Findings, func(f Findings) bool { return f.Severity == fact.Serious && f.New > 0 }) {
		s.Verdict = s.Verdict.or(Look)
	}
	last := newest.Started
	if believed != nil {
		last = believed.Started
	}
	switch age := now.Sub(last); {
	case age > actAfter:
		s.Verdict = Act
	case age > lookAfter || believed != nil && believed.Regressed:
		s.Verdict = s.Verdict.or(Look)
	}
}

func linkStatus(ref roster.Source, mode target.Mode, mark target.Mark, settled bool, end roster.Position, held *Waits) LinkStatus {
	now := mark.Status
	settled = settled && !mark.Cursor.Log.IsZero() // a complete set whose first delivery waits has a mark too
	s := LinkStatus{
		Link: ref, Name: ref.String(), Verdict: OK, Mode: now.Shown(mode), Why: told(now.Reason), Settled: settled,
		Waiting: now.Waiting, Parked: now.Parked, Withheld: now.Withheld, Delivered: mark.Set.At, Held: held,
	}
	if settled && mark.Cursor.Log.Equal(end.Log) && mark.Cursor.Seq < end.Seq {
		s.Lag = end.Seq - mark.Cursor.Seq
	}
	if r := mark.Reconciled; !r.At.IsZero() {
		s.Compared = compared(r)
	}
	switch {
	case mode == target.ModePreview || mode == target.ModePaused: // as it was asked to be
		s.Why = nil
	case s.Mode == target.ModeHalted || held != nil:
		s.Verdict = Act
	case !settled || s.Lag > 0 || s.Parked > 0 || s.Mode == target.ModeHeld || mark.Reconciled.Reason != nil:
		s.Verdict = Look
	}
	return s
}

// told returns a reason with its texts; nil for none.
func told(r *reason.Reason) *Told {
	if r == nil {
		return nil
	}
	t := &Told{r.Code, Text{}, Text{}}
	for _, l := range []reason.Language{reason.Swedish, reason.English} {
		t.What[l], t.Next[l] = r.Text(l), r.Next(l)
	}
	return t
}

// waits counts what nobody has decided about; nil for nothing.
func waits(k guard.Kept, now time.Time) *Waits {
	open := 0
	for _, g := range k.Groups(now) {
		open += g.Open()
	}
	if open == 0 {
		return nil
	}
	return &Waits{open, k.Hold.Since, k.Hold.Expired(now)}
}

func findingsOf(f *source.Found) (list []Findings) {
	if f == nil {
		return nil
	}
	for _, severity := range []fact.Severity{fact.Serious, fact.Warning, fact.Info} {
		n := Findings{Severity: severity}
		for _, i := range f.Issues {
			switch {
			case i.Severity != severity:
			case i.State == source.IssueNew:
				n.New += i.Count
			case i.State == source.IssueStill:
				n.Still += i.Count
			case i.State == source.IssueGone:
				n.Gone += i.Count
			}
		}
		if n.New+n.Still+n.Gone > 0 {
			list = append(list, n)
		}
	}
	return list
}

// compared returns what is told of comparisons.
func compared(r target.Reconciled) *Compared {
	c := &Compared{At: r.At, Asked: r.Asked, Found: r.Found, Repaired: r.Repaired, Reported: r.Reported, Why: told(r.Reason)}
	if r.Last != nil {
		for _, d := range *r.Last {
			c.Last = append(c.Last, Drift{d.ID.String(), d.What, d.Repaired})
		}
	}
	return c
}
