package roster

import "slices"

// PersonWithout returns a person as she or he would be if some records of hers or his were not there, or nil when none
// stands under the key. It is for records that only add to a person: with any other left out, all that refers to the
// person would be as it is with it.
func (r *Roster) PersonWithout(k Key, leave func(*Record) bool) *Person {
	e := r.entities[KindPerson][k]
	if e == nil || e.merged.Person == nil {
		return nil
	}
	var records []*Record
	if j := r.joins[k]; j != nil && !j.apart {
		records = r.joinedRecords(j)
	} else {
		records = r.inherited(e.records)
	}
	left, only := 0, (*Record)(nil)
	for _, rec := range records {
		if !leave(rec) {
			left, only = left+1, rec
		}
	}
	switch {
	case left == len(records):
		return e.merged.Person
	case left == 1 && only.plain(): // nearly all of them
		return only.Person
	}
	m := mergeSorted(r.today, slices.DeleteFunc(slices.Clone(records), leave))
	return m.Person
}

// plain tells whether a record is, where it is the only one, the person that it states: nothing is merged or decided.
func (r *Record) plain() bool {
	return r.states() && r.Person != nil && len(r.Directives) == 0 && !needsSpreading(r.Person.Personas)
}
