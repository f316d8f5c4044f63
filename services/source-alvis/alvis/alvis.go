// Package alvis reads the adult education register Alvis (GotIT): an IMS Enterprise export on GotIT's SFTP server,
// written once a day. Each export is whole, so a person who is no longer in it is gone from the register.
package alvis

import (
	"context"
	"io"
	"time"

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
	result, err := a.read(ctx, spool, emit)
	if result.DataTime.IsZero() {
		result.DataTime = spool.ModTime
	}
	return result, err
}

// ReadFile reads an export that lies anywhere, in an archive or not.
func (a *alvis) ReadFile(ctx context.Context, name string, r io.Reader, emit func(fact.Doc) error) (source.Result, error) {
	spool, err := sftp.NewSpool(name, time.Time{}, r, a.limits)
	if err != nil {
		return source.Result{}, err
	}
	defer spool.Close()
	return a.read(ctx, spool, emit)
}

func (a *alvis) read(ctx context.Context, spool *sftp.Spool, emit func(fact.Doc) error) (source.Result, error) {
	seen, err := ims.Read(ctx, spool, ims.Options{Profile: a.profile, File: spool.Name}, emit)
	return source.Result{
		Complete: seen.Complete, Origin: spool.Name, DataTime: seen.DataTime, Seen: seen.Seen, Findings: seen.Findings,
	}, err
}

// Check goes through what a read needs, step by step.
func (a *alvis) Check(ctx context.Context, step func(name, detail string, err error)) error {
	return a.client.Check(ctx, a.pick, step)
}
