// Package imsfiles reads a register that writes IMS Enterprise documents: one or several, in an archive or not, in a folder
// on an SFTP server or as the answer to a call. An export is whole, so absence means gone. A vendor is a [Config] with defaults.
package imsfiles

import (
	"bytes"
	"context"
	"io"
	"path"
	"strings"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/ims"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/transport/httpx"
	"eventful.se/ess/libs/transport/sftp"
)

// Source reads the export of one register.
type Source struct {
	cfg   Config
	files *sftp.Client  // nil where the export is asked for by HTTP
	api   *httpx.Client // nil where it lies on an SFTP server
	now   func() time.Time
}

var (
	_ source.Source     = (*Source)(nil)
	_ source.Checker    = (*Source)(nil)
	_ source.FileReader = (*Source)(nil)
)

// New returns a source for valid settings. It uses no network.
func New(cfg Config, env source.Env) *Source {
	s := &Source{cfg: cfg, now: env.Now}
	if cfg.HTTP.URL != "" {
		s.api = httpx.New(cfg.HTTP.Call, httpx.Options{Logger: env.Logger, Now: env.Now})
	} else {
		s.files = sftp.New(cfg.Export.SFTP, sftp.Options{Logger: env.Logger, Now: env.Now})
	}
	return s
}

// Read fetches the export and reads it. Nothing at the other side is changed.
func (s *Source) Read(ctx context.Context, _ source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	set, err := s.fetch(ctx)
	if err != nil {
		return source.Result{}, err
	}
	return s.read(ctx, set, emit)
}

// fetch fetches the export as it lies, or as it is answered.
func (s *Source) fetch(ctx context.Context) (*sftp.Set, error) {
	switch {
	case s.api != nil:
		defer s.api.Close()
		return s.call(ctx)
	case s.cfg.Several:
		return s.files.Set(ctx, s.cfg.Export.Selection, s.limits(), sftp.Together{
			Endings: []string{ending}, Spread: s.cfg.Export.Spread, Reads: func(string) bool { return true },
		})
	}
	file, err := s.files.Newest(ctx, s.cfg.Export.Selection)
	if err != nil {
		return nil, err
	}
	spool, err := s.files.Fetch(ctx, file, s.limits())
	if err != nil {
		return nil, err
	}
	return s.set(spool)
}

// call asks for the export.
func (s *Source) call(ctx context.Context) (*sftp.Set, error) {
	query, err := s.cfg.HTTP.query()
	if err != nil {
		return nil, err
	}
	a, err := s.api.Do(ctx, httpx.Request{URL: s.cfg.HTTP.URL, Query: query, Accept: s.cfg.HTTP.Accept})
	if err != nil {
		return nil, err
	}
	name := "export" + ending
	if bytes.HasPrefix(a.Body, []byte("PK\x03\x04")) {
		name = "export.zip"
	}
	spool, err := sftp.NewSpool(name, time.Time{}, bytes.NewReader(a.Body), s.limits())
	if err != nil {
		return nil, err
	}
	return s.set(spool)
}

// ReadFile reads an export that lies anywhere, in an archive or not.
func (s *Source) ReadFile(ctx context.Context, name string, r io.Reader, emit func(fact.Doc) error) (source.Result, error) {
	spool, err := sftp.NewSpool(name, time.Time{}, r, s.limits())
	if err != nil {
		return source.Result{}, err
	}
	set, err := s.set(spool)
	if err != nil {
		return source.Result{}, err
	}
	return s.read(ctx, set, emit)
}

// ending is that of the documents.
const ending = ".xml"

func (s *Source) limits() sftp.Limits { return s.cfg.Export.Limits.Of(ending) }

// set takes a file for the export: it is a document, or an archive of them.
func (s *Source) set(spool *sftp.Spool) (*sftp.Set, error) {
	if strings.EqualFold(path.Ext(spool.Name), ending) {
		return sftp.Single(spool), nil
	}
	return sftp.NewSet(spool, s.limits())
}

// read reads an export, and closes it.
func (s *Source) read(ctx context.Context, set *sftp.Set, emit func(fact.Doc) error) (source.Result, error) {
	defer set.Close()
	if err := s.cfg.Expect.check(set.Names()); err != nil {
		return source.Result{Origin: set.Name}, err
	}
	within := s.cfg.Windows.around(roster.Today(s.now()), emit)
	seen, err := ims.ReadSet(ctx, set, ims.Options{Profile: s.cfg.Profile}, within)
	result := source.Result{Complete: seen.Complete, Origin: set.Name, DataTime: seen.DataTime, Seen: seen.Seen, Findings: seen.Findings}
	if result.DataTime.IsZero() {
		result.DataTime = set.ModTime
	}
	return result, err
}

// check tells whether the documents are those that an export has: with one school's missing, its people would be gone.
func (e Expect) check(names []string) error {
	missing := 0
	for _, pattern := range e.Files {
		there := false
		for _, name := range names {
			if ok, err := path.Match(pattern, name); err == nil && ok {
				there = true
			}
		}
		if !there {
			missing++
		}
	}
	if want := max(e.Count, len(e.Files)); missing > 0 || e.Count > 0 && len(names) != e.Count {
		return reason.Errorf(reason.Transient, nil, reason.FilesMissing, "count", len(names), "expected", want)
	}
	return nil
}

// Check goes through what a read needs, step by step.
func (s *Source) Check(ctx context.Context, step func(name, detail string, err error)) error {
	if s.api == nil {
		return s.files.Check(ctx, s.cfg.Export.Selection, step)
	}
	defer s.api.Close()
	if err := s.api.Check(ctx, s.cfg.HTTP.URL, step); err != nil {
		return err
	}
	set, err := s.call(ctx)
	if step("export", s.cfg.HTTP.URL, err); err != nil {
		return err
	}
	set.Close()
	return nil
}
