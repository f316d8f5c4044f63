package target_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

var byHand = roster.Source{System: "manual", Instance: "default"}

// decided is what a person decides by hand about another.
func decided(n int, marking roster.SecurityMarking, directives ...roster.Directive) roster.Record {
	return roster.Record{
		Ref: roster.Ref{Kind: roster.KindPerson, Key: key(n)}, Source: byHand, Overlay: true,
		Person: &roster.Person{Marking: marking}, Directives: directives,
	}
}

// takenBack ends what was decided.
func takenBack(n int) roster.Record {
	r := gone(person(n, ""))
	r.Source, r.Overlay = byHand, true
	return r
}

// accounts is a directory whose persons have accounts, and a class of two.
func accounts() (setup, *directory) {
	s, d := callsSetup()
	s.made.Accounts = []string{"person"}
	s.idle = time.Minute
	return s, d
}

func idOf(n int) target.ID { return target.ID{Kind: "person", Key: key(n).String()} }

func TestR9AnAccountIsContainedAndComesBackTheSame(t *testing.T) {
	for name, c := range map[string]struct{ contain, back roster.Record }{
		"the register marks": {protected(11), person(11, "Ek")},
		"marked by hand":     {decided(11, roster.MarkingConfidential), takenBack(11)},
		"excluded":           {decided(11, "", roster.Directive{Kind: roster.Exclude}), takenBack(11)},
		"suspended":          {decided(11, "", roster.Directive{Kind: roster.Suspend}), takenBack(11)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := accounts()
				s.log.Publish(small()...)
				p := start(t, s)
				p.reach(s.log)
				native := d.held[idOf(11)].Native

				s.log.Publish(c.contain)
				did := p.reach(s.log)
				if h := d.held[idOf(11)]; h.Native != native || d.enabled(idOf(11)) || !strings.Contains(d.text(), "neutral-") {
					t.Fatalf("want the account there, under a neutral name, and nobody in:\n%s", d.text())
				}
				if strings.Contains(d.text(), "members=["+idOf(11).String()) || strings.Contains(d.text(), " "+idOf(11).String()+"]") {
					t.Errorf("want her out of every group:\n%s", d.text())
				}
				if did.Created+did.Disabled+did.Deleted+did.Waiting+did.Parked+did.Withheld+did.Orphans+did.Held != 0 || did.Kinds["person"] != (target.Delta{}) {
					t.Errorf("she is counted: %+v", did)
				}
				e := s.ledger.Entries[idOf(11)]
				if e.State != target.Contained || e.Fields != nil || e.Sets != nil || e.Native != native || !e.Held || e.Reason != nil {
					t.Errorf("the ledger knows more than that the account is: %+v", e)
				}
				calls := d.count()
				_ = p.stop()
				p = start(t, s) // which looks at everything
				p.reach(s.log)
				if _, err := p.link.Resync(t.Context(), true, false); err != nil {
					t.Fatal(err)
				}
				if d.count() != calls || s.ledger.Entries[idOf(11)].Fields != nil {
					t.Errorf("%d calls more, the ledger knows %+v", d.count()-calls, s.ledger.Entries[idOf(11)])
				}

				s.log.Publish(c.back)
				p.reach(s.log)
				if h := d.held[idOf(11)]; h.Native != native || !d.enabled(idOf(11)) || d.creates[idOf(11)] != 1 || strings.Contains(d.text(), "neutral-") {
					t.Errorf("want the same account as before:\n%s", d.text())
				}
				if !strings.Contains(d.text(), "["+idOf(11).String()) {
					t.Errorf("want her in her group again:\n%s", d.text())
				}
				_ = p.stop()
			})
		})
	}
}

func TestWhoMayKeepAnAlias(t *testing.T) {
	alias := func(link string) roster.Directive { return roster.Directive{Kind: roster.AllowAlias, Link: link} }
	everybody := func(o *target.LinkOptions) { o.Protected = target.ByAlias }
	for name, c := range map[string]struct {
		with   func(*target.LinkOptions)
		record roster.Record
		want   bool
	}{
		"nobody by itself":          {nil, decided(11, roster.MarkingConfidential), false},
		"the link's":                {everybody, decided(11, roster.MarkingConfidential), true},
		"the link's, of a register": {everybody, protected(11), true},
		"this person in this link":  {nil, decided(11, roster.MarkingConfidential, alias("memory/default")), true},
		"in another link":           {nil, decided(11, roster.MarkingConfidential, alias("other/default")), false},
		"not who is suspended":      {everybody, decided(11, roster.MarkingConfidential, roster.Directive{Kind: roster.Suspend}), false},
		"not who is excluded":       {everybody, decided(11, roster.MarkingConfidential, roster.Directive{Kind: roster.Exclude}), false},
		"not who is not protected":  {everybody, decided(11, "", roster.Directive{Kind: roster.Suspend}, alias("memory/default")), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := accounts()
				s.with = c.with
				s.log.Publish(small()...)
				p := start(t, s)
				p.reach(s.log)
				s.log.Publish(c.record)
				p.reach(s.log)
				if d.enabled(idOf(11)) != c.want || strings.Contains(d.text(), "family=Ek") {
					t.Errorf("an alias: %t, want %t:\n%s", d.enabled(idOf(11)), c.want, d.text())
				}
				_ = p.stop()
			})
		})
	}
}

func TestAnAliasThatIsTakenBackIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := accounts()
		s.log.Publish(append(small(), decided(11, roster.MarkingConfidential, roster.Directive{Kind: roster.AllowAlias, Link: "memory/default"}))...)
		p := start(t, s)
		p.reach(s.log)
		if _, ok := d.held[idOf(11)]; ok {
			t.Fatal("an account was made for a protected person")
		}
		s.log.Publish(takenBack(11))
		p.reach(s.log)
		s.log.Publish(decided(11, roster.MarkingConfidential, roster.Directive{Kind: roster.AllowAlias, Link: "memory/default"}))
		p.reach(s.log)
		if !d.enabled(idOf(11)) {
			t.Fatal("want her to go on by her alias")
		}
		s.log.Publish(decided(11, roster.MarkingConfidential))
		p.reach(s.log)
		if d.enabled(idOf(11)) {
			t.Error("want nobody in")
		}
		_ = p.stop()
	})
}

func TestR9ATargetThatRefusesToContainIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := accounts()
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		d.set(func(op target.Operation) error {
			if op.Verb == target.Contain {
				return reason.Errorf(reason.Invalid, nil, reason.Unexpected)
			}
			return nil
		})
		s.log.Publish(protected(11))
		did := p.reach(s.log)
		if strings.Contains(d.text(), idOf(11).String()+"]") || strings.Contains(d.text(), "["+idOf(11).String()) {
			t.Errorf("want her out of the groups all the same:\n%s", d.text())
		}
		if did.Parked+did.Waiting != 0 {
			t.Errorf("she is counted: %+v", did)
		}
		time.Sleep(2 * day)
		synctest.Wait()
		d.set(nil)
		time.Sleep(day)
		synctest.Wait()
		if d.enabled(idOf(11)) {
			t.Error("want it done as soon as the target does it")
		}
		_ = p.stop()
	})
}

// TestR9AnAccountThatMayHaveBeenMadeIsContained has the answer to a create lost before its person is protected.
func TestR9AnAccountThatMayHaveBeenMadeIsContained(t *testing.T) {
	for name, fate := range map[string]roster.Record{"protected": protected(11), "gone": gone(person(11, ""))} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := accounts()
				lost := idOf(11)
				d.after = func(op target.Operation) error {
					if op.Resource.ID == lost && op.Verb == target.Create {
						return reason.Errorf(reason.Transient, nil, reason.Unreachable)
					}
					return nil
				}
				s.log.Publish(small()...)
				p := start(t, s)
				p.reach(s.log)
				if !d.enabled(lost) || s.ledger.Entries[lost].Held {
					t.Fatal("want an account that the ledger does not know of")
				}
				s.log.Publish(fate)
				p.reach(s.log)
				if d.enabled(lost) {
					t.Error("the account is open for good")
				}
				_ = p.stop()
			})
		})
	}
}

func TestWhatIsNoAccountGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.idle = time.Minute
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		s.log.Publish(protected(11))
		if did := p.reach(s.log); did.Deleted != 0 {
			t.Errorf("it is counted: %+v", did)
		}
		if _, ok := d.held[idOf(11)]; ok {
			t.Errorf("want nothing left:\n%s", d.text())
		}
		if e, ok := s.ledger.Entries[idOf(11)]; ok {
			t.Errorf("want nothing known: %+v", e)
		}
		_ = p.stop()
	})
}

func TestNobodyIsToldOfAContainedPersonInASet(t *testing.T) {
	for name, record := range map[string]roster.Record{"the register marks": protected(11), "marked by hand": decided(11, roster.MarkingConfidential)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, in := setsSetup()
				s.idle = time.Minute
				s.log.Publish(small()...)
				p := start(t, s)
				p.reach(s.log)
				_ = p.stop()
				together(s.log, record)

				look := s
				look.mode = target.ModePreview
				p = start(t, look)
				seen := <-p.settled
				for _, row := range seen.Rows {
					if row.ID == idOf(11) || row.Entity.Key == key(11) {
						t.Errorf("the preview names her: %+v", row)
					}
				}
				if seen.Kinds["person"] != (target.Delta{}) || seen.Withheld+seen.Waiting != 0 {
					t.Errorf("the preview counts her: %+v", seen)
				}
				_ = p.stop()

				p = start(t, s)
				did := p.reach(s.log)
				if strings.Contains(in.last(), idOf(11).String()) || did.Delivered == "" {
					t.Errorf("want a delivery without her:\n%s", in.last())
				}
				if did.Kinds["person"] != (target.Delta{}) || did.Deleted+did.Withheld+did.Waiting+did.Parked != 0 {
					t.Errorf("she is counted: %+v", did)
				}
				if len(s.ledger.Blobs) != 1 {
					t.Errorf("an earlier set is kept: %d", len(s.ledger.Blobs))
				}
				book, _ := s.ledger.Look(t.Context(), roster.Source{})
				plain, err := target.Hold(t.Context(), book)
				if err != nil || plain.Counts["person"] != 2 {
					t.Errorf("the ledger knows %v, %v", plain.Counts, err)
				}
				for _, blob := range s.ledger.Blobs {
					if bytes.Contains(blob, []byte(idOf(11).Key)) {
						t.Error("the ledger names her")
					}
				}
				_ = p.stop()
			})
		})
	}
}
