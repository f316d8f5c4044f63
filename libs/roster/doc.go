// Package roster is the domain: what a school knows about its organisations, persons and groups, in the words of
// SS 12000:2020 (Swedish Standards Institute, "Information management – Interface for exchange of information between
// school administrative processes").
//
// A [Record] is one source's statement about one entity, with its full state. A [Roster] is the merged picture of a
// tenant: it holds every source's records and answers with merged entities and their neighbours.
//
// The package knows no vendor, no wire format and no store. Names, addresses and identity numbers are of types that
// print masked, so that no log line, error or metric can carry them (rule R8).
package roster
