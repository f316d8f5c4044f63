package sftp

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
)

// SetConfig says where an export of several files lies, and how much of it is read.
type SetConfig struct {
	SFTP      Config    `yaml:"sftp"`
	Selection Selection `yaml:",inline"`
	// Spread is how far apart the files of a folder may have been written; 0 for any time.
	Spread time.Duration `yaml:"spread"`
	Limits SetLimits     `yaml:"limits"`
}

// SetLimits bound what is read of an export, in bytes.
type SetLimits struct {
	MaxBytes    int64 `yaml:"maxBytes"`    // of each file on the server
	MaxUnpacked int64 `yaml:"maxUnpacked"` // of all files in an archive
}

// DefaultSet returns the settings of an export that lies anywhere, in an archive, and is written at least every third day.
func DefaultSet() SetConfig {
	return SetConfig{
		Selection: Selection{Dir: "/", Patterns: []string{"*.zip"}, MaxAge: 72 * time.Hour, Settle: 10 * time.Second},
		Spread:    time.Hour,
		Limits:    SetLimits{MaxBytes: 1 << 30, MaxUnpacked: 4 << 30},
	}
}

// Validate reports everything wrong with the settings.
func (c SetConfig) Validate(p tenant.Problems) {
	c.SFTP.Validate(p.At("sftp"))
	c.Selection.Validate(p)
	if c.Spread < 0 {
		p.At("spread").Add("must not be negative")
	}
	if c.Limits.MaxBytes <= 0 {
		p.At("limits.maxBytes").Add("has to be above 0")
	}
	if c.Limits.MaxUnpacked <= 0 {
		p.At("limits.maxUnpacked").Add("has to be above 0")
	}
}

// Of returns the limits of a client, for files with one of some endings.
func (l SetLimits) Of(endings ...string) Limits {
	return Limits{MaxBytes: l.MaxBytes, MaxUnpacked: l.MaxUnpacked, Members: endings, Several: true}
}

// Together says which files of a folder are one export.
type Together struct {
	Endings []string               // of the files of the export: ".csv"; the newest file that has another is an archive of them
	Spread  time.Duration          // how far apart they may have been written; 0 for any time
	Reads   func(name string) bool // which of them are read
}

// Set is an export of several files: those in an archive, or those of a folder.
type Set struct {
	Name    string    // of the archive, or of the folder
	ModTime time.Time // of the archive, or of the newest file
	Loose   bool      // the files lay side by side, so that nothing but its text tells whether one is whole
	members
	spools []*Spool
}

// members are files that can be opened by their names, as often as needed, one at a time.
type members interface {
	Names() []string
	Open(name string) (io.ReadCloser, error)
}

// Set fetches the newest archive, or all files of the export where the newest file is one. A file that was written long
// before the newest is of an earlier export, or the newer one is not all there yet.
func (c *Client) Set(ctx context.Context, sel Selection, l Limits, of Together) (set *Set, err error) {
	files, err := c.All(ctx, sel)
	if err != nil {
		return nil, err
	}
	newest := files[0]
	if !slices.ContainsFunc(of.Endings, func(e string) bool { return strings.EqualFold(path.Ext(newest.Name()), e) }) {
		spool, err := c.Fetch(ctx, newest, l)
		if err != nil {
			return nil, err
		}
		return NewSet(spool, l)
	}
	files = slices.DeleteFunc(files, func(f File) bool { return !of.Reads(f.Name()) })
	if len(files) > 0 {
		newest = files[0]
	}
	lying := folder{}
	defer func() {
		if err != nil {
			lying.close()
		}
	}()
	for _, f := range files {
		if of.Spread > 0 && newest.ModTime.Sub(f.ModTime) > of.Spread {
			return nil, reason.Errorf(reason.Transient, nil, reason.FileGrowing, "file", fmt.Sprintf("%q", path.Dir(f.Path)+"/*"+path.Ext(f.Path)))
		}
		spool, err := c.Fetch(ctx, f, l)
		if err != nil {
			return nil, err
		}
		lying = append(lying, spool)
	}
	return &Set{Name: path.Dir(newest.Path), ModTime: newest.ModTime, Loose: true, members: lying, spools: lying}, nil
}

// NewSet returns the export in an archive. The spool is closed with the set, or at once when it is none.
func NewSet(spool *Spool, l Limits) (*Set, error) {
	archive, err := spool.Archive(l)
	if err != nil {
		_ = spool.Close() // it was only read
		return nil, err
	}
	return &Set{Name: spool.Name, ModTime: spool.ModTime, members: archive, spools: []*Spool{spool}}, nil
}

// Single returns a file as an export of its own. The spool is closed with the set.
func Single(spool *Spool) *Set {
	all := folder{spool}
	return &Set{Name: spool.Name, ModTime: spool.ModTime, Loose: true, members: all, spools: all}
}

// Close frees the files.
func (s *Set) Close() { folder(s.spools).close() }

// folder is files that were fetched one by one.
type folder []*Spool

func (f folder) close() {
	for _, spool := range f {
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
