package roster

import (
	"fmt"
	"log/slog"
)

// masked is what every personal value prints as.
const masked = "***"

// Personal is a text about a person: a name, an e-mail address, a user name, an id that a source chose. It prints
// masked with every verb that go vet lets through, in JSON and in slog (rule R8); [Personal.Reveal] is the one way to
// the text.
//
// Two places are beyond the mask, because fmt and encoding/json ask the type nothing there: a field that is not
// exported, or stands below one, when the struct around it is printed and has no Format of its own; and the key of a
// map that is made JSON. Hold a Personal in neither; a pointer to it, or to a [Person], prints as an address there.
type Personal string

// Reveal returns the text. Call it only to write a record, or a target that needs the value.
func (p Personal) Reveal() string { return string(p) }

// String returns the mask, or nothing for an empty value.
func (p Personal) String() string {
	if p == "" {
		return ""
	}
	return masked
}

// Format prints the mask for every verb and flag.
func (p Personal) Format(f fmt.State, _ rune) { fmt.Fprint(f, p.String()) }

// GoString returns the mask.
func (p Personal) GoString() string { return p.String() }

// MarshalText returns the mask.
func (p Personal) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// LogValue returns the mask.
func (p Personal) LogValue() slog.Value { return slog.StringValue(p.String()) }
