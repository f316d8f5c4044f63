package tenant

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"eventful.se/ess/libs/handout"
	"eventful.se/ess/libs/roster"
)

func keys(t *testing.T, n int) (list []string) {
	t.Helper()
	for range n {
		_, public, err := handout.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, public)
	}
	return list
}

func TestPasswordsAreReadAndFilledUp(t *testing.T) {
	k := keys(t, 2)
	d, err := Parse([]byte(good + fmt.Sprintf(`
passwords:
  - {role: pupil, schoolForm: GR, years: 1-2, form: words, change: false}
  - {years: 9, form: words, words: 3, digits: 1, length: 10}
  - {role: staff, form: random}
handout:
  recipients: [%s]
  units: [{code: 01234567, recipients: [%s]}]
`, k[0], k[1])))
	if err != nil {
		t.Fatal(err)
	}
	want := []handout.Rule{
		{Role: roster.RolePupil, Form: roster.SchoolGR, Years: &handout.Years{From: 1, To: 2}, Password: handout.Shape{Form: handout.Words, Words: 2, Digits: 2, Length: 8}},
		{Role: roster.RolePupil, Years: &handout.Years{From: 9, To: 9}, Password: handout.Shape{Form: handout.Words, Words: 3, Digits: 1, Length: 10, Change: true}},
		{Role: roster.RoleStaff, Password: handout.Shape{Form: handout.Random, Length: 16, Change: true}},
	}
	for i, r := range d.PasswordRules() {
		if got, want := fmt.Sprintf("%+v %v", r.Password, r.Years), fmt.Sprintf("%+v %v", want[i].Password, want[i].Years); r.Role != roster.RolePupil && r.Role != roster.RoleStaff || got != want {
			t.Errorf("rule %d: got %s, want %s", i, got, want)
		}
	}
	for code, want := range map[string]string{"01234567": k[1], "99999999": k[0], "": k[0]} {
		if got := d.HandoutTo([]string{code}); !slices.Equal(got, []string{want}) {
			t.Errorf("the letters of %q go to %v", code, got)
		}
	}
	if got := (&Document{}).HandoutTo([]string{"01234567"}); len(got) > 0 {
		t.Errorf("without a key the letters go to %v", got)
	}
}

func TestPasswordsSayWhatIsWrong(t *testing.T) {
	private, public, err := handout.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse([]byte(good + `
passwords:
  - {role: pupil, form: word}
  - {role: staff, years: 1-3, form: random, length: 9, digits: 1}
  - {schoolForm: GR, form: words, words: 7, digits: 3, length: 99}
  - {schoolForm: grundis, form: words}
  - {role: teacher, form: words}
handout:
  recipients: [` + private + `]
  units: [{code: 123, recipients: []}, {code: 12345678, recipients: [` + public + `]}, {code: 12345678, recipients: [x]}]
`))
	for _, part := range []string{
		`passwords[0].form: "word" is not a form`, "passwords[1]: staff have neither", "passwords[1].length: is 9", "passwords[1]: form random has neither",
		"passwords[2].words: is 7", "passwords[2].digits: is 3", "passwords[2].length: is 99", "passwords[2]: never counts: passwords[0]", `passwords[3].schoolForm: "grundis"`,
		`passwords[4].role: "teacher"`, "handout.recipients[0]: is a private key", "handout.units[0].code", "handout.units[0].recipients: is empty",
		"handout.units[2]: is there twice", "handout.units[2].recipients[0]: is no public key",
	} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("nothing of %q in\n%v", part, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), private) {
		t.Error("a private key is told on")
	}
	for _, years := range []string{"3-1", "x", "-1", "11", "1-"} {
		if _, err := Parse([]byte(good + "passwords: [{form: words, years: \"" + years + "\"}]")); err == nil || !strings.Contains(err.Error(), "school years") {
			t.Errorf("%s: %v", years, err)
		}
	}
}
