// Package schoolsoft reads SchoolSoft: its complete export, or the marked one, which has only the activities that the school
// has chosen; over SS 12000, or out of CSV files. All that is not of this vendor is done by libs/source/ss12000api and
// libs/source/csvfiles.
//
// In the last days of June SchoolSoft archives the school year, one school after the other. What is missing then is not
// gone.
package schoolsoft

import (
	"context"
	"slices"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// Connector describes the register.
func Connector() source.Connector {
	return source.Connector{
		System: "schoolsoft",
		Title:  "SchoolSoft",
		Defaults: source.Defaults{
			Schedule:  "0 21 * * *",
			Protected: source.ProtectedFlag,
			GroupIDs:  source.GroupIDsYearly,
			Recommend: []source.Requirement{source.RequireCivicNo, source.RequireEmail},
		},
		New: func() source.Config { return defaults() },
	}
}

// archived is a register that archives on some days of the year.
type archived struct {
	source.Source
	days []Days
	now  func() time.Time
}

// ofAPI is one that is read over SS 12000, and ofFiles one whose files are read.
type (
	ofAPI struct {
		archived
		source.Checker
		source.Hinter
	}
	ofFiles struct {
		archived
		source.Checker
		source.FileReader
	}
)

// Read reads everything, or what changed. While the register archives, a read takes nobody away (rule R3).
func (a *archived) Read(ctx context.Context, since source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	res, err := a.Source.Read(ctx, since, emit)
	today := roster.Today(a.now())
	if i := slices.IndexFunc(a.days, func(d Days) bool { return d.hold(today) }); i >= 0 && err == nil && res.Complete {
		res.Complete, res.Cursor = false, nil
		res.Findings = append(slices.Clip(res.Findings), fact.Finding{
			Reason: reason.New(reason.RegisterArchives, "until", a.days[i].To), Severity: fact.Warning, Effect: fact.Noted,
		})
	}
	return res, err
}
