package tenant

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"eventful.se/ess/libs/roster"
)

// Entitlement is something that a document may use only where the customer has bought it.
type Entitlement string

// The entitlements. Bronze has none of them, silver all but OnSite, and gold all.
const (
	MoreSources Entitlement = "sources"   // more than one register; a manual source is not counted
	NoEmail     Entitlement = "noEmail"   // persons without an e-mail address
	ManualDesk  Entitlement = "manual"    // a manual source: decisions about persons beside the register
	UnitTable   Entitlement = "units"     // what is said of units beside the registers
	Filters     Entitlement = "filter"    // links that are for some only
	Directory   Entitlement = "directory" // targets in the customer's own network
	OnSite      Entitlement = "onSite"    // registers that are read inside the customer's network: out of their database, or by a program there
)

// Entitlements returns all of them.
func Entitlements() []Entitlement {
	return []Entitlement{MoreSources, NoEmail, ManualDesk, UnitTable, Filters, Directory, OnSite}
}

// Exception lets a customer use what the service level does not have, for a time. When that is over the document in force
// goes on, for nobody is to lose an account overnight for a contract; it says so every morning, and cannot be applied again.
type Exception struct {
	Of     Entitlement `yaml:"of"`     // sources, noEmail, manual, units, filter, directory or onSite
	By     string      `yaml:"by"`     // who granted it
	Reason string      `yaml:"reason"` // why, for who reads it next year
	Until  roster.Date `yaml:"until"`  // the last day, as 2027-06-30
}

// Entitled tells whether the document may use something: by its level, or by an exception, whenever that ends. One of OnSite
// is of all that reaches into the customer's network.
func (d *Document) Entitled(e Entitlement) bool {
	has := d.Service == Gold || d.Service == Silver && e != OnSite
	return has || slices.ContainsFunc(d.Exceptions, func(x Exception) bool { return x.Of == e || x.Of == OnSite && e == Directory })
}

// Unentitled adds the problem that the document uses what it may not, and what to do about it.
func (d *Document) Unentitled(p Problems, e Entitlement, what string) {
	if !d.Entitled(e) {
		p.Add("%s %s: take it out, raise the service level, or have it granted as an exception {of: %s, by: …, reason: …, until: …}", d.Service, what, e)
	}
}

func (d *Document) validateEntitlements(p Problems) {
	registers := 0
	for i, s := range d.Sources {
		if s.OnSite {
			d.Unentitled(p.At("sources[%d].onSite", i), OnSite, "has nothing read on site")
		}
		if s.System == ManualSystem {
			d.Unentitled(p.At("sources[%d]", i), ManualDesk, "has no manual source")
			continue
		}
		registers++
	}
	if registers > 1 {
		d.Unentitled(p.At("sources"), MoreSources, "has one source")
	}
	if len(d.Units) > 0 {
		d.Unentitled(p.At("units"), UnitTable, "has no table of units")
	}
	for i, l := range d.Links {
		if strings.TrimSpace(l.Filter) != "" {
			d.Unentitled(p.At("links[%d].filter", i), Filters, "has no filters")
		}
	}
	seen := map[Entitlement]bool{}
	for i, x := range d.Exceptions {
		at := p.At("exceptions[%d]", i)
		switch {
		case !slices.Contains(Entitlements(), x.Of):
			at.At("of").Add("%q is nothing that a service level lacks: write one of %v", x.Of, Entitlements())
		case seen[x.Of]:
			at.At("of").Add("%s is there twice: write it in one place", x.Of)
		}
		seen[x.Of] = true
		at.At("by").Required(x.By)
		at.At("reason").Required(x.Reason)
		if x.Until.IsOpen() {
			at.At("until").Add("is required: the last day of the exception, as 2027-06-30")
		}
	}
}

// ManualSystem is the source of what people decide beside the registers.
const ManualSystem = "manual"

// Ending is something of a document that ends on a day: an exception, or a secret.
type Ending struct {
	Path   string      // where it stands, as exceptions[0] or sources[0].settings.sftp.password
	What   string      // the entitlement, or the reference to the secret
	Secret bool        // else an exception
	On     roster.Date // the last day of an exception; the day on which a secret stops to work
}

// Left returns how many days there are until the day; negative after it.
func (e Ending) Left(today roster.Date) int {
	const day = 24
	return int(math.Round(e.On.Start().Sub(today.Start()).Hours() / day)) // one of 23 or 25 hours is a day too
}

// Over tells whether it has ended.
func (e Ending) Over(today roster.Date) bool {
	return e.On < today || e.Secret && e.On == today
}

// Endings returns what of the document ends on a day, the soonest first.
func (d *Document) Endings() []Ending {
	list := slices.Clone(d.secrets)
	for i, x := range d.Exceptions {
		list = append(list, Ending{fmt.Sprintf("exceptions[%d]", i), string(x.Of), false, x.Until})
	}
	slices.SortStableFunc(list, func(a, b Ending) int { return int(a.On) - int(b.On) })
	return list
}

// CheckEndings adds the exceptions that are over as problems: who applies a document has it granted anew, or does without.
func (d *Document) CheckEndings(p Problems, today roster.Date) {
	for i, x := range d.Exceptions {
		if x.Until < today {
			p.At("exceptions[%d].until", i).Add("was %s: have the exception granted anew, raise the service level, or take out what it was for", x.Until)
		}
	}
}
