package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"eventful.se/ess/libs/target"
)

// Match finds users and groups by the attributes that the settings name, a page of the directory at a time. What has our id
// already is found by it, and what has the id of another one is not found. Who has the same names is only close.
func (s *sink) Match(ctx context.Context, wanted []target.Resource) ([][]target.Found, error) {
	out := make([][]target.Found, len(wanted))
	if len(s.directory.Match) == 0 {
		return out, nil
	}
	after := ""
	for more := true; more; {
		var err error
		more, err = s.calls(ctx, func(d *session) (bool, error) {
			page, err := d.page(after)
			if err != nil {
				return false, s.explain(err, target.ID{})
			}
			for _, o := range page {
				after = o.ID
				for i, r := range wanted {
					if f, ok := s.found(d, o, r); ok {
						out[i] = append(out[i], f)
					}
				}
			}
			return len(page) == s.directory.PageSize, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// found tells whether an object may be a resource.
func (s *sink) found(d *session, o object, r target.Resource) (f target.Found, ok bool) {
	keys := s.directory.Match[r.ID.Kind]
	if o.Type != r.ID.Kind || len(keys) == 0 || o.ExternalID != "" && o.ExternalID != r.ID.Key {
		return f, false
	}
	f.Held = d.held(o)
	if o.Guarded {
		f.Refused = "it runs the directory"
	}
	if o.ExternalID == r.ID.Key {
		f.By = "externalId"
		return f, true
	}
	same := func(name string) bool {
		i := slices.IndexFunc(r.Fields, func(x target.Field) bool { return x.Name == name && x.Value != "" })
		return i >= 0 && strings.EqualFold(r.Fields[i].Value.Reveal(), o.Attributes[name])
	}
	for _, name := range keys {
		if same(name) {
			f.By = cmp.Or(f.By, name)
		}
	}
	return f, f.By != "" || r.ID.Kind == user && same(givenName) && same(familyName)
}
