package rostercsv_test

import (
	"encoding/csv"
	"strings"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/sftptest"
	"eventful.se/ess/services/source-oneroster-csv/rostercsv"
)

func TestConformance(t *testing.T) {
	r := newRegister(t)
	sourcetest.Test(t, sourcetest.Under{
		Connector: rostercsv.Connector(),
		// The suite lets days pass without an export.
		Settings: settings(r) + "settle: 5ms\nmaxAge: 0s\n",
		Refused: map[string]string{
			"{}": "sftp.host",
			"sftp: {host: sftp.example, user: kommun, password: hunter2}": "sftp.password",
			settings(r) + "files: []":                                     "files",
			settings(r) + "spread: -1h":                                   "spread",
			settings(r) + "limits: {maxUnpacked: 0}":                      "limits.maxUnpacked",
			settings(r) + "profile: {civicNoFrom: [username]}":            "profile.civicNoFrom[0]",
			settings(r) + "profile: {roles: {mentor: someone}}":           "profile.roles.mentor",
			settings(r) + "profile: {marking: {column: metadata.secret}}": "profile.marking",
		},
		Secrets:  []string{sftptest.Password, "hunter2"},
		Register: r,
		Against:  "zip archives of OneRoster 1.2 on an SFTP server in the test's process; whole reads of both versions on OpenSSH's sshd",
		Steps:    sftptest.Steps(),
		Claims:   sourcetest.Claims{NoDelta: "a set has no mark of how far it was read, and gives no cursor"},
	})
}

// newRegister returns a system that exports OneRoster CSV.
func newRegister(t *testing.T) *sftptest.Register {
	t.Helper()
	return sftptest.New(t, sftptest.Export{
		File: "export.zip",
		Of:   func(t sourcetest.Town) ([]byte, error) { return sftptest.Packed(setOf(t)) },
		Late: func(t sourcetest.Town) ([]byte, error) {
			set := setOf(t)
			half := len(set["users.csv"]) * 3 / 4
			set["users.csv"] = set["users.csv"][:half] + ` Kanarina "Voljärsdotter" ` + set["users.csv"][half:]
			return sftptest.Packed(set)
		},
	})
}

func settings(r *sftptest.Register) string { return "sftp: " + r.SFTP() + "\n" }

// setOf writes a town as OneRoster 1.2.
func setOf(t sourcetest.Town) map[string]string {
	texts := map[string]*strings.Builder{}
	file := func(name, header string) func(...string) {
		var b strings.Builder
		b.WriteString(header + "\n")
		texts[name] = &b
		w := csv.NewWriter(&b)
		return func(fields ...string) {
			if err := w.Write(fields); err != nil {
				b.WriteString(err.Error())
			}
			w.Flush()
		}
	}
	manifest := file("manifest.csv", "propertyName,value")
	manifest("oneroster.version", "1.2")
	for _, name := range []string{"orgs", "users", "roles", "classes", "enrollments"} {
		manifest("file."+name, "bulk")
	}
	org := file("orgs.csv", "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId")
	for _, u := range t.Units {
		org(u.ID, "", "", u.Name, "school", "", "")
	}
	user := file("users.csv", "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,email,password")
	role := file("roles.csv", "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId")
	for _, p := range t.Persons {
		user(p.ID, "", "", "true", "", "{civicNo:"+p.CivicNo+"}", p.GivenName, p.FamilyName, p.Email, "hunter2")
		role("r-"+p.ID, "", "", p.ID, "primary", map[roster.Role]string{roster.RolePupil: "student", roster.RoleStaff: "teacher"}[p.Role], "", p.End, p.Unit, "")
	}
	class := file("classes.csv", "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds")
	enrollment := file("enrollments.csv", "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate")
	for _, g := range t.Groups {
		class(g.ID, "", "", g.Name, "", "", "", "scheduled", "", g.Unit, "")
		for _, m := range g.Members {
			role := map[roster.MemberRole]string{roster.MemberPupil: "student", roster.MemberTeacher: "teacher"}[m.Role]
			enrollment("e-"+g.ID+"-"+m.Person, "", "", g.ID, g.Unit, m.Person, role, "", "", "")
		}
	}
	set := map[string]string{}
	for name, b := range texts {
		set[name] = b.String()
	}
	return set
}
