package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGenerate(t *testing.T) {
	read := func(args ...string) (out outcome, export string) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "made", "for it")
		out = ess(t, append([]string{"generate", "--format", "alvis", "-o", dir}, args...)...)
		if out.status != 0 {
			t.Fatalf("exit status %d:\n%s", out.status, out.stderr)
		}
		path := filepath.Join(dir, "alvis.xml")
		if out.stdout != path+"\n" {
			t.Errorf("standard output is %q, want the path of the file alone", out.stdout)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if entries, err := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("the directory has %v (%v), want the export alone", entries, err)
		}
		return out, string(data)
	}
	out, first := read("--pupils", "200", "--seed", "7")
	if !strings.Contains(out.stderr, "writing 100 %") || !strings.Contains(out.stderr, " 200 pupils, ") {
		t.Errorf("standard error tells no progress, or not what was written: %q", out.stderr)
	}
	if _, again := read("--pupils", "200", "--seed", "7"); again != first {
		t.Error("R11: the same options gave other bytes")
	}
	for name, args := range map[string][]string{
		"seed":   {"--pupils", "200", "--seed", "8"},
		"pupils": {"--pupils", "201", "--seed", "7"},
		"day":    {"--pupils", "200", "--seed", "7", "--day", "2026-10-01"},
	} {
		if _, other := read(args...); other == first {
			t.Errorf("another %s gave the same bytes", name)
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "file"), "in the way")
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"no directory":             {[]string{"--pupils", "100"}, []string{`"output" not set`}},
		"too few pupils":           {[]string{"--pupils", "3", "-o", dir}, []string{"--pupils is 3", "20"}},
		"too many pupils":          {[]string{"--pupils", "2000000", "-o", dir}, []string{"--pupils is 2000000", "1000000"}},
		"pupils that are no count": {[]string{"--pupils", "many", "-o", dir}, []string{"--pupils", "many"}},
		"a negative seed":          {[]string{"--seed", "-1", "-o", dir}, []string{"--seed", "-1"}},
		"an unknown format":        {[]string{"--pupils", "100", "--format", "excel", "-o", dir}, []string{`"excel"`, "alvis"}},
		"a day that is none":       {[]string{"--day", "2026-02-30", "-o", dir}, []string{"--day", "2026-02-30"}},
		"a file for a directory":   {[]string{"--pupils", "100", "-o", file}, []string{file}},
		"an argument":              {[]string{"--pupils", "100", "-o", dir, "more"}, []string{"more"}},
		"an unknown flag":          {[]string{"--teachers", "9", "-o", dir}, []string{"--teachers"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := ess(t, append([]string{"generate"}, c.args...)...)
			if out.status != 1 || out.stdout != "" {
				t.Errorf("exit status %d and %q on standard output, want 1 and nothing", out.status, out.stdout)
			}
			for _, part := range c.want {
				if !strings.Contains(out.stderr, part) {
					t.Errorf("standard error is %q, want it to name %q", out.stderr, part)
				}
			}
			if !strings.HasPrefix(lastLine(out.stderr), "ess: ") {
				t.Errorf("standard error is %q, want its last line to say who speaks", out.stderr)
			}
		})
	}
	if entries, err := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("a refused command left %v (%v)", entries, err)
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	return lines[len(lines)-1]
}
