package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// discardTorn takes away what a server that was killed while it made a stream has left: a description without its
// checksum. The server passes such a stream over at every start, and when the stream is made anew it keeps the old
// description and writes no checksum (nats-server 2.15.2, newFileStore), so that the next start would lose a stream
// that is in use. Such a stream was never acknowledged. Its messages, if there are any, are left for the new one.
func discardTorn(dir string) error {
	root := os.DirFS(dir)
	descriptions, err := fs.Glob(root, "jetstream/*/streams/*/meta.inf")
	if err != nil {
		return err
	}
	for _, name := range descriptions {
		sum, err := fs.Stat(root, filepath.Dir(name)+"/meta.sum")
		if err == nil && sum.Size() > 0 {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("take away a stream that was never made: %w", err)
		}
	}
	return nil
}
