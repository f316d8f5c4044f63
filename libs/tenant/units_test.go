package tenant

import (
	"slices"
	"strings"
	"testing"

	"eventful.se/ess/libs/roster"
)

func TestUnits(t *testing.T) {
	d, err := Parse([]byte(good + `
units:
  - {source: alvis, id: S1, mergedInto: {source: alvis/default, id: S2}}
  - {source: alvis/default, id: S2, code: "12345678", name: Storskolan, controller: Testkommun}
  - {source: alvis/default, id: 0007, excluded: true}
`))
	if err != nil {
		t.Fatal(err)
	}
	k, err := roster.NewKeyer([]byte(strings.Repeat("p", roster.MinPepper)))
	if err != nil {
		t.Fatal(err)
	}
	alvis := roster.Source{System: "alvis", Instance: "default"}
	s1, s2, s7 := k.Organisation(alvis, "S1"), k.Organisation(alvis, "S2"), k.Organisation(alvis, "0007")
	var named []roster.Key
	for _, u := range d.NamedUnits(k) {
		if named = append(named, u.Key); u.Source != alvis || u.Must != (len(named) == 2) {
			t.Errorf("named %+v", u)
		}
	}
	if !slices.Equal(named, []roster.Key{s1, s2, s2, s7}) {
		t.Errorf("named %v", named)
	}
	want := roster.NewUnits(map[roster.Key]roster.UnitRule{
		s1: {MergedInto: s2}, s2: {Name: "Storskolan", Code: "12345678", Controller: "Testkommun"}, s7: {Excluded: true},
	})
	if got := d.UnitRules(k); got.Digest() != want.Digest() || got.Digest() == "" {
		t.Errorf("the rules are not what is written: %+v", got)
	}
	if d.Units = nil; d.UnitRules(k).Digest() != "" {
		t.Error("no units are units")
	}
}

func TestUnitsThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct{ units, want string }{
		"unknown source": {"{source: extens, id: a, excluded: true}", "units[0].source: extens/default is none of the tenant's sources"},
		"no id":          {"{source: alvis, excluded: true}", "units[0].id: is required"},
		"no source":      {"{id: a, excluded: true}", "units[0].source: is required"},
		"twice":          {"{source: alvis, id: a, excluded: true}, {source: alvis/default, id: a, name: A}", "units[1]: is the unit of units[0] again"},
		"code":           {"{source: alvis, id: a, code: 0123}", `units[0].code: "0123" is not a skolenhetskod`},
		"nothing":        {"{source: alvis, id: a}", "units[0]: says nothing"},
		"itself":         {"{source: alvis, id: a, mergedInto: {source: alvis, id: a}}", "units[0].mergedInto: is the unit itself"},
		"chain": {
			"{source: alvis, id: a, mergedInto: {source: alvis, id: b}}, {source: alvis, id: b, mergedInto: {source: alvis, id: c}}",
			"units[0].mergedInto: is merged itself, into alvis/default c: name that one",
		},
		"circle": {
			"{source: alvis, id: a, mergedInto: {source: alvis, id: b}}, {source: alvis, id: b, mergedInto: {source: alvis, id: a}}",
			"units[1].mergedInto: goes in a circle",
		},
		"into a circle": {
			"{source: alvis, id: c, mergedInto: {source: alvis, id: a}}, {source: alvis, id: a, mergedInto: {source: alvis, id: b}}, {source: alvis, id: b, mergedInto: {source: alvis, id: a}}",
			"units[0].mergedInto: is merged itself",
		},
		"merged and named":    {"{source: alvis, id: a, name: A, mergedInto: {source: alvis, id: b}}", "units[0]: says more"},
		"merged and excluded": {"{source: alvis, id: a, excluded: true, mergedInto: {source: alvis, id: b}}", "units[0]: says more"},
		"merged elsewhere":    {"{source: alvis, id: a, mergedInto: {source: extens, id: b}}", "units[0].mergedInto.source: extens/default is none"},
		"merged into nothing": {"{source: alvis, id: a, mergedInto: {source: alvis}}", "units[0].mergedInto.id: is required"},
		"unknown key":         {"{source: alvis, id: a, mergedTo: b}", `unknown field "mergedTo"`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse([]byte(good + "units: [" + c.units + "]\n")); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\ndoes not say %s", err, c.want)
			}
		})
	}
}

func TestStatusWebhookIsAReference(t *testing.T) {
	_, err := Parse([]byte(good + "status: {webhook: https://hooks.example/secret-path}\n"))
	if err == nil || !strings.Contains(err.Error(), "status.webhook: is not a reference") || strings.Contains(err.Error(), "secret-path") {
		t.Errorf("R8: %v", err)
	}
	if d, err := Parse([]byte(good + "status: {webhook: env:STATUS_URL}\n")); err != nil || d.Status.Webhook != "env:STATUS_URL" {
		t.Errorf("%+v, %v", d, err)
	}
}
