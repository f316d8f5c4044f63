package sftp

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
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

// unpack returns the one export that an archive holds. What an archive says of its sizes is not believed.
func unpack(packed *Spool, l Limits) (*Spool, error) {
	refuse := func(err error, code reason.Code, pairs ...any) error {
		return reason.Errorf(reason.Invalid, err, code, append([]any{"file", fmt.Sprintf("%q", packed.Name)}, pairs...)...)
	}
	unreadable := func(err error) error {
		return refuse(err, reason.Unreadable, "what", "not a whole zip archive")
	}
	r := &budgetReader{packed.file, maxDirectory}
	z, err := zip.NewReader(r, packed.Size)
	switch {
	case errors.Is(err, errBudget):
		return nil, refuse(nil, reason.FileTooLarge, "limit", maxDirectory)
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return nil, unreadable(err)
	}
	r.left = -1
	var exports []*zip.File
	for _, f := range z.File {
		name := strings.TrimSuffix(f.Name, "/")
		switch {
		case !filepath.IsLocal(name) || strings.ContainsAny(name, "\\\x00") || !f.Mode().IsRegular() && !f.Mode().IsDir():
			return nil, refuse(nil, reason.ArchiveUnsafe)
		case f.Mode().IsDir() || strings.HasPrefix(path.Base(name), ".") || strings.HasPrefix(name, "__MACOSX/"):
			continue // what desktop systems leave behind
		case strings.EqualFold(path.Ext(name), ".zip"):
			return nil, refuse(nil, reason.ArchiveNested)
		case l.isExport(name):
			exports = append(exports, f)
		}
	}
	if len(exports) != 1 {
		return nil, refuse(nil, reason.ArchiveAmbiguous, "count", len(exports), "pattern", "*"+strings.Join(l.Members, ", *"))
	}
	export := exports[0]
	if export.Flags&encrypted != 0 {
		return nil, refuse(nil, reason.ArchiveEncrypted)
	}
	content, err := export.Open()
	if err != nil {
		return nil, unreadable(err)
	}
	defer content.Close()

	limit := min(l.MaxUnpacked, max(ratioGrace, packed.Size*l.MaxRatio))
	w, err := newSpoolWriter(limit)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(w, content) //nolint:gosec // w refuses what goes beyond its limit
	switch {
	case errors.Is(err, errSpoolFull):
		w.close()
		return nil, refuse(nil, reason.FileTooLarge, "limit", limit)
	case w.err != nil:
		w.close()
		return nil, w.err
	case err != nil:
		w.close()
		return nil, unreadable(err)
	case hasSignature(w.file):
		w.close()
		return nil, refuse(nil, reason.ArchiveNested)
	}
	s := &Spool{Name: packed.Name, Member: export.Name, ModTime: packed.ModTime, Size: w.n, file: w.file}
	w.digest.Sum(s.SHA256[:0])
	if _, err := w.file.Seek(0, io.SeekStart); err != nil {
		w.close()
		return nil, fmt.Errorf("spool: %w", err)
	}
	return s, nil
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
