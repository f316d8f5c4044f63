// Package table is the contract of registers that are read as tables, be they views of a database or files: six tables with
// fixed columns, and the facts that their rows are. A source that has other names translates them before it gives a row to
// a [Reading].
//
//	school_units  id* name* school_unit_code org_id school_types unit_type active start_date end_date
//	persons       id* civic_no given_name* family_name* email username eppn protected* kind
//	enrolments    id person_id* school_unit_id* school_type school_year programme_code start_date* end_date
//	duties        id person_id* school_unit_id* duty_role start_date end_date
//	groups        id* school_unit_id* name* group_type* school_type subject_code course_code start_date end_date
//	memberships   id group_id* person_id* role* start_date end_date
//
// Columns with a star have to be there, other columns may be, and more than these are not looked at. A row without its keys
// may be anybody's: it is told, and the read is not complete, so that nobody counts as gone (rule R3). Who has no enrolment
// and no duty that counts is left out, but for who is protected, whose mark is always heard.
//
// What only adds to the persons of another source has one table, persons, of which nothing but the id has to be there.
package table

import (
	"slices"

	"eventful.se/ess/libs/roster"
)

// The names of the tables.
const (
	SchoolUnits = "school_units"
	Enrolments  = "enrolments"
	Duties      = "duties"
	Persons     = "persons"
	Groups      = "groups"
	Memberships = "memberships"
)

// Table is one of the contract: what it has to have.
type Table struct {
	Name    string
	Columns []Column
	each    func(*Reading, Row) error
}

// Column is one of a table.
type Column struct {
	Name string
	Kind Kind
	Need Need
}

// Kind is what a column has to be.
type Kind string

// The kinds of column.
const (
	ID      Kind = "an id"
	Text    Kind = "a text"
	Date    Kind = "a date"
	YesOrNo Kind = "yes or no"
)

// Need is how much a column has to be there.
type Need int

// The needs.
const (
	Optional Need = iota
	There         // the column is there
	Filled        // and no row is without a value
)

// Contract lists the tables in the order in which they are read: who has something to belong to before who they are.
func Contract() []Table {
	start, end := Column{"start_date", Date, Optional}, Column{"end_date", Date, Optional}
	first := Column{"start_date", Date, There}
	return []Table{
		{SchoolUnits, []Column{
			{"id", ID, Filled},
			{"name", Text, Filled},
			{"school_unit_code", Text, Optional},
			{"org_id", ID, Optional},
			{"school_types", Text, Optional},
			{"unit_type", Text, Optional},
			{"active", YesOrNo, Optional},
			start, end,
		}, (*Reading).unit},
		{Enrolments, []Column{
			{"id", ID, Optional},
			{"person_id", ID, Filled},
			{"school_unit_id", ID, Filled},
			{"school_type", Text, Optional},
			{"school_year", Text, Optional},
			{"programme_code", Text, Optional},
			first, end,
		}, (*Reading).enrolment},
		{Duties, []Column{
			{"id", ID, Optional}, {"person_id", ID, Filled}, {"school_unit_id", ID, Filled}, {"duty_role", Text, Optional}, start, end,
		}, (*Reading).duty},
		{Persons, []Column{
			{"id", ID, Filled},
			{"civic_no", Text, Optional},
			{"given_name", Text, There},
			{"family_name", Text, There},
			{"email", Text, Optional},
			{"username", Text, Optional},
			{"eppn", Text, Optional},
			{"protected", YesOrNo, There},
			{"kind", Text, Optional},
		}, (*Reading).person},
		{Groups, []Column{
			{"id", ID, Filled},
			{"school_unit_id", ID, Filled},
			{"name", Text, There},
			{"group_type", Text, There},
			{"school_type", Text, Optional},
			{"subject_code", Text, Optional},
			{"course_code", Text, Optional},
			start, end,
		}, (*Reading).group},
		{Memberships, []Column{
			{"id", ID, Optional}, {"group_id", ID, Filled}, {"person_id", ID, Filled}, {"role", Text, There}, start, end,
		}, (*Reading).membership},
	}
}

// additions is the contract of what only adds to the persons of another source.
func additions() []Table {
	return []Table{{Persons, []Column{
		{"id", ID, Filled},
		{"civic_no", Text, Optional},
		{"email", Text, Optional},
		{"username", Text, Optional},
		{"eppn", Text, Optional},
		{"protected", YesOrNo, Optional},
		{"kind", Text, Optional},
	}, (*Reading).addition}}
}

// Tables lists the tables that are read by a profile, in order.
func (f Profile) Tables() []Table {
	if f.Enriches != (roster.Source{}) {
		return additions()
	}
	return Contract()
}

// Find returns a table by its name.
func (f Profile) Find(name string) (Table, bool) {
	all := f.Tables()
	i := slices.IndexFunc(all, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return Table{}, false
	}
	return all[i], true
}

// Spare lists the tables that a register may do without.
func Spare() []string { return []string{Duties, Groups, Memberships} }
