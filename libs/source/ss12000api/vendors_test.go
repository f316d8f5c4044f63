package ss12000api

import (
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/ss12000test"
	"eventful.se/ess/libs/transport/httpx"
)

// asRoles has who teaches a group have a role there, as on the public demonstration server, which has no activities.
func asRoles(w *world) {
	objects := ss12000server.TeachersAsRoles(ss12000test.Objects(w.town))
	for _, id := range w.server.IDs(ss12000.Activities) {
		w.server.Delete(ss12000.Activities, id)
	}
	w.server.Put(objects...)
}

// doc is where something stood: of who teaches it is another object, where the server has no activities.
var doc = regexp.MustCompile(`,"doc":"[^"]*"`)

func said(w *world) string { return doc.ReplaceAllString(lines(w.log), "") }

// TestEveryVendorsServer: whatever a vendor's server does in its own way, the same register comes to the same roster, and what
// the standard does not have is told.
func TestEveryVendorsServer(t *testing.T) {
	plain := newWorld(t, ss12000server.Options{Path: "/v2.0"})
	plain.read()
	want := said(plain)
	changed := func(t *sourcetest.Town) {
		t.Person(pupil(4)).FamilyName = "Nynamn"
		t.Groups[2].Members = t.Groups[2].Members[:4]
	}
	plain.change(changed)
	plain.read()
	then := said(plain)

	without := func(o ss12000server.Options) ss12000server.Options {
		o.Auth.Certificate = false // of the suites, which are over TLS
		return o
	}
	rated := ss12000server.Options{Path: "/v2.0", Rate: 120}
	for name, c := range map[string]struct {
		o    ss12000server.Options
		told bool // an answer has another shape than the standard's
		make func(*world)
	}{
		"EduCloud":                  {o: ss12000server.EduCloud("SE00100", nil)},
		"SchoolSoft":                {o: ss12000server.SchoolSoft(nil)},
		"Skolplatsen":               {o: without(ss12000server.Skolplatsen(nil))},
		"Quiculum":                  {o: ss12000server.Quiculum(nil)},
		"Metakatalog":               {o: ss12000server.Metakatalog(nil)},
		"the public demonstration":  {o: ss12000server.Demo(nil), told: true, make: asRoles},
		"one of 120 calls a minute": {o: rated},
		"one that spells right":     {o: ss12000server.Options{Path: "/v2.0", Oddities: ss12000server.Oddities{RightSpelling: true}}},
		"one that writes numbers":   {o: ss12000server.Options{Path: "/v2.0", Oddities: ss12000server.Oddities{NumbersForTexts: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.o)
			w.cfg.Limit = 7
			switch a := c.o.Auth; {
			case a.Token != "":
				t.Setenv("SECRET_OF_THE_TEST", a.Token)
				w.cfg.HTTP.Auth = httpx.Auth{Kind: httpx.Bearer, Token: "env:SECRET_OF_THE_TEST"}
			case a.Header != "":
				t.Setenv("SECRET_OF_THE_TEST", a.Key)
				w.cfg.HTTP.Auth = httpx.Auth{Kind: httpx.APIKey, Header: a.Header, Token: "env:SECRET_OF_THE_TEST"}
			}
			if c.make != nil {
				c.make(w)
				w.pass(time.Hour)
			}
			run := w.read()
			if got := said(w); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			// Words that are spelt otherwise are what they mean, and nobody has to hear of them; another shape is told.
			if told := slices.ContainsFunc(run.Findings, func(f source.FindingCount) bool { return f.Reason.Code == reason.UnlikeStandard }); told != c.told {
				t.Errorf("it is told that it is unlike the standard: %t; findings %v", told, run.Findings)
			}
			if c.make != nil {
				return
			}
			w.change(changed)
			if run := w.read(); run.Complete {
				t.Errorf("what changed was not read: %v", run.Findings)
			}
			if got := said(w); got != then {
				t.Errorf("after a change got\n%s\nwant\n%s", got, then)
			}
		})
	}
}

// TestAScopeThatIsTaken: an attribute that nobody has any more was not taken from everybody in the register. It stays until
// somebody has looked, and it is told.
func TestAScopeThatIsTaken(t *testing.T) {
	for hidden, want := range map[string]reason.Code{
		"civicNo": reason.TooManyIdentities, "emails": reason.ChangesHeld, "enrolments": reason.ChangesHeld,
	} {
		t.Run(hidden, func(t *testing.T) {
			w := newWorld(t, ss12000server.EduCloud("SE00100", nil))
			w.read()
			before := lines(w.log)
			o := ss12000server.EduCloud("SE00100", w.now)
			o.Oddities.Hidden = []string{hidden}
			o.Before = func(rw http.ResponseWriter, _ *http.Request) bool {
				rw.Header().Set("Date", w.now().Format(http.TimeFormat))
				return false
			}
			narrow := ss12000server.New(o)
			narrow.Put(ss12000test.Objects(w.town)...)
			w.http.Config.Handler = narrow
			w.pass(day) // to the first read of a day, which is of everything
			run := w.run()
			if got := lines(w.log); got != before {
				t.Errorf("the log is another one, and the read %s:\n%s", run.State, got)
			}
			if run.State != source.Held || run.Reason.Code != want {
				t.Errorf("the read is %s: %v; want it to be held: %s", run.State, run.Reason, want)
			}
		})
	}
}
