package memory

import (
	"math"
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
	// Trouble is a file that says how the directory is to answer badly; it is read at every batch, and may come and go.
	Trouble string `yaml:"trouble"`
}

// defaults returns the settings of who says nothing.
func defaults() *Config { return &Config{Timeout: 10 * time.Second, PageSize: 100} }

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) {
	p.At("file").Required(c.File)
	if c.Timeout < time.Millisecond {
		p.At("timeout").Add("is not a usable time: write it with its unit, as in 10s")
	}
	if !(c.Rate >= 0 && c.Rate <= math.MaxInt32) {
		p.At("rate").Add("is %v: write how many calls a second may be made, or 0 for no limit", c.Rate)
	}
	if c.PageSize < 1 {
		p.At("pageSize").Add("is %d: write 1 or more", c.PageSize)
	}
}
