package schoolsoft

import (
	"maps"

	"eventful.se/ess/libs/format/csvset"
	"eventful.se/ess/libs/format/table"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source/csvfiles"
)

// The files of an export, which have names and columns of ours: those of SchoolSoft's are not publicly known.
const (
	schools  = "schools.csv"
	students = "students.csv"
	staff    = "staff.csv"
	groups   = "groups.csv"
	members  = "group_members.csv"
)

// ownFiles returns what the files of a customer are who says nothing, but for their tables.
func ownFiles() csvfiles.Config {
	c := csvfiles.Default()
	maps.Copy(c.Profile.Rows.GroupTypes, map[string]string{"class": string(roster.Class), "activity": string(roster.TeachingGroup)})
	maps.Copy(c.Profile.Rows.MemberRoles, map[string]string{"student": string(roster.MemberPupil), "teacher": string(roster.MemberTeacher)})
	return c
}

// files returns the settings of the files, for this export.
func (c *Config) files() csvfiles.Config { return c.Files.Tables(tables(c.Export)) }

// tables returns what the files of an export are. The marked one has the groups of its activities only, and no class.
func tables(of Export) []csvset.Mapping {
	const id = "{guid|socialnumber}"
	all := []csvset.Mapping{
		{Table: table.SchoolUnits, File: schools, Columns: map[string]string{"id": "{id}", "name": "{name}", "school_unit_code": "{school_unit_code}"}},
		{Table: table.Enrolments, File: students, Columns: map[string]string{
			"person_id": id, "school_unit_id": "{school}", "school_type": "{schooltype}", "school_year": "{schoolyear}",
			"start_date": "{startdate|}", "end_date": "{enddate}",
		}},
		{Table: table.Duties, File: staff, Columns: map[string]string{
			"person_id": id, "school_unit_id": "{school}", "duty_role": "{role}", "start_date": "{startdate}", "end_date": "{enddate}",
		}},
		{Table: table.Persons, File: students, Columns: map[string]string{
			"id": id, "civic_no": "{socialnumber}", "given_name": "{firstname}", "family_name": "{lastname}", "email": "{email}",
			"protected": "{protected}", "kind": "S",
		}},
		{Table: table.Persons, File: staff, Columns: map[string]string{
			"id": id, "civic_no": "{socialnumber}", "given_name": "{firstname}", "family_name": "{lastname}", "email": "{email}",
			"protected": "{protected}", "kind": "E",
		}},
		{Table: table.Groups, File: groups, Columns: map[string]string{
			"id": "{id}", "school_unit_id": "{school}", "name": "{name}", "group_type": "{type}", "subject_code": "{subject}",
			"course_code": "{course}", "start_date": "{startdate}", "end_date": "{enddate}",
		}},
		{Table: table.Memberships, File: members, Columns: map[string]string{
			"group_id": "{group_id}", "person_id": "{person}", "role": "{role}", "start_date": "{startdate}", "end_date": "{enddate}",
		}},
	}
	if of == Marked {
		return all
	}
	const class = "{school}/{class}"
	in := map[string][]string{"class": {}}
	return append(all,
		csvset.Mapping{Table: table.Groups, File: students, Where: in, Columns: map[string]string{
			"id": class, "school_unit_id": "{school}", "name": "{class}", "group_type": string(roster.Class),
		}},
		csvset.Mapping{Table: table.Memberships, File: students, Where: in, Columns: map[string]string{
			"group_id": class, "person_id": id, "role": string(roster.MemberPupil),
		}})
}
