package table

import (
	"testing"

	"eventful.se/ess/libs/roster"
)

// TestMarking: what is neither yes, no nor a marking protects.
func TestMarking(t *testing.T) {
	for said, want := range map[string]roster.SecurityMarking{
		"0": roster.MarkingNone, "N": roster.MarkingNone, " nej ": roster.MarkingNone, "Ingen": roster.MarkingNone, "1": roster.MarkingConfidential,
		"J": roster.MarkingConfidential, "Sekretessmarkering": roster.MarkingConfidential, "Skyddad folkbokföring": roster.MarkingProtected,
		"": unreadable, "2": unreadable, "okänt": unreadable,
	} {
		got := marking(Row{Columns: []string{"protected"}, Value: func(int) string { return said }})
		if got != string(want) {
			t.Errorf("%q is %s, want %s", said, got, want)
		}
	}
}
