package manual

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
)

// longest is how many characters an owner or a reason may have: they are administrative texts.
const longest = 200

// numberLike finds what may be an identity number in a text that must hold none (rule R8).
var numberLike = regexp.MustCompile(`\d{6}\s*[-+]?\s*[\dA-Za-z]{4}`)

// checker checks decisions.
type checker struct {
	today roster.Date
	own   map[roster.Personal]bool // ids of persons whom decisions state
	seen  map[string]bool          // kind and subject of what was decided
}

// check reports everything wrong with the decisions, where own are the ids of persons whom decisions state. No problem
// repeats what they say: it may be about a person.
func (f *Decisions) check(p tenant.Problems, today roster.Date, own map[roster.Personal]bool) {
	c := checker{today, own, map[string]bool{}}
	each(p.At("persons"), f.Persons, c.person("person"))
	each(p.At("keepUntil"), f.KeepUntil, c.person("person"))
	each(p.At("memberships"), f.Memberships, func(p tenant.Problems, x *Membership) {
		c.dated(p, &x.Dated, "")
		c.other(p.At("group"), x.Group)
		c.once(p, "membership", x.Group.factID()+"\x00"+x.Person.factID()+"\x00"+x.Role)
		c.word(p.At("role"), x.Role, string(roster.MemberPupil), string(roster.MemberTeacher), string(roster.MemberMentor), string(roster.MemberOther))
		c.date(p.At("start"), x.Start)
	})
	each(p.At("overrides"), f.Overrides, func(p tenant.Problems, x *Override) {
		c.dated(p, &x.Dated, "override")
		c.attributes(p, &x.Attributes)
		a := x.Attributes
		if len(a.Personas)+len(a.Extra) == 0 && a.GivenName+a.MiddleName+a.FamilyName+a.DisplayName+a.BirthDate+roster.Personal(a.Sex) == "" {
			p.Add("overrides nothing: write what is to hold, such as givenName or personas")
		}
	})
	each(p.At("exclude"), f.Exclude, func(p tenant.Problems, x *Dated) { c.dated(p, x, "exclude") })
	each(p.At("suspend"), f.Suspend, func(p tenant.Problems, x *Dated) { c.dated(p, x, "suspend") })
	each(p.At("protect"), f.Protect, func(p tenant.Problems, x *Protect) {
		c.decision(p, &x.Decision)
		c.who(p.At("person"), x.Person)
		c.once(p, "protect", x.Person.factID())
		for i, link := range x.Alias {
			if _, err := roster.ParseSource(link); err != nil {
				p.At("alias").At("[%d]", i).Add("is no link: write system/instance, such as google/default")
			}
		}
		if x.Marking != "" {
			c.word(p.At("marking"), x.Marking, string(roster.MarkingConfidential), string(roster.MarkingProtected))
		}
	})
	each(p.At("sameAs"), f.SameAs, func(p tenant.Problems, x *SameAs) {
		c.decision(p, &x.Decision)
		c.who(p.At("person"), x.Person)
		c.who(p.At("other"), x.Other)
		c.once(p, "sameAs", x.Person.factID()+"\x00"+x.Other.factID())
		if x.Person.factID() == x.Other.factID() {
			p.Add("person and other are the same: write two ids or numbers of one person")
		}
	})
}

// each checks the items of a list.
func each[T any](p tenant.Problems, list []T, check func(tenant.Problems, *T)) {
	for i := range list {
		check(p.At("[%d]", i), &list[i])
	}
}

func (c *checker) person(kind string) func(tenant.Problems, *Person) {
	return func(p tenant.Problems, x *Person) {
		c.dated(p, &x.Dated, kind)
		c.attributes(p, &x.Attributes)
		if x.GivenName == "" && x.DisplayName == "" {
			p.At("givenName").Add("is required, or a displayName")
		}
		each(p.At("enrolments"), x.Enrolments, func(p tenant.Problems, e *Enrolment) {
			c.other(p.At("unit"), e.Unit)
			c.date(p.At("start"), e.Start)
			c.date(p.At("end"), e.End)
		})
		each(p.At("duties"), x.Duties, func(p tenant.Problems, d *Duty) {
			c.other(p.At("unit"), d.Unit)
			c.date(p.At("start"), d.Start)
			c.date(p.At("end"), d.End)
		})
	}
}

// dated checks a decision that ends. Of a kind one is enough for a person: two could contradict each other.
func (c *checker) dated(p tenant.Problems, x *Dated, kind string) {
	c.decision(p, &x.Decision)
	c.who(p.At("person"), x.Person)
	p.At("until").Required(x.Until)
	c.date(p.At("until"), x.Until)
	if kind != "" {
		c.once(p, kind, x.Person.factID())
	}
}

func (c *checker) once(p tenant.Problems, kind, subject string) {
	if c.seen[kind+"\x00"+subject] {
		p.Add("the same is decided twice: leave one of the two")
	}
	c.seen[kind+"\x00"+subject] = true
}

// Wording says what is wrong with a text that tells who decided, or why; nothing when it may stand in a log that is kept.
func Wording(text string) string {
	switch {
	case strings.TrimSpace(text) == "":
		return "is required"
	case utf8.RuneCountInString(text) > longest:
		return fmt.Sprintf("is longer than %d characters", longest)
	case strings.ContainsFunc(text, unicode.IsControl):
		return "is more than one line of text"
	case numberLike.MatchString(text):
		return "looks as if it had an identity number in it: write an office and a cause, nothing about the person"
	}
	return ""
}

func (c *checker) decision(p tenant.Problems, d *Decision) {
	for key, text := range map[string]string{"owner": d.Owner.Reveal(), "reason": d.Reason.Reveal()} {
		if wrong := Wording(text); wrong != "" {
			p.At("%s", key).Add("%s", wrong)
		}
	}
}

// who checks a reference to a person.
func (c *checker) who(p tenant.Problems, r Ref) {
	if r.SchoolYear != "" {
		p.At("schoolYear").Add("belongs to a group")
	}
	kind := roster.ParseCivicNo(r.Number.Reveal(), c.today).Kind()
	switch {
	case r.Key != "":
		c.key(p, r)
		if r.Number != "" && kind == roster.UnknownNumber {
			p.At("number").Add("is no identity number")
		}
		return
	case r.Number == "" && r.ID == "":
		p.Add("write a number, a source and an id, an id of this file, or a key")
	case r.Number != "" && (kind == roster.UnknownNumber || kind == "" || digits(r.Number.Reveal()) < 12):
		p.At("number").Add("is no identity number of twelve characters, YYYYMMDD-NNNN: look at its check digit")
	case r.Number != "" && kind == roster.Temporary && r.Source == "":
		p.At("source").Add("is required with a number that only a source knows: two sources' TF numbers are two persons")
	case r.Number != "" && r.ID != "" && r.Source == "":
		p.At("source").Add("is required with an id that is that source's; leave the id out where the number is enough")
	case r.Number == "" && r.Source == "" && !c.own[r.ID]:
		p.At("id").Add("is no id of a person in this file: write the source whose id it is")
	}
	c.source(p, r)
}

// digits counts what is no separator.
func digits(number string) (n int) {
	for _, r := range number {
		if unicode.IsDigit(r) || unicode.IsLetter(r) {
			n++
		}
	}
	return n
}

// other checks a reference to a group or unit, which is always another source's.
func (c *checker) other(p tenant.Problems, r Ref) {
	if r.Number != "" {
		p.At("number").Add("belongs to a person")
	}
	if r.Key != "" {
		c.key(p, r)
		return
	}
	p.At("source").Required(r.Source)
	p.At("id").Required(r.ID.Reveal())
	c.source(p, r)
}

// key checks a reference by the key in the log.
func (c *checker) key(p tenant.Problems, r Ref) {
	if _, err := roster.ParseKey(r.Key); err != nil {
		p.At("key").Add("is no key: write one as essctl prints it")
	}
	if r.Source != "" || r.ID != "" || r.SchoolYear != "" {
		p.At("key").Add("is enough: leave out source, id and schoolYear")
	}
}

func (c *checker) source(p tenant.Problems, r Ref) {
	if r.Source != "" {
		if _, err := roster.ParseSource(r.Source); err != nil {
			p.At("source").Add("is not of the form system/instance, such as alvis/default")
		}
	}
}

func (c *checker) attributes(p tenant.Problems, a *Attributes) {
	c.date(p.At("birthDate"), a.BirthDate.Reveal())
	if a.Sex != "" {
		c.word(p.At("sex"), a.Sex, string(roster.Man), string(roster.Woman), string(roster.Unknown))
	}
	each(p.At("personas"), a.Personas, func(p tenant.Problems, x *Persona) {
		c.word(p.At("role"), x.Role, string(roster.RolePupil), string(roster.RoleStaff))
	})
}

func (c *checker) date(p tenant.Problems, text string) {
	if _, err := roster.ParseDate(text); text != "" && err != nil {
		p.Add("is no day: write YYYY-MM-DD")
	}
}

func (c *checker) word(p tenant.Problems, text string, words ...string) {
	if !slices.Contains(words, text) {
		p.Add("is none of %s", strings.Join(words, ", "))
	}
}
