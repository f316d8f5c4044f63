package service

import (
	"bytes"
	"strings"
	"testing"
)

func TestHelp(t *testing.T) {
	for name, c := range map[string]struct {
		args     []string
		status   int
		answered bool
		out, err string
	}{
		"none":       {nil, 0, false, "", ""},
		"help":       {[]string{"--help"}, 0, true, "ESS_NATS_URL", ""},
		"short":      {[]string{"-h"}, 0, true, "source-alvis reads Alvis", ""},
		"misspelt":   {[]string{"--hlep"}, 2, true, "", "takes no arguments but --help"},
		"one beside": {[]string{"--help", "x"}, 2, true, "", "takes no arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, err bytes.Buffer
			status, answered := help("source-alvis", "reads Alvis", c.args, &out, &err)
			if status != c.status || answered != c.answered {
				t.Errorf("%d, %t", status, answered)
			}
			if !strings.Contains(out.String(), c.out) || c.out == "" && out.Len() > 0 {
				t.Errorf("said %q", out.String())
			}
			if !strings.Contains(err.String(), c.err) || c.err == "" && err.Len() > 0 {
				t.Errorf("complained %q", err.String())
			}
		})
	}
}
