package fact

import (
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Severity says how much a finding matters.
type Severity string

// The severities.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Serious Severity = "error"
)

// Effect says what was done about a finding.
type Effect string

// The effects. What is kept back is not absent: what the log says about the entity stays, a new one waits (rule R3).
const (
	Noted    Effect = "noted"
	Dropped  Effect = "dropped"  // a field or a reference was left out
	KeptBack Effect = "keptBack" // the whole record waits
)

// Finding is something wrong, or worth knowing, in what a source says. It holds no name and no number.
type Finding struct {
	Reason   reason.Reason
	Severity Severity
	Effect   Effect
	Ref      roster.Ref // the entity; zero when the finding is about the read
	Where    string     // the place in the source: "line 1234"
	Count    int        // how often, where a format counts by itself; 0 is once
}
