package ad

import (
	"strings"
	"testing"
	"unicode"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/transport/ldapx"
)

func TestClean(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		most int
		want string
	}{
		"plain":                          {"Anna Provsson", 64, "Anna Provsson"},
		"blanks":                         {"  Anna \t\u00a0 Provsson ", 64, "Anna Provsson"},
		"what cannot be seen":            {"A\x00nn\u200ba\u202e\ufeff", 64, "Anna"},
		"decomposed":                     {"A\u030asa", 64, "Åsa"},
		"not UTF-8":                      {"An\xffna", 64, "Anna"},
		"cut at a blank":                 {"Anna Provsson", 5, "Anna"},
		"a letter keeps its marks":       {"abq\u0323", 3, "ab"},
		"two units beyond the plane":     {"ab😀", 3, "ab"},
		"right to left stays":            {"\u05d0\u05d1", 64, "\u05d0\u05d1"},
		"nothing but what is not there":  {"\u200b\u202e \x00", 64, ""},
		"an odd one is kept, as it is":   {"*)(cn=*", 64, "*)(cn=*"},
		"a name as long as is permitted": {strings.Repeat("å", 64), 64, strings.Repeat("å", 64)},
	} {
		if got := clean(c.in, c.most); got != c.want {
			t.Errorf("%s: clean(%q, %d) = %q, want %q", name, c.in, c.most, got, c.want)
		}
	}
}

func TestGroupName(t *testing.T) {
	a, b := groupName("7A", "one"), groupName("7A", "two")
	if a == b || !strings.HasPrefix(a, "7A ") {
		t.Errorf("two groups that are called the same are %q and %q", a, b)
	}
	for _, name := range []string{`7A "[x]" <y>|*?@.`, strings.Repeat("å", 300), "", "...", "\u200b"} {
		got := groupName(name, "id")
		if length(got) > mostCN || strings.ContainsAny(got, refused) || strings.HasSuffix(got, ".") || got == "" {
			t.Errorf("groupName(%q) = %q, which no directory takes", name, got)
		}
	}
}

// TestCalled: what an account is told from others by stays whole, whatever is around it and however long that is.
func TestCalled(t *testing.T) {
	long := strings.Repeat("Årsta ", 20)
	for cn, want := range map[string]string{
		"{username}":                     "anvtes01",
		"{familyName} ({username})":      "",
		"{username} {familyName}":        "",
		"{givenName}{familyName} {id}":   "",
		"{displayName}, {unit}, {id}":    "",
		"{class} {username} {givenName}": "",
	} {
		m := &mapping{cn: compile(cn)}
		got := clean(m.called(func(word string) string {
			switch word {
			case "username":
				return "anvtes01"
			case "id":
				return "00000000-0000-8000-8000-00000000000b.pupil"
			default:
				return long
			}
		}), mostCN)
		key := "anvtes01"
		if strings.Contains(cn, "{id}") {
			key = "00000000-0000-8000-8000-00000000000b.pupil"
		}
		if !strings.Contains(got, key) || length(got) > mostCN || want != "" && got != want {
			t.Errorf("%s comes to %q", cn, got)
		}
	}
}

func TestFill(t *testing.T) {
	values := map[string]string{"unit": "Norra", "class": ""}
	for in, want := range map[string]string{
		"{unit}": "Norra", "Skola {unit}!": "Skola Norra!", "{class}": "", "{unit} {class}": "Norra ", "Elever": "Elever", "klass {class}": "",
	} {
		if got := compile(in).fill(func(w string) string { return values[w] }); got != want {
			t.Errorf("%q comes to %q, want %q", in, got, want)
		}
	}
}

// FuzzNames has any text be the name of an object: it is one value of one RDN, right below its parent, whatever is in it.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"Anna", `*()\,=+<>#;"`, " lead", "trail ", "#1", "a\x00b", "\u202eabc\u200b", "Åsa", "A\u030asa", `\`, `x\2C`, "CN=a,OU=b", "\xff"} {
		f.Add(s)
	}
	const parent = "OU=Elever,OU=Skolor,DC=skola,DC=test"
	f.Fuzz(func(t *testing.T, s string) {
		name := clean(s, mostCN)
		if length(name) > mostCN || name != strings.TrimSpace(name) || strings.ContainsFunc(name, unicode.IsControl) {
			t.Fatalf("clean(%q) = %q", s, name)
		}
		if again := clean(name, mostCN); again != name {
			t.Fatalf("clean is not done at once: %q, then %q", name, again)
		}
		if name == "" {
			return
		}
		for _, dn := range []string{ldapx.Child(ldapx.RDN("CN", name), parent), rdn("CN", name) + "," + parent} {
			parsed, err := ldap.ParseDN(dn)
			if err != nil {
				t.Fatalf("%q makes a DN that cannot be read: %q: %v", name, dn, err)
			}
			if len(parsed.RDNs) != 5 || len(parsed.RDNs[0].Attributes) != 1 || parsed.RDNs[0].Attributes[0].Value != name {
				t.Fatalf("%q makes another DN: %q", name, dn)
			}
			if !ldapx.Below(dn, parent) || nameOf(dn) != name {
				t.Fatalf("%q leads out of its parent: %q", name, dn)
			}
		}
		if _, err := ldap.CompileFilter(ldapx.Equal(fieldMail, s)); err != nil {
			t.Fatalf("%q makes a filter that cannot be read: %v", s, err)
		}
	})
}
