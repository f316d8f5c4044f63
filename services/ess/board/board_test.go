package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/conformance"
)

// reports leaves reports as suites do, and returns their folder.
func reports(t *testing.T, list ...conformance.Report) string {
	t.Helper()
	dir := t.TempDir()
	for _, r := range list {
		data, err := json.Marshal(r)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, r.Connector+".json"), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func case1(g conformance.Guarantee, o conformance.Outcome, why string, without ...conformance.Part) conformance.Case {
	return conformance.Case{Name: "a case of " + string(g), Guarantee: g, Outcome: o, Why: why, Without: without}
}

func sea() conformance.Report {
	return conformance.Report{Connector: "source-sea", Against: "a real sea | salt", Cases: []conformance.Case{
		case1(conformance.Complete, conformance.Proved, ""),
		case1(conformance.Complete, conformance.DoesNotApply, "water has no groups"),
		case1(conformance.Delta, conformance.DoesNotApply, "a sea is read whole"),
		case1(conformance.Erases, conformance.Proved, "", conformance.Part{Name: "what changed", Why: "a sea is read whole"}),
	}}
}

func lake() conformance.Report {
	return conformance.Report{Connector: "source-lake", Against: "a puddle", Cases: []conformance.Case{
		case1(conformance.Complete, conformance.Proved, ""), case1(conformance.Complete, conformance.Failed, ""),
	}}
}

func sink() conformance.Report {
	return conformance.Report{Connector: "target-sink", Against: "a bath", Cases: []conformance.Case{case1(conformance.RatePolite, conformance.Proved, "")}}
}

func TestThePageShowsWhatTheSuitesSaw_R11(t *testing.T) {
	stranger := conformance.Report{Connector: "source-stranger", Against: "itself", Cases: []conformance.Case{case1(conformance.Owns, conformance.Failed, "")}}
	dir := reports(t, sink(), sea(), stranger, lake())
	b, err := load(dir, []string{"source-lake", "source-sea"}, []string{"target-sink"})
	if err != nil {
		t.Fatal(err)
	}
	page := b.page()
	for _, want := range []string{
		`
## Sources

| connector     | complete | delta | erases | cases | do not apply | tested against |
|---------------|----------|-------|--------|-------|--------------|-----|
| [source-lake] | ✗        | ·     | ·      | 2     | 0            | a puddle |
| [source-sea]  | ◐        | ○     | ●      | 4     | 3            | a real sea \| salt |

No source is tried for: settings, crash-safe, idempotent, order-free, `,
		`
## Targets

| connector     | rate-polite | cases | do not apply | tested against |
|---------------|-------------|-------|--------------|-----|
| [target-sink] | ●           | 1     | 0            | a bath |

No target is tried for: settings, complete, `,
		"\n| rate-polite  | limits and waits of the other side are kept |\n",
		`
Counted are cases, and parts of cases that hold in their other parts.

### source-sea, against a real sea | salt: 3

| n | of            | why |
|---|---------------|-----|
| 1 | complete      | water has no groups |
| 2 | delta, erases | a sea is read whole |

[source-lake]: ../services/source-lake
[source-sea]: ../services/source-sea
[target-sink]: ../services/target-sink
`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has nowhere\n%s\nit is\n%s", want, page)
		}
	}
	again, err := load(dir, []string{"source-lake", "source-sea"}, []string{"target-sink"})
	if d := cmp.Diff(page, again.page()); err != nil || d != "" {
		t.Errorf("the same reports give another page (%v):\n%s", err, d)
	}
	if err := b.failures(); err == nil || err.Error() != "source-lake failed: a case of complete" {
		t.Errorf("the failures are %v", err)
	}
}

// A connector that is tested against two peers has a line of each.
func TestAConnectorMayHaveSeveralPeers(t *testing.T) {
	dir := reports(t, lake())
	sunny := lake()
	sunny.Against = "a pond in the sun"
	data, err := json.Marshal(sunny)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "source-lake.TestSun.json"), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := load(dir, []string{"source-lake"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	page := b.page()
	first, second := strings.Index(page, "| a pond in the sun |"), strings.Index(page, "| a puddle |")
	if first < 0 || second < first || strings.Count(page, "[source-lake]: ") != 1 {
		t.Errorf("the page is\n%s", page)
	}
}

func TestAReportThatCannotBeShownIsRefused(t *testing.T) {
	odd := sea()
	odd.Cases = append(odd.Cases, case1("speed", conformance.Proved, ""))
	broken := reports(t)
	if err := os.WriteFile(filepath.Join(broken, "source-sea.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ dir, want string }{
		"none":              {reports(t, lake()), "source-sea is built in, and no suite reported on it: one of its tests has to call sourcetest.Test"},
		"no JSON":           {broken, "the report on source-sea: unexpected end of JSON"},
		"another guarantee": {reports(t, odd), `the report on source-sea: "speed" is none of the guarantees`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := load(c.dir, []string{"source-sea"}, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// all reports on everything that is built in.
func all(t *testing.T, but string, o conformance.Outcome) string {
	t.Helper()
	sources, targets := builtIn()
	var list []conformance.Report
	for _, name := range append(sources, targets...) {
		if name != but {
			list = append(list, conformance.Report{Connector: name, Against: "nothing", Cases: []conformance.Case{case1(conformance.Complete, o, "")}})
		}
	}
	return reports(t, list...)
}

func TestTheCommand(t *testing.T) {
	page := filepath.Join(t.TempDir(), "board.md")
	board := func(dir string, args ...string) (string, error) {
		var said strings.Builder
		err := run(append([]string{"-reports", dir, "-file", page}, args...), &said, &said)
		return said.String(), err
	}
	good := all(t, "", conformance.Proved)
	if _, err := board(good, "-check"); err == nil {
		t.Error("a page that is not there is fresh")
	}
	if said, err := board(good); err != nil || !strings.Contains(said, "connectors") {
		t.Fatalf("it says %q (%v)", said, err)
	}
	written, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := board(good, "-check"); err != nil {
		t.Errorf("what it wrote is stale: %v", err)
	}
	if _, err := board(all(t, "source-alvis", conformance.Proved)); err == nil || !strings.Contains(err.Error(), "source-alvis is built in, and no suite reported") {
		t.Errorf("without a report of source-alvis: %v", err)
	}
	if _, err := board(all(t, "", conformance.DoesNotApply), "-check"); err == nil || !strings.Contains(err.Error(), "is not what the suites see: run make board") {
		t.Errorf("a page of other reports: %v", err)
	}
	if now, err := os.ReadFile(page); err != nil || string(now) != string(written) {
		t.Errorf("a check, or a report that is missing, changed the page (%v)", err)
	}
	if _, err := board(all(t, "", conformance.Failed)); err == nil || !strings.Contains(err.Error(), "source-alvis failed: a case of complete") {
		t.Errorf("with failed cases: %v", err)
	}
	if now, err := os.ReadFile(page); err != nil || !strings.Contains(string(now), "| ✗") {
		t.Errorf("a failed case is not shown (%v)", err)
	}
}
