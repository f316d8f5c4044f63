package tenant

import (
	"fmt"
	"strings"
	"testing"
)

func TestRenamed(t *testing.T) {
	document := func(sources string) *Document {
		t.Helper()
		var list []string
		for s := range strings.FieldsSeq(sources) {
			system, instance, _ := strings.Cut(s, "/")
			list = append(list, fmt.Sprintf("{system: %s, instance: %s}", system, instance))
		}
		d, err := Parse([]byte("tenant: prov\ntitle: Prov\npepper: env:PEPPER\nsources: [" + strings.Join(list, ", ") + "]\n"))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, c := range map[string]struct {
		before, after, want string
	}{
		"the same":                {"alvis/default manual/default", "manual/default alvis/default", ""},
		"one more":                {"alvis/default", "alvis/default alvis/vux", ""},
		"one less":                {"alvis/default alvis/vux", "alvis/vux", ""},
		"another system":          {"alvis/default", "extens/default", ""},
		"another name":            {"alvis/default manual/default", "alvis/gy manual/default", "alvis/default alvis/gy"},
		"another name beside one": {"alvis/default alvis/vux", "alvis/gy alvis/vux", "alvis/default alvis/gy"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if was, is, renamed := document(c.before).Renamed(document(c.after)); renamed {
				got = was.String() + " " + is.String()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
