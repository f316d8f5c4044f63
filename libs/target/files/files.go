// Package files is the sink for targets that take a complete set of files: render, pack, bring to a drop.
//
// A connector brings a [Format], most often a [Tables]; [Sink] does the rest and is a [target.Deliverer].
package files

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/target"
)

// File is one file of a set.
type File struct {
	Name string // no directory, no personal data
	Data []byte
}

// Format renders a set. It is pure: the same resources give the same bytes (rule R11).
type Format interface {
	// Files returns every file of the set, an empty one too, and what the target would refuse.
	Files(set []target.Resource) ([]File, []target.Problem)
}

// Drop is the place that files are brought to.
type Drop interface {
	// Put writes a file, replacing one of the same name.
	Put(ctx context.Context, name string, data []byte) error
	// Stat returns size and time of a file, or an error that is fs.ErrNotExist.
	Stat(ctx context.Context, name string) (size int64, mod time.Time, err error)
}

// Packing says how a set travels.
type Packing string

// The packings. Only a zip arrives whole or not at all: of plain files, a broken delivery leaves some new and some old
// until it is repeated.
const (
	Zip   Packing = "zip"   // one zip, named by its digest
	Plain Packing = "plain" // every file under its own name, in the order of the format
)

// Sink delivers sets of files.
type Sink struct {
	Format  Format
	Packing Packing
	Drop    Drop
	// Consumes says that the target takes files away when it has read them, so that a missing file tells nothing.
	Consumes bool
}

// Remover is a drop from which a file can be taken away. What is not there is no error.
type Remover interface {
	Remove(ctx context.Context, name string) error
}

var (
	_ target.Deliverer  = Sink{}
	_ target.Withdrawer = Sink{}
	_ target.Checker    = Sink{}
)

// Check goes through what a delivery needs, where the drop can tell: nothing is written, for the target would read it.
func (s Sink) Check(ctx context.Context, step func(name, detail string, err error)) error {
	c, ok := s.Drop.(target.Checker)
	if !ok {
		return fmt.Errorf("the drop cannot check itself: %w", errors.ErrUnsupported)
	}
	return c.Check(ctx, step)
}

// Render makes the package. Its digest is over the names and the bytes of the files, not over the packing, so that
// another version of the compressor is no reason to deliver again.
func (s Sink) Render(set []target.Resource) (target.Package, []target.Problem) {
	list, problems := s.Format.Files(set)
	if len(problems) > 0 {
		return target.Package{}, problems
	}
	digest := digestOf(list)
	body, err := pack(list, s.Packing)
	if err != nil {
		return target.Package{}, []target.Problem{{Reason: reason.New(reason.Unexpected)}}
	}
	return target.Package{Name: "ess-" + digest[:12] + ".zip", Digest: digest, Body: body}, nil
}

// Deliver brings the package to the drop.
func (s Sink) Deliver(ctx context.Context, p target.Package) error {
	return s.each(p, func(name string, data []byte) error { return s.Drop.Put(ctx, name, data) })
}

// Delivered tells whether the drop shows every file of the package in its full size. Of a package without its body the
// name must do, which says what is in a zip; of plain files it says nothing, and the answer is [target.ErrUnsupported].
// Where the target consumes files a missing one gives that answer too: it may have been read or never have come.
func (s Sink) Delivered(ctx context.Context, p target.Package) (bool, error) {
	if len(p.Body) == 0 && s.Packing == Plain {
		return false, target.ErrUnsupported
	}
	shows := true
	err := s.each(p, func(name string, data []byte) error {
		size, _, err := s.Drop.Stat(ctx, name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && s.Consumes:
			return target.ErrUnsupported
		case errors.Is(err, fs.ErrNotExist):
			shows = false
		case err != nil:
			return err
		case len(p.Body) > 0 && size != int64(len(data)):
			shows = false
		}
		return nil
	})
	return shows && err == nil, err
}

// Withdraw takes a zip out of the drop, where that lets us. Plain files are those of the next package too.
func (s Sink) Withdraw(ctx context.Context, name string) error {
	r, ok := s.Drop.(Remover)
	if !ok || s.Packing == Plain {
		return nil
	}
	return r.Remove(ctx, name)
}

// each calls do for every file that the drop gets.
func (s Sink) each(p target.Package, do func(name string, data []byte) error) error {
	if s.Packing != Plain {
		return do(p.Name, p.Body)
	}
	list, err := Unpack(p.Body)
	if err != nil {
		return err
	}
	for _, f := range list {
		if err := do(f.Name, f.Data); err != nil {
			return err
		}
	}
	return nil
}

// Unpack returns the files of a package that a [Sink] rendered, in the order of its format.
func Unpack(body []byte) ([]File, error) {
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, fmt.Errorf("read package of %d bytes: %w", len(body), err)
	}
	list := make([]File, 0, len(z.File))
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("read %s of package: %w", f.Name, err)
		}
		data, err := io.ReadAll(r)
		if err = cmp.Or(err, r.Close()); err != nil {
			return nil, fmt.Errorf("read %s of package: %w", f.Name, err)
		}
		list = append(list, File{f.Name, data})
	}
	return list, nil
}

func pack(list []File, p Packing) ([]byte, error) {
	if p != Plain {
		list = slices.SortedFunc(slices.Values(list), func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	}
	// The first time that a zip can say. A true time would make other bytes.
	modified := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	// The files are ids for the most part, of which more effort makes hardly less.
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	for _, f := range list {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: modified})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Data); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func digestOf(list []File) string {
	h := sha256.New()
	for _, f := range list {
		fmt.Fprintf(h, "%d:%s%d:", len(f.Name), f.Name, len(f.Data))
		h.Write(f.Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}
