package ims

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
)

var update = flag.Bool("update", false, "write the expected files of the golden cases")

// TestCases reads every case folder: input.xml, profile.yaml where it is not the base profile, expected.json.
func TestCases(t *testing.T) {
	dirs, err := filepath.Glob("testdata/cases/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			input, err := os.ReadFile(filepath.Join(dir, "input.xml"))
			if err != nil {
				t.Fatal(err)
			}
			profile := Base()
			if y, err := os.ReadFile(filepath.Join(dir, "profile.yaml")); err == nil {
				if profile, err = ParseProfile(y); err != nil {
					t.Fatal(err)
				}
			}
			docs, summary, err := readAll(input, profile)
			got := render(t, docs, summary, err)
			path := filepath.Join(dir, "expected.json")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func readAll(input []byte, p Profile) ([]fact.Doc, Summary, error) {
	var docs []fact.Doc
	s, err := Read(context.Background(), bytes.NewReader(input), Options{Profile: p, File: "input.xml"}, func(d fact.Doc) error {
		docs = append(docs, d)
		return nil
	})
	return docs, s, err
}

// render returns what a read came to as JSON without empty fields: of a read that ends with an error, the error alone.
func render(t rapid.TB, docs []fact.Doc, s Summary, err error) []byte {
	t.Helper()
	var out any
	if err != nil {
		r := reason.Of(err)
		out = map[string]string{"error": string(r.Code), "text": err.Error()}
	} else {
		var list []any
		for _, d := range docs {
			list = append(list, fields(d))
		}
		var findings []any
		for _, f := range s.Findings {
			findings = append(findings, fmt.Sprintf("%d × %s %s, %s: %s", f.Count, f.Severity, f.Effect, f.Where, f.Reason))
		}
		m := map[string]any{"docs": list, "seen": s.Seen, "complete": s.Complete}
		for k, v := range map[string]string{"datasource": s.Datasource, "type": s.Type} {
			if v != "" {
				m[k] = v
			}
		}
		if !s.DataTime.IsZero() {
			m["dataTime"] = s.DataTime.UTC()
		}
		if len(findings) > 0 {
			m["findings"] = findings
		}
		out = m
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(out); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fields returns the fields of a struct that are not empty, with the name of a fact's type.
func fields(v any) any {
	r := reflect.ValueOf(v)
	m := map[string]any{}
	if _, ok := v.(fact.Fact); ok {
		m["fact"] = strings.ToLower(r.Type().Name())
	}
	for i := range r.NumField() {
		if r.Field(i).IsZero() {
			continue
		}
		f := r.Field(i).Interface()
		if list, ok := f.([]fact.Fact); ok {
			facts := []any{}
			for _, x := range list {
				facts = append(facts, fields(x))
			}
			f = facts
		}
		m[r.Type().Field(i).Name] = f
	}
	return m
}
