package source

import (
	"context"
	"errors"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// ErrConflict says that the log holds something newer than what a publication expected: another reader, or a batch of
// our own whose answer was lost. Scan and diff again.
var ErrConflict = errors.New("the log holds something newer than expected")

// Log is the roster log of one tenant, as a reader of a source writes it.
type Log interface {
	// Scan reads the headers of the last message on each subject of the source.
	Scan(ctx context.Context, s roster.Source) (Scan, error)
	// Records reads the last record of each subject of the source, tombstones left out, to lay a delta over.
	Records(ctx context.Context, s roster.Source, each func(roster.Record) error) error
	// Publish opens a run, which ends the right of every older run of the source to write, publishes the changes in
	// their order in atomic batches, and marks the end of the run with the last. A change that is not published as
	// expected ends it with ErrConflict; earlier batches then stand, and the run stays open until a later one ends.
	Publish(ctx context.Context, s roster.Source, run string, changes []Change, progress func(done int)) error
}

// Scan is what a log holds of a source, without the records.
type Scan struct {
	Heads map[roster.Ref]Head
	Open  bool // a run was opened and never ended: the next one must end, even with nothing to change
}

// Head is the last message on a subject.
type Head struct {
	Seq       uint64
	Hash      string // roster.Keyer.Hash of the record
	SourceID  string // Change.SourceID: whether a source's id has moved to another key
	Tombstone bool
	Protected bool       // a tombstone because the person is protected
	Vanished  bool       // with Protected: the register left the person out, and no mark of it said so
	Became    roster.Key // of a tombstone that says so: the key that the person has instead
}

// Change is a record to publish.
type Change struct {
	Record     roster.Record
	Hash       string    // roster.Keyer.Hash of the record
	SourceID   string    // keyed hash of the source's id; of tombstones only that of a protected person has one
	Expect     uint64    // sequence of the last message on the subject; 0 for none
	SourceTime time.Time // when the source made the data
	Joined     bool      // must stand in the same batch as the change before
	Approved   bool      // a person approved exactly this change: no guard after this one asks again
	// Vanished says that a person is contained for being left out by a register that leaves protected persons out: the
	// guard counts it as a delete, for so does a file that is cut.
	Vanished bool
}

// Runs keeps what every run of a source came to.
type Runs interface {
	// Last returns the newest run, and the newest one that was believed, whose cursor counts; nil where there is none.
	// When the log is another one than the believed run's, or shorter, that run is Regressed and has no cursor.
	Last(ctx context.Context, s roster.Source) (newest, believed *Run, err error)
	// Save keeps a run, and beside it what it found, when r.Found is set.
	Save(ctx context.Context, r Run) error
	// Found returns what a run found, or, when no run is named, the newest that came to findings; nil where there is none.
	Found(ctx context.Context, s roster.Source, run string) (*Found, error)
}

// State is what a run came to.
type State string

// The states. Only Published and Unchanged are believed reads.
const (
	Published   State = "published"
	Unchanged   State = "unchanged"
	Held        State = "held"
	Empty       State = "empty"
	Incomplete  State = "incomplete"
	Stale       State = "stale"
	Unreadable  State = "unreadable"
	Unreachable State = "unreachable"
	Refused     State = "refused"
	Failed      State = "failed"
)

// Run is one read of one source.
type Run struct {
	ID       string
	Source   roster.Source
	State    State
	Reason   *reason.Reason // why the state is not Published or Unchanged
	Started  time.Time
	Ended    time.Time
	Cursor   Cursor // where the next read goes on
	Complete bool
	Origin   string
	DataTime time.Time
	Seen     map[string]int // elements read, by the format's words
	Counts   map[string]int // "person.created", "group.updated", "organisation.deleted", "person.keptBack" ...
	Findings []FindingCount
	// Regressed says of a run that was read back that the log may no longer hold what the run found it to hold.
	Regressed bool
	Found     *Found // every finding; kept beside the run and not read with it; nil when the read did not come so far
}

// Believed tells whether the run's read was believed, so that its cursor counts.
func (r Run) Believed() bool { return r.State == Published || r.State == Unchanged }

// FindingCount says how often a rule was broken in a run, with one place to look at.
type FindingCount struct {
	Reason   reason.Reason
	Severity fact.Severity
	Effect   fact.Effect
	Count    int
	Where    string
}
