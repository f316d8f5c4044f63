package roster

import (
	"fmt"
	"testing"
)

// day is the reference date of the tests.
const day = Date(2026_08_15)

func testKeyer(t testing.TB) *Keyer {
	t.Helper()
	k, err := NewKeyer([]byte("a pepper of the tests, 32 bytes or more"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var (
	alvis = Source{"alvis", "default"}
	skola = Source{"schoolsoft", "gy"}
	ad    = Source{"active-directory", "default"}
)

// key makes a readable key: kind letter and number.
func key(kind byte, n int) Key {
	return Key{0: kind, 6: 0x80, 8: 0x80, 14: byte(n >> 8), 15: byte(n)}
}

// civic makes a valid personnummer of an invented person born in the 1890s.
func civic(n int) CivicNo {
	digits := fmt.Sprintf("%02d%02d%02d%03d", 90+n/1000%9, 1+n%12, 1+n%28, n%1000)
	for c := '0'; c <= '9'; c++ {
		if luhn([]byte(digits + string(c))) {
			return CivicNoOf(Personnummer, "18"+digits+string(c))
		}
	}
	panic("no check digit")
}
