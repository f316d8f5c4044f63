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
		"seed":                      {"--pupils", "200", "--seed", "8"},
		"pupils":                    {"--pupils", "201", "--seed", "7"},
		"date":                      {"--pupils", "200", "--seed", "7", "--date", "2026-10-01"},
		"day":                       {"--pupils", "200", "--seed", "7", "--day", "1"},
		"shape":                     {"--pupils", "200", "--seed", "7", "--shape", "schools"},
		"way to tell of protection": {"--pupils", "200", "--seed", "7", "--protected", "flag"},
	} {
		if _, other := read(args...); other == first {
			t.Errorf("another %s gave the same bytes", name)
		}
	}
}

// Days that follow each other are the same however one comes to them, and each tells what happened.
func TestGenerateLaterDays(t *testing.T) {
	dir := t.TempDir()
	read := func(args ...string) (out outcome, export string) {
		t.Helper()
		out = ess(t, append([]string{"generate", "--pupils", "300", "--shape", "schools", "-o", dir}, args...)...)
		data, err := os.ReadFile(filepath.Join(dir, "alvis.xml"))
		if out.status != 0 || err != nil {
			t.Fatalf("exit status %d, %v:\n%s", out.status, err, out.stderr)
		}
		return out, string(data)
	}
	first, day0 := read("--day", "0")
	if _, plain := read(); plain != day0 || strings.Contains(first.stderr, "2026-09-") {
		t.Error("day 0 is not the first day, or something happened on it")
	}
	out, day5 := read("--day", "5", "--protected", "flag")
	if _, again := read("--day", "5", "--protected", "flag"); again != day5 {
		t.Error("R11: the same day gave other bytes")
	}
	if !strings.Contains(out.stderr, "2026-09-19: ") || !strings.Contains(out.stderr, "1 protected") {
		t.Errorf("standard error does not tell what happened: %q", out.stderr)
	}
	if !strings.Contains(day5, "<datetime>2026-09-19T00:00:0") || strings.Count(day5, "<securitymarking>Sekretessmarkering<")+
		strings.Count(day5, "<securitymarking>Skyddad folkbokföring<") != 1 {
		t.Error("the export of the fifth day is of another day, or marks not one person as protected")
	}
	out, _ = read("--day", "335", "--group-ids", "reused")
	if !strings.Contains(out.stderr, "2027-08-15: ") || !strings.Contains(out.stderr, "1 year-turned") {
		t.Errorf("the läsår did not turn: %q", out.stderr)
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
		"a date that is none":      {[]string{"--date", "2026-02-30", "-o", dir}, []string{"--date", "2026-02-30"}},
		"a day before the first":   {[]string{"--day", "-1", "-o", dir}, []string{"--day is -1", "3650"}},
		"a day that is a date":     {[]string{"--day", "2026-10-01", "-o", dir}, []string{"--day", "2026-10-01"}},
		"an unknown shape":         {[]string{"--shape", "round", "-o", dir}, []string{`"round"`, "schools"}},
		"a protection unknown":     {[]string{"--protected", "well", "-o", dir}, []string{`"well"`, "omits"}},
		"ids unknown":              {[]string{"--group-ids", "lost", "-o", dir}, []string{`"lost"`, "reused"}},
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
