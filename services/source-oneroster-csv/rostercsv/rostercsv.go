// Package rostercsv reads an export in OneRoster CSV from an SFTP server: a zip archive, or a folder of CSV files. A set
// that its manifest calls bulk is whole, so a person who is no longer in it is gone; what it calls delta is laid over what
// is known. OneRoster has no mark of protected persons.
//
// The format and its source are described in libs/format/oneroster.
package rostercsv

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/oneroster"
	"eventful.se/ess/libs/reason"
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
	files, err := s.client.All(ctx, s.pick)
	if err != nil {
		return source.Result{}, err
	}
	if !isCSV(files[0].Name()) {
		spool, err := s.client.Fetch(ctx, files[0], s.limits)
		if err != nil {
			return source.Result{}, err
		}
		defer spool.Close()
		return s.archive(ctx, spool, emit)
	}
	return s.folder(ctx, files, emit)
}

// ReadFile reads an archive that lies anywhere.
func (s *rostercsv) ReadFile(ctx context.Context, name string, r io.Reader, emit func(fact.Doc) error) (source.Result, error) {
	spool, err := sftp.NewSpool(name, time.Time{}, r, s.limits)
	if err != nil {
		return source.Result{}, err
	}
	defer spool.Close()
	return s.archive(ctx, spool, emit)
}

// Check goes through what a read needs, step by step.
func (s *rostercsv) Check(ctx context.Context, step func(name, detail string, err error)) error {
	return s.client.Check(ctx, s.pick, step)
}

func (s *rostercsv) archive(ctx context.Context, spool *sftp.Spool, emit func(fact.Doc) error) (source.Result, error) {
	set, err := spool.Archive(s.limits)
	if err != nil {
		return source.Result{}, err
	}
	return s.read(ctx, set, oneroster.Options{Name: spool.Name}, spool.ModTime, emit)
}

// folder reads files that lie side by side, and leaves those alone that nothing is read of. One that was written long
// before the newest is of an earlier export, or the newer one is not all there yet.
func (s *rostercsv) folder(ctx context.Context, files []sftp.File, emit func(fact.Doc) error) (source.Result, error) {
	set := folder{}
	defer set.close()
	newest := files[0]
	files = slices.DeleteFunc(files, func(f sftp.File) bool { return !oneroster.Reads(f.Name()) })
	if len(files) > 0 {
		newest = files[0]
	}
	for _, f := range files {
		if s.spread > 0 && newest.ModTime.Sub(f.ModTime) > s.spread {
			return source.Result{}, reason.Errorf(reason.Transient, nil, reason.FileGrowing, "file", fmt.Sprintf("%q", path.Dir(f.Path)+"/*"+ending))
		}
		spool, err := s.client.Fetch(ctx, f, s.limits)
		if err != nil {
			return source.Result{}, err
		}
		set = append(set, spool)
	}
	return s.read(ctx, set, oneroster.Options{Name: path.Dir(newest.Path), Loose: true}, newest.ModTime, emit)
}

func (s *rostercsv) read(
	ctx context.Context, set oneroster.Set, o oneroster.Options, written time.Time, emit func(fact.Doc) error,
) (source.Result, error) {
	o.Profile = s.profile
	seen, err := oneroster.Read(ctx, set, o, emit)
	return source.Result{Complete: seen.Complete, Origin: o.Name, DataTime: written, Seen: seen.Seen, Findings: seen.Findings}, err
}

func isCSV(name string) bool { return strings.EqualFold(path.Ext(name), ending) }

// folder is a set of files that were fetched one by one.
type folder []*sftp.Spool

func (f *folder) close() {
	for _, spool := range *f {
		_ = spool.Close() // it was only read
	}
}

// Names returns the names of the files.
func (f folder) Names() []string {
	var names []string
	for _, spool := range f {
		names = append(names, spool.Name)
	}
	return names
}

// Open reads a file from its beginning.
func (f folder) Open(name string) (io.ReadCloser, error) {
	for _, spool := range f {
		if spool.Name == name {
			_, err := spool.Seek(0, io.SeekStart)
			return io.NopCloser(spool), err
		}
	}
	return nil, fmt.Errorf("no file of this name: %w", fs.ErrNotExist)
}
