package manual

import (
	"testing"

	"eventful.se/ess/libs/source/sourcetest"
)

func TestCases(t *testing.T) {
	sourcetest.Cases(t, Connector(), func(t *testing.T) sourcetest.Side {
		dir := t.TempDir()
		return sourcetest.Side{Values: map[string]string{"folder": dir}, Hold: sourcetest.Folder(dir)}
	})
}
