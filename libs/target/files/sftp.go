package files

import (
	"context"
	"fmt"
	"path"
	"time"

	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/transport/sftp"
)

// SFTP is a drop in a directory of an SFTP server.
type SFTP struct {
	Client    *sftp.Client
	Directory string // relative to where the login starts, or absolute
	Upload    sftp.UploadOptions
}

var (
	_ Drop           = SFTP{}
	_ Remover        = SFTP{}
	_ target.Checker = SFTP{}
)

// Put uploads a file.
func (d SFTP) Put(ctx context.Context, name string, data []byte) error {
	return d.Client.Upload(ctx, path.Join(d.Directory, name), data, d.Upload)
}

// Remove removes a file, and the part of it that an upload left.
func (d SFTP) Remove(ctx context.Context, name string) error {
	return d.Client.Remove(ctx, path.Join(d.Directory, name), d.Upload)
}

// Stat asks for size and time of a file.
func (d SFTP) Stat(ctx context.Context, name string) (int64, time.Time, error) {
	f, err := d.Client.Stat(ctx, path.Join(d.Directory, name))
	return f.Size, f.ModTime, err
}

// Check connects, signs in and lists the directory. Whether it may be written to shows with the first delivery only: a file
// that is there to try it might be read.
func (d SFTP) Check(ctx context.Context, step func(name, detail string, err error)) error {
	err := d.Client.Check(ctx, sftp.Selection{Dir: d.Directory}, step)
	if err == nil {
		step("write", fmt.Sprintf("not tried; a delivery goes to %q", d.Directory), nil)
	}
	return err
}
