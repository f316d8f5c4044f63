package guard

import (
	"slices"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
)

// Operation is what a change does, as the guard counts it.
type Operation string

// The operations of sources. Those from Delete to Lost are dangerous: the guard counts them against their limits, and holds them
// when they are too many. Create and KeptBack have limits too, over which the whole read is in doubt, as over that of
// Identity. Update is everything else; nothing limits it.
const (
	Delete   Operation = "delete"   // gone from the register
	Identity Operation = "identity" // identity number, former keys, or the source's own id behind a key
	Personas Operation = "persona"  // a role began or ended
	Units    Operation = "unit"     // no longer at a unit: a person, a group, or a unit under another one
	Account  Operation = "account"  // user name, eppn or domain of the e-mail address
	Emptied  Operation = "emptied"  // a group lost most of its pupils, who are still in the register
	Lost     Operation = "lost"     // an attribute that stood is empty, or who teaches a group, as when a vendor took a scope away
	Create   Operation = "create"
	Update   Operation = "update"
	KeptBack Operation = "keptBack" // persons of the log whom a read keeps back
	// Protect and Unprotect are never held and never counted with others. A read that sets or removes more marks of
	// protection than their limits is not believed at all.
	Protect   Operation = "protect"
	Unprotect Operation = "unprotect"
)

// The operations of links, beside Delete: what is done to a resource that the target holds.
const (
	Disable Operation = "disable"
	Rename  Operation = "rename"  // its user name, or what else its people sign in with
	Address Operation = "address" // its e-mail address
	Scope   Operation = "scope"   // gone, or disabled, for no other reason than the configuration; none passes unasked
)

// Linked lists the operations of links, the gravest first.
func Linked() []Operation { return []Operation{Scope, Delete, Disable, Rename, Address} }

// Dangerous lists the operations of sources that are counted, the gravest first.
func Dangerous() []Operation {
	return []Operation{Delete, Identity, Personas, Units, Account, Emptied, Lost}
}

// AllForms stands in a [Bucket] for every school form together.
const AllForms roster.SchoolType = "*"

// Bucket is what is counted together. A link's kind is that of the resource, and its form [AllForms]. Of a person with enrolments in two school forms it is counted in both, and each is
// counted in all forms together; staff and what has no school form are counted under an empty one.
type Bucket struct {
	Kind      roster.Kind
	Form      roster.SchoolType
	Operation Operation
}

// Limit says how many of a bucket may pass within [Window] before a person is asked: Floor, or Percent of what the log
// holds, whichever is more. An empty Kind or School fits every one.
type Limit struct {
	Operation Operation         `yaml:"operation"`
	Kind      roster.Kind       `yaml:"kind"`
	School    roster.SchoolType `yaml:"schoolForm"`
	Percent   float64           `yaml:"percent"`
	Floor     int               `yaml:"floor"`
}

// Limits are a tenant's own limits of a source or a link. The most exact one that fits a bucket counts, of equally exact ones the last; where
// none fits, the default does:
//
//	delete, persona, account, emptied   5 %, at least 10
//	lost                                5 %, at least 10
//	identity                            2 %, at least 10
//	unit                               20 %, at least 10
//	create (persons, one read)         30 %, at least 50
//	keptBack (persons, one read)        2 %, at least 10
//	protect (persons, one read)         2 %, at least 25
//	unprotect (of those, one read)     50 %, at least 5
//	disable, rename, address            5 %, at least 10
//	scope                               none
//
// A limit with a school form does not raise that of all forms together.
type Limits []Limit

// defaultLimit returns the limit of an operation where the tenant has none.
func defaultLimit(o Operation) Limit {
	switch o {
	case Identity, KeptBack:
		return Limit{Operation: o, Percent: 2, Floor: 10}
	case Protect:
		return Limit{Operation: o, Percent: 2, Floor: 25}
	case Unprotect:
		return Limit{Operation: o, Percent: 50, Floor: 5}
	case Units:
		return Limit{Operation: o, Percent: 20, Floor: 10}
	case Create:
		return Limit{Operation: o, Percent: 30, Floor: 50}
	case Scope:
		return Limit{Operation: o}
	default:
		return Limit{Operation: o, Percent: 5, Floor: 10}
	}
}

// Validate reports what is wrong with the limits of a source.
func (l Limits) Validate(p tenant.Problems) {
	read := []Operation{Create, KeptBack, Protect, Unprotect}
	known := append(Dangerous(), read...)
	for i, x := range l {
		at := p.At("[%d]", i)
		if !slices.Contains(known, x.Operation) {
			at.At("operation").Add("%q is no operation with a limit: write one of %v", x.Operation, known)
		}
		if x.Kind != "" && !slices.Contains(roster.Kinds(), x.Kind) {
			at.At("kind").Add("%q is no kind: write one of %v, or leave it out for all", x.Kind, roster.Kinds())
		}
		if slices.Contains(read, x.Operation) && (x.School != "" || x.Kind != "" && x.Kind != roster.KindPerson) {
			at.At("operation").Add("%s is counted for persons of all school forms together: leave kind and schoolForm out", x.Operation)
		}
		x.validate(at)
	}
}

func (x Limit) validate(at tenant.Problems) {
	if x.Percent < 0 || x.Percent > 100 {
		at.At("percent").Add("is %v: write 0 to 100", x.Percent)
	}
	if x.Floor < 0 {
		at.At("floor").Add("is %d: write 0 or more", x.Floor)
	}
}

// ValidateLink reports what is wrong with the limits of a link to a target that has the kinds of resource.
func (l Limits) ValidateLink(p tenant.Problems, kinds []string) {
	known := []Operation{Delete, Disable, Rename, Address}
	for i, x := range l {
		at := p.At("[%d]", i)
		if !slices.Contains(known, x.Operation) {
			at.At("operation").Add("%q is no operation with a limit: write one of %v", x.Operation, known)
		}
		if x.Kind != "" && !slices.Contains(kinds, string(x.Kind)) {
			at.At("kind").Add("%q is no kind that the target counts: write one of %v, or leave it out for all", x.Kind, kinds)
		}
		if x.School != "" {
			at.At("schoolForm").Add("a link counts all school forms together: leave it out")
		}
		x.validate(at)
	}
}

// Allowed returns how many of a bucket may pass, when the log holds so many.
func (l Limits) Allowed(b Bucket, of int) int {
	best, exact := defaultLimit(b.Operation), -1
	for _, x := range l {
		if x.Operation != b.Operation || x.Kind != "" && x.Kind != b.Kind || x.School != "" && x.School != b.Form {
			continue
		}
		score := 0
		if x.Kind != "" {
			score++
		}
		if x.School != "" {
			score += 2
		}
		if score >= exact {
			best, exact = x, score
		}
	}
	return max(best.Floor, int(best.Percent*float64(of)/100))
}
