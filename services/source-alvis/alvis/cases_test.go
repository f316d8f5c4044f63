package alvis

import (
	"testing"

	"eventful.se/ess/libs/source/sourcetest"
)

func TestCases(t *testing.T) {
	sourcetest.Cases(t, Connector(), func(t *testing.T) sourcetest.Side {
		r := newRegister(t)
		return sourcetest.Side{Hold: sourcetest.Folder(r.Dir), Values: map[string]string{"sftp": r.SFTP()}}
	})
}
