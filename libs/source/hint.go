package source

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
)

// Hinter is a source whose register can tell when something has changed in it. What it tells is a hint: nothing of it is
// believed, and all that comes of it is a read like those of the schedule, and not often. Its methods may be called while
// it is read.
type Hinter interface {
	// Hook returns where the register may tell it; see [Hook.On].
	Hook() Hook
	// Subscribe has the register tell a target of changes, or goes on with it: a subscription of that target which there is
	// already is renewed. last is the id of the one that the target had last, empty for none. It is called again before the
	// subscription ends.
	Subscribe(ctx context.Context, target, last string) (Subscription, error)
	// Unsubscribe ends a subscription. One that there is no more is no error.
	Unsubscribe(ctx context.Context, id string) error
}

// Subscription is what a register promised.
type Subscription struct {
	ID      string
	Expires time.Time // zero where the register does not say
}

// Hook says where a register may tell that something has changed in it, and how often that is heard.
type Hook struct {
	// URL is the address by which the register reaches this program; /hooks/ and a secret word follow it. Empty for off.
	URL    string        `yaml:"url"`
	Secret tenant.Secret `yaml:"secret"` // what the word is made of, 16 bytes or more
	// Quiet is how long the register has to be silent before it is read: changes come together.
	Quiet time.Duration `yaml:"quiet"`
	// Every is how long after a read the next one is made for a hint, at the least.
	Every time.Duration `yaml:"every"`
	// Complete allows hints where every read reads everything.
	Complete bool `yaml:"complete"`
}

// Defaults of [Hook].
const (
	DefaultQuiet = 30 * time.Second
	DefaultEvery = 5 * time.Minute
)

// minHookSecret is how many bytes the secret of a hook has at the least.
const minHookSecret = 16

// HookPath is what stands before the word in the path of a target.
const HookPath = "/hooks/"

// On tells whether the register is to tell of changes.
func (h Hook) On() bool { return h.URL != "" }

// Validate reports everything wrong with the settings but the form of the address. delta says that what changed can be read.
func (h Hook) Validate(p tenant.Problems, delta bool) {
	if !h.On() {
		if !h.Secret.IsZero() {
			p.At("url").Add("is required where there is a secret")
		}
		return
	}
	p.At("secret").Required(string(h.Secret))
	if !h.Secret.IsZero() {
		p.At("secret").Check(h.Secret.Validate())
	}
	if h.Quiet < time.Second {
		p.At("quiet").Add("has to be 1s or more, with its unit")
	}
	if h.Every < h.Quiet {
		p.At("every").Add("has to be as long as quiet or longer, with its unit")
	}
	if !delta && !h.Complete {
		p.At("complete").Add("has to be true where delta is off: every hint has everything read")
	}
}

// Word returns the secret word of the address of a source, which nobody can guess who does not know the secret.
func (h Hook) Word(tenant string, s roster.Source) (string, error) {
	secret, err := h.Secret.Reveal()
	if err != nil {
		return "", err
	}
	if len(secret) < minHookSecret {
		return "", fmt.Errorf("secret %s has %d bytes, and %d are needed: make one at random", h.Secret, len(secret), minHookSecret)
	}
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "hook\n%s\n%s\n", tenant, s)
	return hex.EncodeToString(mac.Sum(nil)), nil
}
