package ss12000server

import (
	"slices"

	"eventful.se/ess/libs/format/ss12000"
)

// body returns an object as it is written, with what is to be expanded.
func (s *Server) body(e *entry, expand []string) []byte {
	switch o := e.object.(type) {
	case *ss12000.Person:
		if slices.Contains(expand, "duties") {
			with := *o
			with.Duties = []*ss12000.Duty{}
			for _, other := range s.inOrder(ss12000.Duties) {
				if d, ok := other.object.(*ss12000.Duty); ok && d.Person.ID == o.ID {
					with.Duties = append(with.Duties, d)
				}
			}
			return s.write(&with)
		}
	case *ss12000.Duty:
		if slices.Contains(expand, "person") {
			with := *o
			if p := s.lists[ss12000.Persons].byID[o.Person.ID]; p != nil {
				with.Who, _ = p.object.(*ss12000.Person)
			}
			return s.write(&with)
		}
	case *ss12000.Activity:
		if slices.Contains(expand, "teachers") {
			with := *o
			with.Duties = []*ss12000.Duty{}
			for _, t := range o.Teachers {
				if other := s.lists[ss12000.Duties].byID[t.Duty.ID]; other != nil {
					if d, ok := other.object.(*ss12000.Duty); ok {
						with.Duties = append(with.Duties, d)
					}
				}
			}
			return s.write(&with)
		}
	}
	return e.body
}
