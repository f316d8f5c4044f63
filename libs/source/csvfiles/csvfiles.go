// Package csvfiles reads a register out of CSV files that it writes to an SFTP server: a zip archive, or a folder of files,
// whose names and columns the settings tell. A vendor is a [Config] with defaults.
package csvfiles

import (
	"context"
	"io"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/csvset"
	"eventful.se/ess/libs/format/table"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/sftp"
)

// Config says where the files are, and what they are.
type Config struct {
	Export  sftp.SetConfig `yaml:",inline"`
	Profile csvset.Profile `yaml:"profile"`
}

// Default returns the settings of files that are the tables themselves, but for them: see [Config.Tables].
func Default() Config {
	return Config{Export: sftp.DefaultSet(), Profile: csvset.Profile{Rows: table.Default()}}
}

// Tables returns the settings with these tables, where they have none.
func (c Config) Tables(all []csvset.Mapping) Config {
	if len(c.Profile.Tables) == 0 {
		c.Profile.Tables = all
	}
	return c
}

// On tells whether files are read.
func (c Config) On() bool { return c.Export.SFTP.Host != "" }

// Validate reports everything wrong with the settings, without network.
func (c Config) Validate(p tenant.Problems) {
	c.Export.Validate(p)
	c.Profile.Validate(p.At("profile"))
}

// Source reads the files of one register.
type Source struct {
	cfg    Config
	client *sftp.Client
	now    func() time.Time
}

var (
	_ source.Source     = (*Source)(nil)
	_ source.Checker    = (*Source)(nil)
	_ source.FileReader = (*Source)(nil)
)

// New returns a source for valid settings, whose profile has tables. It uses no network.
func New(cfg Config, env source.Env) *Source {
	return &Source{cfg: cfg, client: sftp.New(cfg.Export.SFTP, sftp.Options{Logger: env.Logger, Now: env.Now}), now: env.Now}
}

// endings are those that the files of a set may have.
func endings() []string { return []string{".csv", ".txt"} }

func (s *Source) limits() sftp.Limits { return s.cfg.Export.Limits.Of(endings()...) }

// Read fetches the newest archive, or all files where the newest is none, and reads everything. Nothing on the server is
// changed.
func (s *Source) Read(ctx context.Context, _ source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	set, err := s.client.Set(ctx, s.cfg.Export.Selection, s.limits(), sftp.Together{
		Endings: endings(), Spread: s.cfg.Export.Spread, Reads: s.cfg.Profile.Reads,
	})
	if err != nil {
		return source.Result{}, err
	}
	return s.read(ctx, set, emit)
}

// ReadFile reads an archive that lies anywhere.
func (s *Source) ReadFile(ctx context.Context, name string, r io.Reader, emit func(fact.Doc) error) (source.Result, error) {
	spool, err := sftp.NewSpool(name, time.Time{}, r, s.limits())
	if err != nil {
		return source.Result{}, err
	}
	set, err := sftp.NewSet(spool, s.limits())
	if err != nil {
		return source.Result{}, err
	}
	return s.read(ctx, set, emit)
}

// read reads a set, and closes it.
func (s *Source) read(ctx context.Context, set *sftp.Set, emit func(fact.Doc) error) (source.Result, error) {
	defer set.Close()
	seen, err := csvset.Read(ctx, set, csvset.Options{Profile: s.cfg.Profile, Name: set.Name, Today: roster.Today(s.now()), Loose: set.Loose}, emit)
	return source.Result{Complete: seen.Complete, Origin: set.Name, DataTime: set.ModTime, Seen: seen.Seen, Findings: seen.Findings}, err
}

// Check goes through what a read needs, step by step.
func (s *Source) Check(ctx context.Context, step func(name, detail string, err error)) error {
	return s.client.Check(ctx, s.cfg.Export.Selection, step)
}
