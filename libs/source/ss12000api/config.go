package ss12000api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/httpx"
)

// Defaults of [Config].
const (
	DefaultLimit   = 500
	DefaultOverlap = 10 * time.Minute
	DefaultChain   = 50
	maxLimit       = 10000
)

// Config says how to read an API of SS 12000.
type Config struct {
	// BaseURL is what stands before the names of the lists: https://HOST/…/v2.0
	BaseURL string       `yaml:"baseURL"`
	HTTP    httpx.Config `yaml:",inline"`
	// Limit is how many objects a page has; the server may give fewer.
	Limit int `yaml:"limit"`
	// Without are lists that this server does not have, or that nothing is to be read of. They are not asked for.
	Without []ss12000.Resource `yaml:"without"`
	// Query is what is asked for beside that, by list: {persons: {relationship.entity.type: [enrolment, duty]}}.
	Query map[ss12000.Resource]map[string][]string `yaml:"query"`
	Delta Delta                                    `yaml:"delta"`
	// Webhook has the server tell when something changed, so that it is read before the schedule would have it.
	Webhook source.Hook `yaml:"webhook"`
	// Profile is which of the register counts, and what its words mean; see libs/format/ss12000.
	Profile ss12000.Profile `yaml:"profile"`
}

// Delta says whether what changed may be read in place of everything.
type Delta struct {
	On bool `yaml:"on"`
	// Overlap is how long before the last read changes are asked for again: a change may have the time at which it began.
	Overlap time.Duration `yaml:"overlap"`
	// Chain is after how many reads of what changed everything is read.
	Chain int `yaml:"chain"`
}

// Default returns the settings of a server that is as the standard has it.
func Default() Config {
	return Config{
		HTTP:  httpx.Config{Auth: httpx.Auth{Kind: httpx.ClientCredentials}},
		Limit: DefaultLimit, Delta: Delta{Overlap: DefaultOverlap, Chain: DefaultChain}, Profile: ss12000.Default(),
		Webhook: source.Hook{Quiet: source.DefaultQuiet, Every: source.DefaultEvery},
	}
}

// reads tells whether a list is read: of a register that enriches another's persons only they, and who works.
func (c Config) reads(of ss12000.Resource) bool {
	return !slices.Contains(c.Without, of) && (c.Profile.Enriches == "" || of == ss12000.Duties || of == ss12000.Persons)
}

// required are the lists without which there is no register.
func required(r ss12000.Resource) bool {
	return r == ss12000.Organisations || r == ss12000.Groups || r == ss12000.Persons
}

// Validate reports everything wrong with the settings, without network.
func (c Config) Validate(p tenant.Problems) {
	httpx.CheckURL(p.At("baseURL"), c.BaseURL, c.HTTP.PrivateAddresses)
	c.HTTP.Validate(p)
	if c.Limit < 1 || c.Limit > maxLimit {
		p.At("limit").Add("is not 1 to %d", maxLimit)
	}
	for i, r := range c.Without {
		p := p.At("without[%d]", i)
		if p.Check(known(r)); required(r) {
			p.Add("cannot be done without")
		}
	}
	for _, r := range sorted(c.Query) {
		p.At("query.%s", r).Check(known(r))
		for _, name := range sorted(c.Query[r]) {
			if name == "limit" || name == "pageToken" || strings.HasPrefix(name, "meta.") {
				p.At("query.%s.%s", r, name).Add("is not for the settings")
			}
		}
	}
	if c.Delta.Overlap < 0 || c.Delta.Overlap > 0 && c.Delta.Overlap < time.Second {
		p.At("delta.overlap").Add("is not a usable time: write it with its unit, as in 10m")
	}
	if c.Delta.Chain < 1 {
		p.At("delta.chain").Add("has to be above 0")
	}
	if c.Webhook.On() {
		httpx.CheckURL(p.At("webhook.url"), c.Webhook.URL, c.HTTP.PrivateAddresses)
	}
	c.Webhook.Validate(p.At("webhook"), c.Delta.On)
	c.Profile.Validate(p.At("profile"))
}

func known(r ss12000.Resource) error {
	if !slices.Contains(ss12000.Resources(), r) {
		return errors.New("is not a list that is read")
	}
	return nil
}

func sorted[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// mark tells settings apart by which a read would come to something else.
func (c Config) mark() string {
	text, err := json.Marshal([]any{c.BaseURL, c.Without, c.Query, c.Profile})
	if err != nil {
		return "" // which no cursor has
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
