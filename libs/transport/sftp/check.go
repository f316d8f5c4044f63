package sftp

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// Check goes through what a read needs and tells each step: connect (with the address that we come from), host key,
// sign-in, directory and, when sel has patterns, newest. It reads no file and changes nothing. The error is that of
// the step that failed, and names it.
func (c *Client) Check(ctx context.Context, sel Selection, step func(name, detail string, err error)) error {
	failed := ""
	tell := func(name, detail string, err error) {
		if err != nil {
			failed = name
		}
		step(name, detail, err)
	}
	if err := c.check(ctx, sel, tell); err != nil {
		return fmt.Errorf("check of %s, step %s: %w", c.Address(), failed, err)
	}
	return nil
}

func (c *Client) check(ctx context.Context, sel Selection, step trace) error {
	s, err := c.connect(ctx, step)
	if err != nil {
		return err
	}
	defer s.close()
	entries, err := s.ReadDirContext(ctx, sel.Dir)
	if err = c.explain(ctx, err, sel.Dir); err != nil {
		step("directory", strconv.Quote(sel.Dir), err)
		return err
	}
	step("directory", fmt.Sprintf("%q has %d entries", sel.Dir, len(entries)), nil)
	if len(sel.Patterns) == 0 {
		return nil
	}
	f, err := s.newest(ctx, sel)
	if err != nil {
		step("newest", "", err)
		return err
	}
	step("newest", fmt.Sprintf("%q, %d bytes, of %s", f.Name(), f.Size, f.ModTime.Format(time.RFC3339)), nil)
	return nil
}
