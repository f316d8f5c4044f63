package alvis

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"eventful.se/ess/libs/source/sourcetest"
)

func TestCases(t *testing.T) {
	sourcetest.Cases(t, Connector(), func(t *testing.T) sourcetest.Side {
		r := &register{dir: t.TempDir(), key: hostKey(t), addr: "127.0.0.1:0"}
		if err := r.start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.server.Close() })
		secret := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(secret, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		host, port, err := net.SplitHostPort(r.server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		return sourcetest.Side{Hold: sourcetest.Folder(r.dir), Values: map[string]string{
			"sftp": fmt.Sprintf("{host: %s, port: %s, user: kommun, password: 'file:%s', hostKeys: ['%s']}", host, port, secret, r.server.Fingerprint()),
		}}
	})
}
