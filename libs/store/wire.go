package store

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	essv1 "eventful.se/ess/proto/ess/v1"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// schemaMajor is the major version of the schema that this program writes, and the newest that it reads.
const schemaMajor = 1

// schemaNewerError says that a message has a major version of the schema that this program does not understand.
type schemaNewerError struct{ schema uint32 }

func (e *schemaNewerError) Error() string {
	return fmt.Sprintf("it has schema %d, and this program understands %d", e.schema, schemaMajor)
}

// versioned is a message that stands on a stream by itself.
type versioned interface {
	proto.Message
	GetSchema() uint32
}

// unmarshal reads a message. An empty one is an error, for protobuf would take it for a message of zero values.
func unmarshal(b []byte, m versioned) error {
	if len(b) == 0 {
		return errors.New("it is empty")
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return errors.New("it is not protobuf of our schema, or it is cut off")
	}
	return checkSchema(m)
}

func checkSchema(m versioned) error {
	switch schema := m.GetSchema(); {
	case schema == 0:
		return errors.New("it has no schema version")
	case schema > schemaMajor:
		return &schemaNewerError{schema}
	}
	return nil
}

func keyTo(k roster.Key) []byte {
	if k.IsZero() {
		return nil
	}
	return k[:]
}

func keyFrom(b []byte) (k roster.Key, err error) {
	if len(b) != 0 && len(b) != len(k) {
		return k, fmt.Errorf("a key has %d bytes, want %d", len(b), len(k))
	}
	copy(k[:], b)
	return k, nil
}

func timeTo(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func timeFrom(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func sourceTo(s roster.Source) *essv1.Source {
	return &essv1.Source{System: s.System, Instance: s.Instance}
}

func sourceFrom(s *essv1.Source) roster.Source {
	return roster.Source{System: s.GetSystem(), Instance: s.GetInstance()}
}

func reasonTo(r *reason.Reason) *essv1.Reason {
	if r == nil {
		return nil
	}
	p := &essv1.Reason{Code: string(r.Code)}
	for _, a := range r.Args {
		p.Arguments = append(p.Arguments, &essv1.Argument{Name: a.Name, Value: a.Value})
	}
	return p
}

func reasonFrom(p *essv1.Reason) *reason.Reason {
	if p == nil {
		return nil
	}
	r := &reason.Reason{Code: reason.Code(p.GetCode())}
	for _, a := range p.GetArguments() {
		r.Args = append(r.Args, reason.Arg{Name: a.GetName(), Value: a.GetValue()})
	}
	return r
}
