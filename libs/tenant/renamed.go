package tenant

import (
	"slices"

	"eventful.se/ess/libs/roster"
)

// Renamed tells whether a later document has a source of a system in the place of another one. Keys of groups, of units
// and of who has no personnummer are made with the source's name: under another one they would all be others, beside those
// that stand, and what was decided about them, such as that a child is protected, would not follow.
func (d *Document) Renamed(later *Document) (was, is roster.Source, renamed bool) {
	before, after := d.Precedence(), later.Precedence()
	for _, was := range before {
		if slices.Contains(after, was) {
			continue
		}
		for _, is := range after {
			if is.System == was.System && !slices.Contains(before, is) {
				return was, is, true
			}
		}
	}
	return was, is, false
}
