package municipality

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/ims"
)

// The reader of the product finds everything in the document, in every encoding, and nothing wrong with it.
func TestReaderFindsNothingWrong(t *testing.T) {
	for _, shape := range []Shape{ShapeAdult, ShapeSchools} {
		m := New(Options{Pupils: 500, Seed: 3, Shape: shape})
		s := m.Size()
		for _, e := range []Encoding{UTF8, ISO88591, Windows1252, UTF16} {
			t.Run(string(shape)+" "+string(e), func(t *testing.T) {
				persons := 0
				doc := bytes.NewReader(write(t, m, IMSOptions{Encoding: e}))
				sum, err := ims.Read(context.Background(), doc, ims.Options{Profile: ims.Alvis(), File: "alvis.xml"}, func(d fact.Doc) error {
					for _, f := range d.Facts {
						if p, ok := f.(fact.Person); ok {
							if p.GivenName != m.Persons[persons].Given.Reveal() || p.CivicNo != m.Persons[persons].CivicNo.Reveal() {
								t.Errorf("%s is read as somebody else", m.Persons[persons].ID)
							}
							persons++
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				got := [4]int{sum.Seen["persons"], sum.Seen["groups"], sum.Seen["members"], persons}
				if want := [4]int{s.Persons, s.Units + s.Groups, s.Members, s.Persons}; got != want {
					t.Errorf("persons, groups, members and facts of persons: %d, want %d", got, want)
				}
				if !sum.Complete || !sum.DataTime.Equal(m.Time) {
					t.Errorf("complete %t, data time %s; want a complete document of %s", sum.Complete, sum.DataTime, m.Time)
				}
				if diff := cmp.Diff([]fact.Finding(nil), sum.Findings); diff != "" {
					t.Errorf("findings (-want +got)\n%s", diff)
				}
			})
		}
	}
}
