package ss12000api

import (
	"encoding/json"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// version is of the cursor's own form.
const version = 2

// maxSkew is how far the server's clock may be from ours before no change is asked for by time.
const maxSkew = 10 * time.Minute

// cursor is how far a register was read.
type cursor struct {
	Version int         `json:"v"`
	Since   time.Time   `json:"since"` // changes after this, by the server's clock, were not all seen
	Began   time.Time   `json:"began"` // the last read, by our clock
	Day     roster.Date `json:"day"`   // of the last read: by it the profile decided what counts
	Chain   int         `json:"chain"` // reads of what changed since everything was read
	Print   string      `json:"print"` // of the settings that it was read with
	Frame   string      `json:"frame"` // see [ss12000.Mapper.Frame]
}

// resume returns the cursor of a read that may go on from there, and otherwise why everything is read.
func (s *Source) resume(since source.Cursor) (cursor, string) {
	if len(since) == 0 {
		return cursor{}, ""
	}
	var c cursor
	switch err := json.Unmarshal(since, &c); {
	case err != nil || c.Version != version || c.Since.IsZero() || c.Began.IsZero():
		return cursor{}, "the mark of the last read is of another version"
	case !s.cfg.Delta.On:
		return cursor{}, "delta is off"
	case c.Print != s.cfg.mark():
		return cursor{}, "the settings are others"
	case c.Chain >= s.cfg.Delta.Chain:
		return cursor{}, "delta.chain reads of what changed came since"
	case c.Day != roster.Today(s.now()):
		return cursor{}, "it is another day"
	case c.Since.After(s.now()):
		return cursor{}, "the mark of the last read is from the future"
	}
	return c, ""
}

// next returns the cursor of the read that follows; none where it has to read everything.
func (r *run) next() source.Cursor {
	if !r.cfg.Delta.On || !r.complete || r.noDelta || r.skewed() {
		return nil
	}
	c := cursor{
		Version: version, Since: r.began.Add(-r.cfg.Delta.Overlap).UTC(), Began: r.began.UTC(), Day: roster.Today(r.began),
		Print: r.cfg.mark(), Frame: r.mapper.Frame(),
	}
	if !r.served.IsZero() && r.served.Before(r.began) {
		c.Since = r.served.Add(-r.cfg.Delta.Overlap).UTC()
	}
	if r.since != nil {
		c.Chain = r.since.Chain + 1
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil
	}
	return text
}

// setBack tells whether the server's clock was set back since the last read by so much that what changed after it may have a
// time of before [cursor.Since]. One that was set back and right again before this read shows nowhere.
func (r *run) setBack() bool {
	return !r.served.IsZero() && r.since.Began.Add(r.served.Sub(r.began)).Before(r.since.Since)
}

// skewed tells whether the server's clock is so far from ours that one of the two is wrong.
func (r *run) skewed() bool {
	return !r.served.IsZero() && r.served.Sub(r.began).Abs() > maxSkew
}
