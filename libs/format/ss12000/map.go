package ss12000

import (
	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
)

// Reading says what a read is.
type Reading struct {
	Profile Profile
	Today   roster.Date
	// Delta says that of groups and persons only those are read that changed; every other list is read whole. What the
	// profile leaves out is then emitted as deleted, for it may have counted before.
	Delta bool
}

// Mapper makes docs of the objects of a read. The objects come list by list, in the order of [Resources], from one goroutine:
//
//	Add, for every object of organisations ... activities
//	Missing: look up what it names, Add that
//	Add, for groups and persons; Deleted, of a delta
//	Missing again, of a delta: look up the groups and persons that it names, Add them
//	Finish
type Mapper struct {
	Reading
	emit func(fact.Doc) error
}

// NewMapper returns a mapper. The ids of the docs are those of the objects with their list: "persons/<id>".
func NewMapper(r Reading, emit func(fact.Doc) error) *Mapper { return &Mapper{Reading: r, emit: emit} }

// Add takes an object. An object that was added before, as when somebody moved between two pages, counts once.
func (m *Mapper) Add(Object) error { return nil }

// Odd takes in what pages said was odd, to tell it as findings.
func (m *Mapper) Odd(map[string]int) {}

// Missing names objects that were not seen and are needed: duties that teach; of a delta also groups and persons that
// something else that changed says something new about. It names each once, and those that were not found are given up.
func (m *Mapper) Missing() map[Resource][]string { return nil }

// Deleted takes in what deletedEntities tells of.
func (m *Mapper) Deleted(Deleted) error { return nil }

// Doubt tells why what changed cannot be laid over what is known, so that everything has to be read; nothing where it
// can.
func (m *Mapper) Doubt() string { return "" }

// Summary is what was read.
type Summary struct {
	// Seen counts objects by list, and persons by what they have: "persons.civicNo".
	Seen     map[string]int
	Findings []fact.Finding
}

// Finish emits what waited, and ends the use of the mapper.
func (m *Mapper) Finish() (Summary, error) { return Summary{}, nil }
