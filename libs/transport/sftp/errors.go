package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path"
	"strconv"

	"github.com/pkg/sftp"

	"eventful.se/ess/libs/reason"
)

// ended is the error of an operation whose context ended.
func ended(ctx context.Context, address string) error {
	return fmt.Errorf("sftp %s: %w", address, context.Cause(ctx))
}

// isCut tells whether an error of the library means that the connection broke.
func isCut(err error) bool {
	var network net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, sftp.ErrSSHFxConnectionLost) ||
		errors.Is(err, sftp.ErrSSHFxNoConnection) || errors.Is(err, net.ErrClosed) || errors.As(err, &network)
}

// explain turns an error of the library about a path into one with a reason; nil stays nil.
func (c *Client) explain(ctx context.Context, err error, name string) error {
	var why *reason.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ended(ctx, c.Address())
	case errors.As(err, &why):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return reason.Errorf(reason.Transient, err, reason.NoFile, "path", strconv.Quote(path.Dir(name)), "pattern", strconv.Quote(path.Base(name)))
	case errors.Is(err, fs.ErrPermission):
		return reason.Errorf(reason.Misconfigured, err, reason.NotPermitted, "address", c.Address(), "path", strconv.Quote(name))
	case isCut(err):
		return reason.Errorf(reason.Transient, err, reason.Unreachable, "address", c.Address())
	default:
		return reason.Errorf(reason.Transient, err, reason.ServerRefused, "address", c.Address(), "path", strconv.Quote(name))
	}
}

// explainTransfer is explain for a transfer, which a broken connection cuts after moved bytes.
func (c *Client) explainTransfer(ctx context.Context, err error, name string, moved int64) error {
	if err != nil && ctx.Err() == nil && isCut(err) {
		return reason.Errorf(reason.Transient, err, reason.TransferCut, "file", strconv.Quote(path.Base(name)), "bytes", moved)
	}
	return c.explain(ctx, err, name)
}
