package ims

import (
	"time"

	"eventful.se/ess/libs/roster"
)

// day returns the day of a date or a time as YYYY-MM-DD, or the text as it stands.
func day(s string) string {
	if len(s) == len(time.DateOnly) && s[4] == '-' && s[7] == '-' {
		return s
	}
	if t, ok := parseTime(s); ok {
		return roster.Today(t).String()
	}
	return s
}

// parseTime reads ISO 8601 in the forms that occur, and 28/Oct/2005, as a public sample has it.
func parseTime(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, false
	}
	for _, layout := range []string{
		time.DateOnly, "2006-01-02T15:04:05", time.RFC3339, "2006-01-02T15:04", "2006-01-02T15:04Z07:00",
		"2006-01-02T15:04:05Z0700", time.DateTime, "2006-01-02 15:04", "20060102", "02/Jan/2006", "20060102T150405",
	} {
		if t, err := time.ParseInLocation(layout, s, roster.Stockholm()); err == nil && t.Year() > 0 {
			return t, true
		}
	}
	return time.Time{}, false
}
