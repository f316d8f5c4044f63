package municipality

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"eventful.se/ess/libs/roster"
)

// The parts of invented names. They look Swedish and mean trial, test, example, made up, poem, pretence, exercise ...
func givenNames() []string {
	return []string{
		"Testa", "Provina", "Exempla", "Fiktor", "Diktan", "Påhitta", "Övina", "Ärtan", "Åprov", "Mockas",
		"Stubba", "Låtsia", "Skenna", "Fabla", "Sagon", "Mallan", "Rutan", "Simulina", "Attrapp", "Bluffan",
		"Dummyna", "Fejka", "Formulina", "Gissa", "Hittepå", "Imitta", "Kulissa", "Leksa", "Modella", "Nonsan",
	}
}

func familyNames() (first, last []string) {
	first = []string{
		"Prov", "Test", "Exempel", "Påhitts", "Dikt", "Låtsas", "Övnings", "Fiktiv", "Mall", "Attrapp",
		"Skådes", "Kuliss", "Fabel", "Sago", "Skiss", "Blänk", "Räkne", "Påläggs",
	}
	last = []string{
		"son", "dotter", "berg", "lund", "kvist", "ström", "gren", "dal", "mark", "fors", "sjö", "ås", "ängen",
		"hed", "vik", "näs", "backe", "rot", "löv", "sten",
	}
	return first, last
}

func foreignNames() (given, family []string) {
	given = []string{"Prøva", "Tęstina", "Örnek", "Ejemplina", "Zkouška", "Þrautin", "Țestica", "Пробина", "Δοκιμή", "تجربة"}
	family = []string{
		"al-Provi", "Testović", "Próbałowski", "van der Test", "Örnekoğlu", "Tešćić", "Dåtæ", "Проверкина",
		"Nguyễn Thử", "Ó Tástáil",
	}
	return given, family
}

// surname returns an invented Swedish surname.
func surname(r *rand.Rand) string {
	first, last := familyNames()
	return pick(r, first) + pick(r, last)
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// numberedName returns an invented name that the number n alone has, for who has no e-mail address to be told apart by.
func numberedName(n int) (given, family string) {
	first, last := familyNames()
	next := func(list []string) string {
		s := list[n%len(list)]
		n /= len(list)
		return s
	}
	family = next(first) + next(last) + "-" + next(first) + next(last)
	return next(givenNames()), family
}

// name gives the nth person a name that fits its cases.
func (p *Person) name(r *rand.Rand, n int) {
	given, family := pick(r, givenNames()), surname(r)
	for _, c := range p.Cases {
		switch c {
		case CaseNoEmail:
			given, family = numberedName(n)
		case CaseNFD:
			given, family = norm.NFD.String("Åsäprov"), norm.NFD.String("Öv"+surname(r))
		case CaseLongName:
			given = strings.Join([]string{given, "Exempelvilhelmina", "Påhittsfredrika", "Låtsaskristina"}, " ")
			family = "von Testenberg af " + family + "-Påhittsgyllencreutz"
		case CaseForeignName:
			g, f := foreignNames()
			given, family = pick(r, g), pick(r, f)
		case CaseApostrophe:
			family = "O'" + family
		case CaseHyphen:
			given += "-" + pick(r, givenNames())
		case CaseDoubleSurname:
			family += " " + surname(r)
		case CaseNull:
			family = "Null"
		case CaseSingleName:
			family = ""
		case CaseAccent:
			given, family = given+"né", "Müll"+strings.ToLower(family)
		case CaseMarkup:
			given, family = given+" <"+pick(r, givenNames())+">", family+" & "+surname(r)
		}
	}
	p.Given, p.Family = roster.Personal(given), roster.Personal(family)
}

// address gives the person an e-mail address, unique by the person's number n.
func (p *Person) address(n int) {
	if p.Is(CaseNoEmail) {
		return
	}
	domain := "elev.provkoping.example"
	if len(p.Duties) > 0 {
		domain = "provkoping.example"
	}
	local := mailbox(p.Given.Reveal()) + "." + mailbox(p.Family.Reveal())
	p.Email = roster.Personal(fmt.Sprintf("%s.%d@%s", strings.Trim(local, "."), n, domain))
}

// mailbox returns the first letters of a name that an e-mail address can hold, without their accents.
func mailbox(name string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.ToLower(name)) {
		if r <= unicode.MaxASCII && unicode.IsLetter(r) && b.Len() < 20 {
			b.WriteRune(r)
		}
	}
	return b.String()
}
