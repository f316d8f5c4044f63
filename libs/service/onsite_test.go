package service

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

// cutLine is a line to where nobody is.
func cutLine(t *testing.T) *store.Line {
	t.Helper()
	l, err := store.OpenLine(store.LineOptions{URL: "tls://127.0.0.1:1", Name: "site", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Shutdown)
	return l
}

func TestNothingIsReadWhileTheLineIsCut(t *testing.T) {
	var logs safeBuffer
	h := &Host{Line: cutLine(t)}
	ctx, cancel := context.WithCancelCause(t.Context())
	told := errors.New("told to stop")
	time.AfterFunc(100*time.Millisecond, func() { cancel(told) })
	_, err := h.overLine("alvis/default", slog.New(slog.NewTextHandler(&logs, nil)), func(context.Context) (source.Run, error) {
		t.Error("the source was read")
		return source.Run{}, nil
	})(ctx)
	if !errors.Is(err, told) || !strings.Contains(logs.String(), "the line is cut: the source is read when it is back") {
		t.Errorf("%v\n%s", err, logs.String())
	}
}

func TestSiteStatus(t *testing.T) {
	now := time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC)
	place := store.SourcePlace("lund", roster.Source{System: "extens-db", Instance: "default"})
	heard := func(ago time.Duration) []store.Ask {
		return []store.Ask{
			{Place: place, ID: store.SubscriptionAsk, Ended: now},
			{Place: place, ID: store.SiteAsk, Ended: now.Add(-ago), Detail: detail(SiteDetail{LineSince: now.Add(-72 * time.Hour), Cuts: 1, CutFrom: now.Add(-80 * time.Hour), CutTo: now.Add(-72 * time.Hour)})},
		}
	}
	for name, c := range map[string]struct {
		asks    []store.Ask
		onSite  bool
		verdict Verdict
		says    string // empty for nothing
	}{
		"not on site":           {heard(time.Minute)[:1], false, OK, ""},
		"never heard":           {nil, true, Act, "was not heard"},
		"heard a minute ago":    {heard(time.Minute), true, OK, "(1 min ago), the line is there since 2026-11-20"},
		"tells of the last cut": {heard(time.Minute), true, OK, "The line was last cut 2026-11-19"},
		"silent for an hour":    {heard(time.Hour), true, Look, "(60 min ago)"},
		"silent for two days":   {heard(50 * time.Hour), true, Act, "(2 days ago)"},
		"without a document":    {heard(time.Minute), false, OK, "last heard"}, // what is known is told
	} {
		t.Run(name, func(t *testing.T) {
			s := siteStatus(c.asks, place, c.onSite)
			if s != nil && s.judge(now) != c.verdict {
				t.Errorf("the verdict is %s", s.judge(now))
			}
			var b strings.Builder
			s.text(&b, wordsIn(reason.English), now)
			if !strings.Contains(b.String(), c.says) || c.says == "" && b.Len() > 0 {
				t.Errorf("it says %q", b.String())
			}
		})
	}
}
