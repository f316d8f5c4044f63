// Package educloud reads EduCloud, by which IST gives out what stands in IST Administration and Extens: an API of SS 12000
// version 2. All that is not of this vendor is done by libs/source/ss12000api.
//
// Address and sign-in are from IST's public examples (github.com/ist-group/educloud-examples). EduCloud leaves protected
// persons out; where a customer's does not, their mark is heard all the same.
package educloud

import "eventful.se/ess/libs/source"

// Connector describes the register.
func Connector() source.Connector {
	return source.Connector{
		System: "educloud",
		Title:  "EduCloud (IST)",
		Defaults: source.Defaults{
			Schedule:  "0 20 * * *",
			Protected: source.ProtectedOmits,
			GroupIDs:  source.GroupIDsStable,
			Recommend: []source.Requirement{source.RequireCivicNo, source.RequireEmail},
		},
		New: func() source.Config { return defaults() },
	}
}
