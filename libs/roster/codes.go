package roster

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// SchoolType is a school form by its SS 12000 code; an unknown one is kept as the source wrote it.
type SchoolType string

// The school types (SS 12000:2020 with the values of Skolverket's reference API, dnp-ss12000-reference-api).
const (
	SchoolFS         SchoolType = "FS"     // förskola
	SchoolFKLASS     SchoolType = "FKLASS" // förskoleklass
	SchoolFTH        SchoolType = "FTH"    // fritidshem
	SchoolOPPFTH     SchoolType = "OPPFTH" // öppen fritidsverksamhet
	SchoolGR         SchoolType = "GR"     // grundskola
	SchoolGRS        SchoolType = "GRS"    // anpassad grundskola, before July 2023 grundsärskola
	SchoolTR         SchoolType = "TR"     // träningsskola
	SchoolSP         SchoolType = "SP"     // specialskola
	SchoolSAM        SchoolType = "SAM"    // sameskola
	SchoolGY         SchoolType = "GY"     // gymnasieskola
	SchoolGYS        SchoolType = "GYS"    // anpassad gymnasieskola, before July 2023 gymnasiesärskola
	SchoolVUX        SchoolType = "VUX"    // komvux
	SchoolVUXSFI     SchoolType = "VUXSFI"
	SchoolVUXGR      SchoolType = "VUXGR"
	SchoolVUXGY      SchoolType = "VUXGY"
	SchoolVUXSARGR   SchoolType = "VUXSARGR"
	SchoolVUXSARTR   SchoolType = "VUXSARTR"
	SchoolVUXSARGY   SchoolType = "VUXSARGY"
	SchoolSFI        SchoolType = "SFI" // svenska för invandrare
	SchoolSARVUX     SchoolType = "SARVUX"
	SchoolSARVUXGR   SchoolType = "SARVUXGR"
	SchoolSARVUXGY   SchoolType = "SARVUXGY"
	SchoolKU         SchoolType = "KU"  // kulturskola
	SchoolYH         SchoolType = "YH"  // yrkeshögskola
	SchoolFHS        SchoolType = "FHS" // folkhögskola
	SchoolSTF        SchoolType = "STF"
	SchoolKKU        SchoolType = "KKU"
	SchoolUniversity SchoolType = "HS" // högskola
	SchoolABU        SchoolType = "ABU"
	SchoolAU         SchoolType = "AU"
)

// form is what the roster knows of a school type.
type form struct {
	code        SchoolType
	first, last int  // school years; none where last is 0
	adult       bool // has no school years whatever a register writes
}

// forms stand in the order in which an enrolment makes the primary one: what a pupil goes to all day before what
// stands beside it.
var forms = []form{
	{code: SchoolGR, first: 1, last: 9},
	{code: SchoolGRS, last: 10},
	{code: SchoolTR, last: 10},
	{code: SchoolSP, last: 10},
	{code: SchoolSAM, last: 9},
	{code: SchoolFKLASS},
	{code: SchoolGY, first: 1, last: 4},
	{code: SchoolGYS, first: 1, last: 4},
	{code: SchoolVUXGY, adult: true},
	{code: SchoolVUXGR, adult: true},
	{code: SchoolVUXSFI, adult: true},
	{code: SchoolVUXSARGY, adult: true},
	{code: SchoolVUXSARGR, adult: true},
	{code: SchoolVUXSARTR, adult: true},
	{code: SchoolVUX, adult: true},
	{code: SchoolSFI, adult: true},
	{code: SchoolSARVUXGY, adult: true},
	{code: SchoolSARVUXGR, adult: true},
	{code: SchoolSARVUX, adult: true},
	{code: SchoolFS},
	{code: SchoolYH, adult: true},
	{code: SchoolFHS, adult: true},
	{code: SchoolUniversity, adult: true},
	{code: SchoolSTF},
	{code: SchoolKKU},
	{code: SchoolABU},
	{code: SchoolAU},
	{code: SchoolFTH, last: 10},
	{code: SchoolOPPFTH, last: 10},
	{code: SchoolKU},
}

func formOf(t SchoolType) (form, bool) {
	if i := rank(t); i < len(forms) {
		return forms[i], true
	}
	return form{code: t}, false
}

// Komvux tells whether a school type is municipal adult education or a part of it, svenska för invandrare too.
func (t SchoolType) Komvux() bool {
	return t == SchoolSFI || strings.HasPrefix(string(t), string(SchoolVUX)) || strings.HasPrefix(string(t), string(SchoolSARVUX))
}

// rank returns the place of a school type in forms; unknown ones come last.
func rank(t SchoolType) int {
	if i := slices.IndexFunc(forms, func(f form) bool { return f.code == t }); i >= 0 {
		return i
	}
	return len(forms)
}

// schoolTypeWords are other words for school types, folded. FSK is not among them: it is förskoleklass in one register
// and förskola in the next, so a source that writes it has a table of its own.
var schoolTypeWords = map[string]SchoolType{
	"forskola":              SchoolFS,
	"forskoleklass":         SchoolFKLASS,
	"fritids":               SchoolFTH,
	"fritidshem":            SchoolFTH,
	"grundskola":            SchoolGR,
	"grsar":                 SchoolGRS,
	"gran":                  SchoolGRS,
	"grundsarskola":         SchoolGRS,
	"anpassadgrundskola":    SchoolGRS,
	"traningsskola":         SchoolTR,
	"specialskola":          SchoolSP,
	"sameskola":             SchoolSAM,
	"gymnasieskola":         SchoolGY,
	"gymnasium":             SchoolGY,
	"gysar":                 SchoolGYS,
	"gyan":                  SchoolGYS,
	"gymnasiesarskola":      SchoolGYS,
	"anpassadgymnasieskola": SchoolGYS,
	"komvux":                SchoolVUX,
	"svenskaforinvandrare":  SchoolSFI,
	"kulturskola":           SchoolKU,
	"yrkeshogskola":         SchoolYH,
	"folkhogskola":          SchoolFHS,
	"hogskola":              SchoolUniversity,
}

// ParseSchoolType reads a school type: first by the source's own table extra (its word → SS 12000 code; case, blanks
// and hyphens do not matter), then by code or a usual synonym, or by the last part of a dotted name such as
// se.grundskoleutbildning.grundskola. What nobody knows is returned as written, and false.
func ParseSchoolType(raw string, extra map[string]string) (SchoolType, bool) {
	raw = strings.TrimSpace(raw)
	folded := fold(raw)
	if folded == "" {
		return SchoolType(raw), raw == ""
	}
	if v, ok := extra[raw]; ok {
		return SchoolType(v), true
	}
	for _, k := range slices.Sorted(maps.Keys(extra)) {
		if fold(k) == folded {
			return SchoolType(extra[k]), true
		}
	}
	if strings.HasPrefix(strings.ToLower(raw), "se.") {
		folded = fold(raw[strings.LastIndexByte(raw, '.')+1:])
	}
	if f, ok := formOf(SchoolType(strings.ToUpper(folded))); ok {
		return f.code, true
	}
	if t, ok := schoolTypeWords[folded]; ok {
		return t, true
	}
	return SchoolType(raw), false
}

// fold reduces a word to what tells it from others: lower case, no marks on letters, letters and digits only.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, norm.NFD.String(s))
}

// ParseSchoolYear reads an årskurs beside the school type t that the source states, or nothing: digits within the
// school type's range; F, FK and 0 for förskoleklass; Åk or Årskurs in front; a school type in front ("Gy1", "GR 7"),
// when it does not contradict t. It returns the school type, the year as digits, and true; adult education has no year
// whatever is written. What no table knows, as the name of a class ("7A"), is returned as written, and false.
func ParseSchoolYear(t SchoolType, raw string) (SchoolType, string, bool) {
	raw = strings.TrimSpace(raw)
	if f, _ := formOf(t); raw == "" || f.adult {
		return t, "", true
	}
	folded := fold(raw)
	digits := strings.TrimLeftFunc(folded, unicode.IsLetter)
	word := strings.TrimSuffix(folded, digits)
	of := t
	switch word {
	case "f", "fk", "fklass", "forskoleklass":
		if strings.Trim(digits, "0") != "" {
			return t, raw, false
		}
		digits = "0"
	case "", "ak", "ar", "arskurs":
	default:
		named, ok := ParseSchoolType(word, nil)
		switch {
		case !ok:
			return t, raw, false
		case strings.HasPrefix(string(named), string(t)): // t is empty, the same, or the wider one: GY beside GYS
			of = named
		case !strings.HasPrefix(string(t), string(named)):
			return t, raw, false
		}
	}
	if len(digits) > 2 || !isDigits(digits) {
		return t, raw, false
	}
	year := number([]byte(digits))
	if year == 0 && (of == "" || of == SchoolGR || of == SchoolFKLASS) {
		return SchoolFKLASS, "0", true
	}
	if f, known := formOf(of); year < f.first || year > f.last && known || year > 10 {
		return t, raw, false
	}
	return of, strconv.Itoa(year), true
}

// ParseUnitCode reads a skolenhetskod: a text of eight digits, leading zeros and all, blanks and the ' by which Excel
// marks a text left out. Anything else is returned as written, and false: a zero that got lost is not put back, for it
// may have been another digit.
func ParseUnitCode(raw string) (string, bool) {
	raw = strings.TrimSpace(raw)
	code := strings.TrimPrefix(strings.Join(strings.Fields(raw), ""), "'")
	if len(code) != 8 || !isDigits(code) {
		return raw, false
	}
	return code, true
}

// SchoolYearOf returns the läsår that a day belongs to, "2026/2027", where a new one begins on the given day of the
// year. Registers change over around 1 July; it differs between customers.
func SchoolYearOf(d Date, month time.Month, day int) string {
	if d.IsOpen() {
		return ""
	}
	y, m, dd := d.parts()
	if m < month || m == month && dd < day {
		y--
	}
	return fmt.Sprintf("%04d/%04d", y, y+1)
}

// GroupType is the sort of a group in SS 12000's words; an unknown one is kept as the source wrote it.
type GroupType string

// The group types (SS 12000: groupType).
const (
	TeachingGroup GroupType = "Undervisning"
	Class         GroupType = "Klass"
	MentorGroup   GroupType = "Mentor"
	TestGroup     GroupType = "Provgrupp"
	ScheduleGroup GroupType = "Schema"
	Department    GroupType = "Avdelning" // of a preschool or a leisure-time centre
	StaffGroup    GroupType = "Personalgrupp"
	OtherGroup    GroupType = "Övrigt"
)

var groupTypes = map[string]GroupType{
	"undervisning":       TeachingGroup,
	"undervisningsgrupp": TeachingGroup,
	"klass":              Class,
	"mentor":             MentorGroup,
	"mentorgrupp":        MentorGroup,
	"mentorsgrupp":       MentorGroup,
	"prov":               TestGroup,
	"provgrupp":          TestGroup,
	"schema":             ScheduleGroup,
	"schemagrupp":        ScheduleGroup,
	"avdelning":          Department,
	"personal":           StaffGroup,
	"personalgrupp":      StaffGroup,
	"ovrigt":             OtherGroup,
	"ovrig":              OtherGroup,
}

// ParseGroupType reads a group type in SS 12000's or everyday words, in either case. What nobody knows is returned as
// written, and false.
func ParseGroupType(raw string) (GroupType, bool) { return parseWord(groupTypes, raw) }

// DutyRole is the role of a member of staff in SS 12000's words; an unknown one is kept as the source wrote it.
type DutyRole string

// The duty roles (SS 12000: dutyRole).
const (
	Principal           DutyRole = "Rektor"
	Teacher             DutyRole = "Lärare"
	PreschoolTeacher    DutyRole = "Förskollärare"
	ChildMinder         DutyRole = "Barnskötare"
	Librarian           DutyRole = "Bibliotekarie"
	TeachingAssistant   DutyRole = "Lärarassistent"
	LeisureTeacher      DutyRole = "Fritidspedagog"
	OtherStaff          DutyRole = "Annan personal"
	CareerCounsellor    DutyRole = "Studie- och yrkesvägledare"
	LeadTeacher         DutyRole = "Förstelärare"
	Counsellor          DutyRole = "Kurator"
	SchoolNurse         DutyRole = "Skolsköterska"
	SchoolDoctor        DutyRole = "Skolläkare"
	SchoolPsychologist  DutyRole = "Skolpsykolog"
	SpecialTeacher      DutyRole = "Speciallärare/specialpedagog"
	SchoolAdministrator DutyRole = "Skoladministratör"
	OtherManager        DutyRole = "Övrig arbetsledning"
	OtherTeachingStaff  DutyRole = "Övrig pedagogisk personal"
	PreschoolPrincipal  DutyRole = "Förskolechef"
)

var dutyRoles = func() map[string]DutyRole {
	m := map[string]DutyRole{"syv": CareerCounsellor, "speciallarare": SpecialTeacher, "specialpedagog": SpecialTeacher}
	for _, r := range []DutyRole{
		Principal, Teacher, PreschoolTeacher, ChildMinder, Librarian, TeachingAssistant, LeisureTeacher, OtherStaff,
		CareerCounsellor, LeadTeacher, Counsellor, SchoolNurse, SchoolDoctor, SchoolPsychologist, SpecialTeacher,
		SchoolAdministrator, OtherManager, OtherTeachingStaff, PreschoolPrincipal,
	} {
		m[fold(string(r))] = r
	}
	return m
}()

// ParseDutyRole reads a duty role in SS 12000's words, in either case. What nobody knows is returned as written, and
// false; a target that knows only SS 12000's roles takes it for [OtherStaff].
func ParseDutyRole(raw string) (DutyRole, bool) { return parseWord(dutyRoles, raw) }

var memberRoles = map[string]MemberRole{
	"pupil":      MemberPupil,
	"elev":       MemberPupil,
	"barn":       MemberPupil,
	"student":    MemberPupil,
	"learner":    MemberPupil,
	"teacher":    MemberTeacher,
	"larare":     MemberTeacher,
	"instructor": MemberTeacher,
	"mentor":     MemberMentor,
	"other":      MemberOther,
	"ovrig":      MemberOther,
	"ovrigt":     MemberOther,
	"annan":      MemberOther,
}

// ParseMemberRole reads what a person does in a group, in Swedish or English. What nobody knows is returned as
// written, and false.
func ParseMemberRole(raw string) (MemberRole, bool) { return parseWord(memberRoles, raw) }

// parseWord looks a word up by its folded form; nothing is known to be nothing.
func parseWord[T ~string](table map[string]T, raw string) (T, bool) {
	raw = strings.TrimSpace(raw)
	if v, ok := table[fold(raw)]; ok {
		return v, true
	}
	return T(raw), raw == ""
}
