// Package extensdb reads Extens (IST) out of its database, by views that the customer makes: no table of Extens is
// publicly known. All that is not of this vendor is done by libs/source/sqlviews.
package extensdb

import "eventful.se/ess/libs/source"

// Connector describes the register.
func Connector() source.Connector {
	return source.Connector{
		System: "extens-db",
		Title:  "Extens (IST), database",
		OnSite: true,
		Defaults: source.Defaults{
			Schedule:  "0 20 * * *",
			Protected: source.ProtectedFlag,
			GroupIDs:  source.GroupIDsStable,
			Recommend: []source.Requirement{source.RequireCivicNo, source.RequireEmail},
		},
		New: func() source.Config { return defaults() },
	}
}
