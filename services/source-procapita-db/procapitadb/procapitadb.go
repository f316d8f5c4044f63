// Package procapitadb reads Procapita (Tieto) out of its database, by views that the customer makes: no table of Procapita
// is publicly known. All that is not of this vendor is done by libs/source/sqlviews.
package procapitadb

import "eventful.se/ess/libs/source"

// Connector describes the register.
func Connector() source.Connector {
	return source.Connector{
		System: "procapita-db",
		Title:  "Procapita (Tieto), database",
		OnSite: true,
		Defaults: source.Defaults{
			Schedule:  "30 20 * * *",
			Protected: source.ProtectedFlag,
			GroupIDs:  source.GroupIDsYearly,
			Recommend: []source.Requirement{source.RequireCivicNo, source.RequireEmail},
		},
		New: func() source.Config { return defaults() },
	}
}
