package tenant

import (
	"slices"
	"strings"

	"eventful.se/ess/libs/rule"
)

// What becomes of what only the configuration takes out.
const (
	Release  = "release"
	AsLeaver = "asLeaver"
)

// What a link has of protected persons.
const (
	Withhold = "withhold"
	Alias    = "alias"
)

// Rule returns the link's filter, or nil when it has none.
func (l Link) Rule() (*rule.Rule, error) {
	if strings.TrimSpace(l.Filter) == "" {
		return nil, nil
	}
	return rule.Compile(l.Filter)
}

// validateScope reports what is wrong with what the link says of scope.
func (l Link) validateScope(p Problems) {
	_, err := l.Rule()
	p.At("filter").Check(err)
	if !slices.Contains([]string{Release, AsLeaver, Delete}, l.OnOutOfScope) {
		p.At("onOutOfScope").Add("%q is no way out: write release, asLeaver or delete", l.OnOutOfScope)
	}
	if l.Protected != Withhold && l.Protected != Alias {
		p.At("protected").Add("%q is not known: write withhold or alias", l.Protected)
	}
}
