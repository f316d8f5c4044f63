package main

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"eventful.se/ess/services/ess/municipality"
)

// canaries are names, numbers and addresses of invented persons that must not be seen.
type canaries struct{ list []string }

// canariesOf returns every name, number and address in a municipality, in every form in which one could leak. Of names,
// parts that are too short to tell from other words are left out, and the surname Null, which is one.
func canariesOf(towns ...*municipality.Municipality) canaries {
	seen := map[string]bool{}
	add := func(s string) {
		if len([]rune(s)) >= 5 {
			seen[s], seen[norm.NFC.String(s)] = true, true
		}
	}
	for _, m := range towns {
		for i := range m.Persons {
			p := &m.Persons[i]
			for _, name := range []string{p.Given.Reveal(), p.Family.Reveal()} {
				for _, part := range strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(" -&<>'", r) }) {
					add(part)
				}
			}
			if number := p.CivicNo.Reveal(); number != "" {
				add(number)
				add(number[2:])
				add(number[:8] + "-" + number[8:])
				add(number[2:8] + "-" + number[8:])
			}
			if email := p.Email.Reveal(); email != "" {
				add(email)
				local, _, _ := strings.Cut(email, "@")
				add(local)
			}
		}
	}
	delete(seen, "")
	c := canaries{}
	for s := range seen {
		c.list = append(c.list, s)
	}
	slices.Sort(c.list)
	return c
}

// words are what names, numbers and addresses are made of.
var words = regexp.MustCompile(`[\pL\pM\pN]+(?:[-.+@'’][\pL\pM\pN]+)*`)

// in returns which of the canaries stand in a text, as a word or as a part of one that is joined with other words.
func (c canaries) in(text string) (found []string) {
	there := map[string]bool{}
	for _, w := range words.FindAllString(text, -1) {
		if there[w] {
			continue
		}
		there[w] = true
		for part := range strings.FieldsFuncSeq(w, func(r rune) bool { return strings.ContainsRune("-.+@'’", r) }) {
			there[part] = true
		}
	}
	for _, s := range c.list {
		if there[s] || strings.ContainsAny(s, "@-") && strings.Contains(text, s) || isNumber(s) && strings.Contains(text, s) {
			found = append(found, s)
		}
	}
	return found
}

func isNumber(s string) bool { return len(s) >= 10 && strings.Trim(s, "0123456789TF-") == "" }
