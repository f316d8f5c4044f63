package municipality

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The formats.
const (
	FormatAlvis   = "alvis"   // an Alvis export: one IMS Enterprise document, alvis.xml
	FormatSQL     = "sql"     // tables of a register in PostgreSQL, register.sql
	FormatSS12000 = "ss12000" // what an API of SS 12000 answers: a page for each list, organisations.json to persons.json
)

// Formats lists the formats that [Municipality.WriteDir] knows.
func Formats() []string { return []string{FormatAlvis, FormatSQL, FormatSS12000} }

// WriteDir writes the municipality in a format into a directory, which it makes if need be, and returns the paths of
// the files. A file appears whole or not at all, and replaces one of the same name. Progress, unless nil, is told now
// and then how much is written of how much.
func (m *Municipality) WriteDir(dir, format string, progress func(done, total int)) ([]string, error) {
	if !slices.Contains(Formats(), format) {
		return nil, fmt.Errorf("format %q is unknown: use one of %s", format, strings.Join(Formats(), ", "))
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	if format == FormatSS12000 {
		return m.writeSS12000(dir, progress)
	}
	path := filepath.Join(dir, "alvis.xml")
	write := func(w io.Writer) error { return m.EncodeIMS(w, IMSOptions{Progress: progress}) }
	if format == FormatSQL {
		path = filepath.Join(dir, "register.sql")
		write = func(w io.Writer) error { return m.EncodeSQL(w, progress) }
	}
	err := writeFile(path, write)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return []string{path}, nil
}

// writeFile writes beside the path and moves the file there when it is complete.
func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
