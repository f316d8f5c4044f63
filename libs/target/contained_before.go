package target

import "eventful.se/ess/libs/roster"

// containedNow tells whether the key is one that a contained person had before, or one that is joined to hers or his:
// a target that made something under either key has her or him twice, and both go (rule R9).
func containedNow(r *roster.Roster, ref roster.Ref) bool {
	now, moved := r.Became(ref.Key)
	return moved && r.Contained(now)
}
