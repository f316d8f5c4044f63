package memory

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/tenant"
)

// Config is what an operator says about one directory.
type Config struct {
	// File is where the directory is. It is made with the first object.
	File string `yaml:"file"`
	// Timeout is how long a batch of calls may take, without the waits for the rate.
	Timeout time.Duration `yaml:"timeout"`
	// PageSize is how many objects the directory lists at a time.
	PageSize int `yaml:"pageSize"`
	// Journal is a file to which every write is added; empty for none.
	Journal string `yaml:"journal"`
	// Rate is how many calls a second the directory takes from all its links together; 0 is no limit.
	Rate float64 `yaml:"rate"`
	// Match are the attributes by which a user or group that the directory has already is known to be the wished one: by
	// kind, such as {user: [email], group: [name]}. Empty for never.
	Match map[string][]string `yaml:"match"`
	// Members says what becomes of members of a group that somebody else added: exact takes them out, keepManual does not.
	Members string `yaml:"members"`
	// Trouble is a file that says how the directory is to answer badly; it is read at every batch, and may come and go.
	Trouble string `yaml:"trouble"`
}

// What becomes of members that somebody else added.
const (
	exact      = "exact"
	keepManual = "keepManual"
)

// defaults returns the settings of who says nothing.
func defaults() *Config {
	return &Config{Timeout: 10 * time.Second, PageSize: 100, Match: map[string][]string{}, Members: exact}
}

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) {
	p.At("file").Required(c.File)
	if c.Timeout < time.Millisecond {
		p.At("timeout").Add("is not a usable time: write it with its unit, as in 10s")
	}
	if !(c.Rate >= 0 && c.Rate <= math.MaxInt32) {
		p.At("rate").Add("is %v: write how many calls a second may be made, or 0 for no limit", c.Rate)
	}
	if c.Members != exact && c.Members != keepManual {
		p.At("members").Add("%q is not known: write exact or keepManual", c.Members)
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Match)) {
		at := p.At("match.%s", kind)
		if kind != user && kind != group {
			at.Add("is no kind that is found: write user or group")
			continue
		}
		for i, attribute := range c.Match[kind] {
			if attribute == in || !slices.Contains(fields(kind), attribute) {
				at.At("[%d]", i).Add("%q is no attribute of a %s: write %s", attribute, kind, strings.Join(fields(kind)[:len(fields(kind))-1], ", "))
			}
		}
	}
	if c.PageSize < 1 {
		p.At("pageSize").Add("is %d: write 1 or more", c.PageSize)
	}
}
