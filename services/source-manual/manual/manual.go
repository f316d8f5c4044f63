// Package manual reads what people decided by hand, past what the registers say: by command, on the tenant's desk, and in
// a YAML file in a folder. Who is in it that no register has, who is to be kept, taken out or suspended, whose address is
// wrong in the register, who is protected, and which two are one person. Each decision has an owner and a reason, and all
// but protection and joins an end date.
package manual

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// Connector describes the decisions.
func Connector() source.Connector {
	return source.Connector{
		System: "manual",
		Title:  "Decisions by hand",
		Defaults: source.Defaults{
			Schedule:   "* * * * *",
			Protected:  source.ProtectedFlag,
			GroupIDs:   source.GroupIDsStable,
			MayBeEmpty: true,
		},
		New: func() source.Config { return defaults() },
	}
}

// maxSize is the largest file in bytes that is read: ten thousand decisions are two megabytes.
const maxSize = 8 << 20

// manual is one customer's desk and file.
type manual struct {
	desk source.Desk // nil for none
	path string      // empty for no file
	now  func() time.Time
}

var (
	_ source.Source     = (*manual)(nil)
	_ source.Checker    = (*manual)(nil)
	_ source.FileReader = (*manual)(nil)
)

// Read reads the desk and the file, always the whole of both. A desk that cannot be read ends it. A file that cannot be
// read does not keep what was decided by command from acting: the read is then not complete, so that nothing is taken
// back, and the file is a finding.
func (m *manual) Read(ctx context.Context, _ source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	seen := map[string]int{}
	decided, err := m.readDesk(ctx, seen)
	if err != nil {
		return source.Result{}, err
	}
	if err := emitAll(ctx, decided, emit); err != nil {
		return source.Result{}, err
	}
	if m.path == "" {
		return source.Result{Complete: true, Origin: "desk", Seen: seen}, nil
	}
	res, filed, err := m.readFile(ctx)
	if err != nil && (len(decided) == 0 || ctx.Err() != nil) {
		return res, err
	}
	if err != nil {
		why := fact.Finding{Reason: reason.Of(err), Severity: fact.Serious, Effect: fact.Noted, Where: filepath.Base(m.path)}
		return source.Result{Origin: "desk", Seen: seen, Findings: []fact.Finding{why}}, nil
	}
	for list, n := range seen {
		res.Seen[list] += n
	}
	if err := emitAll(ctx, filed, emit); err != nil {
		return source.Result{}, err
	}
	return res, nil
}

func emitAll(ctx context.Context, docs []fact.Doc, emit func(fact.Doc) error) error {
	for _, d := range docs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := emit(d); err != nil {
			return err
		}
	}
	return nil
}

// readFile reads the file to its end, before anything of it is emitted.
func (m *manual) readFile(ctx context.Context) (res source.Result, docs []fact.Doc, err error) {
	f, err := m.open()
	if err != nil {
		return res, nil, err
	}
	defer f.Close()
	res, err = m.ReadFile(ctx, filepath.Base(m.path), f, func(d fact.Doc) error {
		docs = append(docs, d)
		return nil
	})
	return res, docs, err
}

// open opens the file. No directory and no device is one.
func (m *manual) open() (*os.File, error) {
	info, err := os.Stat(m.path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, reason.Errorf(reason.Misconfigured, err, reason.NotPermitted, "address", "the file system", "path", m.path)
	case err != nil || !info.Mode().IsRegular():
		return nil, reason.Errorf(reason.Transient, err, reason.NoFile, "path", filepath.Dir(m.path), "pattern", filepath.Base(m.path))
	}
	f, err := os.Open(m.path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, reason.Errorf(reason.Misconfigured, err, reason.NotPermitted, "address", "the file system", "path", m.path)
	}
	return f, err
}

// ReadFile reads a file that lies anywhere. One with anything wrong in it is not believed at all; the error has every
// problem with its path and line, and nothing of what the file says.
func (m *manual) ReadFile(ctx context.Context, name string, r io.Reader, emit func(fact.Doc) error) (source.Result, error) {
	res := source.Result{Origin: name, Seen: map[string]int{}}
	data, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return res, reason.Errorf(reason.Transient, err, reason.TransferCut, "file", name)
	}
	if len(data) > maxSize {
		return res, reason.Errorf(reason.Invalid, nil, reason.FileTooLarge, "file", name, "limit", maxSize)
	}
	f, err := parse(name, data, roster.Today(m.now()))
	if err != nil {
		return res, err
	}
	if err := emitAll(ctx, f.docs(res.Seen), emit); err != nil {
		return res, err
	}
	res.Complete = true
	return res, nil
}

// Check tells whether the desk can be read, and whether the file is there and could be read.
func (m *manual) Check(ctx context.Context, step func(name, detail string, err error)) error {
	if m.desk != nil {
		seen := map[string]int{}
		docs, err := m.readDesk(ctx, seen)
		step("desk", fmt.Sprintf("%d decisions by command", len(docs)), err)
		if err != nil {
			return err
		}
	}
	if m.path == "" {
		return nil
	}
	f, err := m.open()
	step("file", m.path, err)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = m.ReadFile(ctx, filepath.Base(m.path), f, func(fact.Doc) error { return nil })
	step("content", "", err)
	return err
}
