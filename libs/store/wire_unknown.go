package store

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	essv1 "eventful.se/ess/proto/ess/v1"
)

// hasUnknown tells whether extract would find anything. It asks each message by its type, because to walk all fields of
// all records costs a third of reading a log; a test walks them and holds the two together.
func hasUnknown(r *essv1.Record) bool {
	o, p, g := r.GetOrganisation(), r.GetPerson(), r.GetGroup()
	return unknownIn(r) || r.Source != nil && unknownIn(r.Source) || unknownIn(r.GetOrigins()...) || unknownIn(r.GetDirectives()...) ||
		r.GetTombstone() != nil && unknownIn(r.GetTombstone()) || o != nil && unknownIn(o) ||
		p != nil && (unknownIn(p) || p.CivicNo != nil && unknownIn(p.CivicNo) || unknownIn(p.Personas...) || unknownIn(p.Enrolments...) || unknownIn(p.Duties...)) ||
		g != nil && (unknownIn(g) || unknownIn(g.Members...))
}

func unknownIn[M proto.Message](messages ...M) bool {
	for _, m := range messages {
		if len(m.ProtoReflect().GetUnknown()) > 0 {
			return true
		}
	}
	return false
}

// extract returns a message of m's type that holds only what a newer version of the schema added, at any depth, or nil.
// Of a list it keeps the elements that hold something unknown whole, for an element is found again by what it says.
func extract(m protoreflect.Message) protoreflect.Message {
	var out protoreflect.Message
	keep := func() protoreflect.Message {
		if out == nil {
			out = m.New()
		}
		return out
	}
	if u := m.GetUnknown(); len(u) > 0 {
		keep().SetUnknown(u)
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				if e := v.List().Get(i); extract(e.Message()) != nil {
					keep().Mutable(f).List().Append(e)
				}
			}
		default:
			if e := extract(v.Message()); e != nil {
				keep().Set(f, protoreflect.ValueOfMessage(e))
			}
		}
		return true
	})
	return out
}

// restore puts back into m what extract took out. What stood with something that m no longer says is left out: a newer
// version said it of that.
func restore(m, unknown protoreflect.Message) {
	if u := unknown.GetUnknown(); len(u) > 0 {
		m.SetUnknown(append(m.GetUnknown(), u...))
	}
	unknown.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap() || !m.Has(f):
		case f.IsList():
			for i := range v.List().Len() {
				restoreElement(m.Mutable(f).List(), v.List().Get(i).Message())
			}
		default:
			restore(m.Mutable(f).Message(), v.Message())
		}
		return true
	})
}

func restoreElement(list protoreflect.List, unknown protoreflect.Message) {
	known := proto.Clone(unknown.Interface())
	discard(known.ProtoReflect())
	for i := range list.Len() {
		if proto.Equal(list.Get(i).Message().Interface(), known) {
			list.Set(i, protoreflect.ValueOfMessage(unknown))
			return
		}
	}
}

func discard(m protoreflect.Message) {
	m.SetUnknown(nil)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				discard(v.List().Get(i).Message())
			}
		default:
			discard(v.Message())
		}
		return true
	})
}
