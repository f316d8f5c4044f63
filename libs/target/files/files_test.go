package files

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/target"
)

// fixed is a format of files that do not depend on the set.
type fixed []File

func (f fixed) Files([]target.Resource) ([]File, []target.Problem) { return f, nil }

// memory is a drop that keeps what it gets.
type memory struct {
	files map[string][]byte
	order []string
	fail  error
}

func (m *memory) Put(_ context.Context, name string, data []byte) error {
	if m.fail != nil {
		return m.fail
	}
	m.files[name] = bytes.Clone(data)
	m.order = append(m.order, name)
	return nil
}

func (m *memory) Stat(_ context.Context, name string) (int64, time.Time, error) {
	if m.fail != nil {
		return 0, time.Time{}, m.fail
	}
	data, ok := m.files[name]
	if !ok {
		return 0, time.Time{}, fs.ErrNotExist
	}
	return int64(len(data)), time.Time{}, nil
}

func (m *memory) Remove(_ context.Context, name string) error {
	delete(m.files, name)
	return m.fail
}

func newMemory() *memory { return &memory{files: map[string][]byte{}} }

func render(t *testing.T, s Sink) target.Package {
	t.Helper()
	p, problems := s.Render(nil)
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	return p
}

func TestZipIsOneSortedFileNamedByItsContent(t *testing.T) {
	drop := newMemory()
	s := Sink{Format: fixed{{"b.csv", []byte("b")}, {"a.csv", []byte("a")}}, Packing: Zip, Drop: drop}
	p := render(t, s)
	if err := s.Deliver(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if want := "ess-" + p.Digest[:12] + ".zip"; p.Name != want || len(drop.order) != 1 || drop.order[0] != want {
		t.Errorf("name %q, delivered %q, want one %q", p.Name, drop.order, want)
	}
	list, err := Unpack(drop.files[p.Name])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]File{{"a.csv", []byte("a")}, {"b.csv", []byte("b")}}, list); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
}

func TestPlainFilesComeInTheOrderOfTheFormat(t *testing.T) {
	drop := newMemory()
	s := Sink{Format: fixed{{"z.csv", []byte("z")}, {"manifest", []byte("2")}}, Packing: Plain, Drop: drop}
	if err := s.Deliver(t.Context(), render(t, s)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"z.csv", "manifest"}, drop.order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestSameContentIsTheSamePackage(t *testing.T) {
	a := render(t, Sink{Format: fixed{{"a", []byte("1")}}, Packing: Zip})
	b := render(t, Sink{Format: fixed{{"a", []byte("1")}}, Packing: Zip})
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("same content differs:\n%s", diff)
	}
	for name, other := range map[string]fixed{
		"another byte":     {{"a", []byte("2")}},
		"another name":     {{"b", []byte("1")}},
		"one file more":    {{"a", []byte("1")}, {"b", nil}},
		"a moved boundary": {{"a1", nil}, {"", []byte("1")}},
	} {
		if render(t, Sink{Format: other, Packing: Zip}).Digest == a.Digest {
			t.Errorf("%s: same digest", name)
		}
	}
}

func TestDelivered(t *testing.T) {
	cut := errors.New("connection cut")
	for name, c := range map[string]struct {
		consumes, bodyless bool
		packing            Packing
		spoil              func(*memory, target.Package)
		want               bool
		err                error
	}{
		"there":                        {packing: Zip, want: true},
		"there, body unknown":          {packing: Zip, bodyless: true, want: true},
		"plain files, all there":       {packing: Plain, want: true},
		"plain files, body unknown":    {packing: Plain, bodyless: true, err: target.ErrUnsupported},
		"gone":                         {packing: Zip, spoil: func(m *memory, _ target.Package) { clear(m.files) }},
		"gone, body unknown":           {packing: Zip, bodyless: true, spoil: func(m *memory, _ target.Package) { clear(m.files) }},
		"one of the plain files gone":  {packing: Plain, spoil: func(m *memory, _ target.Package) { delete(m.files, "b") }},
		"there, of a consuming target": {packing: Zip, consumes: true, want: true},
		"gone, of a consuming target": {
			packing: Zip, consumes: true, err: target.ErrUnsupported,
			spoil: func(m *memory, _ target.Package) { clear(m.files) },
		},
		"half of it": {packing: Zip, spoil: func(m *memory, p target.Package) { m.files[p.Name] = p.Body[:9] }},
		"half of it, of a consuming target": {
			packing: Zip, consumes: true,
			spoil: func(m *memory, p target.Package) { m.files[p.Name] = p.Body[:9] },
		},
		"drop out of reach": {packing: Zip, err: cut, spoil: func(m *memory, _ target.Package) { m.fail = cut }},
	} {
		t.Run(name, func(t *testing.T) {
			drop := newMemory()
			s := Sink{Format: fixed{{"a", []byte("1")}, {"b", []byte("2")}}, Packing: c.packing, Drop: drop, Consumes: c.consumes}
			p := render(t, s)
			if err := s.Deliver(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if c.spoil != nil {
				c.spoil(drop, p)
			}
			if c.bodyless {
				p.Body = nil
			}
			got, err := s.Delivered(t.Context(), p)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %v, %v; want %v, %v", got, err, c.want, c.err)
			}
		})
	}
}

func TestADeliveryThatFailsSaysSo(t *testing.T) {
	drop := newMemory()
	drop.fail = errors.New("disk full")
	s := Sink{Format: fixed{{"a", nil}}, Packing: Zip, Drop: drop}
	if err := s.Deliver(t.Context(), render(t, s)); !errors.Is(err, drop.fail) {
		t.Errorf("got %v, want %v", err, drop.fail)
	}
}

func TestUnpackRefusesWhatIsNoPackage(t *testing.T) {
	if _, err := Unpack([]byte("no zip")); err == nil || !strings.Contains(err.Error(), "package") {
		t.Errorf("got %v", err)
	}
}
