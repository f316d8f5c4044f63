package target_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

func TestRetryTriesWhatIsParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		parked := target.ID{Kind: "person", Key: key(11).String()}
		d.set(func(op target.Operation) error {
			if op.Resource.ID == parked {
				return reason.Errorf(reason.Invalid, nil, reason.Unexpected)
			}
			return nil
		})
		s.log.Publish(small()...)
		p := start(t, s)
		if got := p.reach(s.log); got.Parked != 1 {
			t.Fatalf("%d parked, want 1", got.Parked)
		}
		still, err := p.link.Retry(t.Context())
		if err != nil || still.Parked != 1 || still.Operations() != 0 {
			t.Errorf("refused again it is %+v, %v", still, err)
		}
		d.set(nil)
		got, err := p.link.Retry(t.Context())
		if err != nil || got.Parked != 0 {
			t.Errorf("%d parked, %v; want none", got.Parked, err)
		}
		wantOps(t, got, 1, 1, 0) // and the group that waited for its member
		if got, err = p.link.Retry(t.Context()); err != nil || got.Operations() != 0 {
			t.Errorf("of nothing: %+v, %v", got, err)
		}
		_ = p.stop()
	})
}

func TestSyncOfAUnitLooksAtAllWhoBelongToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		broken := true
		d.set(func(target.Operation) error {
			if broken {
				return errors.New("the line broke")
			}
			return nil
		})
		all := small()
		for i := range all {
			if all[i].Person != nil {
				all[i].Person.Enrolments = []roster.Enrolment{{EnroledAt: key(1)}}
			}
		}
		s.log.Publish(all...)
		p := start(t, s)
		p.reach(s.log)
		broken = false
		_, err := p.link.Sync(t.Context(), roster.Ref{Kind: roster.KindOrganisation, Key: key(1)})
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(d.text(), "\n") + 1; n != len(all) {
			t.Errorf("the directory holds %d of %d\n%s", n, len(all), d.text())
		}
		_ = p.stop()
	})
}
