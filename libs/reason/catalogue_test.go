package reason

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// constants returns the name and value of every Code in the catalogue's file.
func constants(t *testing.T) map[string]Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]Code{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Code" {
			text := spec.Values[0].(*ast.BasicLit).Value
			out[spec.Names[0].Name] = Code(text[1 : len(text)-1])
		}
		return true
	})
	return out
}

var placeholder = regexp.MustCompile(`\{[A-Za-z]+\}`)

func TestEveryCodeHasItsTexts(t *testing.T) {
	codes := constants(t)
	if len(codes) != len(catalogue) {
		t.Errorf("%d codes and %d entries", len(codes), len(catalogue))
	}
	seen := map[Code]string{}
	for name, code := range codes {
		if other, twice := seen[code]; twice {
			t.Errorf("%s and %s are both %q", name, other, code)
		}
		seen[code] = name
		e, ok := catalogue[code]
		if !ok {
			t.Errorf("%s has no entry", name)
			continue
		}
		for _, text := range []string{e.sv, e.en, e.nextSv, e.nextEn} {
			if text == "" {
				t.Errorf("%s lacks a text", name)
			}
		}
		if sv, en := args(e.sv), args(e.en); !slices.Equal(sv, en) {
			t.Errorf("%s says %v in Swedish and %v in English", name, sv, en)
		}
		if sv, en := args(e.nextSv), args(e.nextEn); !slices.Equal(sv, en) {
			t.Errorf("%s advises with %v in Swedish and %v in English", name, sv, en)
		}
	}
}

func args(text string) []string {
	list := placeholder.FindAllString(text, -1)
	slices.Sort(list)
	return slices.Compact(list)
}

func TestReasonSaysWhatAndWhatNext(t *testing.T) {
	r := New(NoFile, "path", "/export", "pattern", "*.xml")
	for got, want := range map[string]string{
		r.Text(English):                 "No file in /export matches *.xml.",
		r.Text(Swedish):                 "Ingen fil i /export passar *.xml.",
		r.String():                      "No file in /export matches *.xml. (no-file)",
		r.Arg("path"):                   "/export",
		r.Arg("none"):                   "",
		New("unheard-of").Text(English): "unheard-of",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestErrorsCarryFaultAndReason(t *testing.T) {
	cause := errors.New("dial tcp: refused")
	err := fmt.Errorf("read alvis: %w", &Error{Fault: Misconfigured, Reason: New(WrongCredentials), After: time.Minute, Err: cause})
	if FaultOf(err) != Misconfigured || Of(err).Code != WrongCredentials || AfterOf(err) != time.Minute || !errors.Is(err, cause) {
		t.Errorf("%v is %s, %s, after %s", err, FaultOf(err), Of(err).Code, AfterOf(err))
	}
	if FaultOf(cause) != Transient || Of(cause).Code != Unexpected || AfterOf(cause) != 0 {
		t.Errorf("an error that says nothing is %s, %s", FaultOf(cause), Of(cause).Code)
	}
}

func TestAFieldIsASchoolsWord(t *testing.T) {
	why := New(MissingRecommended, "field", "email")
	if got := why.Text(Swedish); !strings.Contains(got, "saknar e-postadress;") {
		t.Errorf("a school is told %q", got)
	}
	if got := why.Text(English); !strings.Contains(got, "no email;") {
		t.Errorf("an operator is told %q", got)
	}
}

func TestAdviceIsTrueWhereverItIsGiven(t *testing.T) {
	for _, c := range []struct {
		code      Code
		says      map[Language][]string
		saysNever map[Language][]string
	}{
		{
			WrongCredentials,
			map[Language][]string{English: {"x.example", "A source is not read again by itself", "a link tries again"}, Swedish: {"x.example", "En källa läses inte om av sig själv", "en länk prövar igen"}},
			map[Language][]string{English: {"until they have changed"}, Swedish: {"förrän de är ändrade"}},
		},
		{NATSUnreachable, map[Language][]string{English: {"NATS"}, Swedish: {"NATS"}}, map[Language][]string{English: {"vendor", "allow list"}, Swedish: {"leverantör"}}},
		{NATSCredentials, map[Language][]string{English: {"ESS_NATS_CREDS"}, Swedish: {"ESS_NATS_CREDS"}}, map[Language][]string{English: {"vendor", "source"}, Swedish: {"leverantör", "källa"}}},
	} {
		r := New(c.code, "address", "x.example", "user", "ess")
		for _, l := range []Language{English, Swedish} {
			text := r.Text(l) + " " + r.Next(l)
			for _, s := range c.says[l] {
				if !strings.Contains(text, s) {
					t.Errorf("%s does not say %q: %s", c.code, s, text)
				}
			}
			for _, s := range c.saysNever[l] {
				if strings.Contains(text, s) {
					t.Errorf("%s says %q: %s", c.code, s, text)
				}
			}
		}
	}
}
