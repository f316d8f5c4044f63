package names

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed blocked.txt
var blockedWords string

// blocked are words that a name may not be; blocked.txt says how they are written and matched.
type blocked struct {
	whole  map[string]bool
	part   map[string]bool
	begins []string
	inside []string
}

// newBlocked returns the built-in words and more.
func newBlocked(more []string) (*blocked, error) {
	b := &blocked{whole: map[string]bool{}, part: map[string]bool{}}
	for line := range strings.Lines(blockedWords) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := b.add(line); err != nil {
			return nil, err
		}
	}
	for _, word := range more {
		if err := b.add(word); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// marked returns a blocked word without the signs that say where it counts, and whether it counts as a part, at the
// beginning of one, or inside of one.
func marked(entry string) (word string, part, begins, inside bool) {
	if n := len(entry); n > 2 && entry[0] == '-' && entry[n-1] == '-' {
		return entry[1 : n-1], true, false, false
	}
	word, begins = strings.CutSuffix(entry, "*")
	if begins {
		word, inside = strings.CutPrefix(word, "*")
	}
	return word, begins, begins, inside
}

// The shortest words. A shorter one would stand in half of all names.
const (
	shortest     = 2
	shortestStar = 3
)

// checkBlocked returns what is wrong with a blocked word.
func checkBlocked(entry string) error {
	word, _, star, _ := marked(entry)
	switch {
	case word == "" || letters(word) != word:
		return fmt.Errorf("%q is no word: write it in a-z, as a user name would have it, and as word, -word-, word* or *word*", entry)
	case len(word) < shortest || star && len(word) < shortestStar:
		return fmt.Errorf("%q is too short: a word has %d letters, one with a star %d", entry, shortest, shortestStar)
	}
	return nil
}

func (b *blocked) add(entry string) error {
	if err := checkBlocked(entry); err != nil {
		return err
	}
	word, part, begins, inside := marked(entry)
	b.whole[word] = true
	if part {
		b.part[word] = true
	}
	if inside {
		b.inside = append(b.inside, word)
	} else if begins {
		b.begins = append(b.begins, word)
	}
	return nil
}

// looks are how digits are read as letters; 1 is one of two.
var looks = [...]*strings.Replacer{
	strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "9", "g"),
	strings.NewReplacer("0", "o", "1", "l", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "9", "g"),
}

const digits = "0123456789"

// readings yields a part of a name as people may read it: as it is, without the digits at its end, and with digits as
// letters. It tells whether all were wanted.
func readings(part string, yield func(string) bool) bool {
	if !strings.ContainsAny(part, digits) {
		return yield(part)
	}
	bare := strings.TrimRight(part, digits)
	if !yield(part) || !yield(bare) {
		return false
	}
	for _, l := range looks {
		if !yield(l.Replace(part)) || !yield(l.Replace(bare)) {
			return false
		}
	}
	return true
}

var apart = strings.NewReplacer(".", "", "-", "", "_", "")

// has tells whether a name is blocked.
func (b *blocked) has(name string) bool {
	free := readings(apart.Replace(name), func(s string) bool { return !b.whole[s] })
	if !free {
		return true
	}
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		if !readings(part, func(s string) bool { return !b.part[s] && !b.contains(s) }) {
			return true
		}
	}
	return false
}

// contains tells whether a part of a name has a word with a star.
func (b *blocked) contains(s string) bool {
	for _, word := range b.inside {
		if strings.Contains(s, word) {
			return true
		}
	}
	for _, word := range b.begins {
		if strings.HasPrefix(s, word) {
			return true
		}
	}
	return false
}

// always tells whether a name is blocked whatever number stands behind it.
func (b *blocked) always(name string) bool {
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		if b.contains(part) {
			return true
		}
	}
	return false
}

// Blocklist returns what tells whether a text has one of the built-in words in it, where these words count; the text is
// in letters of a-z, digits and separators. Passwords are asked for the same.
func Blocklist() func(text string) bool {
	b, err := newBlocked(nil)
	if err != nil { // the built-in words have a test
		return func(string) bool { return true }
	}
	return func(text string) bool { return b.has(strings.ToLower(text)) }
}
