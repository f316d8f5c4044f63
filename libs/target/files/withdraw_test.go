package files

import (
	"errors"
	"io/fs"
	"testing"

	"eventful.se/ess/libs/target"
)

func TestAZipCanBeWithdrawn(t *testing.T) {
	for _, packing := range []Packing{Zip, Plain} {
		drop := newMemory()
		s := Sink{Format: fixed{{"a.csv", []byte("a")}}, Packing: packing, Drop: drop}
		p := render(t, s)
		if err := s.Deliver(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		for range 2 { // what is not there is well
			if err := s.Withdraw(t.Context(), p.Name); err != nil {
				t.Error(err)
			}
		}
		if want := map[Packing]int{Zip: 0, Plain: 1}[packing]; len(drop.files) != want {
			t.Errorf("%s: %d files are left, want %d", packing, len(drop.files), want)
		}
	}
	refuses := Sink{Packing: Zip, Drop: &memory{fail: fs.ErrPermission}}
	if err := refuses.Withdraw(t.Context(), "x.zip"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a drop that refuses: %v", err)
	}
	if err := (Sink{Packing: Zip, Drop: writeOnly{newMemory()}}).Withdraw(t.Context(), "x.zip"); err != nil {
		t.Errorf("a drop that cannot: %v", err)
	}
}

// writeOnly is a drop from which nothing can be taken away.
type writeOnly struct{ Drop }

var _ target.Withdrawer = Sink{}
