// Package alvis reads the adult education register Alvis (GotIT): an IMS Enterprise export on GotIT's SFTP server,
// written once a day. Each export is whole, so a person who is no longer in it is gone from the register.
package alvis

import (
	"context"
	"io"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/ims"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/transport/sftp"
)

// Connector describes Alvis.
func Connector() source.Connector {
	return source.Connector{
		System: "alvis",
		Title:  "Alvis (GotIT)",
		Defaults: source.Defaults{
			Schedule:  "30 18 * * *",
			Protected: source.ProtectedNone,
			GroupIDs:  source.GroupIDsStable,
			Require:   []source.Requirement{source.RequireCivicNo},
			Recommend: []source.Requirement{source.RequireEmail},
		},
		New: func() source.Config { return defaults() },
	}
}

// alvis is one customer's export.
type alvis struct {
	client  *sftp.Client
	pick    sftp.Selection
	limits  sftp.Limits
	profile ims.Profile
}

var (
	_ source.Source     = (*alvis)(nil)
	_ source.Checker    = (*alvis)(nil)
	_ source.FileReader = (*alvis)(nil)
)

// Read fetches the newest export and reads it. Nothing on the server is changed.
func (a *alvis) Read(ctx context.Context, _ source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	file, err := a.client.Newest(ctx, a.pick)
	if err != nil {
		return source.Result{}, err
	}
	spool, err := a.client.Fetch(ctx, file, a.limits)
	if err != nil {
		return source.Result{}, err
	}
	defer spool.Close()
	result, err := a.ReadFile(ctx, spool.Name, spool, emit)
	if result.DataTime.IsZero() {
		result.DataTime = spool.ModTime
	}
	return result, err
}

// ReadFile reads an export that lies anywhere.
func (a *alvis) ReadFile(ctx context.Context, name string, r io.Reader, emit func(fact.Doc) error) (source.Result, error) {
	seen, err := ims.Read(ctx, r, ims.Options{Profile: a.profile, File: name}, emit)
	return source.Result{
		Complete: seen.Complete, Origin: name, DataTime: seen.DataTime, Seen: seen.Seen, Findings: seen.Findings,
	}, err
}

// Check goes through what a read needs, step by step.
func (a *alvis) Check(ctx context.Context, step func(name, detail string, err error)) error {
	return a.client.Check(ctx, a.pick, step)
}
