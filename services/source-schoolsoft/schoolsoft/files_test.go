package schoolsoft_test

import (
	"encoding/csv"
	"strings"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/sftptest"
	"eventful.se/ess/services/source-schoolsoft/schoolsoft"
)

func TestConformanceOfFiles(t *testing.T) {
	r := sftptest.New(t, sftptest.Export{
		File: "export.zip",
		Of:   func(t sourcetest.Town) ([]byte, error) { return sftptest.Packed(filesOf(t)) },
		Late: func(t sourcetest.Town) ([]byte, error) {
			files := filesOf(t)
			half := len(files["students.csv"]) * 3 / 4
			files["students.csv"] = files["students.csv"][:half] + ` Kanarina "Voljärsdotter" ` + files["students.csv"][half:]
			return sftptest.Packed(files)
		},
	})
	reach := "files: {sftp: " + r.SFTP() + ", settle: 5ms, maxAge: 0s}\n"
	sourcetest.Test(t, sourcetest.Under{
		Connector: schoolsoft.Connector(),
		Settings:  reach,
		Refused: map[string]string{
			reach + "baseURL: https://schoolsoft.example/v2.0":                                           "baseURL",
			strings.Replace(reach, "settle: 5ms", "spread: -1h", 1):                                      "files.spread",
			strings.Replace(reach, "settle: 5ms", "profile: {delimiter: '|'}", 1):                        "files.profile.delimiter",
			strings.Replace(reach, "settle: 5ms", "profile: {groupTypes: {Class: Klass}}", 1):            "files.profile.groupTypes.Class",
			strings.Replace(reach, "settle: 5ms", "profile: {tables: [{table: grades, file: x}]}", 1):    "files.profile.tables[0].table",
			strings.Replace(reach, "settle: 5ms", "profile: {tables: [{table: persons, file: a/b}]}", 1): "files.profile.tables[0].file",
		},
		Secrets:  []string{sftptest.Password},
		Register: r,
		Against:  "zip archives of CSV files on an SFTP server in the test's process",
		Steps:    sftptest.Steps(),
		Claims:   sourcetest.Claims{NoDelta: "a set of files is whole, and gives no cursor", PerPerson: 512},
	})
}

// filesOf writes a town as the files that the README has.
func filesOf(t sourcetest.Town) map[string]string {
	texts := map[string]*strings.Builder{}
	file := func(name, header string) func(...string) {
		b := &strings.Builder{}
		texts[name] = b
		b.WriteString(header + "\n")
		w := csv.NewWriter(b)
		w.Comma = ';'
		return func(fields ...string) {
			if err := w.Write(fields); err != nil {
				b.WriteString(err.Error())
			}
			w.Flush()
		}
	}
	school := file("schools.csv", "id;name;school_unit_code")
	for _, u := range t.Units {
		school(u.ID, u.Name, "")
	}
	student := file("students.csv", "guid;socialnumber;firstname;lastname;email;school;class;schooltype;schoolyear;startdate;enddate;protected")
	staff := file("staff.csv", "guid;socialnumber;firstname;lastname;email;school;role;initials;startdate;enddate;protected")
	for _, p := range t.Persons {
		protected := map[bool]string{true: "1", false: "0"}[p.Protected]
		if p.Role == roster.RolePupil {
			student(p.ID, p.CivicNo, p.GivenName, p.FamilyName, p.Email, p.Unit, "", "GR", "7", "2026-08-17", p.End, protected)
		} else {
			staff(p.ID, p.CivicNo, p.GivenName, p.FamilyName, p.Email, p.Unit, "Lärare", "", "", p.End, protected)
		}
	}
	group := file("groups.csv", "id;name;school;type;subject;course;startdate;enddate")
	member := file("group_members.csv", "group_id;person;role;startdate;enddate")
	for _, g := range t.Groups {
		group(g.ID, g.Name, g.Unit, "activity", "", "", "", "")
		for _, m := range g.Members {
			member(g.ID, m.Person, map[roster.MemberRole]string{roster.MemberPupil: "student", roster.MemberTeacher: "teacher"}[m.Role], "", "")
		}
	}
	files := map[string]string{}
	for name, b := range texts {
		files[name] = b.String()
	}
	return files
}
