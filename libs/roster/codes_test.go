package roster

import (
	"testing"
	"time"
)

func TestParseSchoolType(t *testing.T) {
	extra := map[string]string{"FSK": "FKLASS", "Ny-form": "NYFORM"}
	tests := []struct {
		raw   string
		want  SchoolType
		known bool
	}{
		{"GR", SchoolGR, true},
		{" gr ", SchoolGR, true},
		{"F-klass", SchoolFKLASS, true},
		{"FRITIDS", SchoolFTH, true},
		{"GYSÄR", SchoolGYS, true},
		{"GYSAR", SchoolGYS, true},
		{"GYAN", SchoolGYS, true},
		{"GRSÄR", SchoolGRS, true},
		{"GRAN", SchoolGRS, true},
		{"KOMVUX", SchoolVUX, true},
		{"Svenska för invandrare", SchoolSFI, true},
		{"SVENSKA FO\u0308R INVANDRARE", SchoolSFI, true},
		{"se.grundskoleutbildning.grundskola", SchoolGR, true},
		{"se.ny.okänd", "se.ny.okänd", false},
		{"FSK", SchoolFKLASS, true},
		{"fsk", SchoolFKLASS, true},
		{"NY FORM", "NYFORM", true},
		{"HS", SchoolUniversity, true},
		{"Nattskola", "Nattskola", false},
		{"--", "--", false},
		{"", "", true},
		{"  ", "", true},
	}
	for _, tt := range tests {
		if got, known := ParseSchoolType(tt.raw, extra); got != tt.want || known != tt.known {
			t.Errorf("%q: got %q %v, want %q %v", tt.raw, got, known, tt.want, tt.known)
		}
	}
	if got, known := ParseSchoolType("FSK", nil); got != "FSK" || known {
		t.Errorf("FSK means two things, got %q %v", got, known)
	}
	for _, f := range forms {
		if got, known := ParseSchoolType(string(f.code), nil); got != f.code || !known {
			t.Errorf("%q: got %q %v", f.code, got, known)
		}
	}
}

func TestParseSchoolYear(t *testing.T) {
	tests := []struct {
		of    SchoolType
		raw   string
		want  SchoolType
		year  string
		known bool
	}{
		{"", "", "", "", true},
		{SchoolGR, "7", SchoolGR, "7", true},
		{SchoolGR, " 07 ", SchoolGR, "7", true},
		{SchoolGR, "Åk 7", SchoolGR, "7", true},
		{SchoolGR, "årskurs 7", SchoolGR, "7", true},
		{"", "GR 7", SchoolGR, "7", true},
		{SchoolGR, "10", SchoolGR, "10", false},
		{SchoolGRS, "10", SchoolGRS, "10", true},
		{SchoolGRS, "0", SchoolGRS, "0", true},
		{SchoolGR, "0", SchoolFKLASS, "0", true},
		{SchoolGR, "F", SchoolFKLASS, "0", true},
		{"", "fk", SchoolFKLASS, "0", true},
		{"", "F-klass", SchoolFKLASS, "0", true},
		{SchoolFKLASS, "0", SchoolFKLASS, "0", true},
		{SchoolFKLASS, "1", SchoolFKLASS, "1", false},
		{SchoolGR, "F1", SchoolGR, "F1", false},
		{SchoolFTH, "F", SchoolFTH, "0", true},
		{SchoolFTH, "3", SchoolFTH, "3", true},
		{"", "Gy1", SchoolGY, "1", true},
		{"", "GY 1", SchoolGY, "1", true},
		{SchoolGYS, "GY 1", SchoolGYS, "1", true},
		{SchoolGY, "GYS 1", SchoolGYS, "1", true},
		{SchoolGR, "GY 1", SchoolGR, "GY 1", false},
		{SchoolGY, "SP2", SchoolGY, "SP2", false},
		{SchoolGY, "4", SchoolGY, "4", true},
		{SchoolGY, "5", SchoolGY, "5", false},
		{SchoolGY, "0", SchoolGY, "0", false},
		{SchoolVUX, "1", SchoolVUX, "", true},
		{SchoolSFI, "C", SchoolSFI, "", true},
		{SchoolGR, "7A", SchoolGR, "7A", false},
		{SchoolGR, "ES22", SchoolGR, "ES22", false},
		{"", "11", "", "11", false},
		{"", "3", "", "3", true},
		{SchoolGR, "٧", SchoolGR, "٧", false},
		{"ny form", "3", "ny form", "3", true},
		{SchoolGR, "Åk", SchoolGR, "Åk", false},
	}
	for _, tt := range tests {
		of, year, known := ParseSchoolYear(tt.of, tt.raw)
		if of != tt.want || year != tt.year || known != tt.known {
			t.Errorf("%q in %q: got %q %q %v, want %q %q %v", tt.raw, tt.of, of, year, known, tt.want, tt.year, tt.known)
		}
		if of2, year2, known2 := ParseSchoolYear(of, year); known && (of2 != of || year2 != year || !known2) {
			t.Errorf("%q in %q, read again: %q %q %v", tt.raw, tt.of, of2, year2, known2)
		}
	}
}

func TestParseUnitCode(t *testing.T) {
	tests := []struct {
		raw, want string
		ok        bool
	}{
		{"01234567", "01234567", true},
		{" '0123 4567 ", "01234567", true},
		{"1234567", "1234567", false},
		{"123456789", "123456789", false},
		{"1234567A", "1234567A", false},
		{"", "", false},
	}
	for _, tt := range tests {
		if got, ok := ParseUnitCode(tt.raw); got != tt.want || ok != tt.ok {
			t.Errorf("%q: got %q %v, want %q %v", tt.raw, got, ok, tt.want, tt.ok)
		}
	}
}

func TestSchoolYearOf(t *testing.T) {
	for d, want := range map[Date]string{
		2026_06_30: "2025/2026", 2026_07_01: "2026/2027", 2026_12_31: "2026/2027", 2027_01_01: "2026/2027", 0: "",
	} {
		if got := SchoolYearOf(d, time.July, 1); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
	if got := SchoolYearOf(2026_08_14, time.August, 15); got != "2025/2026" {
		t.Errorf("with a later cut-over: got %s", got)
	}
}

func TestParseWords(t *testing.T) {
	check := func(raw, got string, known bool, want string, wantKnown bool) {
		t.Helper()
		if got != want || known != wantKnown {
			t.Errorf("%q: got %q %v, want %q %v", raw, got, known, want, wantKnown)
		}
	}
	for raw, want := range map[string]GroupType{
		"Undervisning": TeachingGroup, "undervisningsgrupp": TeachingGroup, "KLASS": Class, "Mentorsgrupp": MentorGroup,
		"Provgrupp": TestGroup, "Schema": ScheduleGroup, "Avdelning": Department, "Personalgrupp": StaffGroup, "Övrigt": OtherGroup, "O\u0308vrigt": OtherGroup,
	} {
		got, known := ParseGroupType(raw)
		check(raw, string(got), known, string(want), true)
	}
	got, known := ParseGroupType(" Kör ")
	check(" Kör ", string(got), known, "Kör", false)
	for _, want := range dutyRoles {
		got, known := ParseDutyRole(string(want))
		check(string(want), string(got), known, string(want), true)
	}
	for raw, want := range map[string]DutyRole{"lärare": Teacher, "SYV": CareerCounsellor, "Specialpedagog": SpecialTeacher} {
		got, known := ParseDutyRole(raw)
		check(raw, string(got), known, string(want), true)
	}
	duty, known := ParseDutyRole("Vaktmästare")
	check("Vaktmästare", string(duty), known, "Vaktmästare", false)
	for raw, want := range map[string]MemberRole{"Elev": MemberPupil, "pupil": MemberPupil, "Lärare": MemberTeacher, "mentor": MemberMentor, "Övrig": MemberOther, "": ""} {
		got, known := ParseMemberRole(raw)
		check(raw, string(got), known, string(want), true)
	}
	member, known := ParseMemberRole("Observer")
	check("Observer", string(member), known, "Observer", false)
}

func TestIntervals(t *testing.T) {
	for _, i := range []Interval{{}, {Start: day}, {End: day}, {day, day}, {day - 1, day + 1}, {day + 1, day - 1}, {2026_12_31, 2027_01_01}} {
		for d := Date(2026_08_01); d < 2027_02_01; d = d.AddDays(1) {
			next := i.NextBoundary(d)
			for x := d; x < 2027_02_02; x = x.AddDays(1) {
				if i.Contains(x) != i.Contains(d) {
					if next != x {
						t.Fatalf("%v after %v: got %v, want %v", i, d, next, x)
					}
					break
				}
				if x == next {
					t.Fatalf("%v after %v: nothing changes on %v", i, d, next)
				}
			}
		}
	}
}
