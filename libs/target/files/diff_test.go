package files

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

func TestDiff(t *testing.T) {
	old := []target.Resource{
		res("user/b", "name=Bo", "mail=b@x", "unit=u1"), res("user/a", "name=A"), res("unit/u1", "heads=@user:a"), res("unit/u2"),
	}
	new := []target.Resource{
		res("user/a", "name=A"), res("user/b", "name=Boel", "unit=u1", "unit=u2"), res("user/c", "name=C"), res("unit/u1", "heads=@user:a,b"),
	}
	personal := func(v ...roster.Personal) []roster.Personal { return v }
	want := Difference{
		Kinds: []KindDifference{
			{Kind: "unit", Before: 2, After: 1, Changed: 1, Removed: 1},
			{Kind: "user", Before: 2, After: 3, Created: 1, Changed: 1},
		},
		Rows: []RowDifference{
			{ID: target.ID{Kind: "unit", Key: "u1"}, Verb: target.Update, Fields: []FieldDifference{{"heads", personal("a"), personal("a", "b")}}},
			{ID: target.ID{Kind: "unit", Key: "u2"}, Verb: target.Delete},
			{ID: target.ID{Kind: "user", Key: "b"}, Verb: target.Update, Fields: []FieldDifference{
				{"name", personal("Bo"), personal("Boel")}, {"unit", personal("u1"), personal("u1", "u2")}, {"mail", personal("b@x"), nil},
			}},
			{ID: target.ID{Kind: "user", Key: "c"}, Verb: target.Create},
		},
	}
	// The values print masked, so they are compared as they are.
	reveal := cmp.Comparer(func(a, b roster.Personal) bool { return a.Reveal() == b.Reveal() })
	if diff := cmp.Diff(want, Diff(old, new), reveal); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !Diff(old, old).IsZero() || !Diff(nil, nil).IsZero() || Diff(old, nil).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func TestADifferenceLogsCountsOnly(t *testing.T) { // R8
	d := Diff([]target.Resource{res("user/a", "name=Testa")}, []target.Resource{res("user/a", "name=Åkesdotter"), res("user/b", "name=Testa")})
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("delivered", "rows", d)
	fmt.Fprintf(&out, "%v %+v %#v", d, d, d)
	if s := out.String(); strings.Contains(s, "Testa") || !strings.Contains(s, "1 to 2, 1 created, 1 changed, 0 removed") {
		t.Errorf("logged %s", s)
	}
}
