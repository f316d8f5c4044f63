package store

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

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
