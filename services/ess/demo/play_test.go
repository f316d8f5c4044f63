package demo

import (
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/services/ess/municipality"
)

// Every step finds a pupil to whom it can happen, on any day and in any municipality.
func TestEveryStepCanHappen(t *testing.T) {
	for seed := range uint64(50) {
		for month := time.January; month <= time.December; month++ {
			town := municipality.New(municipality.Options{
				Pupils: MinPupils, Seed: seed, Day: roster.NewDate(2026, month, 15), Protected: municipality.ProtectedFlag,
			})
			for _, s := range scenes(MinPupils) {
				if s.change == nil {
					continue
				}
				if _, err := s.change(town); err != nil {
					t.Fatalf("seed %d, %s: %s: %v", seed, month, s.title, err)
				}
			}
		}
	}
}
