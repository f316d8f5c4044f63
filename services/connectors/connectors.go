// Package connectors lists every connector that is built into ess, essctl and the console.
package connectors

import (
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/services/source-alvis/alvis"
	"eventful.se/ess/services/source-educloud/educloud"
	"eventful.se/ess/services/source-extens-db/extensdb"
	"eventful.se/ess/services/source-extens-ims/extensims"
	"eventful.se/ess/services/source-manual/manual"
	sourcememory "eventful.se/ess/services/source-memory/memory"
	"eventful.se/ess/services/source-metakatalog/metakatalog"
	"eventful.se/ess/services/source-oneroster-csv/rostercsv"
	"eventful.se/ess/services/source-procapita-db/procapitadb"
	"eventful.se/ess/services/source-quiculum/quiculum"
	"eventful.se/ess/services/source-schoolsoft/schoolsoft"
	"eventful.se/ess/services/source-skolplatsen/skolplatsen"
	"eventful.se/ess/services/target-active-directory/ad"
	"eventful.se/ess/services/target-apple-school-manager/asm"
	targetmemory "eventful.se/ess/services/target-memory/memory"
)

// Sources returns the systems that can be read.
func Sources() []source.Connector {
	return []source.Connector{
		alvis.Connector(),
		manual.Connector(),
		sourcememory.Connector(),
		rostercsv.Connector(),
		educloud.Connector(),
		schoolsoft.Connector(),
		skolplatsen.Connector(),
		quiculum.Connector(),
		metakatalog.Connector(),
		extensdb.Connector(),
		extensims.Connector(),
		procapitadb.Connector(),
	}
}

// Targets returns the systems that can be kept right.
func Targets() []target.Connector {
	return []target.Connector{
		ad.Connector(),
		asm.Connector(),
		targetmemory.Connector(),
	}
}
