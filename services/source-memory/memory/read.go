package memory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
)

// read reads a register entry by entry, so that its size makes no difference, and emits what changed after a version.
func read(ctx context.Context, name string, r io.Reader, since int, emit func(fact.Doc) error) (source.Result, error) {
	res := source.Result{Origin: name, Seen: map[string]int{}}
	d := newDecoder(name, r)
	if err := d.head(); err != nil {
		return res, err
	}
	complete := since < d.since || since > d.version
	err := d.lists(func(list string, i int, e entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		res.Seen[list]++
		c := e.last()
		if complete && c.Deleted || !complete && c.Version <= since {
			return nil
		}
		doc := e.doc()
		doc.Where = fmt.Sprintf("%s[%d]", list, i)
		if c.Deleted {
			doc.Deleted, doc.Facts = true, nil
		}
		return emit(doc)
	})
	if err != nil {
		return res, err
	}
	res.Complete, res.Cursor = complete, source.Cursor(strconv.Itoa(d.version))
	return res, nil
}

// decoder reads the JSON of a register. None of its errors says what stands there: it may be about a person.
type decoder struct {
	*json.Decoder
	name    string
	lines   *lines
	version int // the last change
	since   int // what changed after this version can be told; of what was deleted before nothing is known
}

func newDecoder(name string, r io.Reader) *decoder {
	l := &lines{r: r}
	d := &decoder{Decoder: json.NewDecoder(l), name: name, lines: l}
	d.DisallowUnknownFields()
	return d
}

// head reads the version and since, which come first.
func (d *decoder) head() error {
	if err := d.delim('{'); err != nil {
		return err
	}
	for _, x := range []struct {
		key  string
		into *int
	}{{"version", &d.version}, {"since", &d.since}} {
		if err := d.key(x.key); err != nil {
			return err
		}
		if err := d.value(x.into); err != nil {
			return err
		}
	}
	if d.since < 0 || d.version < d.since {
		return d.unreadable("version has to be at least since, and since at least 0")
	}
	return nil
}

// lists reads the lists, to the end of the register.
func (d *decoder) lists(each func(list string, i int, e entry) error) error {
	for _, list := range []struct {
		key  string
		next func(*decoder) (entry, error)
	}{{"units", next[unit]}, {"persons", next[person]}, {"groups", next[group]}} {
		if err := d.key(list.key); err != nil {
			return err
		}
		if err := d.delim('['); err != nil {
			return err
		}
		for i := 0; d.More(); i++ {
			e, err := list.next(d)
			if err == nil {
				err = each(list.key, i, e)
			}
			if err != nil {
				return err
			}
		}
		if err := d.delim(']'); err != nil {
			return err
		}
	}
	if err := d.delim('}'); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return d.unreadable("something stands after its end")
	}
	return nil
}

// next reads an entry of a list.
func next[E entry](d *decoder) (entry, error) {
	var e E
	err := d.value(&e)
	return e, err
}

func (d *decoder) key(want string) error {
	t, err := d.Token()
	if err == nil && t != want {
		return d.unreadable(fmt.Sprintf("%q is to stand here", want))
	}
	return d.explain(err)
}

func (d *decoder) delim(want json.Delim) error {
	t, err := d.Token()
	if err == nil && t != want {
		return d.unreadable(fmt.Sprintf("%q is to stand here", want.String()))
	}
	return d.explain(err)
}

func (d *decoder) value(into any) error { return d.explain(d.Decode(into)) }

// explain gives an error its reason. The decoder's own text may quote a value, so it is left out (rule R8).
func (d *decoder) explain(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return reason.Errorf(reason.Transient, nil, reason.TruncatedFile, "file", d.name, "line", d.lines.n+1, "what", "it is cut off")
	case d.lines.failed:
		return reason.Errorf(reason.Transient, err, reason.TransferCut, "file", d.name, "bytes", d.InputOffset())
	case errors.As(err, &syntax):
		return d.unreadable("it is not JSON")
	case errors.As(err, &kind):
		return d.unreadable("a value of another type is to stand here")
	default:
		return d.unreadable("a key stands here that is not known")
	}
}

func (d *decoder) unreadable(what string) error {
	return reason.Errorf(reason.Invalid, nil, reason.Unreadable, "file", d.name, "what", fmt.Sprintf("at byte %d: %s", d.InputOffset(), what))
}

// lines counts the lines that are read through it.
type lines struct {
	r      io.Reader
	n      int
	failed bool // by an error that is not the end
}

func (l *lines) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.n += bytes.Count(p[:n], []byte{'\n'})
	l.failed = err != nil && !errors.Is(err, io.EOF)
	return n, err
}
