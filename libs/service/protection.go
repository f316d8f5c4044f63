package service

import (
	"cmp"
	"log/slog"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

// defaults returns what a source does: the connector's defaults, and what the document says instead.
func defaults(s tenant.Source, c source.Connector) source.Defaults {
	d := c.Defaults
	d.Protected = cmp.Or(source.Protected(s.Protected), d.Protected)
	d.GroupIDs = cmp.Or(source.GroupIDs(s.GroupIDs), d.GroupIDs)
	return d
}

// Silent returns the sources of a tenant that say nothing of protected persons, when the document names no routine for
// them. A source whose connector is not given, and of which the document says nothing, counts as one: nobody here knows.
func Silent(d *tenant.Document, sources []source.Connector) (silent []roster.Source) {
	if d.ProtectedRoutine != "" {
		return nil
	}
	for _, s := range d.Sources {
		c, _ := find(sources, func(c source.Connector) bool { return c.System == s.System })
		switch defaults(s, c).Protected {
		case source.ProtectedFlag, source.ProtectedOmits:
		default:
			silent = append(silent, s.Ref())
		}
	}
	return silent
}

// sheltered returns the link as it may run: in preview, in place of active, while a source says nothing of protected
// persons and nobody else does (rule R9).
func sheltered(logger *slog.Logger, l tenant.Link, silent []roster.Source) tenant.Link {
	if l.Mode != tenant.Active || len(silent) == 0 {
		return l
	}
	why := reason.New(reason.NoProtectedRoutine, "source", silent[0])
	logger.Warn("an active link stays in preview", "target", l.Ref().String(), "reason", why.String(), "next_step", why.Next(reason.English))
	l.Mode = tenant.Preview
	return l
}
