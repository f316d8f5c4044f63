package service

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// TestR9NoLinkWritesWhileASourceSaysNothingOfProtectedPersons opens an active link of a tenant whose sources tell of
// protected persons in one way or another, or not at all.
func TestR9NoLinkWritesWhileASourceSaysNothingOfProtectedPersons(t *testing.T) {
	t.Setenv("SERVICE_TEST_PEPPER", strings.Repeat("p", roster.MinPepper))
	t.Setenv("SERVICE_TEST_PASSWORD", "hush")
	connector := func(system string, p source.Protected) source.Connector {
		return source.Connector{System: system, Defaults: source.Defaults{Protected: p}, New: func() source.Config { return &sourceSettings{} }}
	}
	sources := []source.Connector{
		connector("marks", source.ProtectedFlag), connector("omits", source.ProtectedOmits), connector("silent", source.ProtectedNone), connector("unsaid", ""),
	}
	targets := []target.Connector{{System: "one", New: func() target.Config { return &targetSettings{} }}}
	for name, c := range map[string]struct {
		sources string
		silent  string // the source that is named; empty when the link writes
	}{
		"marks":                              {"[{system: marks, @}, {system: omits, @}]", ""},
		"one says nothing":                   {"[{system: marks, @}, {system: silent, @}]", "silent/default"},
		"a connector does not say":           {"[{system: unsaid, @}]", "unsaid/default"},
		"the document says that it omits":    {"[{system: silent, protected: omits, @}]", ""},
		"the document says that it does not": {"[{system: marks, protected: none, @}]", "marks/default"},
		"another program's":                  {"[{system: elsewhere}]", "elsewhere/default"},
		"another program's that marks":       {"[{system: elsewhere, protected: flag}]", ""},
		"a routine":                          {"[{system: silent, @}]\nprotectedRoutine: Skolkontoret ringer", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := "tenant: lund\npepper: env:SERVICE_TEST_PEPPER\nsources: " + strings.ReplaceAll(c.sources, "@", "settings: {folder: x}") +
				"\nlinks: [{target: one, mode: active, settings: {folder: x}}]\n"
			d, err := tenant.Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var logs bytes.Buffer
			h := &Host{Store: new(store.Store), Logger: slog.New(slog.NewTextHandler(&logs, nil)), Now: time.Now, Telemetry: &Telemetry{}}
			if _, err := h.Open(d, sources, targets); err != nil {
				t.Fatal(err)
			}
			said := strings.Contains(logs.String(), "no-protected-routine")
			if said != (c.silent != "") || !strings.Contains(logs.String(), c.silent) {
				t.Errorf("want %q named:\n%s", c.silent, &logs)
			}
			if l := sheltered(h.Logger, d.Links[0], Silent(d, sources)); (l.Mode == tenant.Preview) != said {
				t.Errorf("the link is %s", l.Mode)
			}
			paused := d.Links[0]
			paused.Mode = tenant.Paused
			if l := sheltered(h.Logger, paused, Silent(d, sources)); l.Mode != tenant.Paused {
				t.Errorf("a paused link is %s", l.Mode)
			}
		})
	}
}

// TestTheDocumentSaysHowASourceIsRead lays what a document says over the connector's defaults.
func TestTheDocumentSaysHowASourceIsRead(t *testing.T) {
	c := source.Connector{Defaults: source.Defaults{Protected: source.ProtectedNone, GroupIDs: source.GroupIDsStable, Schedule: "x"}}
	if got := defaults(tenant.Source{}, c); got.Protected != source.ProtectedNone || got.GroupIDs != source.GroupIDsStable {
		t.Errorf("%+v, want the connector's", got)
	}
	if got := defaults(tenant.Source{Protected: "flag", GroupIDs: "reused"}, c); got.Protected != source.ProtectedFlag || got.GroupIDs != source.GroupIDsReused || got.Schedule != "x" {
		t.Errorf("%+v, want the document's", got)
	}
}
