package ss12000

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"eventful.se/ess/libs/roster"
)

// Page is what a page said beside its objects.
type Page struct {
	Count int    // objects
	Token string // pageToken of the next page; empty on the last
	// WithoutID counts objects that have no id, and were not read: each may be anybody.
	WithoutID int
	// Odd counts what is not as the standard has it, by words of ours: "persons.emails.value: not a text".
	Odd map[string]int
}

// ReadPage reads a page of a list, or what a lookup answered, and calls each with every object in turn. An error of each
// ends it and is returned; any other wraps one of the causes of this package, or is of the reader.
func ReadPage(of Resource, from io.Reader, each func(Object) error) (Page, error) {
	r := newReader(from, string(of))
	p := Page{Odd: r.odd}
	read := r.objectOf(of)
	if read == nil {
		return p, fmt.Errorf("no list %q is read", of)
	}
	one := func() {
		o := read()
		if r.err != nil {
			return
		}
		if o.Head().ID == "" {
			p.WithoutID++
			return
		}
		p.Count++
		r.err = each(o)
	}
	if err := r.page(&p, one); err != nil {
		return p, err
	}
	return p, r.end()
}

// NextToken returns the pageToken of a page without reading its objects, so that the next page can be fetched while this one
// is read. Of what is no page it returns none: who reads the page says what is wrong with it.
func NextToken(page []byte) (token string) {
	if at := bytes.LastIndex(page, []byte(`,"pageToken"`)); at >= 0 {
		// Mostly it stands last, and what stands before it need not be read: only the page itself ends with the text.
		last := newReader(io.MultiReader(strings.NewReader("{"), bytes.NewReader(page[at+1:])), "")
		if token = last.next(); last.err == nil && last.end() == nil {
			return token
		}
	}
	r := newReader(bytes.NewReader(page), "")
	if token = r.next(); r.err != nil {
		return ""
	}
	return token
}

// next reads a page's pageToken, and nothing else of it.
func (r *reader) next() (token string) {
	if r.json.PeekKind() != '{' {
		return ""
	}
	r.fields(func(name string) {
		if name == "pageToken" {
			token = r.text()
			return
		}
		r.skip()
	})
	return token
}

// page reads {data, pageToken}, or an array.
func (r *reader) page(p *Page, one func()) error {
	switch r.json.PeekKind() {
	case '[':
		r.list(one)
	case '{':
		there := false
		r.fields(func(name string) {
			switch name {
			case "data":
				switch r.json.PeekKind() {
				case '[', 'n':
					there = true
				}
				r.list(one)
			case "pageToken":
				p.Token = r.nextPage()
			default:
				r.skip()
			}
		})
		if r.err == nil && !there {
			return ErrShape
		}
	case 0:
		r.token()
	default:
		return ErrShape
	}
	return r.err
}

// nextPage reads a pageToken. One that is no single value does not say that the list is at its end.
func (r *reader) nextPage() string {
	if kind := r.json.PeekKind(); kind == '{' || kind == '[' {
		r.fail(ErrShape)
	}
	return r.text()
}

// end tells whether anything stands behind what was read.
func (r *reader) end() error {
	if _, err := r.json.ReadToken(); !errors.Is(err, io.EOF) {
		return ErrMalformed
	}
	return nil
}

// ReadDeleted reads a page of deletedEntities: ids by list, under the keys of the standard or their right spelling, or the
// flat list of {entityType, id} that some servers send. Lists that are not read are passed over.
func ReadDeleted(from io.Reader, into Deleted) (Page, error) {
	r := newReader(from, "deletedEntities")
	p := Page{Odd: r.odd}
	add := func(of Resource, id string) {
		if id = ID(id); of != "" && id != "" {
			into[of] = append(into[of], id)
			p.Count++
		}
	}
	flat := func() {
		var of Resource
		var id string
		r.fields(func(name string) {
			switch name {
			case "entityType", "entity", "type":
				of = resourceOf(r.text())
			case "id":
				id = r.text()
			default:
				r.skip()
			}
		})
		add(of, id)
	}
	there := false
	r.fields(func(name string) {
		switch name {
		case "pageToken":
			p.Token = r.nextPage()
		case "data":
			there = true
			if r.json.PeekKind() == '[' {
				r.strange("data", "a flat list")
				r.list(flat)
				return
			}
			r.fields(func(name string) {
				of := resourceOf(name)
				r.list(func() { add(of, r.ref().ID) })
			})
		default:
			r.skip()
		}
	})
	if r.err != nil {
		return p, r.err
	}
	if !there {
		return p, ErrShape
	}
	return p, r.end()
}

// resourceOf returns the list that a key or an entity type means, or none.
func resourceOf(word string) Resource {
	if strings.EqualFold(word, "activitites") {
		return Activities
	}
	for _, r := range Resources() {
		if strings.EqualFold(word, string(r)) || strings.EqualFold(word, r.EntityType()) {
			return r
		}
	}
	return ""
}

// reader reads JSON as it comes. The first error stays, and after it nothing is read.
type reader struct {
	json *jsontext.Decoder
	of   string
	odd  map[string]int
	err  error
}

func newReader(from io.Reader, of string) *reader {
	return &reader{json: jsontext.NewDecoder(from), of: of, odd: map[string]int{}}
}

func (r *reader) strange(field, what string) { r.odd[r.of+"."+field+": "+what]++ }

// token returns the next token; one that no value begins with after an error.
func (r *reader) token() jsontext.Token {
	if r.err != nil {
		return jsontext.Token{}
	}
	t, err := r.json.ReadToken()
	r.fail(err)
	return t
}

// fail keeps an error. The words of the JSON package are not among what it says: they quote the answer (rule R8).
func (r *reader) fail(err error) {
	if err == nil || r.err != nil {
		return
	}
	_, bad := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		r.err = fmt.Errorf("%w, at byte %d", ErrDuplicate, r.json.InputOffset())
	case bad || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		r.err = fmt.Errorf("%w, at byte %d", ErrMalformed, r.json.InputOffset())
	default:
		r.err = err
	}
}

func (r *reader) skip() {
	if r.err == nil {
		r.fail(r.json.SkipValue())
	}
}

// fields calls each with the name of every member of an object; each reads its value. What is no object has none.
func (r *reader) fields(each func(name string)) {
	if r.err != nil {
		return
	}
	if kind := r.json.PeekKind(); kind != '{' {
		if kind != 'n' {
			r.strange("object", "something else")
		}
		r.skip()
		return
	}
	r.token()
	for r.err == nil && r.json.PeekKind() != '}' {
		name := r.token()
		if r.err == nil {
			each(name.String())
		}
	}
	r.token()
}

// list calls each for every element of an array; each reads it. What is no array but null is a list of one.
func (r *reader) list(each func()) {
	if r.err != nil {
		return
	}
	switch r.json.PeekKind() {
	case 'n':
		r.token()
	case '[':
		r.token()
		for r.err == nil && r.json.PeekKind() != ']' {
			each()
		}
		r.token()
	default:
		r.strange("list", "a single value")
		each()
	}
}

// text returns a text, or what else a single value is written as; nothing for null.
func (r *reader) text() string {
	if r.err != nil {
		return ""
	}
	switch kind := r.json.PeekKind(); kind {
	case 'n':
		r.token()
		return ""
	case '{', '[':
		r.strange("text", "an object or a list")
		r.skip()
		return ""
	case '"':
		return strings.TrimSpace(r.token().String())
	default:
		t := r.token()
		if r.err != nil {
			return ""
		}
		return t.String()
	}
}

// marking reads a securityMarking. One that is an object or a list says something, and nobody knows what: it is not none
// (rule R9).
func (r *reader) marking() string {
	kind := r.json.PeekKind()
	mark := r.text()
	if kind == '{' || kind == '[' {
		return unreadableMark
	}
	return mark
}

// unreadableMark stands for a mark that is no text.
const unreadableMark = "?"

func (r *reader) personal() roster.Personal { return roster.Personal(r.text()) }

func (r *reader) texts() (all []string) {
	r.list(func() {
		if s := r.text(); s != "" {
			all = append(all, s)
		}
	})
	return all
}

func (r *reader) yes() bool { return strings.EqualFold(r.text(), "true") }

func (r *reader) time(field string) time.Time {
	s := r.text()
	t, ok := ParseTime(s)
	if !ok && s != "" {
		r.strange(field, "not a time")
	}
	return t
}

// ref reads a reference: an object with an id, or the bare id.
func (r *reader) ref() (to Ref) {
	if r.err != nil {
		return to
	}
	if r.json.PeekKind() != '{' {
		return Ref{ID: ID(r.text())}
	}
	r.fields(func(name string) {
		switch name {
		case "id":
			to.ID = ID(r.text())
		case "displayName":
			to.Name = r.text()
		case "securityMarking":
			to.Marking = r.marking()
		default:
			r.skip()
		}
	})
	return to
}
