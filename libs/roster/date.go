package roster

import (
	"errors"
	"fmt"
	"sync"
	"time"
	_ "time/tzdata" // a scratch image has no time zone database
)

// Date is a calendar day in Europe/Stockholm, held as the number YYYYMMDD, so that dates compare as numbers. The zero
// Date is open: no date.
type Date int32

// NewDate returns the date, normalised as [time.Date] does.
func NewDate(year int, month time.Month, day int) Date {
	return dateOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
}

func dateOf(t time.Time) Date { return Date(t.Year()*10000 + int(t.Month())*100 + t.Day()) }

// ParseDate reads YYYY-MM-DD or YYYYMMDD; the year may be 1 to 9999, and the day must exist.
func ParseDate(s string) (Date, error) {
	for _, layout := range []string{time.DateOnly, "20060102"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 {
			return dateOf(t), nil
		}
	}
	return 0, errors.New("not a date of the form YYYY-MM-DD")
}

// Today returns the day that now is in Stockholm.
func Today(now time.Time) Date { return dateOf(now.In(Stockholm())) }

// IsOpen tells whether d is no date.
func (d Date) IsOpen() bool { return d == 0 }

// AddDays returns the date n days later.
func (d Date) AddDays(n int) Date {
	if d.IsOpen() {
		return d
	}
	y, m, day := d.parts()
	return NewDate(y, m, day+n)
}

// Start returns the first instant of the day in Stockholm.
func (d Date) Start() time.Time {
	y, m, day := d.parts()
	return time.Date(y, m, day, 0, 0, 0, 0, Stockholm())
}

func (d Date) parts() (year int, month time.Month, day int) {
	return int(d) / 10000, time.Month(int(d) / 100 % 100), int(d) % 100
}

// String returns YYYY-MM-DD, or nothing for an open date.
func (d Date) String() string {
	if d.IsOpen() {
		return ""
	}
	y, m, day := d.parts()
	return fmt.Sprintf("%04d-%02d-%02d", y, int(m), day)
}

// MarshalText returns YYYY-MM-DD, or nothing.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads YYYY-MM-DD, or nothing.
func (d *Date) UnmarshalText(b []byte) (err error) {
	if *d = 0; len(b) > 0 {
		*d, err = ParseDate(string(b))
	}
	return err
}

// Interval is a span of days, inclusive at both ends; an open end has no limit.
type Interval struct{ Start, End Date }

// Contains tells whether day d lies in the interval.
func (i Interval) Contains(d Date) bool {
	return i.Start <= d && (i.End.IsOpen() || d <= i.End)
}

// Ended tells whether the interval was over before day d.
func (i Interval) Ended(d Date) bool { return !i.End.IsOpen() && i.End < d }

// isEmpty tells whether the interval ends before it starts, so that it contains no day.
func (i Interval) isEmpty() bool { return !i.End.IsOpen() && i.End < i.Start }

// NextBoundary returns the first day after d on which [Interval.Contains] changes, or an open date if it never will.
func (i Interval) NextBoundary(d Date) Date {
	switch {
	case i.isEmpty():
		return 0
	case i.Start > d:
		return i.Start
	case !i.End.IsOpen() && i.End >= d:
		return i.End.AddDays(1)
	default:
		return 0
	}
}

// Stockholm returns the time zone of every date in a Swedish register.
func Stockholm() *time.Location { return stockholm() }

var stockholm = sync.OnceValue(func() *time.Location {
	l, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		//nolint:forbidigo // cannot happen: time/tzdata puts the zone into the program
		panic("the embedded time zone database has no Europe/Stockholm: " + err.Error())
	}
	return l
})
