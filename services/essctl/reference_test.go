package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestThePageOfEveryCommandIsFresh(t *testing.T) {
	want, err := os.ReadFile("../../docs/essctl.md")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := reference(&b, (&control{}).root()); err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Error("docs/essctl.md is not what the commands are: go run ./services/essctl reference > docs/essctl.md")
	}
}

func TestEveryCommandHelpsWithAnExampleAndADryRun(t *testing.T) {
	for _, cmd := range leaves((&control{}).root()) {
		switch {
		case cmd.Hidden:
			continue
		case !strings.Contains(cmd.Example, cmd.CommandPath()):
			t.Errorf("%s has no example of itself:\n%s", cmd.CommandPath(), cmd.Example)
		case !strings.HasPrefix(cmd.Use, cmd.Name()) || cmd.Short == "" || strings.HasSuffix(cmd.Short, "."):
			t.Errorf("%s: %q, %q", cmd.CommandPath(), cmd.Use, cmd.Short)
		case cmd.Flags().Lookup("why") != nil && cmd.Flags().Lookup("dry-run") == nil:
			t.Errorf("%s changes something and has no --dry-run", cmd.CommandPath())
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			required := f.Annotations[cobra.BashCompOneRequiredFlag] != nil
			if required != strings.Contains(f.Usage, "(required)") {
				t.Errorf("%s --%s: required is %t, and it says %q", cmd.CommandPath(), f.Name, required, f.Usage)
			}
		})
	}
}
