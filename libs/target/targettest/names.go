package targettest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/target"
)

// Names are the user names of a tenant in memory, as [target.NameStore] describes them.
type Names struct {
	// Hook sees every step at which a process could die, before and after each save; its error is what the link gets. It
	// may be nil, and is changed only while no link uses the names.
	Hook func(step string) error

	mu      sync.Mutex
	claims  map[string]names.Claim
	version uint64
}

var _ target.NameStore = (*Names)(nil)

// NewNames returns names of which some are given.
func NewNames(given ...names.Claim) *Names {
	n := &Names{claims: map[string]names.Claim{}}
	for _, c := range given {
		n.claims[c.Name] = c
		n.version++
	}
	return n
}

// Version returns the version of what Load would return.
func (n *Names) Version(context.Context) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.version, nil
}

// Load returns every claim, sorted by name, and the version that Save expects.
func (n *Names) Load(context.Context) ([]names.Claim, uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []names.Claim
	for _, name := range slices.Sorted(maps.Keys(n.claims)) {
		list = append(list, n.claims[name])
	}
	return list, n.version, nil
}

// Save puts claims in the place of those of the same names.
func (n *Names) Save(_ context.Context, claims []names.Claim, version uint64) (uint64, error) {
	if err := n.step("before names"); err != nil {
		return 0, err
	}
	version, err := n.save(claims, version)
	if err != nil {
		return 0, err
	}
	return version, n.step("after names")
}

func (n *Names) save(claims []names.Claim, version uint64) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if version != n.version {
		return 0, target.ErrNamesChanged
	}
	for _, c := range claims {
		n.claims[c.Name] = c
	}
	if len(claims) > 0 {
		n.version++
	}
	return n.version, nil
}

func (n *Names) step(name string) error {
	if n.Hook == nil {
		return nil
	}
	return n.Hook(name)
}
