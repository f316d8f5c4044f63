package rostercsv_test

import (
	"fmt"
	"testing"

	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/services/source-oneroster-csv/rostercsv"
)

func TestCases(t *testing.T) {
	sourcetest.Cases(t, rostercsv.Connector(), func(t *testing.T) sourcetest.Side {
		server := testbed.SSHD(t, testbed.Options{ReadOnly: true})
		return sourcetest.Side{Hold: sourcetest.Folder(server.Root), Values: map[string]string{
			"folder": server.Root,
			"sftp": fmt.Sprintf("{host: %s, port: %d, user: %s, key: 'file:%s', hostKeys: ['%s']}",
				server.Host, server.Port, server.User, server.KeyFile, server.Fingerprints[0]),
		}}
	})
}
