package sqlviews

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/transport/sqlx"
)

// still is what the database said of itself when it was read: where it says the same again, on the same day, it need not be
// read. A row of a changed view may have ended, or begun, or gone, so of one that says something else everything is read.
//
// A change that was made before a read, and became valid after it, may carry an older time than one that the read saw. So a
// database is read once more after it first said something, and left alone only when it says the same for the third time.
type still struct {
	Day   roster.Date       `json:"day"`   // of the read: by it the profile decides what counts
	Print string            `json:"print"` // of what was asked, and of the addresses of the file
	Marks map[string]string `json:"marks"` // by query, see [sqlx.Snapshot.Mark]
	Twice bool              `json:"twice"` // the read before found the same
}

// maxAhead is how far the database's clock may be ahead of ours: it may write the hour of another zone.
const maxAhead = 24 * time.Hour

// stands returns what the database says of itself, or why that means nothing; neither where the settings name no column.
func (s *Source) stands(ctx context.Context, snapshot *sqlx.Snapshot, asked []asking, own emails) (now *still, why string, err error) {
	if s.cfg.Modified == "" {
		return nil, "", nil
	}
	now = &still{Day: roster.Today(s.now()), Marks: map[string]string{}}
	sum := sha256.New()
	settings := json.NewEncoder(sum)
	if err := settings.Encode([]any{s.client.Address(), s.cfg.DB.Database, s.cfg.Profile, own.print}); err != nil {
		return nil, "", err
	}
	for _, q := range asked {
		rows, newest, err := snapshot.Mark(ctx, q.ask, s.cfg.Modified)
		if err != nil {
			return nil, "", err
		}
		switch hour, minute, second := newest.Clock(); {
		case rows > 0 && newest.IsZero():
			return nil, "a row of " + q.Name + " does not say when it was changed", nil
		case newest.Sub(s.now()) > maxAhead:
			return nil, "a row of " + q.Name + " was changed in the future", nil
		case rows > 0 && hour+minute+second+newest.Nanosecond() == 0:
			return nil, q.Name + " may say on which day a row was changed, and not when", nil
		}
		now.Marks[q.Name] = fmt.Sprint(rows, " until ", newest.UTC().Format(time.RFC3339Nano))
		if err := settings.Encode(q.ask.Text); err != nil {
			return nil, "", err
		}
	}
	now.Print = hex.EncodeToString(sum.Sum(nil))
	return now, "", nil
}

// since compares with what an earlier read found, and tells whether there is nothing to read.
func (now *still) since(cursor source.Cursor) bool {
	var was still
	if now == nil || json.Unmarshal(cursor, &was) != nil {
		return false
	}
	now.Twice = was.Day == now.Day && was.Print == now.Print && maps.Equal(was.Marks, now.Marks)
	return now.Twice && was.Twice
}

// cursor is what the next read compares with.
func (now *still) cursor() source.Cursor {
	if now == nil {
		return nil
	}
	text, err := json.Marshal(now)
	if err != nil {
		return nil
	}
	return text
}
