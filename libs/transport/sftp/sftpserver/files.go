package sftpserver

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/pkg/sftp"
)

// files answers SFTP requests from a directory that nothing leads out of: [os.Root] follows no link and no path to the
// outside, whatever the client makes of them.
type files struct {
	root   *os.Root
	before func(method, name string) error // may be nil
}

// ask returns the answer that a request has before it is looked at.
func (f *files) ask(method, name string) error {
	if f.before == nil {
		return nil
	}
	return answer(f.before(method, name))
}

// rel returns the request's path, which the library has made absolute and clean, as one below the root.
func rel(name string) string {
	if name = strings.TrimPrefix(name, "/"); name == "" {
		return "."
	}
	return name
}

func (f *files) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	if err := f.ask(r.Method, r.Filepath); err != nil {
		return nil, err
	}
	file, err := f.root.Open(rel(r.Filepath))
	if err != nil {
		return nil, answer(err)
	}
	return file, nil
}

func (f *files) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	if err := f.ask(r.Method, r.Filepath); err != nil {
		return nil, err
	}
	want, flags := r.Pflags(), os.O_WRONLY
	if want.Creat {
		flags |= os.O_CREATE
	}
	if want.Trunc {
		flags |= os.O_TRUNC
	}
	if want.Excl {
		flags |= os.O_EXCL
	}
	file, err := f.root.OpenFile(rel(r.Filepath), flags, 0o600)
	if err != nil {
		return nil, answer(err)
	}
	return &writer{file, r.Filepath, f}, nil
}

// writer is a file that is written to.
type writer struct {
	*os.File
	name  string
	files *files
}

func (w *writer) WriteAt(b []byte, off int64) (int, error) {
	if err := w.files.ask("Write", w.name); err != nil {
		return 0, err
	}
	n, err := w.File.WriteAt(b, off)
	return n, answer(err)
}

func (f *files) Filecmd(r *sftp.Request) error {
	if err := f.ask(r.Method, r.Filepath); err != nil {
		return err
	}
	name := rel(r.Filepath)
	switch r.Method {
	case "Setstat":
		return answer(f.setstat(name, r))
	case "Rename": // as the protocol has it: nothing is replaced
		if _, err := f.root.Lstat(rel(r.Target)); err == nil {
			return fs.ErrExist
		}
		return answer(f.root.Rename(name, rel(r.Target)))
	case "Remove", "Rmdir":
		return answer(f.root.Remove(name))
	case "Mkdir":
		return answer(f.root.Mkdir(name, 0o700))
	}
	return sftp.ErrSSHFxOpUnsupported // no links are made
}

// PosixRename replaces what stands under the new name.
func (f *files) PosixRename(r *sftp.Request) error {
	if err := f.ask(r.Method, r.Filepath); err != nil {
		return err
	}
	return answer(f.root.Rename(rel(r.Filepath), rel(r.Target)))
}

func (f *files) setstat(name string, r *sftp.Request) error {
	want, to := r.AttrFlags(), r.Attributes()
	if want.Size {
		file, err := f.root.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(file.Truncate(int64(to.Size)), file.Close()); err != nil {
			return err
		}
	}
	if want.Permissions {
		if err := f.root.Chmod(name, to.FileMode().Perm()); err != nil {
			return err
		}
	}
	if want.Acmodtime {
		return f.root.Chtimes(name, to.AccessTime(), to.ModTime())
	}
	return nil
}

func (f *files) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	if err := f.ask(r.Method, r.Filepath); err != nil {
		return nil, err
	}
	switch r.Method {
	case "Stat":
		info, err := f.root.Stat(rel(r.Filepath))
		return list{info}, answer(err)
	case "List":
		dir, err := f.root.Open(rel(r.Filepath))
		if err != nil {
			return nil, answer(err)
		}
		defer dir.Close()
		entries, err := dir.Readdir(-1)
		return list(entries), answer(err)
	}
	return nil, sftp.ErrSSHFxOpUnsupported
}

// Lstat does not follow a link.
func (f *files) Lstat(r *sftp.Request) (sftp.ListerAt, error) {
	if err := f.ask(r.Method, r.Filepath); err != nil {
		return nil, err
	}
	info, err := f.root.Lstat(rel(r.Filepath))
	return list{info}, answer(err)
}

type list []fs.FileInfo

func (l list) ListAt(to []fs.FileInfo, from int64) (int, error) {
	if from >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(to, l[from:])
	if n < len(to) {
		return n, io.EOF
	}
	return n, nil
}

// answer makes an error one that the protocol has a code for, and that tells nothing of the machine's paths.
func answer(err error) error {
	var at *fs.PathError
	var link *os.LinkError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return sftp.ErrSSHFxNoSuchFile
	case errors.Is(err, fs.ErrPermission):
		return sftp.ErrSSHFxPermissionDenied
	case errors.As(err, &at):
		err = at.Err
	case errors.As(err, &link):
		err = link.Err
	}
	if err.Error() == "path escapes from parent" { // os has no exported error for it
		return sftp.ErrSSHFxPermissionDenied
	}
	return err
}
