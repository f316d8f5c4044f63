package alvis

import (
	"testing"

	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/imstest"
	"eventful.se/ess/libs/source/sourcetest/sftptest"
)

func TestConformance(t *testing.T) {
	r := newRegister(t)
	sourcetest.Test(t, sourcetest.Under{
		Connector: Connector(),
		// The suite lets days pass without an export.
		Settings: "sftp: " + r.SFTP() + "\nsettle: 5ms\nmaxAge: 0s\n",
		Refused: map[string]string{
			"{}": "sftp.host",
			"sftp: {host: sftp.example, user: kommun, password: hunter2}": "sftp.password",
			reachable + "directory: ''":                                   "directory",
			reachable + "maxAge: -1h":                                     "maxAge",
			reachable + "limits: {maxBytes: 0}":                           "limits.maxBytes",
			reachable + "profile: {delta: sometimes}":                     "profile.delta",
			reachable + "settle: soon":                                    "",
		},
		Secrets:  []string{sftptest.Password, "hunter2"},
		Register: r,
		Against:  "IMS Enterprise files on an SFTP server in the test's process",
		Steps:    sftptest.Steps(),
		Claims: sourcetest.Claims{
			NoDelta: "an export is read whole, and gives no cursor",
			// Groups and memberships are kept until the export has ended well: what one says depends on a group that may
			// stand after it.
			PerPerson: 512,
		},
	})
}

// newRegister returns Alvis, which exports, and GotIT's server.
func newRegister(t *testing.T) *sftptest.Register {
	t.Helper()
	return sftptest.New(t, sftptest.Export{
		File: "export.xml",
		Of:   func(t sourcetest.Town) ([]byte, error) { return imstest.Export(t), nil },
		Late: func(t sourcetest.Town) ([]byte, error) { return imstest.Spoil(imstest.Export(t)), nil },
	})
}
