package sftp

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"eventful.se/ess/libs/reason"
)

const (
	ratioGrace   = 16 << 20 // unpacked bytes from which the ratio counts
	maxDirectory = 8 << 20  // bytes of an archive's directory: some 100,000 names
	encrypted    = 0x1      // general purpose bit 0 (APPNOTE.TXT, section 4.4.4)
)

// isArchive tells whether a file is a zip archive: by its name, or by the signature of its first record (APPNOTE.TXT,
// sections 4.3.7 and 4.3.16).
func isArchive(name string, r io.ReaderAt) bool {
	return strings.EqualFold(path.Ext(name), ".zip") || hasSignature(r)
}

func hasSignature(r io.ReaderAt) bool {
	head := make([]byte, 4)
	n, _ := r.ReadAt(head, 0)
	return n == 4 && (bytes.Equal(head, []byte("PK\x03\x04")) || bytes.Equal(head, []byte("PK\x05\x06")))
}

// refusal gives what is wrong with an archive its reason.
func refusal(name string, err error, code reason.Code, pairs ...any) error {
	return reason.Errorf(reason.Invalid, err, code, append([]any{"file", fmt.Sprintf("%q", name)}, pairs...)...)
}

func notWhole(name string, err error) error {
	return refusal(name, err, reason.Unreadable, "what", "not a whole zip archive")
}

// exports lists the exports in an archive, when nothing else in it is dangerous.
func exports(packed *Spool, l Limits) ([]*zip.File, error) {
	r := &budgetReader{packed.file, maxDirectory}
	z, err := zip.NewReader(r, packed.Size)
	switch {
	case errors.Is(err, errBudget):
		return nil, refusal(packed.Name, nil, reason.FileTooLarge, "limit", maxDirectory)
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return nil, notWhole(packed.Name, err)
	}
	r.left = -1
	var list []*zip.File
	for _, f := range z.File {
		name := strings.TrimSuffix(f.Name, "/")
		switch {
		case !filepath.IsLocal(name) || strings.ContainsAny(name, "\\\x00") || !f.Mode().IsRegular() && !f.Mode().IsDir():
			return nil, refusal(packed.Name, nil, reason.ArchiveUnsafe)
		case f.Mode().IsDir() || strings.HasPrefix(path.Base(name), ".") || strings.HasPrefix(name, "__MACOSX/"):
			continue // what desktop systems leave behind
		case strings.EqualFold(path.Ext(name), ".zip"):
			return nil, refusal(packed.Name, nil, reason.ArchiveNested)
		case l.isExport(name):
			if f.Flags&encrypted != 0 {
				return nil, refusal(packed.Name, nil, reason.ArchiveEncrypted)
			}
			list = append(list, f)
		}
	}
	return list, nil
}

// unpacked is how many bytes an archive may unpack to.
func (l Limits) unpacked(packed int64) int64 {
	return min(l.MaxUnpacked, max(ratioGrace, packed*l.MaxRatio))
}

// unpack returns the one export that an archive holds. What an archive says of its sizes is not believed.
func unpack(packed *Spool, l Limits) (*Spool, error) {
	list, err := exports(packed, l)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, refusal(packed.Name, nil, reason.ArchiveAmbiguous, "count", len(list), "pattern", "*"+strings.Join(l.Members, ", *"))
	}
	export := list[0]
	content, err := export.Open()
	if err != nil {
		return nil, notWhole(packed.Name, err)
	}
	defer content.Close()

	limit := l.unpacked(packed.Size)
	w, err := newSpoolWriter(limit)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(w, content) //nolint:gosec // w refuses what goes beyond its limit
	switch {
	case errors.Is(err, errSpoolFull):
		w.close()
		return nil, refusal(packed.Name, nil, reason.FileTooLarge, "limit", limit)
	case w.err != nil:
		w.close()
		return nil, w.err
	case err != nil:
		w.close()
		return nil, notWhole(packed.Name, err)
	case hasSignature(w.file):
		w.close()
		return nil, refusal(packed.Name, nil, reason.ArchiveNested)
	}
	s := &Spool{Name: packed.Name, Member: export.Name, ModTime: packed.ModTime, Size: w.n, file: w.file}
	w.digest.Sum(s.SHA256[:0])
	if _, err := w.file.Seek(0, io.SeekStart); err != nil {
		w.close()
		return nil, fmt.Errorf("spool: %w", err)
	}
	return s, nil
}

// Archive is a zip archive of several exports. It is read while its spool is open, by one goroutine.
type Archive struct {
	name  string
	files []*zip.File
	limit int64
	left  int64 // of limit
}

// Archive opens a spool that was fetched with [Limits.Several]. The limits hold for all exports together.
func (s *Spool) Archive(l Limits) (*Archive, error) {
	l = l.withDefaults()
	list, err := exports(s, l)
	if err != nil {
		return nil, err
	}
	limit := l.unpacked(s.Size)
	return &Archive{s.Name, list, limit, limit}, nil
}

// Names returns the names of the exports as the archive has them, with their folders; one may stand twice.
func (a *Archive) Names() []string {
	var names []string
	for _, f := range a.files {
		names = append(names, f.Name)
	}
	return names
}

// Open opens an export by its name. Errors of the reader have a reason: file-too-large, or unreadable where the archive
// is broken, which the end of the export may be the first to tell.
func (a *Archive) Open(name string) (io.ReadCloser, error) {
	for _, f := range a.files {
		if f.Name == name {
			r, err := f.Open()
			if err != nil {
				return nil, notWhole(a.name, err)
			}
			return &member{r, a}, nil
		}
	}
	return nil, fmt.Errorf("no export of this name: %w", fs.ErrNotExist)
}

// member reads an export of an archive.
type member struct {
	io.ReadCloser
	archive *Archive
}

func (m *member) Read(b []byte) (int, error) {
	n, err := m.ReadCloser.Read(b)
	m.archive.left -= int64(n)
	switch {
	case m.archive.left < 0:
		return 0, refusal(m.archive.name, nil, reason.FileTooLarge, "limit", m.archive.limit)
	case err != nil && !errors.Is(err, io.EOF):
		return n, notWhole(m.archive.name, err)
	}
	return n, err
}

func (l Limits) isExport(name string) bool {
	for _, ending := range l.Members {
		if strings.HasSuffix(strings.ToLower(name), strings.ToLower(ending)) {
			return true
		}
	}
	return false
}

var errBudget = errors.New("the archive's directory is too large")

// budgetReader bounds what [zip.NewReader] reads, and so what it allocates: it takes entries until they end, whatever
// number the archive declares. A negative budget is none.
type budgetReader struct {
	io.ReaderAt
	left int64
}

func (r *budgetReader) ReadAt(b []byte, off int64) (int, error) {
	if r.left >= 0 {
		if r.left -= int64(len(b)); r.left < 0 {
			r.left = 0
			return 0, errBudget
		}
	}
	return r.ReaderAt.ReadAt(b, off)
}
