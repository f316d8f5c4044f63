// Package guardtest holds what a guard knows in memory, for tests and suites.
package guardtest

import (
	"context"
	"slices"
	"sync"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/roster"
)

// Store keeps what one guard knows, as [guard.Store] describes it. The zero value knows nothing.
type Store struct {
	// Hook sees every step at which a process could die, "before keep" and "after keep"; its error is what the guard
	// gets. It may be nil, and is changed only while nobody uses the store.
	Hook func(step string) error

	mu   sync.Mutex
	kept guard.Kept
}

var _ guard.Store = (*Store)(nil)

// Kept returns what is kept.
func (s *Store) Kept(context.Context, roster.Source) (guard.Kept, error) { return s.Now(), nil }

// Version returns the version of what is kept.
func (s *Store) Version(context.Context, roster.Source) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept.Version, nil
}

// Keep keeps it, if it was made of what is kept.
func (s *Store) Keep(_ context.Context, _ roster.Source, k guard.Kept) error {
	if err := s.step("before keep"); err != nil {
		return err
	}
	if !s.keep(k) {
		return guard.ErrConflict
	}
	return s.step("after keep")
}

func (s *Store) keep(k guard.Kept) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.Version != s.kept.Version {
		return false
	}
	k.Version++
	s.kept = k
	return true
}

func (s *Store) step(name string) error {
	if s.Hook == nil {
		return nil
	}
	return s.Hook(name)
}

// Now returns what is kept; its lists are the caller's.
func (s *Store) Now() guard.Kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kept
	k.Decisions, k.Passed = slices.Clone(k.Decisions), slices.Clone(k.Passed)
	return k
}

// Set has something else be kept, whatever it was made of.
func (s *Store) Set(k guard.Kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = k
}
