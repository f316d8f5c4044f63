package main

import "testing"

// A source that is only called otherwise would come once more beside itself, so the document is refused; as two steps it
// is what it says.
func TestASourceIsNotRenamed(t *testing.T) {
	w := newWorld(t, 60)
	why := []string{"--why", "a test", "--by", "anna"}
	apply := func(want int, path string, more ...string) string {
		t.Helper()
		return w.essctl(want, append(append([]string{"tenants", "apply", path}, why...), more...)...)
	}
	apply(0, w.document())
	renamed := []string{"system: alvis\n", "system: alvis\n    instance: gymnasiet\n"}
	contains(t, apply(1, w.document(renamed...)), "source alvis/default is called alvis/gymnasiet now", "Keep the name")
	contains(t, apply(1, w.document(renamed...), "--dry-run"), "Keep the name")
	contains(t, apply(0, w.document(w.withoutSources()...)), "version 2 is in force")
	contains(t, apply(0, w.document(renamed...)), "version 3 is in force")
}
