package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/services/connectors"
)

// pupil is a person of a register in a file, and register what the file holds.
type pupil struct {
	ID         string `json:"id"`
	Version    int    `json:"version"`
	CivicNo    string `json:"civicNo"`
	GivenName  string `json:"givenName"`
	FamilyName string `json:"familyName"`
	Username   string `json:"username"`
	Email      string `json:"email"`
	Role       string `json:"role"`
	Unit       string `json:"unit"`
	End        string `json:"end"`
	Marking    string `json:"marking"`
}

// inquest is a customer with a register in a file, decisions by hand, four directories and an Apple School Manager.
type inquest struct {
	*world
	doc     *tenant.Document
	version int
	pupils  []pupil
	keyer   *roster.Keyer
}

func newInquest(t *testing.T) *inquest {
	a := &inquest{world: newWorld(t, 4)}
	link := func(instance, rest string) string {
		return fmt.Sprintf("  - target: memory\n    instance: %s\n    settings: {file: %q, trouble: %q}\n%s", instance,
			filepath.Join(a.dir, instance+".json"), filepath.Join(a.dir, instance+".trouble"), rest)
	}
	a.write("asked.yaml", fmt.Sprintf(`tenant: prov
title: Provköpings kommun
pepper: "file:%s"
sources:
  - system: memory
    schedule: "0 0 1 1 *"
    protected: flag
    guard: [{operation: delete, kind: person, percent: 0, floor: 0}]
    settings: {file: %q}
  - system: manual
    schedule: "0 0 1 1 *"
    protected: flag
links:
%s  - target: apple-school-manager
    mode: active
    leave: [{after: 0d, do: leaveGroups}, {after: 3000d, do: delete}]
    settings: {sftp: %s, every: 0s}
`, filepath.Join(a.dir, "pepper"), filepath.Join(a.dir, "register.json"),
		link("open", "    mode: active\n    leave: [{after: 0d, do: leaveGroups}, {after: 3000d, do: delete}]\n")+
			link("south", "    mode: active\n    filter: units.exists(u, u.name == \"Söderskolan\")\n")+
			link("shown", "")+link("still", "    mode: paused\n"), a.inbox))
	pepper, err := os.ReadFile(filepath.Join(a.dir, "pepper"))
	if err != nil {
		t.Fatal(err)
	}
	if a.keyer, err = roster.NewKeyer(bytes.TrimSpace(pepper)); err != nil {
		t.Fatal(err)
	}
	// Only who is in the north has a class, and there is one whom nothing is wrong with.
	for _, p := range []pupil{
		{ID: "fine", CivicNo: "189001019802"},
		{ID: "south", Unit: "s"},
		{ID: "nameless", Username: "-"},
		{ID: "marked", Marking: string(roster.MarkingConfidential)},
		{ID: "unmarked", Marking: "?"},
		{ID: "ended", End: "2020-06-10"},
		{ID: "excluded"},
		{ID: "refused"},
		{ID: "leaver"},
	} {
		a.pupils = append(a.pupils, a.complete(p))
	}
	if err := a.store.EnsureTenants(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	a.save()
	a.essctl(0, "tenants", "apply", filepath.Join(a.dir, "asked.yaml"), "--why", "a test")
	text, err := os.ReadFile(filepath.Join(a.dir, "asked.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if a.doc, err = tenant.Parse(text); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *inquest) complete(p pupil) pupil {
	if p.GivenName = "Testa"; p.Unit == "" {
		p.Unit = "n"
	}
	p.FamilyName, p.Email, p.Role = "Påhitt"+p.ID, p.ID+"@elev.example", "pupil"
	switch p.Username {
	case "":
		p.Username = "u" + p.ID
	case "-":
		p.Username = ""
	}
	switch p.Marking {
	case "":
		p.Marking = string(roster.MarkingNone)
	case "?":
		p.Marking = ""
	}
	return p
}

// save has the register write its file.
func (a *inquest) save() {
	a.t.Helper()
	a.version++
	type member struct {
		Person string `json:"person"`
		Role   string `json:"role"`
	}
	type entry map[string]any
	var members []member
	for i := range a.pupils {
		if a.pupils[i].Version = a.version; a.pupils[i].Unit == "n" {
			members = append(members, member{a.pupils[i].ID, "pupil"})
		}
	}
	text, err := json.Marshal(struct {
		Version int     `json:"version"`
		Since   int     `json:"since"`
		Units   []entry `json:"units"`
		Persons []pupil `json:"persons"`
		Groups  []entry `json:"groups"`
	}{
		a.version, a.version,
		[]entry{{"id": "n", "version": a.version, "name": "Norrskolan"}, {"id": "s", "version": a.version, "name": "Söderskolan"}},
		a.pupils,
		[]entry{{"id": "9b", "version": a.version, "name": "9B", "type": "Klass", "unit": "n", "members": members}},
	})
	if err != nil {
		a.t.Fatal(err)
	}
	a.write("register.json", string(text))
}

// serve runs the customer until every active link has settled what the sources say.
func (a *inquest) serve() {
	a.t.Helper()
	ctx, stop := context.WithTimeout(a.t.Context(), 30*time.Second)
	defer stop()
	telemetry, err := service.NewTelemetry(ctx, "test", false)
	if err != nil {
		a.t.Fatal(err)
	}
	type settled struct {
		link roster.Source
		s    target.Settled
	}
	reads, settles := make(chan source.Run, 64), make(chan settled, 1024)
	h := &service.Host{
		Store: a.store, Owner: "test", Logger: slog.New(slog.DiscardHandler), Telemetry: telemetry, Now: time.Now, NewID: uuid.NewString,
		Observe: service.Observer{
			Run:     func(_ string, r source.Run) { reads <- r },
			Settled: func(_ string, l roster.Source, s target.Settled) { settles <- settled{l, s} },
		},
	}
	tn, err := h.Open(a.doc, connectors.Sources(), connectors.Targets())
	if err != nil {
		a.t.Fatal(err)
	}
	tn.ReadNow()
	ended := make(chan error, 1)
	go func() { ended <- tn.Run(ctx) }()
	for range a.doc.Sources {
		select {
		case <-reads:
		case <-ctx.Done():
			a.t.Fatal("no read ended")
		}
	}
	end, err := a.store.Log("prov").End(ctx)
	if err != nil {
		a.t.Fatal(err)
	}
	done := map[roster.Source]bool{}
	active := func() (n int) {
		for _, l := range a.doc.Links {
			if l.Mode == tenant.Active {
				n++
			}
		}
		return n
	}()
	for len(done) < active {
		select {
		case x := <-settles:
			if i := slices.IndexFunc(a.doc.Links, func(l tenant.Link) bool { return l.Ref() == x.link }); a.doc.Links[i].Mode == tenant.Active && x.s.Cursor.Seq >= end.Seq && x.s.Deferred == "" {
				done[x.link] = true
			}
		case <-ctx.Done():
			a.t.Fatalf("only %v settled", done)
		}
	}
	stop()
	if err := <-ended; err != nil {
		a.t.Error(err)
	}
}

func (a *inquest) key(id, number string) roster.Key {
	return a.keyer.Person(roster.Source{System: "memory", Instance: "default"}, id, roster.ParseCivicNo(number, roster.Today(time.Now())))
}

// why asks about a person of the register.
func (a *inquest) why(id string, more ...string) (w service.Why) {
	a.t.Helper()
	out := a.essctl(0, append([]string{"why", "--tenant", "prov", "--source", "memory", "--id", id, "-o", "json"}, more...)...)
	if err := json.Unmarshal([]byte(out), &w); err != nil {
		a.t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(out, "Testa") || strings.Contains(out, "@elev") || strings.Contains(out, "9802") {
		a.t.Errorf("R8: it shows what is personal:\n%s", out)
	}
	return w
}

func codes(list []service.Told) (out []reason.Code) {
	for _, t := range list {
		out = append(out, t.Code)
	}
	return out
}

func linkOf(t *testing.T, w service.Why, name string) service.WhyLink {
	t.Helper()
	i := slices.IndexFunc(w.Links, func(l service.WhyLink) bool { return l.Link == name })
	if i < 0 {
		t.Fatalf("no link %s in %+v", name, w.Links)
	}
	return w.Links[i]
}

// TestWhyNamesTheReason has for each way in which a pupil can be missing the words for it.
func TestWhyNamesTheReason(t *testing.T) {
	a := newInquest(t)
	open, south, shown, still, apple := "memory/open", "memory/south", "memory/shown", "memory/still", "apple-school-manager/default"
	check := func(name, id, link string, stands service.Presence, state string, want ...reason.Code) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Helper()
			w := a.why(id)
			l := linkOf(t, w, link)
			got := slices.Concat(codes(w.Short), codes(l.Short))
			if l.Stands != stands || !slices.Equal(got, want) {
				t.Errorf("it is %s for %v, want %s for %v", l.Stands, got, stands, want)
			}
			states := ""
			for _, r := range l.Resources {
				if r.Of == w.Person {
					states += r.State
				}
			}
			if states != state {
				t.Errorf("the account is %q, want %q", states, state)
			}
		})
	}
	nobody := func(name string, args ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Helper()
			known := a.essctl(1, append([]string{"why", "--tenant", "prov", "--source", "memory"}, args...)...)
			none := a.essctl(1, "why", "--tenant", "prov", "--source", "memory", "--id", "nobody")
			if known != none {
				t.Errorf("%q is told, and of nobody %q", known, none)
			}
		})
	}

	nobody("never read", "--id", "fine")
	refused := a.key("refused", "")
	a.write("open.trouble", fmt.Sprintf("status: 422\nof: %s\n", refused))
	a.serve()

	check("all is well, in a directory", "fine", open, service.There, "applied")
	check("all is well, in a set", "fine", apple, service.There, "applied")
	check("filtered", "fine", south, service.Absent, "withheld", reason.OutsideFilter)
	check("in the filter", "south", south, service.There, "applied")
	check("preview", "fine", shown, service.Absent, "wished", reason.LinkInPreview)
	check("paused by the document", "fine", still, service.Absent, "wished", reason.LinkPaused)
	check("withheld by the mapping", "nameless", open, service.Absent, "withheld", reason.MissingValue)
	check("parked", "refused", open, service.Absent, "parked", reason.ItemRefused)
	check("kept back, and never published", "unmarked", open, service.Absent, "", reason.MarkUnreadable)
	check("ended", "ended", open, service.Absent, "withheld", reason.NoActiveRole)
	nobody("protected", "--id", "marked")
	nobody("unknown", "--id", "somebody")
	t.Run("protected, by key", func(t *testing.T) {
		known := a.essctl(1, "why", "--tenant", "prov", "--key", a.key("marked", "").String())
		if none := a.essctl(1, "why", "--tenant", "prov", "--key", uuid.NewString()); known != none {
			t.Errorf("%q is told, and of nobody %q", known, none)
		}
	})

	a.essctl(0, "manual", "exclude", "--tenant", "prov", "--key", a.key("excluded", "").String(), "--until", "2999-01-01", "--why", "a test")
	a.essctl(0, "manual", "suspend", "--tenant", "prov", "--key", a.key("south", "").String(), "--until", "2999-01-01", "--why", "a test")
	a.pupils = slices.DeleteFunc(a.pupils, func(p pupil) bool { return p.ID == "leaver" })
	a.save()
	a.serve()
	check("excluded, in a directory", "excluded", open, service.Closing, "contained", reason.ExcludedByHand)
	check("excluded, in a set", "excluded", apple, service.Absent, "", reason.ExcludedByHand)
	check("suspended", "south", open, service.Closing, "contained", reason.SuspendedByHand)
	check("a delete is held at the source", "leaver", open, service.There, "applied", reason.ChangeWaits)

	out := a.essctl(0, "held", "show", "--tenant", "prov", "--source", "memory")
	a.essctl(0, "held", "approve", strings.TrimSuffix(strings.Fields(out)[0], ":"), "--tenant", "prov", "--source", "memory", "--why", "a test")
	a.serve()
	leaver := a.key("leaver", "").String()
	t.Run("left", func(t *testing.T) {
		var w service.Why
		out := a.essctl(0, "why", "--tenant", "prov", "--key", leaver, "-o", "json")
		if err := json.Unmarshal([]byte(out), &w); err != nil {
			t.Fatal(err)
		}
		if got := codes(w.Short); !slices.Equal(got, []reason.Code{reason.LeftRegister}) {
			t.Errorf("it says %v", got)
		}
		for _, name := range []string{open, apple} {
			if l := linkOf(t, w, name); l.Stands != service.Closing || !slices.Equal(codes(l.Short), []reason.Code{reason.Leaving}) {
				t.Errorf("%s: %s for %v", name, l.Stands, codes(l.Short))
			}
		}
	})

	t.Run("the link has not come to it", func(t *testing.T) {
		a.pupils = append(a.pupils, a.complete(pupil{ID: "late"}))
		a.save()
		links := a.doc.Links
		a.doc.Links = nil
		a.serve()
		a.doc.Links = links
		check("behind", "late", open, service.Absent, "wished", reason.LinkBehind)
	})
}

func TestWhyShowsWhatIsAskedFor(t *testing.T) {
	a := newInquest(t)
	a.serve()
	ask := append([]string{"why", "--tenant", "prov"}, "--key", a.key("fine", "189001019802").String())
	t.Run("masked", func(t *testing.T) {
		out := a.essctl(0, ask...)
		contains(t, out, "SOURCES", "memory/default, published", "pupil.email", "***", "9B", "there, as the registers have it", "members: in")
		for _, secret := range []string{"Testa", "elev.example", "9802", "ufine"} {
			if strings.Contains(out, secret) {
				t.Errorf("R8: %q is shown:\n%s", secret, out)
			}
		}
	})
	t.Run("with values, but never the number", func(t *testing.T) {
		out := a.essctl(0, append(ask, "--show-personal")...)
		contains(t, out, "Testa", "fine@elev.example", "ufine")
		if strings.Contains(out, "9802") || strings.Contains(out, "Påhittsouth") {
			t.Errorf("R8: the number, or another person, is shown:\n%s", out)
		}
	})
	t.Run("in Swedish, one link", func(t *testing.T) {
		out := a.essctl(0, append(ask, "--language", "sv", "--link", "memory/south")...)
		contains(t, out, "KÄLLOR", "Länkens filter tar inte med personen", "finns inte")
		if strings.Contains(out, "memory/open") {
			t.Errorf("another link is shown:\n%s", out)
		}
	})
	t.Run("by number", func(t *testing.T) {
		for in, want := range map[string]int{"18900101-9802\n": 0, "18900101-9803\n": 1, "\n": 1} {
			var out bytes.Buffer
			c := &control{
				getenv: func(name string) string { return map[string]string{"ESS_NATS_URL": a.url}[name] }, now: time.Now, in: strings.NewReader(in), out: &out, errs: &out,
			}
			if got := c.run(t.Context(), []string{"why", "--tenant", "prov", "--number", "-"}); got != want || strings.Contains(out.String(), "980") {
				t.Errorf("%q: status %d, want %d\n%s", in, got, want, &out)
			}
		}
	})
	t.Run("without the pepper", func(t *testing.T) {
		if err := os.Remove(filepath.Join(a.dir, "pepper")); err != nil {
			t.Fatal(err)
		}
		if w := a.why("fine"); w.Person != "person/"+a.key("fine", "189001019802").String() {
			t.Errorf("it is about %s", w.Person)
		}
		out := a.essctl(1, "why", "--tenant", "prov", "--source", "memory", "--id", "unmarked")
		contains(t, out, "the tenant's pepper cannot be read")
	})
	t.Run("wrong command lines", func(t *testing.T) {
		for _, args := range [][]string{{}, {"--key", "x"}, {"--id", "fine"}, {"--number", "189001019802"}, {"--key", uuid.NewString(), "--id", "x"}, {"--key", uuid.NewString(), "--link", "none"}, {"--key", uuid.NewString(), "--language", "no"}} {
			a.essctl(1, append([]string{"why", "--tenant", "prov"}, args...)...)
		}
	})
}
