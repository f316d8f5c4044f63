package target

import "eventful.se/ess/libs/roster"

// anchors remember by which key a target knows a person who has another one now. They come from the ledger and go back
// to it with its entries.
type anchors map[roster.Key]roster.Key

// view is the roster as a mapping of a link sees it.
type view struct {
	*roster.Roster
	anchors anchors
	names   *naming                   // nil where the link gives no user names
	own     func(*roster.Record) bool // its own echo, and that of targets that hear it; nil where the link publishes nothing
	made    func(*roster.Record) bool // what any target has published
}

// Anchor returns the key that the target knows a person by.
func (v view) Anchor(k roster.Key) roster.Key { return v.anchors.of(k) }

func (a anchors) of(k roster.Key) roster.Key {
	if anchor, ok := a[k]; ok {
		return anchor
	}
	return k
}

// note takes over what an entry of the ledger says.
func (a anchors) note(e Entry) {
	if !e.Anchor.IsZero() {
		a[e.Entity.Key] = e.Anchor
	}
}

// entry returns what an entry for a person says of the anchor: nothing, while the person has the key that the target
// knows.
func (a anchors) entry(ref roster.Ref) roster.Key {
	if ref.Kind != roster.KindPerson {
		return roster.Key{}
	}
	return a[ref.Key]
}

// move is a person whom the target knows by a key that she does not have any more.
type move struct{ from, to roster.Ref }

// moves returns what an entity says of keys that changed: the one that it became, and those that it had. The record of
// the new key may come before the tombstone of the old one, so either of them is enough. Where the target knows both
// keys, each keeps what it has: two accounts of one person are for a person to join.
func (a anchors) moves(r *roster.Roster, ref roster.Ref, known func(roster.Ref) bool) (list []move) {
	if ref.Kind != roster.KindPerson {
		return nil
	}
	add := func(from, to roster.Key) {
		m := move{roster.Ref{Kind: ref.Kind, Key: from}, roster.Ref{Kind: ref.Kind, Key: to}}
		if from == to || !known(m.from) || known(m.to) {
			return
		}
		if _, ok := a[to]; !ok {
			a[to] = a.of(from)
		}
		list = append(list, m)
	}
	if key, ok := r.Became(ref.Key); ok {
		add(ref.Key, key)
	}
	for _, former := range r.State(ref).Former {
		add(former, ref.Key)
	}
	return list
}
