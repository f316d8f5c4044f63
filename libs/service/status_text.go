package service

import (
	"fmt"
	"strings"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
)

// Text writes the status for a person, the worst first.
func (s Status) Text(l reason.Language) string {
	w := wordsIn(l)
	name := s.Tenant
	if s.Title != "" {
		name = s.Title + " (" + s.Tenant + ")"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s\n", name, w.verdicts[s.Verdict], clock(s.At))
	if len(s.Notices) > 0 {
		fmt.Fprintln(&b)
	}
	for _, n := range s.Notices {
		n.text(&b, l)
	}
	for _, x := range s.Sources {
		fmt.Fprintf(&b, "\n%s, %s: %s\n", w.source, x.Name, w.verdicts[x.Verdict])
		x.text(&b, w, l, s.At)
	}
	for _, x := range s.Links {
		fmt.Fprintf(&b, "\n%s, %s: %s\n", w.link, x.Name, w.verdicts[x.Verdict])
		x.text(&b, w, l)
	}
	if len(s.UnknownUnits) > 0 {
		fmt.Fprintf(&b, "\n"+w.units+"\n", strings.Join(s.UnknownUnits, ", "))
	}
	if s.Conflicts > 0 {
		fmt.Fprintf(&b, "\n"+w.conflicts+"\n", s.Conflicts)
	}
	if s.Console != "" {
		fmt.Fprintf(&b, "\n%s\n", s.Console)
	}
	return b.String()
}

func (s SourceStatus) text(b *strings.Builder, w words, l reason.Language, now time.Time) {
	if s.State == "" {
		fmt.Fprintln(b, "  "+w.never)
	} else {
		fmt.Fprintf(b, "  "+w.run+"\n", w.states[s.State], clock(s.Started), w.age(now.Sub(s.Started)))
	}
	s.Why.text(b, l)
	switch {
	case s.State == "":
	case s.Believed.IsZero():
		fmt.Fprintln(b, "  "+w.unbelieved)
	case !s.Believed.Equal(s.Started):
		fmt.Fprintf(b, "  "+w.believed+"\n", clock(s.Believed), w.age(now.Sub(s.Believed)))
	}
	s.Site.text(b, w, now)
	s.Held.text(b, w)
	for _, f := range s.Findings {
		fmt.Fprintf(b, "  "+w.findings+"\n", w.severities[f.Severity], f.New, f.Still, f.Gone)
	}
}

func (s *SiteStatus) text(b *strings.Builder, w words, now time.Time) {
	switch {
	case s == nil:
	case s.Heard.IsZero():
		fmt.Fprintln(b, "  "+w.siteNever)
	default:
		fmt.Fprintf(b, "  "+w.site+"\n", clock(s.Heard), w.age(now.Sub(s.Heard)), clock(s.LineSince))
		if s.Cuts > 0 {
			fmt.Fprintf(b, "  "+w.siteCut+"\n", clock(s.CutFrom), clock(s.CutTo))
		}
	}
}

func (s LinkStatus) text(b *strings.Builder, w words, l reason.Language) {
	if mode := w.modes[s.Mode]; mode != "" {
		fmt.Fprintln(b, "  "+mode)
	}
	s.Why.text(b, l)
	if !s.Settled {
		if s.Mode != target.ModePreview {
			fmt.Fprintln(b, "  "+w.unsettled)
		}
		s.Held.text(b, w)
		return
	}
	if s.Lag > 0 {
		fmt.Fprintf(b, "  "+w.lag+"\n", s.Lag)
	}
	if s.Waiting+s.Parked+s.Withheld > 0 {
		fmt.Fprintf(b, "  "+w.resources+"\n", s.Waiting, s.Parked, s.Withheld)
	}
	if !s.Delivered.IsZero() {
		fmt.Fprintf(b, "  "+w.delivered+"\n", clock(s.Delivered))
	}
	s.Held.text(b, w)
}

func (t *Told) text(b *strings.Builder, l reason.Language) {
	if t != nil {
		fmt.Fprintf(b, "  %s %s\n", t.What[l], t.Next[l])
	}
}

func (h *Waits) text(b *strings.Builder, w words) {
	switch {
	case h == nil:
	case h.Expired:
		fmt.Fprintf(b, "  "+w.expired+"\n", h.Changes, clock(h.Since))
	default:
		fmt.Fprintf(b, "  "+w.held+"\n", h.Changes, clock(h.Since))
	}
}

// clock writes a time as people in Sweden read it.
func clock(t time.Time) string { return t.In(roster.Stockholm()).Format("2006-01-02 15:04") }

// words are what a status is written with in one language.
type words struct {
	verdicts   map[Verdict]string
	states     map[source.State]string
	severities map[fact.Severity]string
	modes      map[target.Mode]string

	source, link, units, conflicts                             string
	never, run, unbelieved, believed, held, expired, findings  string
	unsettled, lag, resources, delivered, minutes, hours, days string
	site, siteCut, siteNever                                   string
}

// age writes a span of time in its largest unit.
func (w words) age(d time.Duration) string {
	switch {
	case d < 2*time.Hour:
		return fmt.Sprintf(w.minutes, max(0, int(d.Minutes())))
	case d < 48*time.Hour:
		return fmt.Sprintf(w.hours, int(d.Hours()))
	default:
		return fmt.Sprintf(w.days, int(d.Hours()/24))
	}
}

func wordsIn(l reason.Language) words {
	if l == reason.Swedish {
		return words{
			verdicts: map[Verdict]string{Act: "åtgärda", Look: "titta på", OK: "i ordning"},
			states: map[source.State]string{
				source.Published: "läst, ändringar publicerade", source.Unchanged: "läst, inget ändrat", source.Held: "läst, en del hålls kvar",
				source.Empty: "tom", source.Incomplete: "ofullständig", source.Stale: "för gammal", source.Unreadable: "oläsbar",
				source.Unreachable: "kunde inte nås", source.Refused: "nekad", source.Failed: "misslyckad",
			},
			severities: map[fact.Severity]string{fact.Serious: "fel", fact.Warning: "varningar", fact.Info: "upplysningar"},
			modes: map[target.Mode]string{
				target.ModePreview: "Förhandsvisning: inget skrivs.", target.ModePaused: "Pausad.", target.ModeActive: "Aktiv.",
				target.ModeHeld: "Aktiv; en del väntar på beslut.", target.ModeHalted: "Stoppad.",
			},
			source: "Källa", link: "Mål", units: "Skolenheter i inställningarna som registren inte har: %s.",
			conflicts: "%d personer är två olika i olika register, på samma identitet. De blandas inte ihop; se essctl person suggestions och rätta registret.",
			never:     "Har aldrig lästs.", run: "Senaste läsning: %s, %s (%s).", unbelieved: "Ingen läsning har ännu godtagits.",
			believed: "Senaste godtagna läsning: %s (%s).",
			held:     "%d ändringar väntar på beslut sedan %s: visa dem med essctl held show.",
			expired:  "%d ändringar som väntat sedan %s är för gamla att besluta om: läs källan på nytt.",
			findings: "Fynd, %s: %d nya, %d kvar, %d borta.", unsettled: "Har aldrig blivit klar.", lag: "%d händelser efter.",
			resources: "%d väntar, %d parkerade, %d skickas inte.", delivered: "Senaste leverans: %s.",
			site: "Läses hos kunden: programmet där hördes senast %s (%s), linjen finns sedan %s.", siteCut: "Linjen var senast bruten %s – %s.",
			siteNever: "Läses hos kunden: programmet där har inte hörts.",
			minutes:   "%d min sedan", hours: "%d tim sedan", days: "%d dygn sedan",
		}
	}
	return words{
		verdicts: map[Verdict]string{Act: "act", Look: "look", OK: "ok"},
		states: map[source.State]string{
			source.Published: "read, changes published", source.Unchanged: "read, nothing changed", source.Held: "read, a part is held",
			source.Empty: "empty", source.Incomplete: "incomplete", source.Stale: "stale", source.Unreadable: "unreadable",
			source.Unreachable: "unreachable", source.Refused: "refused", source.Failed: "failed",
		},
		severities: map[fact.Severity]string{fact.Serious: "errors", fact.Warning: "warnings", fact.Info: "notes"},
		modes: map[target.Mode]string{
			target.ModePreview: "Preview: nothing is written.", target.ModePaused: "Paused.", target.ModeActive: "Active.",
			target.ModeHeld: "Active; a part waits for a decision.", target.ModeHalted: "Halted.",
		},
		source: "Source", link: "Target", units: "School units in the settings that the registers do not have: %s.",
		conflicts: "%d persons are two different ones in different registers, under one identity. They are not mixed; see essctl person suggestions, and mend the register.",
		never:     "Has never been read.", run: "Last read: %s, %s (%s).", unbelieved: "No read has been believed yet.",
		believed: "Last believed read: %s (%s).",
		held:     "%d changes wait for a decision since %s: see essctl held show.",
		expired:  "%d changes that waited since %s are too old to be decided about: read the source again.",
		findings: "Findings, %s: %d new, %d still, %d gone.", unsettled: "Has never come to an end.", lag: "%d events behind.",
		resources: "%d waiting, %d parked, %d not sent.", delivered: "Last delivery: %s.",
		site: "Read on site: the program there was last heard %s (%s), the line is there since %s.", siteCut: "The line was last cut %s – %s.",
		siteNever: "Read on site: the program there was not heard.",
		minutes:   "%d min ago", hours: "%d h ago", days: "%d days ago",
	}
}
