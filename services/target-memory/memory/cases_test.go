package memory_test

import (
	"path/filepath"
	"testing"

	"eventful.se/ess/libs/target/targettest"
	"eventful.se/ess/services/target-memory/memory"
)

func TestCases(t *testing.T) {
	targettest.Cases(t, memory.Connector(), func(t *testing.T) (targettest.Peer, map[string]string) {
		p := newPeer(t)
		return p, map[string]string{"folder": filepath.Dir(p.file)}
	})
}
