package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"eventful.se/ess/libs/tenant"
)

const root = "../../.."

// TestTheSchemaIsFresh makes the schema anew: what is committed is that of the code.
func TestTheSchemaIsFresh(t *testing.T) {
	want, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range outputs() {
		got, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not that of the code: run make generate", path)
		}
	}
}

// check returns what an editor would say of a document.
func check(t *testing.T, document string) error {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(document), &value); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.MarshalWithOptions(value, yaml.JSON())
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(root, "docs", "tenant.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(instance)
}

func TestTheSchemaTakesEverySample(t *testing.T) {
	samples, err := filepath.Glob(filepath.Join(root, "services", "*", "sample.yaml"))
	if err != nil || len(samples) < 5 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, path := range samples {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(t, string(text)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if !strings.HasPrefix(string(text), "# yaml-language-server: $schema=../../docs/tenant.schema.json\n") {
			t.Errorf("%s does not name its schema in the first line", path)
		}
	}
	run, err := os.ReadFile(filepath.Join(root, "docs", "run.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(run), "```yaml\n")
	if example, _, _ = strings.Cut(example, "```"); check(t, example) != nil {
		t.Errorf("the example of docs/run.md: %v", check(t, example))
	}
}

// TestTheSchemaAgreesWithTheProgram has both judge the same documents, where it is their shape that is wrong or right.
func TestTheSchemaAgreesWithTheProgram(t *testing.T) {
	const head = "tenant: lund\npepper: env:PEPPER\n"
	for _, c := range []struct {
		name, text string
		right      bool
	}{
		{"everything", head + `
service: bronze
exceptions: [{of: units, by: anna, reason: pilot, until: 2027-06-30}, {of: filter, by: anna, reason: pilot, until: 2027-06-30}]
quiet: ["06-10..08-20"]
schoolYear: 08-10
status: {webhook: {ref: env:HOOK, expires: 2027-03-01}}
units: [{source: memory, id: 7, mergedInto: {source: memory, id: "8"}}, {source: memory, id: 8, code: 12345678}, {source: memory, id: 9, excluded: true}]
sources:
  - {system: memory, protected: none, groupIds: reused, guard: [{operation: delete, kind: person, percent: 1.5, floor: 3}], canaries: {units: [A]}, settings: {file: x}}
links:
  - target: memory
    mode: active
    gap: 3d
    leave: [{after: 5d, do: delete}]
    lifecycles: [{role: staff, linger: 0d}, {schoolForm: VUX}]
    guard: [{operation: delete, kind: account, floor: 3}]
    filter: 'true'
    onOutOfScope: asLeaver
    protected: alias
    settings: {file: x, timeout: 10s}
`, true},
		{"a key that is not there", head + "tittle: Lund\n", false},
		{"a level", head + "service: platinum\n", false},
		{"a mode", head + "links: [{target: memory, mode: on}]\n", false},
		{"a stage", head + "links: [{target: memory, leave: [{after: 30, do: disable}]}]\n", false},
		{"a secret in the place of a reference", "tenant: lund\npepper: hunter2\n", false},
		{"an expiry that is no day", "tenant: lund\npepper: {ref: env:P, expires: soon}\n", false},
		{"an exception without a reason", head + "exceptions: [{of: units, by: anna, until: 2027-06-30}]\n", false},
		{"an exception of nothing", head + "exceptions: [{of: everything, by: anna, reason: pilot, until: 2027-06-30}]\n", false},
		{"a season", head + "quiet: [summer]\n", false},
		{"two forms of a secret", "tenant: lund\npepper: {ref: env:P, expires: 2027-03-01}\nstatus: {webhook: env:HOOK}\n", true},
		{"numbers as ids", head + "sources: [{system: memory, settings: {file: x}}]\nunits: [{source: memory, id: 7, excluded: true}]\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := tenant.Parse([]byte(c.text))
			said := check(t, c.text)
			if (err == nil) != c.right || (said == nil) != c.right {
				t.Errorf("the program says %v, the schema %v", err, said)
			}
		})
	}
	for name, text := range map[string]string{
		"a setting of another system": head + "links: [{target: memory, settings: {file: x, sftp: {}}}]\n",
		"an unknown system":           head + "sources: [{system: nowhere}]\n",
	} {
		if check(t, text) == nil {
			t.Errorf("the schema takes %s", name)
		}
	}
}
