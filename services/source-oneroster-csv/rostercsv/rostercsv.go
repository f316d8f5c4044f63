// Package rostercsv reads an export in OneRoster CSV from an SFTP server: a zip archive, or a folder of CSV files. A set
// that its manifest calls bulk is whole, so a person who is no longer in it is gone; what it calls delta is laid over what
// is known. OneRoster has no mark of protected persons.
//
// The format and its source are described in libs/format/oneroster.
package rostercsv

import (
	"context"
	"io"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/oneroster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/transport/sftp"
)

// Connector describes the register.
func Connector() source.Connector {
	return source.Connector{
		System: "oneroster-csv",
		Title:  "OneRoster CSV",
		Defaults: source.Defaults{
			Schedule:  "30 18 * * *",
			Protected: source.ProtectedNone,
			GroupIDs:  source.GroupIDsStable,
			Recommend: []source.Requirement{source.RequireCivicNo, source.RequireEmail},
		},
		New: func() source.Config { return defaults() },
	}
}

// ending is that of every file of OneRoster.
const ending = ".csv"

// rostercsv is one customer's export.
type rostercsv struct {
	client  *sftp.Client
	pick    sftp.Selection
	spread  time.Duration
	limits  sftp.Limits
	profile oneroster.Profile
}

var (
	_ source.Source     = (*rostercsv)(nil)
	_ source.Checker    = (*rostercsv)(nil)
	_ source.FileReader = (*rostercsv)(nil)
)

// Read fetches the newest archive, or all CSV files where the newest file is one, and reads it. Nothing on the server is
// changed.
func (s *rostercsv) Read(ctx context.Context, _ source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	set, err := s.client.Set(ctx, s.pick, s.limits, sftp.Together{Endings: []string{ending}, Spread: s.spread, Reads: oneroster.Reads})
	if err != nil {
		return source.Result{}, err
	}
	return s.read(ctx, set, emit)
}

// ReadFile reads an archive that lies anywhere.
func (s *rostercsv) ReadFile(ctx context.Context, name string, r io.Reader, emit func(fact.Doc) error) (source.Result, error) {
	spool, err := sftp.NewSpool(name, time.Time{}, r, s.limits)
	if err != nil {
		return source.Result{}, err
	}
	set, err := sftp.NewSet(spool, s.limits)
	if err != nil {
		return source.Result{}, err
	}
	return s.read(ctx, set, emit)
}

// Check goes through what a read needs, step by step.
func (s *rostercsv) Check(ctx context.Context, step func(name, detail string, err error)) error {
	return s.client.Check(ctx, s.pick, step)
}

// read reads a set, and closes it.
func (s *rostercsv) read(ctx context.Context, set *sftp.Set, emit func(fact.Doc) error) (source.Result, error) {
	defer set.Close()
	seen, err := oneroster.Read(ctx, set, oneroster.Options{Profile: s.profile, Name: set.Name, Loose: set.Loose}, emit)
	return source.Result{Complete: seen.Complete, Origin: set.Name, DataTime: set.ModTime, Seen: seen.Seen, Findings: seen.Findings}, err
}
