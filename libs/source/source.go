// Package source holds what a source is, and the runtime that is the same for every one of them: read, assemble,
// check, diff, publish, save the run with its cursor.
//
// A source is a transport and a format. It never knows a target, a key or the log.
package source

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
)

// Source reads one register of one tenant.
type Source interface {
	// Read reads everything, or what changed since the cursor, and emits docs as it goes, from one goroutine. An error
	// from emit ends the read and is returned. Of a read that ends with an error nothing is believed. Read returns soon
	// after ctx ends. Errors carry a [reason.Error] where a person can do something about them, and no personal data.
	Read(ctx context.Context, since Cursor, emit func(fact.Doc) error) (Result, error)
}

// Checker is a source that can tell, step by step, whether it would be able to read: reach, sign-in, rights, what
// would be read. It changes nothing and reads no records.
type Checker interface {
	Check(ctx context.Context, step func(name, detail string, err error)) error
}

// FileReader is a source whose data is a file, and which can read one that a person holds.
type FileReader interface {
	// ReadFile reads what Read would read of its newest file: r is such a file as it lies there, in its archive if it has one.
	// The name stands in errors and in Result.Origin.
	ReadFile(ctx context.Context, name string, r io.Reader, emit func(fact.Doc) error) (Result, error)
}

// Cursor is a source's own mark of how far it has read; empty for "everything". Only the source reads it.
type Cursor []byte

// Result is what a read says about itself.
type Result struct {
	Cursor   Cursor    // from where the next read may go on; empty when every read reads everything
	Complete bool      // the read saw everything that the source has, so absence means gone
	Origin   string    // what was read: a file name, an address; no personal data
	DataTime time.Time // when the source made the data; zero when it does not say
	// Seen counts the elements that were read, by the format's own words: "persons", "groups", "memberships", "members".
	Seen     map[string]int
	Findings []fact.Finding // what the format noticed
}

// Connector describes a system that can be a source. It is what a connector's folder exports.
type Connector struct {
	System   string // "alvis"; the folder is source-alvis
	Title    string // "Alvis (GotIT)"
	Defaults Defaults
	OnSite   bool // it is read inside the customer's own network, which not every service level has
	// New returns settings with the defaults filled in, to decode a tenant's section into.
	New func() Config
}

// Config is one tenant's settings of a source. It is decoded from YAML; unknown keys are an error.
type Config interface {
	Validate(tenant.Problems) // reports everything wrong, without network
	Open(Env) (Source, error) // makes the source, without network
}

// Env is what a source is opened with.
type Env struct {
	Tenant string
	Source roster.Source
	Logger *slog.Logger
	Now    func() time.Time
	Desk   Desk // nil where there is none
}

// Desk holds what people decided about the tenant's persons by command, for a source that is made of decisions.
type Desk interface {
	// Decisions returns the decisions that stand, in the order of their ids: all of them, or an error.
	Decisions(ctx context.Context) ([]Decision, error)
}

// Decision is one of them.
type Decision struct {
	ID   string
	At   time.Time
	Body roster.Personal // as the source reads it
}

// Defaults are what a system does unless the tenant says otherwise.
type Defaults struct {
	Schedule   string        // cron expression of five fields in Europe/Stockholm
	Protected  Protected     // how protected persons show
	GroupIDs   GroupIDs      // what becomes of a group's id when the school year turns
	Require    []Requirement // who lacks it waits
	Recommend  []Requirement // who lacks it is reported
	MayBeEmpty bool          // a complete read without persons is believed: of a source that is not a register
}

// Canaries are ids of the source that every complete read has: one without them is incomplete, however much it holds.
type Canaries struct{ Units, Groups, Persons []string }

// check tells what a complete read lacks, by kinds and never by ids (rule R8).
func (c Canaries) check(all fact.Result) error {
	missing, kinds := 0, []string{}
	look := func(ids []string, kind roster.Kind, what string) {
		left := map[roster.Personal]bool{}
		for _, id := range ids {
			left[roster.Personal(id)] = true
		}
		if len(left) == 0 {
			return
		}
		for i := range all.Records {
			if r := &all.Records[i]; r.Ref.Kind == kind {
				for _, o := range r.Origins {
					delete(left, o.ID)
				}
			}
		}
		if kind == roster.KindPerson {
			for _, id := range all.KeptBackIDs {
				delete(left, id)
			}
		}
		if len(left) > 0 {
			missing += len(left)
			kinds = append(kinds, what)
		}
	}
	look(c.Units, roster.KindOrganisation, "units")
	look(c.Groups, roster.KindGroup, "groups")
	look(c.Persons, roster.KindPerson, "persons")
	if missing == 0 {
		return nil
	}
	return reason.Errorf(reason.Transient, nil, reason.CanaryMissing, "count", missing, "kinds", strings.Join(kinds, ", "))
}

// Requirement is an attribute that a record of a person must or should have. Missing, it stops creation or is reported;
// it removes nobody.
type Requirement string

// The requirements.
const (
	RequireCivicNo Requirement = "civicNo"
	RequireEmail   Requirement = "email"
)

// Protected says how a source tells of protected persons.
type Protected string

// The ways.
const (
	ProtectedFlag  Protected = "flag"  // by a mark on the person
	ProtectedOmits Protected = "omits" // by leaving the person out
	ProtectedNone  Protected = "none"  // not at all
)

// GroupIDs says how long a source's group id means the same group.
type GroupIDs string

// The kinds of group id.
const (
	GroupIDsStable GroupIDs = "stable" // for good
	GroupIDsYearly GroupIDs = "yearly" // each year has ids of its own
	GroupIDsReused GroupIDs = "reused" // next year's group has this year's id
)
