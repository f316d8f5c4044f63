package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"eventful.se/ess/libs/reason"
)

// Delivery says how a file comes to stand under its name.
type Delivery string

// The ways of delivery.
const (
	// Rename writes .NAME.part and renames it, so that a reader sees the whole file or none. The default.
	Rename Delivery = "rename"
	// Direct writes under the final name in one go, for drop folders that take each file as it comes.
	Direct Delivery = "direct"
)

// UploadOptions say how to upload.
type UploadOptions struct {
	Atomic Delivery // empty for Rename
}

// temporary returns the name under which a file is written.
func (o UploadOptions) temporary(name string) string {
	if o.Atomic == Direct {
		return name
	}
	return path.Join(path.Dir(name), "."+path.Base(name)+".part")
}

// Upload makes data the content of the file at name, and checks the size that the server then shows. Uploading again
// gives the same result; whether to is the caller's to say. After an error nothing of data is left on the server, or the
// error says so: to remove it, a new connection is made, also when ctx has ended, for some seconds. Errors: transfer-cut,
// not-permitted, target-full, rename-refused, server-refused, and those of a connection.
func (c *Client) Upload(ctx context.Context, name string, data []byte, o UploadOptions) error {
	s, err := c.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer s.close()
	temporary := o.temporary(name)
	begun, err := s.write(ctx, temporary, data)
	if err == nil && temporary != name {
		err = s.rename(ctx, temporary, name, int64(len(data)))
	}
	if err != nil && begun {
		err = s.discard(ctx, temporary, err)
	}
	return err
}

// write writes a file and tells whether it began to.
func (s *session) write(ctx context.Context, name string, data []byte) (begun bool, err error) {
	w, err := s.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return isCut(err), s.refused(ctx, err, name, int64(len(data)))
	}
	_, err = w.ReadFrom(bytes.NewReader(data))
	if _, ok := s.HasExtension("fsync@openssh.com"); ok && err == nil {
		err = w.Sync()
	}
	if closing := w.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return true, s.refused(ctx, err, name, int64(len(data)))
	}
	f, err := s.stat(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
		// A drop folder may take the file at once, or show nobody what is in it. Every write was acknowledged.
		return true, nil
	case err != nil:
		return true, err
	case f.Size != int64(len(data)):
		return true, reason.Errorf(reason.Transient, fmt.Errorf("the server shows %d bytes of %d", f.Size, len(data)),
			reason.TransferCut, "file", strconv.Quote(name), "bytes", f.Size)
	}
	return true, nil
}

// The status codes of later protocol versions for a full disk and a used-up quota (draft-ietf-secsh-filexfer-13,
// section 9.1); servers send them in version 3 too.
const (
	noSpace       = 14
	quotaExceeded = 15
)

// refused explains an error of writing. Version 3 of the protocol has no code for a full disk, so where the server
// says only "failure" it is asked for its free space.
func (s *session) refused(ctx context.Context, err error, name string, size int64) error {
	var status *sftp.StatusError
	if !errors.As(err, &status) {
		return s.client.explainTransfer(ctx, err, name, 0)
	}
	text := strings.ToLower(status.Error())
	full := status.Code == noSpace || status.Code == quotaExceeded || strings.Contains(text, "no space") || strings.Contains(text, "quota")
	if _, ok := s.HasExtension("statvfs@openssh.com"); ok && !full {
		room, err := s.StatVFS(path.Dir(name))
		full = err == nil && room.Frsize*room.Bavail < uint64(size)
	}
	if full {
		return reason.Errorf(reason.Transient, err, reason.TargetFull, "address", s.client.Address(), "path", strconv.Quote(name))
	}
	return s.client.explainTransfer(ctx, err, name, 0)
}

// rename puts a file in the place of another. A server without posix-rename refuses to replace a file, so there the
// old one goes first: for a moment there is none, which a reader can tell from half a file.
func (s *session) rename(ctx context.Context, from, to string, size int64) error {
	var err error
	if _, ok := s.HasExtension("posix-rename@openssh.com"); ok {
		err = s.PosixRename(from, to)
	} else if err = s.Rename(from, to); err != nil && !isCut(err) {
		if _, missing := s.Client.Stat(to); missing == nil {
			if err = s.Remove(to); err == nil {
				err = s.Rename(from, to)
			}
		}
	}
	if err == nil || isCut(err) || ctx.Err() != nil {
		return s.client.explainTransfer(ctx, err, to, size)
	}
	return reason.Errorf(reason.Misconfigured, err, reason.RenameRefused, "address", s.client.Address(), "path", strconv.Quote(to))
}

// Remove removes the file that an upload with these options made, or the part that it left. What is not there is no error.
func (c *Client) Remove(ctx context.Context, name string, o UploadOptions) error {
	s, err := c.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer s.close()
	for _, n := range slices.Compact([]string{name, o.temporary(name)}) {
		if err := s.Client.Remove(n); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return s.client.explain(ctx, err, n)
		}
	}
	return nil
}

// cleanupTime is how long removing a partial file may take when the operation itself is over.
const cleanupTime = 10 * time.Second

// discard removes a partial file, over a new connection when this one is lost, and returns err; an error that says so
// when the file may still be there.
func (s *session) discard(ctx context.Context, name string, err error) error {
	removal := s.Remove(name)
	if removal != nil && isCut(removal) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
		defer cancel()
		var again *session
		if again, removal = s.client.connect(ctx, nil); removal == nil {
			removal = again.Remove(name)
			again.close()
		}
	}
	if removal != nil && !errors.Is(removal, fs.ErrNotExist) {
		return fmt.Errorf("%w; a part may be left as %q: %w", err, name, removal)
	}
	return err
}
