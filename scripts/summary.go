//go:build ignore

// Summary reads the events of go test -json and says which tests were skipped and why, and how many passed, failed and
// were skipped, as the last line.
//
// With TESTBED=required a test may only skip because it does not apply ("does not apply: …"): a missing peer, or no
// reason at all, is a failure, for a suite that was skipped looks green. So is a run without any test.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// event is one line of go test -json.
type event struct{ Action, Package, Test, Output string }

// place is the "    file_test.go:12: " in front of what a test says.
var place = regexp.MustCompile(`^\s+\S+\.go:\d+: `)

func main() {
	var (
		passed, failed int
		said           = map[string]string{}   // by package and test: what it said last
		skipped        = map[string][]string{} // by reason: the tests
		failedIn       = map[string]bool{}     // packages with a failed test
	)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			fmt.Fprintln(os.Stderr, "summary: not an event of go test -json:", err)
			os.Exit(1)
		}
		name := e.Package + " " + e.Test
		switch {
		case e.Test == "" && e.Action == "fail" && !failedIn[e.Package]: // it did not build, or ended early
			failed++
		case e.Test == "":
		case e.Action == "output" && place.MatchString(e.Output):
			said[name] = strings.TrimSpace(place.ReplaceAllString(e.Output, ""))
		case e.Action == "pass":
			passed++
		case e.Action == "fail":
			failed++
			failedIn[e.Package] = true
		case e.Action == "skip":
			skipped[said[name]] = append(skipped[said[name]], name)
		}
	}
	if err := in.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
		os.Exit(1)
	}

	required := os.Getenv("TESTBED") == "required"
	count, refused := 0, 0
	for _, reason := range slices.Sorted(maps.Keys(skipped)) {
		count += len(skipped[reason])
		verdict := ""
		if required && !strings.HasPrefix(reason, "does not apply:") {
			refused += len(skipped[reason])
			verdict = " (must run here)"
		}
		if reason == "" {
			fmt.Printf("skipped without a reason%s:\n", verdict)
		} else {
			fmt.Printf("skipped%s: %s\n", verdict, reason)
		}
		for _, name := range skipped[reason] {
			fmt.Println("   ", name)
		}
	}
	if passed+failed == 0 {
		fmt.Println("no test ran")
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, failed, count)
	if failed > 0 || refused > 0 || passed == 0 {
		os.Exit(1)
	}
}
