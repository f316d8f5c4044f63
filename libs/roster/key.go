package roster

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// Kind says what an entity is.
type Kind string

// The kinds of entity. They are also a token of the subject that a record is published on.
const (
	KindOrganisation Kind = "organisation"
	KindPerson       Kind = "person"
	KindGroup        Kind = "group"
)

// Kinds lists every kind in the order in which a run publishes them: what others refer to comes first.
func Kinds() []Kind { return []Kind{KindOrganisation, KindPerson, KindGroup} }

// Key is the pseudonymous identity of an entity within a tenant: a UUID made by [Keyer]. The zero Key is no entity.
type Key [16]byte

// ParseKey reads a key from its canonical text form.
func ParseKey(s string) (Key, error) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return Key{}, errors.New("key is not a UUID")
	}
	return Key(u), nil
}

// String returns the UUID in its canonical text form.
func (k Key) String() string { return uuid.UUID(k).String() }

// IsZero tells whether k names no entity.
func (k Key) IsZero() bool { return k == Key{} }

// Compare orders keys by their bytes.
func (k Key) Compare(o Key) int { return bytes.Compare(k[:], o[:]) }

// MarshalText returns the canonical text form.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the canonical text form.
func (k *Key) UnmarshalText(b []byte) (err error) {
	*k, err = ParseKey(string(b))
	return err
}

// Ref names one entity of a tenant.
type Ref struct {
	Kind Kind
	Key  Key
}

// String returns kind/key.
func (r Ref) String() string { return string(r.Kind) + "/" + r.Key.String() }

// Compare orders references by kind, then key.
func (r Ref) Compare(o Ref) int {
	return cmp.Or(cmp.Compare(r.Kind, o.Kind), r.Key.Compare(o.Key))
}

// Source names one register of a tenant: the system and, because a customer may run two of them, the instance.
type Source struct {
	System   string // "alvis": the suffix of the connector's folder
	Instance string // "default" when the tenant has one
}

// String returns system/instance.
func (s Source) String() string { return s.System + "/" + s.Instance }

// Compare orders sources by system, then instance.
func (s Source) Compare(o Source) int {
	return cmp.Or(cmp.Compare(s.System, o.System), cmp.Compare(s.Instance, o.Instance))
}

// ParseSource reads system/instance.
func ParseSource(s string) (Source, error) {
	sys, inst, ok := strings.Cut(s, "/")
	if !ok || sys == "" || inst == "" {
		return Source{}, fmt.Errorf("source %q is not of the form system/instance", s)
	}
	return Source{sys, inst}, nil
}

// MinPepper is the shortest pepper in bytes that a [Keyer] takes.
const MinPepper = 32

// Keyer makes the pseudonymous keys of one tenant: UUIDs of version 8 (RFC 9562, section 5.8) from an HMAC-SHA-256
// under the tenant's pepper. Who does not hold the pepper cannot tell a key's identity number by trying them all.
// A Keyer may be used from several goroutines.
type Keyer struct{ pool sync.Pool }

// scratch is what making one HMAC needs.
type scratch struct {
	mac hash.Hash
	buf []byte
	out []byte
}

func (k *Keyer) scratch() *scratch { return k.pool.Get().(*scratch) }

// sum returns the HMAC of the buffer. It stands until the scratch is used again.
func (s *scratch) sum() []byte {
	s.mac.Reset()
	s.mac.Write(s.buf)
	s.out = s.mac.Sum(s.out[:0])
	return s.out
}

// NewKeyer returns a keyer for the pepper, a secret of at least [MinPepper] bytes that never rotates.
func NewKeyer(pepper []byte) (*Keyer, error) {
	if len(pepper) < MinPepper {
		return nil, fmt.Errorf("pepper has %d bytes, want at least %d: make one with `openssl rand -hex 32` and keep a copy in escrow", len(pepper), MinPepper)
	}
	pepper = bytes.Clone(pepper)
	return &Keyer{sync.Pool{New: func() any { return &scratch{mac: hmac.New(sha256.New, pepper)} }}}, nil
}

// Person returns the key of a person: by number for a valid personnummer or samordningsnummer, so that two sources
// mean the same person; by source and number for any other number, because two sources' TF numbers are two children;
// by source and the source's id where there is no number.
func (k *Keyer) Person(s Source, id string, n CivicNo) Key {
	switch {
	case n.Kind() == Personnummer || n.Kind() == Samordningsnummer:
		return k.uuid("person", n.Reveal())
	case !n.IsZero():
		return k.uuid("person", s.String(), "number", n.Reveal())
	default:
		return k.uuid("person", s.String(), "id", id)
	}
}

// Group returns the key of a group: by source and the source's id, and by school year (2026/2027) where the source
// reuses its ids for other groups in the next year; schoolYear is empty otherwise.
func (k *Keyer) Group(s Source, id, schoolYear string) Key {
	return k.uuid("group", s.String(), id, schoolYear)
}

// Organisation returns the key of an organisation: by source and the source's id. A skolenhetskod is an attribute.
func (k *Keyer) Organisation(s Source, id string) Key {
	return k.uuid("organisation", s.String(), id)
}

// Digest returns a keyed hash of text, 32 hexadecimal digits, for places where the text itself may not stand.
func (k *Keyer) Digest(parts ...string) string {
	m := k.mac("digest", parts)
	return hex.EncodeToString(m[:])
}

func (k *Keyer) uuid(kind string, parts ...string) Key {
	u := k.mac(kind, parts)
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return u
}

// mac separates the parts by their lengths, so that no two lists of parts are the same bytes.
func (k *Keyer) mac(kind string, parts []string) (m [16]byte) {
	s := k.scratch()
	defer k.pool.Put(s)
	s.buf = append(append(s.buf[:0], kind...), ':')
	s.buf = strconv.AppendInt(s.buf, int64(len(parts)), 10)
	for _, p := range parts {
		s.buf = strconv.AppendInt(append(s.buf, ':'), int64(len(p)), 10)
		s.buf = append(append(s.buf, ':'), p...)
	}
	copy(m[:], s.sum())
	return m
}
