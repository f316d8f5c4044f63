package roster

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends the one defined encoding of a record to dst: the same for records that say the same, whatever the
// order of their lists. A record's hash is made of it and a record is printed by it.
//
//	{"kind":"person","key":"…","record":{"source":"alvis/default","givenName":"…","enrolments":[{"enroledAt":"…"}]}}
//
// Fields are named as SS 12000:2020 names them, where it has a name; references are keys; empty fields are left out.
// It is valid JSON whatever the record holds: bytes that are no UTF-8 become U+FFFD. Personal values are their masks
// unless reveal is true; reveal only to hash, or for a person who asked to see them.
func AppendJSON(dst []byte, r *Record, reveal bool) []byte {
	if !r.isNormal() {
		c := r.clone()
		c.Normalize()
		r = c
	}
	j := encoder{dst, reveal}
	j.b = append(j.b, '{')
	j.text("kind", string(r.Ref.Kind))
	j.key("key", r.Ref.Key)
	j.name("record")
	j.b = append(j.b, '{')
	j.text("source", r.Source.String())
	each(&j, "origins", r.Origins, func(o *Origin) {
		j.personal("id", o.ID)
		j.personal("doc", o.Doc)
	})
	j.keys("former", r.Former)
	j.flag("overlay", r.Overlay)
	j.keys("sameAs", r.SameAs)
	j.directives(r.Directives)
	switch {
	case r.Organisation != nil:
		j.organisation(r.Organisation)
	case r.Person != nil:
		j.person(r.Person)
	case r.Group != nil:
		j.group(r.Group)
	case r.Tombstone != nil:
		j.name("tombstone")
		j.b = append(j.b, '{')
		j.text("reason", string(r.Tombstone.Reason))
		j.key("became", r.Tombstone.Became)
		j.b = append(j.b, '}')
	}
	if len(r.Unknown) > 0 && reveal {
		j.text("unknown", base64.StdEncoding.EncodeToString(r.Unknown))
	} else if len(r.Unknown) > 0 {
		j.text("unknown", masked)
	}
	return append(j.b, "}}"...)
}

// Hash returns the keyed hash of a record's state, 32 hexadecimal digits: equal hashes say that nothing changed.
func (k *Keyer) Hash(r *Record) string {
	s := k.scratch()
	defer k.pool.Put(s)
	s.buf = AppendJSON(s.buf[:0], r, true)
	return hex.EncodeToString(s.sum()[:16])
}

// Format prints the record's JSON with masks, for every verb and flag.
func (r Record) Format(f fmt.State, _ rune) { _, _ = f.Write(AppendJSON(nil, &r, false)) }

// Format prints the JSON with masks, for every verb and flag: what fmt does with a pointer and a verb that does not
// fit it would get past the masks of the fields.
func (o Organisation) Format(f fmt.State, _ rune) { object(f, func(j *encoder) { j.organisation(&o) }) }

// Format prints the JSON with masks, for every verb and flag.
func (p Person) Format(f fmt.State, _ rune) { object(f, func(j *encoder) { j.person(&p) }) }

// Format prints the JSON with masks, for every verb and flag.
func (g Group) Format(f fmt.State, _ rune) { object(f, func(j *encoder) { j.group(&g) }) }

func object(w io.Writer, fields func(*encoder)) {
	j := encoder{b: []byte{'{'}}
	fields(&j)
	_, _ = w.Write(append(j.b, '}'))
}

// encoder appends fields to JSON objects.
type encoder struct {
	b      []byte
	reveal bool
}

func (j *encoder) directives(list []Directive) {
	each(j, "directives", list, func(d *Directive) {
		j.text("directive", string(d.Kind))
		j.date("until", d.Until)
		j.personal("owner", d.Owner)
		j.personal("reason", d.Reason)
		j.personal("doc", d.Doc)
		j.text("link", d.Link)
	})
}

func (j *encoder) organisation(o *Organisation) {
	j.text("displayName", o.DisplayName)
	j.text("organisationType", string(o.Type))
	j.key("parentOrganisation", o.Parent)
	texts(j, "schoolUnitCodes", o.UnitCodes)
	texts(j, "schoolTypes", o.SchoolTypes)
	j.interval(o.Interval)
	j.extra(o.Extra)
}

func (j *encoder) person(p *Person) {
	j.personal("givenName", p.GivenName)
	j.personal("middleName", p.MiddleName)
	j.personal("familyName", p.FamilyName)
	j.personal("displayName", p.DisplayName)
	if j.reveal {
		j.text("civicNo", p.CivicNo.Reveal())
	} else {
		j.text("civicNo", p.CivicNo.String())
	}
	j.text("civicNoKind", string(p.CivicNo.Kind()))
	j.personal("birthDate", p.BirthDate)
	j.text("sex", string(p.Sex))
	j.text("securityMarking", string(p.Marking))
	j.flag("suspended", p.Suspended)
	each(j, "personas", p.Personas, func(p *Persona) {
		j.text("role", string(p.Role))
		j.personal("email", p.Email)
		j.personal("username", p.Username)
		j.personal("eduPersonPrincipalName", p.EPPN)
	})
	each(j, "enrolments", p.Enrolments, func(e *Enrolment) {
		j.key("enroledAt", e.EnroledAt)
		j.text("schoolType", string(e.SchoolType))
		j.text("schoolYear", e.SchoolYear)
		j.text("programme", e.Programme)
		j.interval(e.Interval)
		j.personal("doc", e.Doc)
	})
	each(j, "duties", p.Duties, func(d *Duty) {
		j.key("dutyAt", d.DutyAt)
		j.text("dutyRole", string(d.Role))
		j.interval(d.Interval)
		j.personal("doc", d.Doc)
	})
	j.extra(p.Extra)
}

func (j *encoder) group(g *Group) {
	j.text("displayName", g.DisplayName)
	j.text("groupType", string(g.Type))
	j.key("organisation", g.Organisation)
	j.text("schoolType", string(g.SchoolType))
	j.text("subject", g.Subject)
	j.text("schoolYear", g.SchoolYear)
	j.interval(g.Interval)
	each(j, "groupMemberships", g.Members, func(m *Membership) {
		j.key("person", m.Person)
		j.text("role", string(m.Role))
		j.interval(m.Interval)
		j.personal("doc", m.Doc)
	})
	j.extra(g.Extra)
}

func (j *encoder) interval(i Interval) {
	j.date("startDate", i.Start)
	j.date("endDate", i.End)
}

func (j *encoder) extra(x Extra) {
	if len(x) == 0 {
		return
	}
	var few [16]string
	names := few[:0]
	for k := range x {
		names = append(names, k)
	}
	slices.Sort(names)
	j.name("extra")
	j.b = append(j.b, '{')
	for _, k := range names {
		j.comma()
		j.quote(k)
		j.b = append(j.b, ':')
		j.value(x[k])
	}
	j.b = append(j.b, '}')
}

// each appends a list of objects, whose fields the function appends.
func each[T any](j *encoder, name string, list []T, fields func(*T)) {
	if len(list) == 0 {
		return
	}
	j.name(name)
	j.b = append(j.b, '[')
	for i := range list {
		j.comma()
		j.b = append(j.b, '{')
		fields(&list[i])
		j.b = append(j.b, '}')
	}
	j.b = append(j.b, ']')
}

func texts[T ~string](j *encoder, name string, list []T) {
	if len(list) == 0 {
		return
	}
	j.name(name)
	j.b = append(j.b, '[')
	for _, s := range list {
		j.comma()
		j.quote(string(s))
	}
	j.b = append(j.b, ']')
}

func (j *encoder) keys(name string, list []Key) {
	if len(list) == 0 {
		return
	}
	j.name(name)
	j.b = append(j.b, '[')
	for _, k := range list {
		j.comma()
		j.uuid(k)
	}
	j.b = append(j.b, ']')
}

func (j *encoder) text(name, s string) {
	if s != "" {
		j.name(name)
		j.quote(s)
	}
}

func (j *encoder) personal(name string, p Personal) {
	if p != "" {
		j.name(name)
		j.value(p)
	}
}

func (j *encoder) value(p Personal) {
	if j.reveal {
		j.quote(p.Reveal())
	} else {
		j.quote(p.String())
	}
}

func (j *encoder) key(name string, k Key) {
	if !k.IsZero() {
		j.name(name)
		j.uuid(k)
	}
}

func (j *encoder) uuid(k Key) {
	var u [38]byte
	u[0], u[9], u[14], u[19], u[24], u[37] = '"', '-', '-', '-', '-', '"'
	hex.Encode(u[1:9], k[:4])
	hex.Encode(u[10:14], k[4:6])
	hex.Encode(u[15:19], k[6:8])
	hex.Encode(u[20:24], k[8:10])
	hex.Encode(u[25:37], k[10:])
	j.b = append(j.b, u[:]...)
}

func (j *encoder) flag(name string, v bool) {
	if v {
		j.name(name)
		j.b = append(j.b, "true"...)
	}
}

func (j *encoder) date(name string, d Date) {
	if d.IsOpen() {
		return
	}
	j.name(name)
	if d < 1000_00_00 {
		j.quote(d.String())
		return
	}
	var digits [11]byte
	n := strconv.AppendInt(digits[:0], int64(d), 10)
	j.b = append(j.b, '"', n[0], n[1], n[2], n[3], '-', n[4], n[5], '-', n[6], n[7], '"')
}

func (j *encoder) name(s string) {
	j.comma()
	j.b = append(j.b, '"')
	j.b = append(j.b, s...)
	j.b = append(j.b, '"', ':')
}

// comma parts what comes from what stands before it.
func (j *encoder) comma() {
	if c := j.b[len(j.b)-1]; c != '{' && c != '[' {
		j.b = append(j.b, ',')
	}
}

func (j *encoder) quote(s string) {
	const digits = "0123456789abcdef"
	j.b = append(j.b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				j.b = append(append(j.b, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		j.b = append(j.b, s[start:i]...)
		if c == '"' || c == '\\' {
			j.b = append(j.b, '\\', c)
		} else {
			j.b = append(j.b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		i++
		start = i
	}
	j.b = append(append(j.b, s[start:]...), '"')
}

// Validate checks what every record must hold: a kind and a key, a source, exactly one body that fits the kind, no
// reference to nobody, a tombstone that says why and, when the entity became another, which. The error names no person.
func (r *Record) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !slices.Contains(Kinds(), r.Ref.Kind) {
		wrong("kind %q is not known", r.Ref.Kind)
	}
	if r.Ref.Key.IsZero() {
		wrong("key is missing")
	}
	if r.Source.System == "" || r.Source.Instance == "" {
		wrong("source is missing")
	}
	bodies, fits := 0, true
	body := func(there bool, k Kind) {
		if there {
			bodies++
			fits = fits && (k == "" || k == r.Ref.Kind)
		}
	}
	body(r.Organisation != nil, KindOrganisation)
	body(r.Person != nil, KindPerson)
	body(r.Group != nil, KindGroup)
	body(r.Tombstone != nil, "")
	switch {
	case bodies != 1:
		wrong("has %d bodies, want exactly one", bodies)
	case !fits:
		wrong("the body is not of the kind")
	}
	if slices.ContainsFunc(r.Former, func(k Key) bool { return k.IsZero() || k == r.Ref.Key }) {
		wrong("a former key is zero or the record's own")
	}
	if slices.ContainsFunc(r.SameAs, func(k Key) bool { return k.IsZero() || k == r.Ref.Key }) || len(r.SameAs) > 0 && r.Person == nil {
		wrong("the same as nobody, as itself, or no person")
	}
	if slices.ContainsFunc(r.Directives, func(d Directive) bool { return d.Kind == "" || d.Owner == "" || d.Reason == "" }) {
		wrong("a directive lacks its kind, its owner or its reason")
	}
	if len(r.Directives) > 0 && r.Tombstone != nil {
		wrong("a tombstone has directives")
	}
	if r.Organisation != nil && r.Organisation.Parent == r.Ref.Key {
		wrong("an organisation is its own parent")
	}
	if p := r.Person; p != nil {
		if p.Suspended {
			wrong("a person is suspended without a directive")
		}
		if slices.ContainsFunc(p.Enrolments, func(e Enrolment) bool { return e.EnroledAt.IsZero() }) {
			wrong("an enrolment names no unit")
		}
		if slices.ContainsFunc(p.Duties, func(d Duty) bool { return d.DutyAt.IsZero() }) {
			wrong("a duty names no unit")
		}
	}
	if r.Group != nil && slices.ContainsFunc(r.Group.Members, func(m Membership) bool { return m.Person.IsZero() }) {
		wrong("a membership names no person")
	}
	if t := r.Tombstone; t != nil {
		if t.Reason == "" {
			wrong("a tombstone gives no reason")
		}
		if (t.Reason == TombstoneBecame) == t.Became.IsZero() || t.Became == r.Ref.Key {
			wrong("a tombstone names another key when the entity became one, and only then")
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("record %s of %s: %w", r.Ref, r.Source, errors.Join(errs...))
	}
	return nil
}
