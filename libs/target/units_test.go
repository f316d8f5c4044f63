package target_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// What is said of units counts for filters and for changes that come later, and takes nothing away.
func TestASchoolThatIsMergedIntoAnotherCountsAsIt(t *testing.T) {
	configured(t, town(), func(t *testing.T, k kit) {
		k.units = roster.NewUnits(map[roster.Key]roster.UnitRule{key(2): {MergedInto: key(1)}, key(1): {Name: "unit1"}})
		k.with = filtered(t, onlyUnit1, target.Release)
		before := k.text()
		if did := k.run(t, 400); did.Operations() != 0 || k.text() != before {
			t.Fatalf("R6: want nothing done, got %+v:\n%s", did, k.text())
		}
		renamed := unit(2)
		renamed.Organisation.DisplayName = "unit2 is closed"
		k.run(t, 0, at(13, 2, "Gran"), at(14, 2, "Ny"), renamed)
		if !strings.Contains(k.text(), "family=Gran") || !k.has(14) {
			t.Errorf("want its pupils as those of the other school:\n%s", k.text())
		}
		if !strings.Contains(k.text(), "name=unit2") || strings.Contains(k.text(), "is closed") {
			t.Errorf("want the school itself let go as it was:\n%s", k.text())
		}
		k.units = roster.NewUnits(map[roster.Key]roster.UnitRule{key(2): {MergedInto: key(1)}, key(1): {Name: "Storskolan"}})
		k.with = nil
		if did := k.run(t, 0); did.Deleted+did.Created > 0 || !strings.Contains(k.text(), "name=Storskolan") {
			t.Errorf("want it named as is said, got %+v:\n%s", did, k.text())
		}
	})
}

// crowd tells of every unit how many there are.
type crowd struct{ school }

func (c crowd) Map(v target.View, e roster.Ref) []target.Wish {
	wishes := c.school.Map(v, e)
	for i := range wishes {
		if e.Kind == roster.KindOrganisation {
			wishes[i].Resource.Fields = append(wishes[i].Resource.Fields, target.Field{Name: "of", Value: roster.Personal(fmt.Sprint(len(target.Units(v))))})
		}
	}
	return wishes
}

// A unit that comes, while the link runs, has the others looked at.
func TestAUnitIsANeighbourOfEveryOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.made.Mapping = crowd{}
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		s.log.Publish(unit(2))
		wantOps(t, p.reach(s.log), 1, 1, 0)
		if n := strings.Count(d.text(), " of=2"); n != 2 {
			t.Errorf("%d of two units know of both:\n%s", n, d.text())
		}
		if err := p.stop(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
