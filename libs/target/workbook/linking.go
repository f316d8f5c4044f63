package workbook

import (
	"slices"

	"github.com/xuri/excelize/v2"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/target"
)

// linking writes a sheet of what the target has of its own: what is taken over, a line for each attribute that changes,
// what is left alone, and what somebody has to decide. There is none where the target has nothing.
func linking(f *excelize.File, p Preview, w words, l reason.Language) error {
	rows := slices.DeleteFunc(p.sorted(p.Rows), func(r target.Row) bool { return r.FoundBy == "" && len(r.Near) == 0 })
	if len(rows) == 0 {
		return nil
	}
	if _, err := f.NewSheet(w.linking); err != nil {
		return err
	}
	t, err := newTable(f, w.linking)
	if err != nil {
		return err
	}
	t.heading(w.what, w.who, w.unit, w.kind, w.key, w.id, w.attribute, w.before, w.after, w.next)
	for _, r := range rows {
		name := p.Names[r.Entity.Key.String()]
		line := func(what, by, native string, more ...string) {
			t.row(append([]string{what, name.Label.Reveal(), name.Unit, r.ID.Kind, by, native}, more...)...)
		}
		switch {
		case len(r.Near) > 0:
			line(w.ambiguous, "", "", "", "", "", reasonOf(r, l))
			for _, c := range r.Near {
				for _, field := range c.Fields {
					line(w.candidates, c.By, c.Native, field.Name, field.Value.Reveal(), "", c.Refused)
				}
			}
		case r.Verb == target.Use:
			line(w.left, r.FoundBy, r.Native)
		default:
			line(w.linked, r.FoundBy, r.Native)
			if r.Enable {
				line(w.enabled, r.FoundBy, r.Native)
			}
			for _, c := range columns([]target.Row{r}) {
				if was, is := values(r.Before, c, p.Names), values(r.After, c, p.Names); was != is {
					line(w.update, r.FoundBy, r.Native, c, was, is)
				}
			}
		}
	}
	return t.flush()
}

// reasonOf says why a row is not sent and what to do.
func reasonOf(r target.Row, l reason.Language) string {
	if r.Reason == nil {
		return ""
	}
	return r.Reason.Text(l) + " " + r.Reason.Next(l)
}
