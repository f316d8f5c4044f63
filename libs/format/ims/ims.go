// Package ims reads IMS Enterprise 1.1 XML (IMS Global Learning Consortium, "IMS Enterprise Information Model" and
// "XML Binding", version 1.1) into docs and facts.
//
// No two exporters write the format alike, so the reader is tolerant of what it can understand (any order of elements,
// any namespace, codes or words, padded ids) and strict where tolerance would lose people: a document that is not
// well-formed to its end, bytes that are not of the encoding, or a document type is an error, and of a read that ends
// with an error nothing is believed. What one exporter means by its types, roles and places is data: a [Profile].
//
// Persons are emitted as they are met. Groups and memberships are kept, compactly, until the document has ended well,
// because what a membership says depends on its group, which may stand after it.
package ims

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
)

// Options are what a read needs beside the bytes.
type Options struct {
	Profile Profile
	File    string // what messages call the file
	Limits  Limits
}

// Limits end a read that would cost too much. A zero field stands for its default.
type Limits struct {
	Bytes   int64 // of the file; default 2 GiB
	Depth   int   // of nested elements; default 64
	Element int   // bytes of a tag, a text, or one person, group or member; default 1 MiB
}

func (l Limits) orDefault() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 2 << 30
	}
	if l.Depth <= 0 {
		l.Depth = 64
	}
	if l.Element <= 0 {
		l.Element = 1 << 20
	}
	return l
}

// Summary is what a document says about itself, and what was in it.
type Summary struct {
	Seen       map[string]int // elements in the file: "persons", "groups", "memberships", "members"
	Complete   bool           // the document is a snapshot in which everything has an id, so absence means gone
	Datasource string
	Type       string    // properties/type as written
	DataTime   time.Time // properties/datetime; without a zone it is Stockholm's
	Findings   []fact.Finding
}

// The causes of an unreadable document. Each comes wrapped in a [reason.Error] that names the file and the line.
var (
	ErrTruncated = errors.New("the document ends too early")
	ErrMalformed = errors.New("the document is not well-formed XML")
	ErrDoctype   = errors.New("the document has a document type declaration, which is refused")
	ErrEntity    = errors.New("the document uses an entity that XML does not define")
	ErrEncoding  = errors.New("the bytes are not of the document's encoding")
	ErrDepth     = errors.New("the document is nested deeper than the limit")
	ErrElement   = errors.New("an element is larger than the limit")
	ErrSize      = errors.New("the document is larger than the limit")
	ErrRoot      = errors.New("the document is not IMS Enterprise")
)

// Read reads one document and emits its docs from the calling goroutine: persons in the order of the file, then units
// and groups, memberships by group, and what a delta deletes. Doc ids are "person/<id>", "group/<id>" and
// "membership/<group>/<member>"; a person or group that stands twice in a snapshot has "person#2/<id>" for its second
// element, so that both are heard.
//
// An id is the text of sourcedid/id. Ids of another source than the document's first (or the profile's) are written
// <source>/<id>, because the format's key is the pair.
//
// An error from emit, from r or of ctx ends the read and is returned. Any other error is a [reason.Error] of code
// [reason.Unreadable] or [reason.TruncatedFile] that wraps one of the causes above. After an error nothing that was
// emitted may be believed.
func Read(ctx context.Context, r io.Reader, o Options, emit func(fact.Doc) error) (Summary, error) {
	return readDocuments(ctx, []string{o.File}, func(string) (io.ReadCloser, error) { return io.NopCloser(r), nil }, o, emit)
}

// Set is the documents of one export.
type Set interface {
	Names() []string
	Open(name string) (io.ReadCloser, error)
}

// ReadSet reads several documents as one: a register that writes a document for each school. They are read in the order of
// their names. What one refers to may stand in another, and a person who stands in two is one, as in [Read]. DataTime is that
// of the newest; one document of changes makes the whole incomplete.
func ReadSet(ctx context.Context, set Set, o Options, emit func(fact.Doc) error) (Summary, error) {
	return readDocuments(ctx, slices.Sorted(slices.Values(set.Names())), set.Open, o, emit)
}

func readDocuments(ctx context.Context, names []string, open func(string) (io.ReadCloser, error), o Options, emit func(fact.Doc) error) (Summary, error) {
	rd := newReader(o, func(d fact.Doc) error {
		if err := ctx.Err(); err != nil { // what is kept until the end is emitted without reading on
			return err
		}
		return emit(d)
	})
	for _, name := range names {
		r, err := open(name)
		if err != nil {
			return Summary{}, err
		}
		if err := errors.Join(rd.document(ctx, name, r), r.Close()); err != nil {
			return Summary{}, rd.explain(err)
		}
	}
	if err := rd.resolve(); err != nil {
		return Summary{}, err
	}
	rd.summary.DataTime, rd.summary.Findings = rd.newest, rd.findings.list(rd.where)
	return rd.summary, nil
}

// flaw is something wrong with the document at a line. Its text never quotes content.
type flaw struct {
	line  int
	cause error
	what  string
}

func (f *flaw) Error() string { return fmt.Sprintf("line %d: %s", f.line, f.what) }
func (f *flaw) Unwrap() error { return f.cause }

// explain gives a flaw of the document its reason. Every other error is the caller's own.
func (rd *reader) explain(err error) error {
	var f *flaw
	file := rd.parts[len(rd.parts)-1].file
	switch {
	case !errors.As(err, &f):
		return err
	case errors.Is(f, ErrTruncated):
		return reason.Errorf(reason.Invalid, f.cause, reason.TruncatedFile, "file", file, "line", f.line, "what", f.what)
	default:
		return reason.Errorf(reason.Invalid, f.cause, reason.Unreadable, "file", file, "line", f.line, "what", f.Error())
	}
}
