package tenant

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The steps of leaving.
const (
	LeaveGroups = "leaveGroups"
	Disable     = "disable"
	Delete      = "delete"
)

// Days is a number of days, written 30d.
type Days int

// UnmarshalText reads 30d.
func (d *Days) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(strings.TrimSuffix(string(text), "d"))
	if err != nil || n < 0 || !strings.HasSuffix(string(text), "d") {
		return fmt.Errorf("%q is not a number of days: write for example 30d", text)
	}
	*d = Days(n)
	return nil
}

// MarshalText writes 30d.
func (d Days) MarshalText() ([]byte, error) { return []byte(strconv.Itoa(int(d)) + "d"), nil }

// Season is a span of days of every year, both ends included, written 06-10..08-20. It may span the turn of the year.
type Season struct{ From, To Day }

// Day is a day of every year.
type Day struct {
	Month time.Month
	Day   int
}

// UnmarshalText reads 06-10..08-20.
func (s *Season) UnmarshalText(text []byte) error {
	from, to, ok := strings.Cut(string(text), "..")
	a, errA := parseDay(from)
	b, errB := parseDay(to)
	if !ok || errA != nil || errB != nil {
		return fmt.Errorf("%q is not a span of days: write for example 06-10..08-20", text)
	}
	s.From, s.To = a, b
	return nil
}

// MarshalText writes 06-10..08-20.
func (s Season) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%02d-%02d..%02d-%02d", int(s.From.Month), s.From.Day, int(s.To.Month), s.To.Day), nil
}

// parseDay reads MM-DD of a year that is no leap year: 29 February would be a day of some years only.
func parseDay(text string) (Day, error) {
	t, err := time.Parse(time.DateOnly, "2001-"+text)
	return Day{t.Month(), t.Day()}, err
}
