package names

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The tables of the guide say what the code does.
func TestTheGuideIsTrue(t *testing.T) {
	text, err := os.ReadFile("../../docs/user-names.md")
	if err != nil {
		t.Fatal(err)
	}
	r := someRules(t, Spec{}, Limits{Max: 20})
	rows := map[string][][]string{}
	head := ""
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case !strings.HasPrefix(line, "|"):
			head = ""
		case head == "":
			head = cells[0]
		case !strings.HasPrefix(line, "|---"):
			rows[head] = append(rows[head], cells)
		}
	}
	code := regexp.MustCompile("`([^`]*)`")
	quoted := func(cell string) (list []string) {
		for _, m := range code.FindAllStringSubmatch(cell, -1) {
			list = append(list, m[1])
		}
		return list
	}
	for _, row := range rows["given name"] {
		want := quoted(row[2])
		if got := firstOf(r, pupil(row[0], row[1]), len(want)); !slices.Equal(got, want) {
			t.Errorf("%s %s: the guide says %q, the code %q", row[0], row[1], want, got)
		}
	}
	of := pupil("Anna-Lena von Östen", "")
	for _, row := range rows["function"] {
		f, want := quoted(row[0])[0], quoted(row[1])
		if strings.HasPrefix(f, "words") || len(want) != 1 || want[0] == "fold" || want[0] == "@" {
			continue // told in words
		}
		spec := Spec{Patterns: []string{strings.Replace(f, "text", "person.givenName", 1), `"x"`}}
		if got := someRules(t, spec, Limits{}).Wanted(of); got != want[0] {
			t.Errorf("%s: the guide says %q, the code %q", f, want[0], got)
		}
	}
	patterns := 0
	for _, row := range rows["for"] {
		for _, p := range quoted(row[1]) {
			patterns++
			if wrong := (Spec{Patterns: []string{p, `"x"`}}).Problems(); len(wrong) > 0 {
				t.Errorf("%s: %v", p, wrong)
			}
		}
	}
	for _, row := range rows["written"] {
		b, err := newBlocked(quoted(row[0]))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range quoted(row[1]) {
			if !b.has(name) {
				t.Errorf("%s does not block %s", row[0], name)
			}
		}
	}
	if len(rows["given name"]) < 10 || len(rows["function"]) != 8 || patterns != 5 || len(rows["written"]) != 4 {
		t.Errorf("the guide has other tables: %d, %d, %d, %d", len(rows["given name"]), len(rows["function"]), patterns, len(rows["written"]))
	}
}
