package sftp

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
)

// File is a regular file on the server.
type File struct {
	Path    string
	Size    int64
	ModTime time.Time // by the server's clock
}

// Name returns the last element of the path.
func (f File) Name() string { return path.Base(f.Path) }

// same tells whether nothing speaks for the file having been written in between.
func (f File) same(g File) bool {
	return f.Path == g.Path && f.Size == g.Size && f.ModTime.Equal(g.ModTime)
}

// Selection says which file of a directory to read: the newest that matches, once it is quiet.
type Selection struct {
	Dir string `yaml:"directory"`
	// Patterns are globs as in [path.Match] on the file's name; one that fits is enough. As in a shell, a name that
	// begins with a dot is matched only by a pattern that does.
	Patterns []string      `yaml:"files"`
	MaxAge   time.Duration `yaml:"maxAge"` // an older file is stale; 0 accepts any age, for a server without a usable clock
	Settle   time.Duration `yaml:"settle"` // a file that changed within it is still being written; 0 does not look
}

// Validate reports everything wrong with the selection.
func (s Selection) Validate(p tenant.Problems) {
	p.At("directory").Required(s.Dir)
	if len(s.Patterns) == 0 {
		p.At("files").Add("is required")
	}
	for i, pattern := range s.Patterns {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" || strings.Contains(pattern, "/") {
			p.At("files[%d]", i).Add("is not a pattern for a file name, such as *.xml")
		}
	}
	checkDuration(p.At("maxAge"), s.MaxAge)
	checkDuration(p.At("settle"), s.Settle)
}

func (s Selection) matches(name string) bool {
	for _, pattern := range s.Patterns {
		ok, err := path.Match(pattern, name)
		if err == nil && ok && strings.HasPrefix(name, ".") == strings.HasPrefix(pattern, ".") {
			return true
		}
	}
	return false
}

// Newest returns the newest file that the selection matches; of two as new, the one with the greater name. Directories
// and symbolic links out of the directory are passed over. It looks twice, Settle apart, and returns file-growing when
// the second look differs; no-file when nothing matches; stale-file when the match is too old. The server's times are
// compared with each other only, except for MaxAge.
func (c *Client) Newest(ctx context.Context, sel Selection) (File, error) {
	files, err := c.look(ctx, sel, func(files []File) []File { return files[:1] })
	if err != nil {
		return File{}, err
	}
	return files[0], nil
}

// All returns every file that the selection matches, the newest first: an export that is several files. It looks as
// [Client.Newest] does, at all of them.
func (c *Client) All(ctx context.Context, sel Selection) ([]File, error) {
	return c.look(ctx, sel, func(files []File) []File { return files })
}

// look lists twice, Settle apart, and compares what of the lists counts.
func (c *Client) look(ctx context.Context, sel Selection, counts func([]File) []File) ([]File, error) {
	s, err := c.connect(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer s.close()
	files, err := s.list(ctx, sel)
	if err != nil || sel.Settle <= 0 {
		return files, err
	}
	if err := s.wait(ctx, sel.Settle); err != nil {
		return nil, err
	}
	again, err := s.list(ctx, sel)
	if err != nil {
		return nil, err
	}
	if !slices.EqualFunc(counts(files), counts(again), File.same) {
		return nil, growing(again[0])
	}
	return files, nil
}

func growing(f File) error {
	return reason.Errorf(reason.Transient, nil, reason.FileGrowing, "file", strconv.Quote(f.Name()))
}

// newest is the first that list lists.
func (s *session) newest(ctx context.Context, sel Selection) (File, error) {
	files, err := s.list(ctx, sel)
	if err != nil {
		return File{}, err
	}
	return files[0], nil
}

// list lists once, the newest first: one file at least.
func (s *session) list(ctx context.Context, sel Selection) ([]File, error) {
	c := s.client
	entries, err := s.ReadDirContext(ctx, sel.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, c.explain(ctx, err, sel.Dir)
	}
	var files []File
	for _, e := range entries {
		if !sel.matches(e.Name()) {
			continue
		}
		f := File{path.Join(sel.Dir, e.Name()), e.Size(), e.ModTime().UTC()}
		switch {
		case e.Mode().IsRegular():
		case e.Mode().Type() == fs.ModeSymlink:
			if f, err = s.follow(sel.Dir, f.Path); err != nil {
				if isCut(err) {
					return nil, c.explain(ctx, err, sel.Dir)
				}
				continue
			}
		default:
			continue
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, reason.Errorf(reason.Transient, err, reason.NoFile, "path", strconv.Quote(sel.Dir), "pattern", strings.Join(sel.Patterns, ", "))
	}
	slices.SortFunc(files, func(f, g File) int { return cmp.Or(g.ModTime.Compare(f.ModTime), cmp.Compare(g.Path, f.Path)) })
	if newest := files[0]; sel.MaxAge > 0 && c.now().Sub(newest.ModTime) > sel.MaxAge {
		return nil, reason.Errorf(reason.Transient, nil, reason.StaleFile, "file", strconv.Quote(newest.Name()), "time", newest.ModTime.Format(time.RFC3339))
	}
	return files, nil
}

var errOutside = errors.New("not a regular file in the directory")

// follow resolves a symbolic link that stays in the directory.
func (s *session) follow(dir, link string) (File, error) {
	root, err := s.RealPath(dir)
	if err != nil {
		return File{}, err
	}
	target, err := s.RealPath(link)
	if err != nil {
		return File{}, err
	}
	info, err := s.Stat(target)
	if err != nil {
		return File{}, err
	}
	if !info.Mode().IsRegular() || !strings.HasPrefix(target, strings.TrimSuffix(root, "/")+"/") {
		return File{}, errOutside
	}
	return File{target, info.Size(), info.ModTime().UTC()}, nil
}

// Stat returns a file by its path; the error is [fs.ErrNotExist] when there is none.
func (c *Client) Stat(ctx context.Context, name string) (File, error) {
	s, err := c.connect(ctx, nil)
	if err != nil {
		return File{}, err
	}
	defer s.close()
	return s.stat(ctx, name)
}

func (s *session) stat(ctx context.Context, name string) (File, error) {
	info, err := s.Client.Stat(name)
	if err != nil {
		return File{}, s.client.explain(ctx, err, name)
	}
	return File{name, info.Size(), info.ModTime().UTC()}, nil
}

// maxTries is how often a transfer is begun or resumed before it counts as cut.
const maxTries = 6

// Fetch copies a file of the server. A broken transfer is resumed where it broke, if the file is still the same; the
// copy has the size of f, or it is an error: file-growing when the file changed meanwhile, transfer-cut when the
// connection kept breaking. A zip archive is replaced by the one export in it. The caller closes the spool.
func (c *Client) Fetch(ctx context.Context, f File, l Limits) (*Spool, error) {
	l = l.withDefaults()
	if f.Size > l.MaxBytes {
		return nil, tooLarge(f.Name(), l.MaxBytes)
	}
	w, err := newSpoolWriter(f.Size)
	if err != nil {
		return nil, err
	}
	pause := &backoff.ExponentialBackOff{InitialInterval: time.Second, Multiplier: 2, MaxInterval: time.Minute}
	pause.Reset()
	for try := 1; ; try++ {
		connected, err := c.download(ctx, f, w)
		if err == nil {
			break
		}
		code := reason.Of(err).Code
		broken := code == reason.TransferCut || code == reason.Unreachable && (connected || try > 1)
		if !broken || try == maxTries || ctx.Err() != nil {
			w.close()
			return nil, err
		}
		d := pause.NextBackOff()
		c.log.WarnContext(ctx, "transfer broke", "address", c.Address(), "file", strconv.Quote(f.Name()),
			"bytes", w.n, "size", f.Size, "retry_in", d.String(), "error", err.Error())
		if err := c.sleep(ctx, d); err != nil {
			w.close()
			return nil, err
		}
	}
	return w.spool(f.Name(), f.ModTime, l)
}

// download appends to w what it lacks of f, and tells whether it was connected.
func (c *Client) download(ctx context.Context, f File, w *spoolWriter) (connected bool, err error) {
	s, err := c.connect(ctx, nil)
	if err != nil {
		return false, err
	}
	defer s.close()
	return true, s.download(ctx, f, w)
}

func (s *session) download(ctx context.Context, f File, w *spoolWriter) error {
	c := s.client
	if err := s.unchanged(ctx, f); err != nil {
		return err
	}
	r, err := s.Open(f.Path)
	if err != nil {
		return c.explainTransfer(ctx, err, f.Path, w.n)
	}
	defer r.Close()
	if _, err := r.Seek(w.n, io.SeekStart); err != nil {
		return c.explainTransfer(ctx, err, f.Path, w.n)
	}
	_, err = r.WriteTo(w)
	switch {
	case errors.Is(w.err, errSpoolFull):
		return growing(f)
	case w.err != nil: // our own disk
		return w.err
	case err != nil:
		return c.explainTransfer(ctx, err, f.Path, w.n)
	case w.n != f.Size:
		return growing(f)
	}
	return s.unchanged(ctx, f)
}

// unchanged returns file-growing unless the server still shows the file as it was chosen.
func (s *session) unchanged(ctx context.Context, f File) error {
	now, err := s.stat(ctx, f.Path)
	if err == nil && !f.same(now) {
		return growing(f)
	}
	return err
}
