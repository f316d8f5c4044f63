package sftp_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/libs/transport/sftp"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
)

// deliveries are both ways to upload.
var deliveries = []sftp.Delivery{sftp.Rename, sftp.Direct}

// wantFiles checks which files a directory holds, with what.
func wantFiles(t testing.TB, dir string, want map[string][]byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if w, ok := want[e.Name()]; !ok || !bytes.Equal(w, content) {
			t.Errorf("%s holds %d bytes, want it there: %v, with %d", e.Name(), len(content), ok, len(w))
		}
	}
	if len(entries) != len(want) {
		t.Errorf("%d files, want %d", len(entries), len(want))
	}
}

func TestUpload(t *testing.T) {
	server := testbed.SSHD(t, testbed.Options{})
	_, cfg, dir := serve(t, sftpserver.Options{})
	peers := map[string]struct {
		cfg         sftp.Config
		dir, prefix string
	}{"sshd": {forSSHD(server), server.Root, server.Root}, "in process": {cfg, dir, ""}}
	for name, peer := range peers {
		for _, d := range deliveries {
			t.Run(name+" "+string(d), func(t *testing.T) {
				c := sftp.New(peer.cfg, noPause)
				for _, size := range []int{3_000_001, 0, 70_000, 70_000} { // also shorter over longer
					data := random(t, size)
					if err := c.Upload(t.Context(), peer.prefix+"/dropbox.zip", data, sftp.UploadOptions{Atomic: d}); err != nil {
						t.Fatal(err)
					}
					wantFiles(t, peer.dir, map[string][]byte{"dropbox.zip": data})
				}
			})
		}
	}
}

func TestRemoveTakesTheFileAndThePartOfIt(t *testing.T) {
	_, cfg, dir := serve(t, sftpserver.Options{})
	c := sftp.New(cfg, noPause)
	for _, d := range deliveries {
		for _, name := range []string{"a.zip", ".a.zip.part", "b.zip"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // what is not there is no error
			if err := c.Remove(t.Context(), "/a.zip", sftp.UploadOptions{Atomic: d}); err != nil {
				t.Error(err)
			}
		}
		want := map[string][]byte{"b.zip": []byte("b.zip")}
		if d == sftp.Direct {
			want[".a.zip.part"] = []byte(".a.zip.part") // somebody else's
		}
		wantFiles(t, dir, want)
	}
	if err := c.Remove(t.Context(), "/", sftp.UploadOptions{}); err == nil {
		t.Error("a directory was removed")
	}
}

// TestUploadCut is F49 for uploads: whatever breaks, a part of the data never stands under the name or beside it, and
// the next upload puts it right.
func TestUploadCut(t *testing.T) {
	_, cfg, dir := serve(t, sftpserver.Options{})
	before, after := random(t, 1000), random(t, 70_000)
	c := sftp.New(cfg, noPause)
	for _, d := range deliveries {
		cuts := 0
		for n := int64(1); n < 76_000; n += 1_511 {
			for _, cut := range []testbed.Cut{{Up: n}, {Down: n}} {
				if cut.Down > 5_000 {
					continue
				}
				write(t, dir+"/out.zip", before)
				_, broken := behind(t, cfg, cut)
				err := sftp.New(broken, noPause).Upload(t.Context(), "/out.zip", after, sftp.UploadOptions{Atomic: d})
				switch code := reason.Of(err).Code; {
				case err == nil:
					wantFiles(t, dir, map[string][]byte{"out.zip": after})
					continue
				case code == reason.Unreachable: // before the sign-in, or in the look afterwards
				default:
					cuts++
					wantReason(t, err, reason.TransferCut, reason.Transient)
				}
				got, err := os.ReadFile(dir + "/out.zip")
				whole := err == nil && (bytes.Equal(got, before) || bytes.Equal(got, after))
				if !whole && (d == sftp.Rename || !errors.Is(err, os.ErrNotExist)) {
					t.Fatalf("%s, cut at %+v: %d bytes under the name, error %v", d, cut, len(got), err)
				}
				if _, err := os.Stat(dir + "/.out.zip.part"); err == nil {
					t.Fatalf("%s, cut at %+v: a part was left", d, cut)
				}
				if err := c.Upload(t.Context(), "/out.zip", after, sftp.UploadOptions{Atomic: d}); err != nil {
					t.Fatal(err)
				}
				wantFiles(t, dir, map[string][]byte{"out.zip": after})
			}
		}
		if cuts < 20 {
			t.Errorf("%s: only %d uploads were cut", d, cuts)
		}
	}
}

func TestUploadErrors(t *testing.T) {
	refuse := func(method string, err error) func(string, string) error {
		return func(m, _ string) error {
			if m == method {
				return err
			}
			return nil
		}
	}
	var pieces atomic.Int32
	tests := map[string]struct {
		before func(method, name string) error
		path   string
		only   sftp.Delivery // empty for both
		code   reason.Code
		fault  reason.Fault
	}{
		"F50 not permitted": {refuse("Put", os.ErrPermission), "/a.zip", "", reason.NotPermitted, reason.Misconfigured},
		"no directory":      {nil, "/none/a.zip", "", reason.NoFile, reason.Transient},
		"F50 disk full":     {refuse("Write", syscall.ENOSPC), "/a.zip", "", reason.TargetFull, reason.Transient},
		"F50 quota":         {refuse("Write", syscall.EDQUOT), "/a.zip", "", reason.TargetFull, reason.Transient},
		"full in the middle": {func(m, _ string) error {
			if m == "Write" && pieces.Add(1)%3 == 0 {
				return syscall.ENOSPC
			}
			return nil
		}, "/a.zip", "", reason.TargetFull, reason.Transient},
		"the server fails":   {refuse("Write", errors.New("the disk is on fire")), "/a.zip", "", reason.ServerRefused, reason.Transient},
		"F50 rename refused": {refuse("PosixRename", os.ErrPermission), "/a.zip", sftp.Rename, reason.RenameRefused, reason.Misconfigured},
	}
	for name, tt := range tests {
		for _, d := range deliveries {
			if tt.only != "" && tt.only != d {
				continue
			}
			t.Run(name+" "+string(d), func(t *testing.T) {
				_, cfg, dir := serve(t, sftpserver.Options{Before: tt.before})
				err := sftp.New(cfg, noPause).Upload(t.Context(), tt.path, random(t, 200_000), sftp.UploadOptions{Atomic: d})
				wantReason(t, err, tt.code, tt.fault)
				wantFiles(t, dir, nil)
			})
		}
	}
}

// TestUploadToFullDisk is F50 with a real full disk behind a real sshd, whose protocol has no code for it.
func TestUploadToFullDisk(t *testing.T) {
	server := testbed.SSHD(t, testbed.Options{})
	small := server.Root + "/small"
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small).CombinedOutput(); err != nil {
		t.Skipf("no small file system can be mounted here: %s", bytes.TrimSpace(out))
	}
	t.Cleanup(func() {
		if err := exec.Command("umount", small).Run(); err != nil {
			t.Errorf("umount: %v", err)
		}
	})
	for _, d := range deliveries {
		c := sftp.New(forSSHD(server), noPause)
		err := c.Upload(t.Context(), small+"/a.zip", random(t, 1<<20), sftp.UploadOptions{Atomic: d})
		wantReason(t, err, reason.TargetFull, reason.Transient)
		wantFiles(t, small, nil)
		if err := c.Upload(t.Context(), small+"/a.zip", random(t, 1000), sftp.UploadOptions{Atomic: d}); err != nil {
			t.Error(err)
		}
		if err := os.Remove(small + "/a.zip"); err != nil {
			t.Error(err)
		}
	}
}

// TestUploadToDropFolder covers a server that takes each file away as soon as it is closed.
func TestUploadToDropFolder(t *testing.T) {
	var taken []byte
	var dir string
	server, cfg, dir := serve(t, sftpserver.Options{Before: func(method, _ string) error {
		if method == "Stat" {
			taken, _ = os.ReadFile(dir + "/a.zip")
			return os.Remove(dir + "/a.zip")
		}
		return nil
	}})
	data := random(t, 100_000)
	if err := sftp.New(cfg, noPause).Upload(t.Context(), "/a.zip", data, sftp.UploadOptions{Atomic: sftp.Direct}); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if !bytes.Equal(taken, data) {
		t.Errorf("the folder took %d bytes, want %d", len(taken), len(data))
	}
}

// TestUploadWithoutPosixRename covers a server with the renaming of the protocol only, which replaces nothing.
func TestUploadWithoutPosixRename(t *testing.T) {
	if err := pkgsftp.SetSFTPExtensions(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pkgsftp.SetSFTPExtensions("hardlink@openssh.com", "posix-rename@openssh.com", "statvfs@openssh.com"); err != nil {
			t.Error(err)
		}
	})
	_, cfg, dir := serve(t, sftpserver.Options{})
	c := sftp.New(cfg, noPause)
	for range 2 {
		data := random(t, 5000)
		if err := c.Upload(t.Context(), "/a.zip", data, sftp.UploadOptions{}); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, dir, map[string][]byte{"a.zip": data})
	}
	if err := os.Mkdir(dir+"/b.zip", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/b.zip/x", nil)
	err := c.Upload(t.Context(), "/b.zip", random(t, 5000), sftp.UploadOptions{})
	wantReason(t, err, reason.RenameRefused, reason.Misconfigured)
}

// TestUploadCancelled covers a context that ends in the middle: prompt, and nothing is left.
func TestUploadCancelled(t *testing.T) {
	for _, d := range deliveries {
		t.Run(string(d), func(t *testing.T) {
			hang, reached := make(chan struct{}), make(chan struct{}, 100)
			server, cfg, dir := serve(t, sftpserver.Options{Before: func(method, _ string) error {
				if method == "Write" {
					reached <- struct{}{}
					<-hang
				}
				return nil
			}})
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-reached; cancel() }()
			begun := time.Now()
			err := sftp.New(cfg, noPause).Upload(ctx, "/a.zip", random(t, 100_000), sftp.UploadOptions{Atomic: d})
			if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "may be left") {
				t.Errorf("error is %v", err)
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
			close(hang)
			server.Close()
			wantFiles(t, dir, nil)
		})
	}
}

func BenchmarkUpload(b *testing.B) {
	server := testbed.SSHD(b, testbed.Options{})
	data := random(b, 128<<20)
	c := sftp.New(forSSHD(server), noPause)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := c.Upload(b.Context(), server.Root+"/a.dat", data, sftp.UploadOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTool is what OpenSSH's own sftp needs for the same files, beside BenchmarkFetch and BenchmarkUpload.
func BenchmarkTool(b *testing.B) {
	program := testbed.Need(b, "sftp")
	server := testbed.SSHD(b, testbed.Options{})
	const size = 128 << 20
	write(b, server.Root+"/a.dat", random(b, size))
	local := b.TempDir()
	known := local + "/known"
	write(b, known, []byte(strings.Join(server.KnownHosts, "\n")+"\n"))
	for name, command := range map[string]string{
		"get": "get " + server.Root + "/a.dat " + local + "/a.dat",
		"put": "put " + server.Root + "/a.dat " + server.Root + "/b.dat",
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				cmd := exec.Command(program, "-b", "-", "-i", server.KeyFile, "-P", strings.Split(server.Addr, ":")[1],
					"-o", "UserKnownHostsFile="+known, server.User+"@"+server.Host)
				cmd.Stdin = strings.NewReader(command + "\n")
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
			}
		})
	}
}
