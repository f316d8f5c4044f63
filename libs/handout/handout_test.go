package handout

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventful.se/ess/libs/roster"
)

func TestTheWordsAreThoseOfAChild(t *testing.T) {
	list := wordlist()
	if len(list) < 1500 {
		t.Errorf("%d words, want 1,500 at least", len(list))
	}
	if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
		t.Error("the words are not sorted, or one is there twice")
	}
	plain := regexp.MustCompile(`^[a-z]{3,7}$`)
	for _, w := range list {
		if !plain.MatchString(w) || blocked()(w) {
			t.Errorf("%q is no word for a password", w)
		}
	}
	if bits := Entropy(Find(nil, roster.RolePupil, roster.SchoolGR, "1")); bits < 27 {
		t.Errorf("the youngest have %.1f bits, docs/passwords.md says 27", bits)
	}
}

func TestRulesSayWhoGetsWhat(t *testing.T) {
	own := []Rule{
		{Role: roster.RolePupil, Form: roster.SchoolGR, Years: &Years{7, 9}, Password: Shape{Form: Random, Length: 14}},
		{Role: roster.RolePupil, Form: roster.SchoolVUX, Password: Shape{Form: Words, Words: 4, Length: 8}},
	}
	for _, c := range []struct {
		rules []Rule
		role  roster.Role
		form  roster.SchoolType
		year  string
		want  string
	}{
		{nil, roster.RolePupil, roster.SchoolFKLASS, "0", "words 2 2 8 false"},
		{nil, roster.RolePupil, roster.SchoolFKLASS, "", "words 2 2 8 false"},
		{nil, roster.RolePupil, roster.SchoolGR, "3", "words 2 2 8 false"},
		{nil, roster.RolePupil, roster.SchoolGR, "4", "words 3 2 12 true"},
		{nil, roster.RolePupil, roster.SchoolGR, "3B", "words 3 2 12 true"}, // what no table knows is no year
		{nil, roster.RolePupil, roster.SchoolGRS, "8", "words 2 2 8 false"},
		{nil, roster.RolePupil, roster.SchoolGY, "1", "words 3 2 12 true"},
		{nil, roster.RoleStaff, "", "", "random 0 0 16 true"},
		{nil, roster.RoleNone, "", "", "random 0 0 16 true"},
		{own, roster.RolePupil, roster.SchoolGR, "8", "random 0 0 14 false"},
		{own, roster.RolePupil, roster.SchoolVUXGY, "", "words 4 0 8 false"},
		{own, roster.RolePupil, roster.SchoolGR, "2", "words 2 2 8 false"},
	} {
		s := Find(c.rules, c.role, c.form, c.year)
		if got := fmt.Sprintf("%s %d %d %d %t", s.Form, s.Words, s.Digits, s.Length, s.Change); got != c.want {
			t.Errorf("%s %s %q: got %s, want %s", c.role, c.form, c.year, got, c.want)
		}
	}
}

func TestARuleThatAnotherCoversIsSeen(t *testing.T) {
	pupil := Rule{Role: roster.RolePupil}
	gr := Rule{Role: roster.RolePupil, Form: roster.SchoolGR}
	low := Rule{Role: roster.RolePupil, Form: roster.SchoolGR, Years: &Years{1, 3}}
	vux := Rule{Role: roster.RolePupil, Form: roster.SchoolVUX}
	sfi := Rule{Role: roster.RolePupil, Form: roster.SchoolSFI}
	for _, c := range []struct {
		a, b Rule
		want bool
	}{{pupil, gr, true}, {gr, pupil, false}, {gr, low, true}, {low, gr, false}, {vux, sfi, true}, {sfi, vux, false}, {Rule{}, pupil, true}, {pupil, Rule{Role: roster.RoleStaff}, false}} {
		if got := c.a.Covers(c.b); got != c.want {
			t.Errorf("%v covers %v: got %v", c.a, c.b, got)
		}
	}
}

// every yields all texts of two bytes in turn.
type every struct{ n int }

func (e *every) Read(p []byte) (int, error) {
	if e.n == 1<<16 {
		return 0, io.EOF
	}
	p[0], p[1] = byte(e.n>>8), byte(e.n)
	e.n++
	return 2, nil
}

func TestEveryChoiceIsEquallyLikely(t *testing.T) {
	for _, n := range []int{2, 8, len(all), len(wordlist())} {
		got := make([]int, n)
		m := Maker{&every{}}
		for {
			i, err := m.below(n)
			if err != nil {
				break
			}
			got[i]++
		}
		if slices.Min(got) != slices.Max(got) || got[0] == 0 {
			t.Errorf("of %d one comes %d times, another %d", n, slices.Min(got), slices.Max(got))
		}
	}
}

var wordy = regexp.MustCompile(`^[A-Z][a-z]{2,6}(\.[a-z]{3,7}){1,3}[2-9]{0,2}$`)

func TestEveryPasswordKeepsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Shape{Form: Words, Words: rapid.IntRange(MinWords, MaxWords).Draw(t, "words"), Digits: rapid.IntRange(0, MaxDigits).Draw(t, "digits"), Length: MinLength}
		if rapid.Bool().Draw(t, "random") {
			s = Shape{Form: Random, Length: rapid.IntRange(MinRandom, MaxLength).Draw(t, "length")}
		}
		word := rapid.SampledFrom(wordlist())
		w := Whose{
			Username: roster.Personal(word.Draw(t, "user") + "." + rapid.StringMatching(`[a-z]{0,4}`).Draw(t, "user")),
			Names:    []roster.Personal{roster.Personal(rapid.SampledFrom([]string{"Åsa", "Sol", "Bo", "Ek", "Mårten-Sol"}).Draw(t, "given")), roster.Personal(word.Draw(t, "family") + " " + word.Draw(t, "family"))},
		}
		p, err := Maker{rand.Reader}.Make(s, w)
		if err != nil {
			t.Fatal(err)
		}
		text := p.Reveal()
		if classes(text) < 3 || len(text) < s.Length || len(text) > MaxLength || blocked()(text) {
			t.Fatalf("%q is not complex enough, too short or too long", text)
		}
		if s.Form == Words && (!wordy.MatchString(text) || strings.Count(text, ".") != s.Words-1) {
			t.Fatalf("%q is not made of %d words", text, s.Words)
		}
		if s.Form == Random && (len(text) != s.Length || strings.ContainsAny(text, "0O1lIo")) {
			t.Fatalf("%q has look-alikes or another length", text)
		}
		for _, name := range append(w.Names, w.Username) {
			for _, part := range strings.FieldsFunc(strings.ToLower(name.Reveal()), func(r rune) bool { return r == ' ' || r == '.' || r == '-' }) {
				if len([]rune(part)) >= 3 && strings.Contains(strings.ToLower(text), part) {
					t.Fatalf("%q has %q of a name", text, part)
				}
			}
		}
	})
}

func TestWhatIsRefusedIsDrawnAgainAndNotForEver(t *testing.T) {
	s := Shape{Form: Words, Words: 2, Digits: 2, Length: MinLength}
	whose := Whose{Names: []roster.Personal{"Åsa Sol"}}
	avoid := whose.parts()
	if !slices.Contains(avoid, "asa") || !slices.Contains(avoid, "sol") || !slices.Contains(avoid, "åsa") {
		t.Errorf("of a name counts %v", avoid)
	}
	for text, want := range map[string]bool{
		"Katt.boll42": true, "Katt.sol42": false, "Katt.katt42": false, "Vas.asar42": false, "Katt42": false, "Kol.ossan": true, "Por.ritt42": false, "Sub.bar42": true, "Porr.boll42": false,
	} {
		if got := good(s, text, avoid); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
	if _, err := (Maker{rand.Reader}).Make(Shape{Form: Words, Words: 2, Length: 31}, whose); !errors.Is(err, errExhausted) {
		t.Errorf("got %v", err)
	}
	if _, err := (Maker{bytes.NewReader(nil)}).Make(s, whose); err == nil {
		t.Error("a password was made of nothing")
	}
}

func TestTheBitsAreThoseOfTheDocumentation(t *testing.T) {
	for _, c := range []struct {
		s    Shape
		want float64
	}{
		{Shape{Form: Words, Words: 2, Digits: 2}, 27.6}, {Shape{Form: Words, Words: 3, Digits: 2}, 38.5}, {Shape{Form: Random, Length: 16}, 95.3},
	} {
		if got := Entropy(c.s); math.Abs(got-c.want) > 0.2 {
			t.Errorf("%v has %.2f bits, the documentation says %.1f", c.s, got, c.want)
		}
	}
}

func letter() Letter {
	return Letter{
		Made: time.Date(2026, 8, 17, 7, 0, 0, 0, time.UTC), Name: "Åsa Öberg", Username: "asaobe", Password: "Katt.sol42",
		Unit: "Björkskolan", Class: "Klass 1A",
	}
}

func TestOnlyTheSchoolOpensALetter(t *testing.T) {
	private, public, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	other, _, _ := NewKey()
	body, err := Seal(letter(), []string{public})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"Öberg", "asaobe", "sol42", "Björkskolan", "Klass 1A"} {
		if bytes.Contains(body, []byte(secret)) {
			t.Errorf("%q stands in the sealed letter", secret)
		}
	}
	ids, err := ReadIdentities(strings.NewReader("# the key of Björkskolan\n" + private + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ids.Open(body); err != nil || got != letter() {
		t.Errorf("opened: %+v, %v", got, err)
	}
	if got := ids.Public(); len(got) != 1 || got[0] != public {
		t.Errorf("the public half is %v", got)
	}
	others, err := ReadIdentities(strings.NewReader(other))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := others.Open(body); !errors.Is(err, ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
	body[len(body)-1] ^= 1
	if _, err := ids.Open(body); err == nil || errors.Is(err, ErrOtherKey) {
		t.Errorf("a damaged letter: %v", err)
	}
	long := letter()
	long.Name = roster.Personal(strings.Repeat("a", 100))
	if again, err := Seal(long, []string{public}); err != nil || len(again) != len(body) {
		t.Errorf("the length tells of the name: %d and %d bytes, %v", len(again), len(body), err)
	}
}

func TestNothingOfALetterOrAKeyIsPrinted(t *testing.T) {
	private, _, _ := NewKey()
	ids, _ := ReadIdentities(strings.NewReader(private))
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "letter", letter(), "ids", ids)
	text, err := json.Marshal(letter())
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{log.String(), string(text), fmt.Sprintf("%v %+v %#v", letter(), ids, ids)} {
		for _, secret := range []string{"Katt", "Öberg", "asaobe", private} {
			if strings.Contains(got, secret) {
				t.Errorf("%q is printed: %s", secret, got)
			}
		}
	}
	if _, err := ReadIdentities(strings.NewReader(private[:len(private)-1])); err == nil || strings.Contains(err.Error(), private[16:30]) {
		t.Errorf("a broken key: %v", err)
	}
}

func TestAKeyThatIsNoneIsRefused(t *testing.T) {
	private, public, _ := NewKey()
	if err := CheckRecipient(public); err != nil {
		t.Error(err)
	}
	for _, key := range []string{private, "", "age1", public + "x", "ssh-ed25519 AAAA"} {
		if err := CheckRecipient(key); err == nil || strings.Contains(err.Error(), private) {
			t.Errorf("%.10s: %v", key, err)
		}
		if _, err := Seal(letter(), []string{key}); err == nil {
			t.Errorf("sealed to %.10s", key)
		}
	}
}

func FuzzALetterIsOpenedOrRefused(f *testing.F) {
	private, public, err := NewKey()
	if err != nil {
		f.Fatal(err)
	}
	body, err := Seal(letter(), []string{public})
	if err != nil {
		f.Fatal(err)
	}
	ids, err := ReadIdentities(strings.NewReader(private))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte("age-encryption.org/v1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := ids.Open(b); err == nil && !bytes.Equal(b, body) {
			t.Errorf("opened what nobody sealed: %+v", got.Made)
		}
	})
}
