package ad_test

import (
	"path/filepath"
	"testing"

	"eventful.se/ess/libs/target/targettest"
	"eventful.se/ess/services/target-active-directory/ad"
)

func TestCases(t *testing.T) {
	t.Parallel()
	dc := newController(t)
	targettest.Cases(t, ad.Connector(), func(t *testing.T) (targettest.Peer, map[string]string) {
		p := dc.peer(t)
		return p, map[string]string{
			"url": "ldaps://" + p.wire.addr, "ca": filepath.Join(p.dir, "wide.pem"), "user": dc.service.UPN, "password": "file:" + dc.service.PasswordFile,
		}
	})
}
