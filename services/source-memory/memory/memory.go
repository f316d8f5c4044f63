// Package memory reads a small register that lies in a JSON file: persons, groups and units, each with the version in
// which it last changed, so that a read can tell only what changed. It is for tests, for demonstrations, and to be copied:
// the shortest source that does everything that a source can do.
package memory

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
)

// Connector describes the register.
func Connector() source.Connector {
	return source.Connector{
		System: "memory",
		Title:  "A register in a file",
		Defaults: source.Defaults{
			Schedule:  "*/5 * * * *",
			Protected: source.ProtectedFlag,
			GroupIDs:  source.GroupIDsStable,
		},
		New: func() source.Config { return defaults() },
	}
}

// memory is one tenant's register.
type memory struct{ path string }

var (
	_ source.Source     = (*memory)(nil)
	_ source.Checker    = (*memory)(nil)
	_ source.FileReader = (*memory)(nil)
)

// Read reads the register, or what changed in it since the version that is the cursor. A cursor that the register does
// not tell from, because it is too old, from its future, or of another source, is as good as none.
func (m *memory) Read(ctx context.Context, since source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	f, info, err := m.open()
	if err != nil {
		return source.Result{}, err
	}
	defer f.Close()
	res, err := read(ctx, filepath.Base(m.path), f, version(since), emit)
	res.DataTime = info.ModTime()
	return res, err
}

// ReadFile reads everything of a register that lies anywhere.
func (m *memory) ReadFile(ctx context.Context, name string, r io.Reader, emit func(fact.Doc) error) (source.Result, error) {
	return read(ctx, name, r, everything, emit)
}

// Check opens the register and reads its head.
func (m *memory) Check(_ context.Context, step func(name, detail string, err error)) error {
	f, _, err := m.open()
	step("file", m.path, err)
	if err != nil {
		return err
	}
	defer f.Close()
	d := newDecoder(filepath.Base(m.path), f)
	err = d.head()
	step("head", "version "+strconv.Itoa(d.version), err)
	return err
}

// open opens the register. No directory and no device is one.
func (m *memory) open() (*os.File, fs.FileInfo, error) {
	info, err := os.Stat(m.path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(m.path)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, reason.Errorf(reason.Misconfigured, err, reason.NotPermitted, "address", "the file system", "path", m.path)
	case err != nil:
		return nil, nil, reason.Errorf(reason.Transient, err, reason.NoFile, "path", filepath.Dir(m.path), "pattern", filepath.Base(m.path))
	}
	return f, info, nil
}

// everything is the version before the first.
const everything = -1

// version returns the version that a cursor stands for.
func version(c source.Cursor) int {
	if v, err := strconv.Atoi(string(c)); err == nil {
		return v
	}
	return everything
}
