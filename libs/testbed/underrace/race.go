//go:build race

package underrace

import (
	"flag"

	_ "pgregory.net/rapid" // has the flag
)

func init() {
	if err := flag.Set("rapid.checks", "40"); err != nil {
		panic(err)
	}
}
