package fact

import (
	"cmp"
	"slices"

	"eventful.se/ess/libs/reason"
)

// Total says how often a rule was broken, with one place to look at.
type Total struct {
	Reason   reason.Reason
	Severity Severity
	Effect   Effect
	Count    int
	Where    string
}

// Totals counts findings by reason and effect, in the order of the codes.
func Totals(findings []Finding) []Total {
	type rule struct {
		code   reason.Code
		args   string
		effect Effect
	}
	index := map[rule]int{}
	var list []Total
	for _, f := range findings {
		k := rule{f.Reason.Code, "", f.Effect}
		for _, a := range f.Reason.Args {
			k.args += a.Name + "=" + a.Value + "\x00"
		}
		i, ok := index[k]
		if !ok {
			i = len(list)
			index[k] = i
			list = append(list, Total{Reason: f.Reason, Severity: f.Severity, Effect: f.Effect})
		}
		list[i].Count += max(1, f.Count)
		list[i].Where = cmp.Or(list[i].Where, f.Where)
	}
	slices.SortStableFunc(list, func(x, y Total) int { return cmp.Compare(x.Reason.Code, y.Reason.Code) })
	return list
}
