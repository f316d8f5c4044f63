// Package conformance is what the two suites, sourcetest and targettest, have in common: the guarantees that a
// connector gives, how a case of a suite is run, and the report of what the cases saw. A board of every connector is made
// of the reports.
package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Guarantee is something that a connector promises whoever runs it.
type Guarantee string

// The guarantees; [Guarantee.Promise] says what each is.
const (
	Settings    Guarantee = "settings"
	Complete    Guarantee = "complete"
	Delta       Guarantee = "delta"
	CrashSafe   Guarantee = "crash-safe"
	Idempotent  Guarantee = "idempotent"
	OrderFree   Guarantee = "order-free"
	RatePolite  Guarantee = "rate-polite"
	ReplayClean Guarantee = "replay-clean"
	Partial     Guarantee = "partial"
	Preview     Guarantee = "preview"
	Reconciles  Guarantee = "reconciles"
	Owns        Guarantee = "owns"
	Protects    Guarantee = "protects"
	Erases      Guarantee = "erases"
	Private     Guarantee = "private"
	Prompt      Guarantee = "prompt"
	Bounded     Guarantee = "bounded"
	Checks      Guarantee = "checks"
)

// promises are the guarantees in the order of the board, each with what it is.
var promises = []struct {
	of   Guarantee
	text string
}{
	{Settings, "wrong settings are refused, with their paths"},
	{Complete, "everything is read or written, and only a read that saw everything tells who is gone (R3)"},
	{Delta, "what changed comes to the same as reading everything"},
	{CrashSafe, "whatever breaks off, nothing is believed, lost or made twice (R2)"},
	{Idempotent, "the same twice is the same once (R11)"},
	{OrderFree, "the order of events makes no difference (R4)"},
	{RatePolite, "limits and waits of the other side are kept"},
	{ReplayClean, "a replay or resync writes nothing that stands already (R5)"},
	{Partial, "one bad item keeps no other from being done (R7)"},
	{Preview, "a preview writes nothing"},
	{Reconciles, "what others changed at the target is found and mended"},
	{Owns, "nothing is touched that is not its own (R6)"},
	{Protects, "protected persons are kept as the connector says (R9)"},
	{Erases, "who is gone at the source goes, and with her or him what is known"},
	{Private, "no secret and no personal data in errors, logs and reports (R8)"},
	{Prompt, "it ends when it is told to, and leaves nothing running"},
	{Bounded, "memory does not grow with what is read"},
	{Checks, "a check names the step that fails, without doing anything"},
}

// Guarantees returns all of them in the order of the board.
func Guarantees() []Guarantee {
	all := make([]Guarantee, len(promises))
	for i, p := range promises {
		all[i] = p.of
	}
	return all
}

// Promise says what is promised, as the rest of a sentence.
func (g Guarantee) Promise() string {
	for _, p := range promises {
		if p.of == g {
			return p.text
		}
	}
	return ""
}

// Outcome is what a case saw.
type Outcome string

// The outcomes.
const (
	Proved       Outcome = "proved"
	DoesNotApply Outcome = "does not apply"
	Failed       Outcome = "failed"
)

// Report is what a suite saw of one connector. Written as JSON it is what the board is made of.
type Report struct {
	Connector string `json:"connector"` // its folder: source-alvis
	Against   string `json:"against"`   // what it was tested against
	Cases     []Case `json:"cases"`     // in the order in which they ran
}

// Case is one thing that a suite tried.
type Case struct {
	Name      string    `json:"name"` // a sentence
	Guarantee Guarantee `json:"guarantee"`
	Outcome   Outcome   `json:"outcome"`
	Why       string    `json:"why,omitempty"`     // why it does not apply: a claim of the connector
	Without   []Part    `json:"without,omitempty"` // parts of a proved case that do not apply
}

// Part is one of several things that a case tries, and why it does not apply.
type Part struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Of folds the cases of a guarantee: failed if one failed, proved if one is proved, else it does not apply. False says
// that no case was about it.
func (r *Report) Of(g Guarantee) (o Outcome, why string, tried bool) {
	for _, c := range r.Cases {
		switch {
		case c.Guarantee != g:
			continue
		case c.Outcome == Failed || o == "":
			o, why = c.Outcome, c.Why
		case o == DoesNotApply && c.Outcome == Proved:
			o, why = Proved, ""
		}
		tried = true
	}
	return o, why, tried
}

// Skips counts what was not tried: cases and parts of cases.
func (r *Report) Skips() (n int) {
	for _, c := range r.Cases {
		if n += len(c.Without); c.Outcome == DoesNotApply {
			n++
		}
	}
	return n
}

// BoardDir is the environment variable that names the folder for reports; nothing is written where it is empty.
const BoardDir = "BOARD_DIR"

// Suite runs the cases for one connector.
type Suite struct {
	t      *testing.T
	report Report
	parts  []Part // of the case that runs
}

// New returns a suite for a connector, which writes its report when t ends. Its cases run one after the other.
func New(t *testing.T, connector, against string) *Suite {
	t.Helper()
	if connector == "" || strings.TrimSpace(against) == "" {
		t.Fatal("the suite has to know which connector it tests, and against what: fill in Against")
	}
	s := &Suite{t: t, report: Report{Connector: connector, Against: against}}
	t.Cleanup(s.write)
	return s
}

// Case runs a case and notes what it came to. Its name is a sentence that says what holds.
func (s *Suite) Case(name string, g Guarantee, run func(*testing.T)) {
	s.parts = nil
	ran, skipped := false, false
	passed := s.t.Run(name, func(t *testing.T) {
		ran = true
		defer func() { skipped = t.Skipped() }()
		run(t)
	})
	if !ran { // not among those that the command line names
		return
	}
	c := Case{Name: name, Guarantee: g, Outcome: Proved}
	switch {
	case !passed:
		c.Outcome = Failed
	case skipped:
		c.Outcome, c.Why = DoesNotApply, "it was skipped without a reason"
		if n := len(s.parts); n > 0 {
			c.Why = s.parts[n-1].Why
		}
	default:
		c.Without = s.parts
	}
	s.report.Cases = append(s.report.Cases, c)
}

// DoesNotApply ends a case, or one part of it run by t.Run, because the connector claims not to do what it tries. The
// reason is that claim, in words; without one the case fails.
func (s *Suite) DoesNotApply(t *testing.T, format string, args ...any) {
	t.Helper()
	why := fmt.Sprintf(format, args...)
	if strings.TrimSpace(why) == "" {
		t.Fatal("it does not apply, and nobody says why: give the reason, for the board shows it")
	}
	s.parts = append(s.parts, Part{Name: t.Name()[strings.LastIndex(t.Name(), "/")+1:], Why: why})
	t.Skip("does not apply: " + why)
}

// NoPartApplies ends a case of which no part applies. The reasons are those of its parts.
func (s *Suite) NoPartApplies(t *testing.T) {
	t.Helper()
	var why []string
	for _, p := range s.parts {
		if !slices.Contains(why, p.Why) {
			why = append(why, p.Why)
		}
	}
	s.DoesNotApply(t, "%s", strings.Join(why, "; "))
}

// Report returns what was seen so far.
func (s *Suite) Report() Report {
	r := s.report
	r.Cases = slices.Clone(r.Cases)
	return r
}

// write writes the report where the board looks for it: one of each test that runs the suite.
func (s *Suite) write() {
	dir := os.Getenv(BoardDir)
	if dir == "" || len(s.report.Cases) == 0 {
		return
	}
	data, err := json.MarshalIndent(s.report, "", "  ")
	if err == nil {
		err = os.MkdirAll(dir, 0o750)
	}
	if err == nil {
		name := s.report.Connector + "." + strings.ReplaceAll(s.t.Name(), "/", ".") + ".json"
		err = os.WriteFile(filepath.Join(dir, name), append(data, '\n'), 0o600)
	}
	if err != nil {
		s.t.Errorf("write the report of the suite: %v", err)
	}
}
