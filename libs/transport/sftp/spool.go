package sftp

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"eventful.se/ess/libs/reason"
)

// Limits bound what a fetch takes. Zero values stand for the defaults.
type Limits struct {
	MaxBytes    int64    // of the file on the server; 1 GiB
	MaxUnpacked int64    // of the export in an archive; 4 GiB
	MaxRatio    int64    // unpacked to packed, beyond the first 16 MiB; 200
	Members     []string // endings of the export's name in an archive; .xml
	Several     bool     // an archive holds several exports, and stays as it is: see [Spool.Archive]
}

func (l Limits) withDefaults() Limits {
	if l.MaxBytes == 0 {
		l.MaxBytes = 1 << 30
	}
	if l.MaxUnpacked == 0 {
		l.MaxUnpacked = 4 << 30
	}
	if l.MaxRatio == 0 {
		l.MaxRatio = 200
	}
	if len(l.Members) == 0 {
		l.Members = []string{".xml"}
	}
	return l
}

// Spool is a file that was read: its content on a local file without a name, which is gone when it is closed, and when
// the process ends in any way. It may be read several times; it is not for several goroutines.
type Spool struct {
	Name    string    // base name on the server; quote it in logs
	Member  string    // name in the archive; empty when the file was none
	ModTime time.Time // of the file on the server
	Size    int64     // of the content
	SHA256  [sha256.Size]byte
	file    *os.File
}

// NewSpool spools r as [Client.Fetch] spools a file of a server, so that a local file can be read in the same way.
func NewSpool(name string, modTime time.Time, r io.Reader, l Limits) (*Spool, error) {
	l = l.withDefaults()
	w, err := newSpoolWriter(l.MaxBytes)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(w, r); err != nil {
		w.close()
		if errors.Is(err, errSpoolFull) {
			return nil, tooLarge(name, l.MaxBytes)
		}
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	return w.spool(name, modTime, l)
}

// Read reads the content.
func (s *Spool) Read(b []byte) (int, error) { return s.file.Read(b) }

// Seek sets where the next Read begins.
func (s *Spool) Seek(offset int64, whence int) (int64, error) { return s.file.Seek(offset, whence) }

// Close frees the content.
func (s *Spool) Close() error { return s.file.Close() }

// spoolWriter takes up to limit bytes. Its error is its own, so that it can be told from one of the network.
type spoolWriter struct {
	file   *os.File
	digest hash.Hash
	n      int64
	limit  int64
	err    error
}

var errSpoolFull = errors.New("more bytes than expected")

func newSpoolWriter(limit int64) (*spoolWriter, error) {
	file, err := os.CreateTemp("", "ess-spool-")
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	w := &spoolWriter{file: file, digest: sha256.New(), limit: limit}
	if err := os.Remove(file.Name()); err != nil {
		w.close()
		return nil, fmt.Errorf("spool: %w", err)
	}
	return w, nil
}

func (w *spoolWriter) Write(b []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if int64(len(b)) > w.limit-w.n {
		w.err = errSpoolFull
		return 0, w.err
	}
	n, err := w.file.Write(b)
	w.digest.Write(b[:n])
	w.n += int64(n)
	if err != nil {
		w.err = fmt.Errorf("spool: %w", err)
	}
	return n, w.err
}

func (w *spoolWriter) close() { _ = w.file.Close() }

// spool hands the content over, unpacked if it is an archive. The writer is used up, also by an error.
func (w *spoolWriter) spool(name string, modTime time.Time, l Limits) (*Spool, error) {
	s := &Spool{Name: name, ModTime: modTime, Size: w.n, file: w.file}
	w.digest.Sum(s.SHA256[:0])
	if !l.Several && isArchive(name, w.file) {
		defer w.close()
		return unpack(s, l)
	}
	if _, err := w.file.Seek(0, io.SeekStart); err != nil {
		w.close()
		return nil, fmt.Errorf("spool: %w", err)
	}
	return s, nil
}

func tooLarge(name string, limit int64) error {
	return reason.Errorf(reason.Invalid, nil, reason.FileTooLarge, "file", fmt.Sprintf("%q", name), "limit", limit)
}
