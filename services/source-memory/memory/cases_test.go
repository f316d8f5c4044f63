package memory_test

import (
	"testing"

	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/services/source-memory/memory"
)

func TestCases(t *testing.T) {
	sourcetest.Cases(t, memory.Connector(), func(t *testing.T) sourcetest.Side {
		dir := t.TempDir()
		return sourcetest.Side{Values: map[string]string{"folder": dir}, Hold: sourcetest.Folder(dir)}
	})
}
