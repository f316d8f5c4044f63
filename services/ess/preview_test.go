package main

import (
	"os"
	"strings"
	"testing"
)

func TestPreview(t *testing.T) {
	i := install(t, 60)
	document := i.path("tenants", "prov.yaml")
	write(t, document, strings.Replace(read(t, document), "mode: active", "mode: preview", 1))
	preview := func(args ...string) outcome {
		return ess(t, append([]string{
			"preview", "--config", i.path("tenants"), "--data", i.path("data"), "--tenant", tenantName, "--link", "apple-school-manager",
		}, args...)...)
	}
	if out := preview(); out.status == 0 {
		t.Errorf("a preview without a log: %s", out.stdout)
	}
	c := i.allInOne()
	until(t, "preview in the log", &c.log, func() bool { return c.log.has([]string{"in preview", "created="}) })
	again := ess(t, "run", "--config", i.path("tenants"), "--data", i.path("data"), "--http", "127.0.0.1:0")
	for name, out := range map[string]outcome{"preview": preview(), "a second run": again} {
		if want := i.path("data") + " is in use by another program (process "; out.status != 1 || !strings.Contains(out.stderr, want) {
			t.Errorf("%s beside a run: status %d, %q does not say %q", name, out.status, out.stderr, want)
		}
	}
	if status, _ := c.terminate(t); status != 0 {
		t.Fatal(c.log.String())
	}
	if i.uploads() != 0 {
		t.Errorf("%d uploads in preview", i.uploads())
	}

	file := i.path("preview.xlsx")
	out := preview("-o", file)
	if out.status != 0 || !strings.Contains(out.stdout, "student") {
		t.Fatalf("status %d\n%s%s", out.status, out.stdout, out.stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
		t.Errorf("the workbook: %v, %v", info, err)
	}
	for _, name := range canariesOf(i.town).in(out.stdout + out.stderr) {
		t.Errorf("R8: the preview in the terminal holds %q", name)
	}
	if i.uploads() != 0 {
		t.Errorf("%d uploads by a preview", i.uploads())
	}
	for name, args := range map[string][]string{
		"another link": {"--link", "elsewhere"}, "another tenant": {"--tenant", "elsewhere"}, "another language": {"--language", "fi"},
	} {
		if out := preview(args...); out.status != 1 || out.stderr == "" {
			t.Errorf("%s: status %d, %q", name, out.status, out.stderr)
		}
	}
}
