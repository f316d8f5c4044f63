package asm

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/files"
	"eventful.se/ess/libs/testbed"
)

// inbox starts an SFTP server with a drop folder, and returns settings that reach it.
func inbox(t *testing.T) (s *testbed.Server, settings string) {
	t.Helper()
	s = testbed.SSHD(t, testbed.Options{})
	if err := os.Mkdir(filepath.Join(s.Root, "dropbox"), 0o755); err != nil {
		t.Fatal(err)
	}
	return s, fmt.Sprintf("sftp: {host: %s, port: %d, user: %s, key: 'file:%s', hostKeys: ['%s']}\n",
		s.Host, s.Port, s.User, s.KeyFile, s.Fingerprints[0])
}

func openAt(t *testing.T, settings string) *target.Target {
	t.Helper()
	made, err := decode(t, settings).Open(target.Env{Tenant: "test", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestDeliveryToARealServer(t *testing.T) {
	for _, upload := range []string{"direct", "rename"} {
		t.Run(upload, func(t *testing.T) {
			s, settings := inbox(t)
			made := openAt(t, settings+"upload: "+upload)
			set, _ := settle(made.Mapping, readRoster(t, "testdata/cases/ordinary-school/roster.yaml"))
			p, problems := made.Deliverer.Render(set)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if _, err := made.Deliverer.Delivered(t.Context(), p); !errors.Is(err, target.ErrUnsupported) {
				t.Errorf("before: got %v, want %v: what is not there may have been read", err, target.ErrUnsupported)
			}
			for range 2 { // R5: again is harmless
				if err := made.Deliverer.Deliver(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			if there, err := made.Deliverer.Delivered(t.Context(), p); !there || err != nil {
				t.Errorf("after: got %v, %v", there, err)
			}

			entries, err := os.ReadDir(filepath.Join(s.Root, "dropbox"))
			if err != nil || len(entries) != 1 || entries[0].Name() != p.Name {
				t.Fatalf("the drop folder has %v, %v, want %s alone", entries, err, p.Name)
			}
			body, err := os.ReadFile(filepath.Join(s.Root, "dropbox", p.Name))
			if err != nil {
				t.Fatal(err)
			}
			list, err := files.Unpack(body)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, f := range list {
				got[f.Name] = string(f.Data)
			}
			want := read(t, "testdata/cases/ordinary-school/expected")
			delete(want, "withheld.txt")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDeliveryThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(s *testbed.Server, settings string) string
		want  reason.Code
		fault reason.Fault
	}{
		"a host key that nobody pinned": {func(s *testbed.Server, settings string) string {
			return strings.Replace(settings, s.Fingerprints[0], "", 1)
		}, reason.HostKeyUnknown, reason.Misconfigured},
		"another key than the pinned one": {func(s *testbed.Server, settings string) string {
			return strings.Replace(settings, s.Fingerprints[0], "SHA256:"+strings.Repeat("A", 43), 1)
		}, reason.HostKeyChanged, reason.Misconfigured},
		"a user whom the server does not know": {func(s *testbed.Server, settings string) string {
			return strings.Replace(settings, "user: "+s.User, "user: nobody-such", 1)
		}, reason.WrongCredentials, reason.Misconfigured},
		"no server": {func(s *testbed.Server, settings string) string {
			return strings.Replace(settings, fmt.Sprint("port: ", s.Port), "port: 1", 1)
		}, reason.Unreachable, reason.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			s, settings := inbox(t)
			settings = strings.Replace(c.spoil(s, settings), "['']", "[]", 1)
			made := openAt(t, settings)
			p, problems := made.Deliverer.Render(nil)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			err := made.Deliverer.Deliver(t.Context(), p)
			if got := reason.Of(err).Code; got != c.want || reason.FaultOf(err) != c.fault {
				t.Errorf("got %v, %v (%v), want %v, %v", got, reason.FaultOf(err), err, c.want, c.fault)
			}
		})
	}
}

func TestALossIsSeenWhereFilesStay(t *testing.T) {
	s, settings := inbox(t)
	d := openAt(t, settings+"consumes: false").Deliverer
	p, _ := d.Render(nil)
	if err := d.Deliver(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.Root, "dropbox", p.Name)); err != nil {
		t.Fatal(err)
	}
	for _, body := range [][]byte{p.Body, nil} { // the ledger knows name and digest only
		p.Body = body
		if there, err := d.Delivered(t.Context(), p); there || err != nil {
			t.Errorf("got %v, %v, want a loss", there, err)
		}
	}
}
