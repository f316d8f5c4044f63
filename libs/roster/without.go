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
	if !slices.ContainsFunc(records, leave) {
		return e.merged.Person
	}
	m := mergeSorted(r.today, slices.DeleteFunc(slices.Clone(records), leave))
	return m.Person
}
