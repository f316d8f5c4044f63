package handout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"

	"eventful.se/ess/libs/roster"
)

// Letter is what a school hands out: a password, and whose it is. It is kept only sealed, and holds all that a slip says,
// for who opens it may know no more.
type Letter struct {
	Made     time.Time
	Name     roster.Personal
	Username roster.Personal
	Password roster.Personal
	Unit     string // of the school
	Class    string // of a pupil; empty for none
	Change   bool
}

// sealed is a letter as it is sealed.
type sealed struct {
	Version  int       `json:"v"`
	Made     time.Time `json:"made"`
	Name     string    `json:"name"`
	Username string    `json:"username"`
	Password string    `json:"password"`
	Unit     string    `json:"unit"`
	Class    string    `json:"class"`
	Change   bool      `json:"change"`
}

const (
	letterVersion = 1
	padding       = 512 // a letter has a multiple of this, so that its length tells nothing of a name
	maxLetter     = 64 << 10
)

// CheckRecipient tells what is wrong with a public key.
func CheckRecipient(key string) error {
	if strings.HasPrefix(strings.ToUpper(key), "AGE-SECRET-KEY-") {
		return errors.New("is a private key: take it out at once, make another with essctl passwords keys new, and write the public one here, which begins with age1")
	}
	if _, err := age.ParseX25519Recipient(key); err != nil {
		return errors.New("is no public key: write what essctl passwords keys show prints, which begins with age1")
	}
	return nil
}

// NewKey makes the two halves of a school's key.
func NewKey() (private, public string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	return id.String(), id.Recipient().String(), nil
}

// Seal seals a letter to public keys: who has the private half of one of them can open it, and nobody else.
func Seal(l Letter, keys []string) ([]byte, error) {
	recipients := make([]age.Recipient, len(keys))
	for i, key := range keys {
		r, err := age.ParseX25519Recipient(key)
		if err != nil {
			return nil, fmt.Errorf("seal a letter: key %d is no public key", i+1)
		}
		recipients[i] = r
	}
	text, err := json.Marshal(sealed{ //nolint:gosec // it is sealed right below, which is what it is for
		letterVersion, l.Made.UTC(), l.Name.Reveal(), l.Username.Reveal(), l.Password.Reveal(), l.Unit, l.Class, l.Change,
	})
	if err != nil {
		return nil, fmt.Errorf("seal a letter: %w", err)
	}
	text = append(text, bytes.Repeat([]byte{' '}, padding-1-(len(text)+padding-1)%padding)...)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipients...)
	if err != nil {
		return nil, fmt.Errorf("seal a letter: %w", err)
	}
	if _, err = w.Write(text); err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("seal a letter: %w", err)
	}
	return out.Bytes(), nil
}

// Identities are the private halves of a school's keys. They print masked.
type Identities struct{ list []age.Identity }

// ErrOtherKey says that a letter is sealed to another key.
var ErrOtherKey = errors.New("the letter is sealed to another key")

// ReadIdentities reads private keys as age writes them: a line each, # before a comment.
func ReadIdentities(r io.Reader) (Identities, error) {
	list, err := age.ParseIdentities(io.LimitReader(r, maxLetter))
	if err != nil { // its text may have the key
		return Identities{}, errors.New("no private key can be read there: it is a file that essctl passwords keys new wrote, with a line that begins with AGE-SECRET-KEY-1")
	}
	return Identities{list}, nil
}

// Public returns the public halves.
func (i Identities) Public() (keys []string) {
	for _, id := range i.list {
		if x, ok := id.(*age.X25519Identity); ok {
			keys = append(keys, x.Recipient().String())
		}
	}
	return keys
}

// Format prints nothing of the keys.
func (i Identities) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%d keys", len(i.list)) }

// Open opens a letter. It ends with [ErrOtherKey] when none of the keys fits.
func (i Identities) Open(letter []byte) (Letter, error) {
	r, err := age.Decrypt(bytes.NewReader(letter), i.list...)
	if no, ok := errors.AsType[*age.NoIdentityMatchError](err); ok && no != nil {
		return Letter{}, ErrOtherKey
	}
	if err != nil {
		return Letter{}, errors.New("the letter is damaged")
	}
	text, err := io.ReadAll(io.LimitReader(r, maxLetter))
	var s sealed
	if err != nil || json.Unmarshal(text, &s) != nil {
		return Letter{}, errors.New("the letter is damaged")
	}
	if s.Version != letterVersion {
		return Letter{}, fmt.Errorf("the letter is of version %d, this program reads %d: use a newer one", s.Version, letterVersion)
	}
	return Letter{
		Made: s.Made, Name: roster.Personal(s.Name), Username: roster.Personal(s.Username), Password: roster.Personal(s.Password),
		Unit: s.Unit, Class: s.Class, Change: s.Change,
	}, nil
}
