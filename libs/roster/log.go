package roster

import "time"

// Position is a place in a tenant's roster log. A log that was made at another time is another log.
type Position struct {
	Log time.Time // when the log's stream was created
	Seq uint64    // the last message that is behind the position; 0 before the first
}

// IsZero tells whether p is no position at all.
func (p Position) IsZero() bool { return p == Position{} }

// Regressed tells whether a log that now ends at end has lost what a reader at p has read already.
func (p Position) Regressed(end Position) bool {
	return !p.IsZero() && (!p.Log.Equal(end.Log) || p.Seq > end.Seq)
}

// Event is one message of a roster log: a change, or the mark of a run.
type Event struct {
	Seq    uint64
	Time   time.Time // when the log took it
	Run    string    // id of the run that published it
	Trace  string    // W3C traceparent of that run; empty for none
	Record *Record   // the changed record; nil with a mark, and when only headers were asked for
	// Unreadable says why there is no record: the message is damaged or of a newer schema. What its source says of the
	// entity is not known then, which is not the same as nothing.
	Unreadable error
	Ref        Ref // the entity of the change; zero with a mark
	Source     Source
	Mark       Mark // empty with a change
	Approved   bool // a person approved exactly this change
}

// Mark is a message that a run publishes about itself.
type Mark string

// The marks.
const (
	RunOpened Mark = "opened"
	RunBatch  Mark = "batch"
	RunEnded  Mark = "ended"
)
