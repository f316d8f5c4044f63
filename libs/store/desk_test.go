package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// bodies decides by ids and bodies, alternating.
func decide(t *testing.T, d *Desk, pairs ...string) error {
	t.Helper()
	_, version, err := d.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d.Decide(t.Context(), decisions(pairs...), version)
}

func decisions(pairs ...string) map[string]roster.Personal {
	m := map[string]roster.Personal{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = roster.Personal(pairs[i+1])
	}
	return m
}

// onDesk returns what stands, as "id=body".
func onDesk(t *testing.T, d *Desk) string {
	t.Helper()
	list, err := d.Decisions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, x := range list {
		if time.Since(x.At) > time.Hour {
			t.Errorf("%s was decided at %v", x.ID, x.At)
		}
		all = append(all, x.ID+"="+x.Body.Reveal())
	}
	return strings.Join(all, " ")
}

func TestWhatIsDecidedStandsUntilTakenBack(t *testing.T) {
	s := open(t)
	d := s.Desk(demo)
	if got := onDesk(t, d); got != "" {
		t.Errorf("a new desk says %q", got)
	}
	for _, step := range []struct {
		pairs []string
		want  string
	}{
		{[]string{"b", "two", "a", "one"}, "a=one b=two"},
		{[]string{"a", "other"}, "a=other b=two"},
		{[]string{"a", "", "c", "three"}, "b=two c=three"},
		{[]string{"never", ""}, "b=two c=three"},
		{[]string{"b", "", "c", ""}, ""},
		{[]string{"b", "again"}, "b=again"},
	} {
		if err := decide(t, d, step.pairs...); err != nil {
			t.Fatal(err)
		}
		if got := onDesk(t, d); got != step.want {
			t.Errorf("after %q: %q, want %q", step.pairs, got, step.want)
		}
	}
}

func TestTwoWhoDecideAtOnceDoNotOverwriteEachOther(t *testing.T) {
	s := open(t)
	d := s.Desk(demo)
	_, version, err := d.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 8)
	for i := range cap(done) {
		go func() { done <- d.Decide(t.Context(), decisions(fmt.Sprint("d", i), "x"), version) }()
	}
	stood := 0
	for range cap(done) {
		switch err := <-done; {
		case err == nil:
			stood++
		case !errors.Is(err, ErrDeskChanged):
			t.Error(err)
		}
	}
	if got := onDesk(t, d); stood != 1 || strings.Count(got, "=x") != 1 {
		t.Errorf("%d decisions were taken, and the desk says %q", stood, got)
	}
}

// A desk of which a decision is missing is not a desk that says less.
func TestR3ADeskThatLostADecisionIsNotRead(t *testing.T) {
	s := open(t)
	d := s.Desk(demo)
	if err := decide(t, d, "a", "one", "b", "two"); err != nil {
		t.Fatal(err)
	}
	lost := nats.NewMsg(d.entry("a"))
	if _, err := s.publish(t.Context(), d.stream, lost); err != nil {
		t.Fatal(err)
	}
	_, err := d.Decisions(t.Context())
	wantCode(t, err, reason.DeskIncomplete, reason.Transient)
}

func TestADeskThatIsNotThereIsNotEmpty(t *testing.T) {
	s := open(t)
	_, err := s.Desk("nowhere").Decisions(t.Context())
	wantCode(t, err, reason.LogMissing, reason.Misconfigured)
	if err := decide(t, s.Desk(demo), "A.>", "x"); err == nil {
		t.Error("any text is an id")
	}
	large := strings.Repeat("x", 2<<20)
	wantCode(t, decide(t, s.Desk(demo), "a", large), reason.RecordTooLarge, reason.Invalid)
}
