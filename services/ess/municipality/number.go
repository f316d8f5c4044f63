package municipality

import (
	"fmt"
	"time"

	"eventful.se/ess/libs/roster"
)

// Identity numbers are of these birth years, so that none belongs to a living person.
const (
	firstYear = 1880
	days      = 7305 // of 1880 to 1899
)

// numberStride is a prime that divides none of the sizes of a series, so that a series visits every number before it
// comes back to its first.
const numberStride = 1_000_003

// The serials of a day: a series gives out the first, a person whose number changes gets one of the rest.
const (
	serials      = 980
	spareSerials = 999 - serials
)

// numberSeries gives out identity numbers, no number twice. The zero series is ready; offset makes it another.
type numberSeries struct {
	offset           int
	person, coord    int
	temporary, local int
	changed          int
}

// next returns the day and the serial, 1 to perDay, of the nth number of a series.
func (s *numberSeries) next(n *int, perDay int) (day time.Time, serial int) {
	slot := (s.offset + *n*numberStride) % (days * perDay)
	*n++
	return time.Date(firstYear, 1, 1+slot%days, 0, 0, 0, 0, time.UTC), slot/days + 1
}

// personnummer returns YYYYMMDDNNNC.
func (s *numberSeries) personnummer() roster.Personal {
	day, serial := s.next(&s.person, serials)
	return withCheckDigit(day.Format("20060102"), serial)
}

// registered returns the personnummer of someone who had another sort of number, of the same day of birth.
func (s *numberSeries) registered(old roster.Personal, taken func(roster.Personal) bool) roster.Personal {
	born := []byte(old.Reveal()[:8])
	if born[6] >= '6' {
		born[6] -= 6 // the day of a samordningsnummer
	}
	for {
		n := withCheckDigit(string(born), serials+1+s.changed%spareSerials)
		if s.changed++; !taken(n) {
			return n
		}
	}
}

// samordningsnummer returns a number whose day of the month is 60 higher than the day of birth.
func (s *numberSeries) samordningsnummer() roster.Personal {
	day, serial := s.next(&s.coord, 999)
	return withCheckDigit(fmt.Sprintf("%s%02d", day.Format("200601"), day.Day()+60), serial)
}

// tf returns YYYYMMDDTFnn.
func (s *numberSeries) tf() roster.Personal {
	day, serial := s.next(&s.temporary, 99)
	return roster.Personal(fmt.Sprintf("%sTF%02d", day.Format("20060102"), serial))
}

// t returns YYYYMMDDTnnn.
func (s *numberSeries) t() roster.Personal {
	day, serial := s.next(&s.local, 999)
	return roster.Personal(fmt.Sprintf("%sT%03d", day.Format("20060102"), serial))
}

// withCheckDigit adds the Luhn digit over the nine digits after the century.
func withCheckDigit(date string, serial int) roster.Personal {
	number := fmt.Sprintf("%s%03d", date, serial)
	sum := 0
	for i, c := range number[2:] {
		d := int(c - '0')
		if i%2 == 0 {
			d *= 2
		}
		sum += d/10 + d%10
	}
	return roster.Personal(fmt.Sprintf("%s%d", number, (10-sum%10)%10))
}
