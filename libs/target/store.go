package target

import (
	"context"
	"errors"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// ErrOwnerLost says that another process owns the link now: stop at once, nothing was recorded.
var ErrOwnerLost = errors.New("another process owns the link")

// ErrLeaseLost is the cause with which a process that cannot tell any more that it lives ends what it has: another may
// have it soon.
var ErrLeaseLost = errors.New("the process could not renew its membership in time")

// ErrOwned says that another process owns the link, and lives: look again later.
var ErrOwned = errors.New("another process owns the link and lives")

// ErrReadOnly says that a book was taken to look at only.
var ErrReadOnly = errors.New("the ledger was opened to look at only")

// Log is the roster log of one tenant, as a link reads it.
type Log interface {
	// End returns the position of the end of the log.
	End(ctx context.Context) (roster.Position, error)
	// Load reads the last message on every subject, marks and tombstones included, and returns the position that
	// what it read is equal to: every message up to it was either read or replaced by a later one that was read. A
	// message that cannot be read comes as an event that says so, here and in Follow (rule R7).
	Load(ctx context.Context, each func(roster.Event) error) (roster.Position, error)
	// Follow reads every message after from, in order, until ctx ends or each returns an error. It goes on by itself
	// after a lost connection, and never skips. With headersOnly the events carry no record.
	Follow(ctx context.Context, from roster.Position, headersOnly bool, each func(roster.Event) error) error
	// Since returns the position before the first message that the log took at or after t.
	Since(ctx context.Context, t time.Time) (roster.Position, error)
}

// Ledger keeps what is known that targets hold, for all links of one tenant.
type Ledger interface {
	// Own makes the caller the owner of a link: what an older owner writes is refused from then on. It fails with ErrOwned
	// while another session owns the link that has not handed it over and lives.
	Own(ctx context.Context, link roster.Source, by Owner) (Book, error)
	// Look returns the book of a link as it is, whoever owns it. Every write of it fails with ErrReadOnly.
	Look(ctx context.Context, link roster.Source) (Book, error)
}

// Owner is who takes a link over.
type Owner struct {
	Name    string // of the process, for people
	Session string // of this start of the process; empty where there is only one process at a time
	// Lives tells whether a session runs that owns the link, so that it may still call the target. Nil for never: then the
	// link is taken over whoever has it.
	Lives func(ctx context.Context, session string) (bool, error)
}

// Book is the ledger of one link in the hands of its owner. Every write fails with ErrOwnerLost once another owns it.
type Book interface {
	// Load reads every entry, and the mark.
	Load(ctx context.Context, each func(Entry) error) (Mark, error)
	// Save records entries and the mark, the mark last and in the same atomic batch as the last entries (rule R2).
	// An entry in state Gone with no Reason is taken out.
	Save(ctx context.Context, entries []Entry, m Mark) error
	// Put keeps a blob (a delivered set) under a name; Blob returns it. Put removes the blobs of this link other than
	// name and keep.
	Put(ctx context.Context, name, keep string, data []byte) error
	Blob(ctx context.Context, name string) ([]byte, error)
}

// Mark is how far a link has come.
type Mark struct {
	Cursor     roster.Position // all below is settled in the ledger
	WakeAt     time.Time       // next date boundary, retry or end of a grace; zero for none
	Mapping    string          // version of the mapping that the ledger was planned with
	Set        SetRef          // the last delivered set of a Deliverer
	InFlight   SetRef          // the set that was about to be delivered
	Status     Status          // how the link was after its last round
	Reconciled Reconciled      // what the last comparison with the target came to
}

// Status is how a link is. A link that has not settled yet has none.
type Status struct {
	Mode   Mode           // active, held or halted
	Reason *reason.Reason // why it is held or halted
	Since  time.Time      // since when it is in that mode
	// Settings tells the settings with which it was halted from others.
	Settings string
	// Waiting, Parked and Withheld are resources in that state, Held those that the guard holds, and Orphans what the
	// target holds of which the log has neither record nor tombstone.
	Waiting, Parked, Withheld, Held, Orphans int
}

// Shown returns what a link is shown as: by what the document says of its mode and, while it is active, by what became of
// its last round.
func (s Status) Shown(mode Mode) Mode {
	if mode == ModePreview || mode == ModePaused || s.Mode == "" {
		return mode
	}
	return s.Mode
}

// SetRef names a delivered set: the blob that holds its entries, and the package.
type SetRef struct {
	Blob   string
	Name   string
	Digest string
	At     time.Time
}

// EntryState is what is known of a resource.
type EntryState string

// The states of a ledger entry.
const (
	Applied  EntryState = "applied"
	InFlight EntryState = "inFlight" // it was about to be made, and the outcome is not known
	Waiting  EntryState = "waiting"  // a need does not stand yet, or a retry is due at NextTry
	Parked   EntryState = "parked"   // cannot be applied as it is
	Withheld EntryState = "withheld" // the mapping says why the target does not get it
	Disabled EntryState = "disabled"
	Moved    EntryState = "moved"    // disabled, and where the target keeps accounts of those who have left
	OnHold   EntryState = "held"     // what was to be done to it waits for a person; the target has it as it was
	Released EntryState = "released" // no longer ours: the target holds it as it was
	Matched  EntryState = "matched"  // the customer's own: it is used, and never made, changed or removed
	// Contained and Aliased say what was done for a contained person. The entry says no more than that of the account.
	Contained EntryState = "contained"
	Aliased   EntryState = "aliased"
	Gone      EntryState = "gone"
)

// Entry is what the ledger knows of one resource. Fields and Sets are what the target holds, not what is wanted.
type Entry struct {
	ID       ID
	Entity   roster.Ref
	Anchor   roster.Key // the key that its person had when the resource was made, where it has another now
	Native   string
	Held     bool // the target holds the resource
	Fields   Fields
	Needs    []ID // what the resource refers to, for when its entity cannot be asked any more
	Sets     []Set
	State    EntryState
	Begun    bool // an operation on what the target holds was begun, and its outcome is not known
	Reason   *reason.Reason
	Left     roster.Date // since when its person has left; open while there is no sign of it
	Buried   bool        // the person has left by a tombstone, which may have been swept since
	Approved bool        // a person approved at the source that the person left
	As       Capacity    // what the person was last; zero where the link's own lifecycle holds for it
	Refused  string      // digest of the wish that was refused; the same wish is not tried again by itself
	Attempts int
	NextTry  time.Time
	Cause    Cause
	// FoundBy is the configured key by which the target's own resource was found: one that is used, or ours since. It is
	// empty for one that we made. Untouched says that it is to be ours and nothing was written to it yet: until then it is
	// not ours to disable or delete.
	FoundBy   string
	Untouched bool
	// Near is what the target holds and may be the resource, where a person has to say which: of what is ambiguous, refused
	// or not found. It is personal.
	Near []Candidate
}

// Candidate is something that a target holds and that may be a resource.
type Candidate struct {
	Native  string
	Fields  Fields
	By      string // the configured key that is equal; empty for one that is only close
	Refused string // why it can never be adopted; empty where it can
}

// theirs tells whether an entry is of something that the target holds and that we have never made or changed: it can be
// needed and be a member, and is forgotten, never taken away, when nobody wishes it any more (rule R6).
func (e *Entry) theirs() bool { return e.State == Matched || e.Held && e.Untouched && !e.Begun }

// Cause is the change in the log that made the last operation on a resource (rule R10).
type Cause struct {
	Seq  uint64
	Run  string
	When time.Time // when the log took the change
}
