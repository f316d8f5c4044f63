package files

import (
	"context"
	"path"
	"time"

	"eventful.se/ess/libs/transport/sftp"
)

// SFTP is a drop in a directory of an SFTP server.
type SFTP struct {
	Client    *sftp.Client
	Directory string // relative to where the login starts, or absolute
	Upload    sftp.UploadOptions
}

var _ Drop = SFTP{}

// Put uploads a file.
func (d SFTP) Put(ctx context.Context, name string, data []byte) error {
	return d.Client.Upload(ctx, path.Join(d.Directory, name), data, d.Upload)
}

// Stat asks for size and time of a file.
func (d SFTP) Stat(ctx context.Context, name string) (int64, time.Time, error) {
	f, err := d.Client.Stat(ctx, path.Join(d.Directory, name))
	return f.Size, f.ModTime, err
}
