package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/services/ess/municipality"
)

// A twentieth of a school that loses its e-mail addresses loses nothing else, whether the target needs them or not.
func TestSafeBlankedEmailsRemoveNobody(t *testing.T) {
	t.Parallel()
	for name, apple := range map[string]string{"sent where there is one": "", "needed for the account": "email: federated"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setting{apple: apple})
			if apple == "" {
				w.begin()
			} else {
				w.expect(source.Published) // who has none has no account
			}
			before, first := w.delivered(), told(w.runs[alvisDefault], reason.MissingRecommended)
			blanked := w.happens(municipality.BlankEmails(.03))
			run := w.expect(source.Published)
			w.nobodyGone(before)
			w.noStones()
			if n := len(blanked.Persons); n < 5 || told(run, reason.MissingRecommended) != first+n {
				t.Errorf("%d lost their address, and the findings are %v", n, run.Findings)
			}
		})
	}
}

// told returns how often a run has a finding of a kind.
func told(run source.Run, code reason.Code) (n int) {
	for _, f := range run.Findings {
		if f.Reason.Code == code {
			n += f.Count
		}
	}
	return n
}

// What a register says wrongly about one is reported, and removes nobody.
func TestSafeBadRecordsRemoveNobody(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *world){
		"a bad check digit": func(w *world) {
			p := w.ordinary(1)[0]
			number := []byte(p.CivicNo.Reveal())
			number[11] = '0' + (number[11]-'0'+1)%10
			w.edit(p.CivicNo.Reveal(), string(number))
		},
		"a duplicate": func(w *world) {
			p := w.ordinary(1)[0]
			w.exportOf("register", w.town, func(xml string) string {
				at := strings.Index(xml, "<person>\n<sourcedid><source>Provregister</source><id>"+p.ID+"</id>")
				end := at + strings.Index(xml[at:], "</person>\n") + len("</person>\n")
				return xml[:end] + xml[at:end] + xml[end:]
			})
		},
		"an unknown school form": func(w *world) {
			p := w.ordinary(1)[0]
			w.exportOf("register", w.town, func(xml string) string {
				at := strings.Index(xml, "<id>"+p.ID+"</id>")
				end := at + strings.Index(xml[at:], "</person>")
				return xml[:end] + `<extension><yeargroups><yeargroup unit="` + p.Enrolments[0].Unit + `" schoolType="SKOLSKEPP">7</yeargroup></yeargroups></extension>` + xml[end:]
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setting{})
			before, first := w.begin(), w.runs[alvisDefault].Findings
			spoil(w)
			run := w.read()
			said := slices.ContainsFunc(run.Findings, func(f source.FindingCount) bool {
				return !slices.ContainsFunc(first, func(old source.FindingCount) bool { return old.Reason.Code == f.Reason.Code })
			})
			if !said || !run.Believed() {
				t.Errorf("the run is %s (%v), with the findings %v", run.State, run.Reason, run.Findings)
			}
			w.nobodyGone(before)
			w.noStones()
		})
	}
}

// edit writes an export in which a text is replaced.
func (w *world) edit(old, with string) {
	w.t.Helper()
	w.exportOf("register", w.town, func(xml string) string { return strings.ReplaceAll(xml, old, with) })
}

// An export that is no whole export of now has a state that says what it is, and the files that Apple was shown stay.
func TestSafeBadExports(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(w *world)
		want  source.State
	}{
		"none": {func(w *world) {
			if err := os.Remove(w.path("register/alvis.xml")); err != nil {
				w.t.Fatal(err)
			}
		}, source.Empty},
		"empty":                   {func(w *world) { w.exportOf("register", w.town.Empty(), nil) }, source.Empty},
		"no byte in it":           {func(w *world) { w.put("register/alvis.xml", "") }, source.Incomplete},
		"truncated":               {func(w *world) { w.cut() }, source.Incomplete},
		"garbage":                 {func(w *world) { w.put("register/alvis.xml", strings.Repeat("\x00\xff\x17 no XML", 999)) }, source.Unreadable},
		"half uploaded":           {func(w *world) { w.grow() }, source.Incomplete},
		"older than the last one": {func(w *world) { w.town.Time = w.time().Add(-48 * time.Hour); w.old() }, source.Stale},
		"40 % fewer persons":      {func(w *world) { w.exportOf("register", w.town.Part(.4), nil) }, source.Held},
		"refused":                 {func(w *world) { write(w.t, w.path("password"), "another\n") }, source.Refused},
		"nobody there to ask":     {func(w *world) { w.server.Close() }, source.Unreachable},
		"the server fails":        {func(w *world) { w.onRequest(func(string, string) error { return os.ErrDeadlineExceeded }) }, source.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setting{})
			before := w.begin()
			c.spoil(w)
			run := w.expect(c.want)
			if run.Reason == nil || run.Reason.Text(reason.Swedish) == "" || run.Reason.Next(reason.Swedish) == "" {
				t.Errorf("R12: the reason is %v", run.Reason)
			}
			w.noStones()
			w.same(before)
		})
	}
}

// cut cuts the export in two.
func (w *world) cut() {
	w.t.Helper()
	if err := municipality.Truncate(w.path("register/alvis.xml"), .5); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Chtimes(w.path("register/alvis.xml"), w.time(), w.time()); err != nil {
		w.t.Fatal(err)
	}
}

// grow has the export grow at every look.
func (w *world) grow() {
	text := read(w.t, w.path("register/alvis.xml"))
	n := len(text) / 2
	w.onRequest(func(method, _ string) error {
		if method == "List" {
			n += 100
			w.put("register/alvis.xml", text[:n])
		}
		return nil
	})
}

// old puts an export on the server that was made before the one that was read.
func (w *world) old() {
	w.t.Helper()
	made := w.town.Time
	var b strings.Builder
	if err := w.town.WriteIMS(&b); err != nil {
		w.t.Fatal(err)
	}
	w.put("register/alvis.xml", b.String())
	if err := os.Chtimes(w.path("register/alvis.xml"), made, made); err != nil {
		w.t.Fatal(err)
	}
}
