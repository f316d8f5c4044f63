package oneroster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/oneroster"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
)

// files are a set in memory.
type files map[string]string

func (f files) Names() []string { return slices.Sorted(maps.Keys(f)) }

func (f files) Open(name string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(f[name])), nil
}

func (f files) with(pairs ...string) files {
	out := maps.Clone(f)
	for i := 0; i < len(pairs); i += 2 {
		if out[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
			delete(out, pairs[i])
		}
	}
	return out
}

const canary = "Kanarina"

// whole is the smallest set that is read.
func whole() files {
	return files{
		"orgs.csv":        "sourcedId,name,type\nu,Provskolan,school\n",
		"users.csv":       "sourcedId,givenName,familyName,role,orgSourcedIds,userIds,password\np,Kanarina,Prov,student,u,{civicNo:189001019802},hunter2\n",
		"classes.csv":     "sourcedId,title,classType,schoolSourcedId,courseSourcedId,termSourcedIds\nc,7A,homeroom,u,,\n",
		"enrollments.csv": "sourcedId,classSourcedId,userSourcedId,role\ne,c,p,student\n",
	}
}

func manifest(version string, modes ...string) string {
	s := "propertyName,value\noneroster.version," + version + "\n"
	for _, m := range modes {
		name, mode, _ := strings.Cut(m, "=")
		s += "file." + name + "," + mode + "\n"
	}
	return s
}

func read(ctx context.Context, set oneroster.Set, change ...func(*oneroster.Options)) ([]fact.Doc, oneroster.Summary, error) {
	o := oneroster.Options{Name: "set.zip", Profile: oneroster.Default()}
	for _, do := range change {
		do(&o)
	}
	var docs []fact.Doc
	sum, err := oneroster.Read(ctx, set, o, func(d fact.Doc) error {
		docs = append(docs, d)
		return nil
	})
	return docs, sum, err
}

func ids(docs []fact.Doc) (list []string) {
	for _, d := range docs {
		id := d.ID
		if d.Deleted {
			id += " deleted"
		}
		list = append(list, id)
	}
	return list
}

func TestWhatIsNoSetIsNotBelieved(t *testing.T) {
	bulk := []string{"orgs=bulk", "users=bulk", "classes=bulk", "enrollments=bulk"}
	loose := func(o *oneroster.Options) { o.Loose = true }
	for name, c := range map[string]struct {
		set   files
		do    func(*oneroster.Options)
		cause error
		says  string
	}{
		"nothing":                         {files{}, nil, oneroster.ErrMissing, "orgs.csv"},
		"F31 no enrollments":              {whole().with("enrollments.csv", ""), nil, oneroster.ErrMissing, "enrollments.csv"},
		"a folder in the archive":         {whole().with("orgs.csv", "", "x/orgs.csv", "sourcedId,name,type\n"), nil, oneroster.ErrMissing, "no folders"},
		"one file twice":                  {whole().with("Users.CSV", "x"), nil, oneroster.ErrAmbiguous, "users.csv"},
		"one column twice":                {whole().with("orgs.csv", "sourcedId,name,type,NAME\n"), nil, oneroster.ErrAmbiguous, "line 1"},
		"F44 no column of ids":            {whole().with("users.csv", "id,givenName,familyName,role,orgSourcedIds\n"), nil, oneroster.ErrMissing, `"sourcedId"`},
		"F44 semicolons":                  {whole().with("orgs.csv", "sourcedId;name;type\n"), nil, oneroster.ErrMissing, "commas"},
		"1.1 without roles":               {whole().with("users.csv", "sourcedId,givenName,familyName\n"), nil, oneroster.ErrMissing, `"role"`},
		"1.2 without roles.csv":           {whole().with("manifest.csv", manifest("1.2", bulk...)), nil, oneroster.ErrMissing, "roles.csv"},
		"a file without bytes":            {whole().with("orgs.csv", "\n"), nil, oneroster.ErrTruncated, "line 2"},
		"a row as header":                 {whole().with("users.csv", "p,Kanarina,Prov,189001019802\n"), nil, oneroster.ErrMissing, "line 1"},
		"F33 windows-1252":                {whole().with("users.csv", whole()["users.csv"]+"q,Kanarina \xc5,P,student,u,,\n"), nil, oneroster.ErrMalformed, "line 3: it is not UTF-8"},
		"a quote within a cell":           {whole().with("users.csv", whole()["users.csv"]+"q,Kanarina \"x\",P,student,u,,\n"), nil, oneroster.ErrMalformed, "line 3"},
		"F31 cut in a quote":              {whole().with("users.csv", whole()["users.csv"]+"q,\"Kanarina"), nil, oneroster.ErrTruncated, "line 3"},
		"F31 cut in a line":               {whole().with("users.csv", whole()["users.csv"]+"q,Kanarina"), loose, oneroster.ErrTruncated, "line 3"},
		"F45 a row without an end":        {whole().with("users.csv", whole()["users.csv"]+"q,\""+strings.Repeat(canary+"\n", 1<<18)), nil, oneroster.ErrRow, "1048576"},
		"lines that end in CR":            {whole().with("users.csv", "sourcedId,givenName,familyName,role,orgSourcedIds,email\rp,Kanarina,Prov,student,u,\r"), nil, oneroster.ErrMalformed, "line 1"},
		"a delta without status":          {whole().with("manifest.csv", manifest("1.1", "users=delta")), nil, oneroster.ErrMissing, `"status"`},
		"a manifest of no version":        {whole().with("manifest.csv", manifest("2.0", bulk...)), nil, oneroster.ErrManifest, "oneroster.version"},
		"a mode that nobody knows":        {whole().with("manifest.csv", manifest("1.1", "users=some")), nil, oneroster.ErrManifest, "file.users"},
		"a file that is named, not there": {whole().with("manifest.csv", manifest("1.1", append(bulk, "courses=bulk")...)), nil, oneroster.ErrMissing, "courses.csv"},
		"F29 marks, and no column of them": {whole(), func(o *oneroster.Options) {
			o.Profile.Marking = oneroster.Marking{Column: "metadata.secrecy", Words: map[string]string{"s": "Sekretessmarkering"}}
		}, oneroster.ErrMissing, "metadata.secrecy"},
	} {
		t.Run(name, func(t *testing.T) {
			var change []func(*oneroster.Options)
			if c.do != nil {
				change = append(change, c.do)
			}
			_, sum, err := read(t.Context(), c.set, change...)
			code := reason.Unreadable
			if errors.Is(c.cause, oneroster.ErrTruncated) {
				code = reason.TruncatedFile
			}
			if !errors.Is(err, c.cause) || reason.Of(err).Code != code || sum.Complete {
				t.Fatalf("got %v, want %v", err, c.cause)
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "set.zip") {
				t.Errorf("the error is %q, want it to say %q", err, c.says)
			}
			if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "1890") {
				t.Errorf("R8: the error shows a person: %v", err)
			}
		})
	}
}

func TestWhatIsReadOfASet(t *testing.T) {
	all := []string{"org/u", "class/c", "user/p", "enrollment/e"}
	users12 := "sourcedId,givenName,familyName,grades\np,Kanarina,Prov,07\n"
	roles := "sourcedId,userSourcedId,role,orgSourcedId\nr,p,Student,u\n"
	for name, c := range map[string]struct {
		set      files
		complete bool
		docs     []string
		findings []reason.Code
	}{
		"no manifest":                        {whole(), true, all, nil},
		"R3 no enrollments":                  {whole().with("enrollments.csv", "sourcedId,classSourcedId,userSourcedId,role"), false, all[:3], []reason.Code{reason.FileWithoutRows}},
		"R3 no classes":                      {whole().with("classes.csv", "sourcedId,title,classType,schoolSourcedId\n"), false, []string{"org/u", "user/p", "enrollment/e"}, []reason.Code{reason.FileWithoutRows}},
		"R3 no orgs":                         {whole().with("orgs.csv", "sourcedId,name,type\n"), false, all[1:], []reason.Code{reason.FileWithoutRows}},
		"no users, which is for the runtime": {whole().with("users.csv", "sourcedId,givenName,familyName,role,orgSourcedIds\n"), true, []string{"org/u", "class/c", "enrollment/e"}, nil},
		"no enrollments in a delta": {
			whole().with("manifest.csv", manifest("1.1", "orgs=bulk", "users=bulk", "classes=bulk", "enrollments=delta"), "enrollments.csv", "sourcedId,status,classSourcedId,userSourcedId,role\n"),
			false, all[:3], nil,
		},
		"a last line without an end":      {whole().with("enrollments.csv", strings.TrimSpace(whole()["enrollments.csv"])), true, all, nil},
		"what the manifest does not name": {whole().with("manifest.csv", manifest("1.1", "orgs=bulk", "users=bulk", "classes=bulk")), false, all[:3], nil},
		"what the manifest calls absent":  {whole().with("manifest.csv", manifest("1.1", "users=Bulk", "orgs=absent")), false, all[2:3], nil},
		"bulk and delta":                  {whole().with("manifest.csv", manifest("1.1", "orgs=bulk", "users=bulk", "classes=bulk", "enrollments=delta"), "enrollments.csv", "sourcedId,status,classSourcedId,userSourcedId,role\ne,,c,p,student\n"), false, all, nil},
		"roles.csv in a set of 1.1":       {whole().with("roles.csv", "content,of,another\n", "manifest.csv", manifest("1.1", "orgs=bulk", "users=bulk", "classes=bulk", "enrollments=bulk", "roles=bulk")), true, all, nil},
		"roles of 1.2":                    {whole().with("users.csv", users12, "roles.csv", roles), true, []string{"org/u", "class/c", "user/p", "role/r", "enrollment/e"}, nil},
		"R3 a user of 1.2 without a role": {whole().with("users.csv", users12, "roles.csv", strings.Replace(roles, ",p,", ",q,", 1)), false, []string{"org/u", "class/c", "role/r", "enrollment/e"}, []reason.Code{reason.RoleUnknown}},
		"R3 no roles": {
			whole().with("users.csv", users12, "roles.csv", "sourcedId,userSourcedId,role,orgSourcedId\n"), false,
			[]string{"org/u", "class/c", "enrollment/e"},
			[]reason.Code{reason.RoleUnknown, reason.FileWithoutRows},
		},
		"a user of 1.2 whose role is over": {
			whole().with("users.csv", users12, "roles.csv", "sourcedId,status,userSourcedId,role,orgSourcedId\nr,tobedeleted,p,student,u\n"), true,
			[]string{"org/u", "class/c", "enrollment/e"},
			nil,
		},
		"R3 a user of 1.1 without a role": {whole().with("users.csv", strings.Replace(whole()["users.csv"], "student", " ", 1)), false, []string{"org/u", "class/c", "enrollment/e"}, []reason.Code{reason.RoleUnknown}},
		"R3 a user of 1.1 without a role, in a delta": {
			whole().with("users.csv", "sourcedId,status,givenName,familyName,role,orgSourcedIds\np,active,Kanarina,Prov,,u\n", "manifest.csv", manifest("1.1", "users=delta")),
			false, nil,
			[]reason.Code{reason.RoleUnknown},
		},
		"R3 a user of 1.2 with a new word": {whole().with("users.csv", users12, "roles.csv", strings.Replace(roles, "Student", "wizard", 1)), false, []string{"org/u", "class/c", "enrollment/e"}, []reason.Code{reason.RoleUnknown}},
		"R3 one role of two is a new word": {whole().with("users.csv", strings.Replace(whole()["users.csv"], "student", "\"wizard, student\"", 1)), false, []string{"org/u", "class/c", "enrollment/e"}, []reason.Code{reason.RoleUnknown}},
		"a pupil who is a guardian now, in a delta": {
			whole().with("users.csv", "sourcedId,status,givenName,familyName,role,orgSourcedIds\np,active,Kanarina,Prov,guardian,u\n", "manifest.csv", manifest("1.1", "users=delta")),
			false,
			[]string{"user/p deleted"},
			nil,
		},
		"a school that is a department now, in a delta": {
			whole().with("orgs.csv", "sourcedId,status,name,type\nu,active,Prov,department\n", "manifest.csv", manifest("1.1", "orgs=delta")),
			false,
			[]string{"org/u deleted"},
			nil,
		},
		"a guardian of 1.2": {whole().with("users.csv", users12, "roles.csv", "sourcedId,userSourcedId,role,orgSourcedId\nr,p,Guardian,u\n"), true, []string{"org/u", "class/c", "enrollment/e"}, nil},
		"a user of a delta without roles": {
			whole().with("users.csv", "sourcedId,status,givenName,familyName\np,active,Kanarina,Prov\n", "roles.csv", "sourcedId,status,userSourcedId,role,orgSourcedId\n", "manifest.csv", manifest("1.2", "users=delta", "roles=delta")),
			false, nil,
			[]reason.Code{reason.ReferenceDangling},
		},
		"a role of a delta without its user": {
			whole().with("users.csv", "", "roles.csv", "sourcedId,status,userSourcedId,role,orgSourcedId\nr,active,p,student,u\nr2,active,t,teacher,u\nr3,active,g,guardian,u\nr4,tobedeleted,w,wizard,u\n", "manifest.csv", manifest("1.2", "roles=delta")),
			false,
			[]string{"role/r2", "role/r3 deleted", "role/r4 deleted"},
			[]reason.Code{reason.ReferenceDangling},
		},
		"deleted in a delta": {
			whole().with("users.csv", "sourcedId,status,givenName,familyName,role,orgSourcedIds\np,ToBeDeleted,,,,\nq,inactive,,,,\n", "manifest.csv", manifest("1.1", "users=delta")),
			false,
			[]string{"user/p deleted", "user/q deleted"},
			nil,
		},
		"deleted in a bulk":              {whole().with("orgs.csv", "sourcedId,name,type,status\nu,Provskolan,school,tobedeleted\n"), true, all[1:], nil},
		"R3 a row too short":             {whole().with("orgs.csv", "sourcedId,name,type\nu,Provskolan\n"), false, all[1:], []reason.Code{reason.RowUnreadable}},
		"R3 a row too long":              {whole().with("orgs.csv", "sourcedId,name,type\nu,Prov,skolan,school\n"), false, all[1:], []reason.Code{reason.RowUnreadable}},
		"R3 a row without id":            {whole().with("orgs.csv", "sourcedId,name,type\n ,Provskolan,school\n"), false, all[1:], []reason.Code{reason.ElementWithoutID}},
		"R3 an enrollment of no class":   {whole().with("enrollments.csv", "sourcedId,classSourcedId,userSourcedId,role\ne, ,p,student\n"), false, all[:3], []reason.Code{reason.RowUnreadable}},
		"R3 an enrollment of nobody":     {whole().with("enrollments.csv", "sourcedId,classSourcedId,userSourcedId,role\ne,c,,student\n"), false, all[:3], []reason.Code{reason.RowUnreadable}},
		"R3 a class of no school":        {whole().with("classes.csv", "sourcedId,title,classType,schoolSourcedId\nc,7A,homeroom,\n"), false, []string{"org/u", "user/p", "enrollment/e"}, []reason.Code{reason.RowUnreadable}},
		"R3 a pupil of no school":        {whole().with("users.csv", strings.Replace(whole()["users.csv"], "student,u", "student,", 1)), false, []string{"org/u", "class/c", "enrollment/e"}, []reason.Code{reason.RowUnreadable}},
		"a member of staff of no school": {whole().with("users.csv", strings.Replace(whole()["users.csv"], "student,u", "administrator,", 1)), true, all, nil},
		"R3 a role of 1.2 at no school": {
			whole().with("users.csv", users12, "roles.csv", "sourcedId,userSourcedId,role,orgSourcedId\nr,p,student,\nr2,q,guardian,\n"), false,
			[]string{"org/u", "class/c", "user/p", "enrollment/e"},
			[]reason.Code{reason.RowUnreadable},
		},
		"deleted in a delta, with nothing but an id": {
			whole().with("manifest.csv", manifest("1.1", "enrollments=delta"), "enrollments.csv", "sourcedId,status,classSourcedId,userSourcedId,role\ne,tobedeleted,,,\n"), false,
			[]string{"enrollment/e deleted"},
			nil,
		},
		"blank cells after the header's": {whole().with("orgs.csv", "sourcedId,name,type\nu,Provskolan,school,, \n"), true, all, nil},
		"R3 a role that nobody knows":    {whole().with("users.csv", strings.Replace(whole()["users.csv"], "student", "wizard", 1)), false, []string{"org/u", "class/c", "enrollment/e"}, []reason.Code{reason.RoleUnknown}},
		"a term without days": {
			whole().with("academicSessions.csv", "sourcedId,startDate,endDate\nt,15/06/2023,\n"), true, all, []reason.Code{reason.DateUnreadable},
		},
		"a term that ends before it begins": {
			whole().with("academicSessions.csv", "sourcedId,startDate,endDate\nt,2026-08-17,2025-12-18\n", "classes.csv", "sourcedId,title,classType,schoolSourcedId,termSourcedIds\nc,7A,homeroom,u,t\n"),
			true, all,
			[]reason.Code{reason.DateUnreadable, reason.ReferenceDangling},
		},
		"a course without a name": {
			whole().with("courses.csv", "sourcedId\nk\n", "classes.csv", "sourcedId,title,classType,schoolSourcedId,courseSourcedId\nc,7A,homeroom,u,k\n"), true, all, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			docs, sum, err := read(t.Context(), c.set)
			if err != nil {
				t.Fatal(err)
			}
			var codes []reason.Code
			for _, f := range sum.Findings {
				codes = append(codes, f.Reason.Code)
			}
			if d := cmp.Diff(c.docs, ids(docs)) + cmp.Diff(c.findings, codes); d != "" || sum.Complete != c.complete {
				t.Errorf("complete is %t, want %t; docs and findings differ:\n%s", sum.Complete, c.complete, d)
			}
		})
	}
}

func TestWhatARowStates(t *testing.T) {
	docs, sum, err := read(t.Context(), whole().with(
		"academicSessions.csv", "sourcedId,startDate,endDate\nht,2026-08-17,2026-12-18\nvt,2027-01-11,2027-06-11\n",
		"courses.csv", "sourcedId,title,courseCode\nk,Matematik,MA\n",
		"classes.csv", "sourcedId,title,classType,schoolSourcedId,courseSourcedId,termSourcedIds\nc,7A Ma,SCHEDULED,u,k,\"vt, ht\"\n",
		"roles.csv", "sourcedId,userSourcedId,role,orgSourcedId,beginDate,endDate\nr,p,student,u,2026-08-17,2027-06-11\nr2,p,aide,u,,\n",
		"users.csv", "sourcedId,givenName,middleName,familyName,email,username,identifier,userIds,grades,password\n"+
			"p,Kanarina,Mellan,Prov,k@prov.example,kana,77,\"{card:1},{CivicNo:189001019802}\",KG,hunter2\n",
	))
	if err != nil {
		t.Fatal(err)
	}
	want := []fact.Doc{
		{ID: "org/u", Where: "orgs.csv line 2", Facts: []fact.Fact{fact.Unit{ID: "u", Name: "Provskolan", Type: "Skolenhet"}}},
		{ID: "class/c", Where: "classes.csv line 2", Facts: []fact.Fact{
			fact.Group{ID: "c", Name: "7A Ma", Type: "Undervisning", Unit: "u", Subject: "MA", Start: "2026-08-17", End: "2027-06-11"},
		}},
		{ID: "user/p", Where: "users.csv line 2", Facts: []fact.Fact{fact.Person{
			ID: "p", CivicNo: "189001019802", GivenName: canary, MiddleName: "Mellan", FamilyName: "Prov", Email: "k@prov.example", Username: "kana",
		}}},
		{ID: "role/r", Where: "roles.csv line 2", Facts: []fact.Fact{fact.Enrolment{Person: "p", Unit: "u", SchoolYear: "0", Start: "2026-08-17", End: "2027-06-11"}}},
		{ID: "role/r2", Where: "roles.csv line 3", Facts: []fact.Fact{fact.Duty{Person: "p", Unit: "u", Role: "Annan personal"}}},
		{ID: "enrollment/e", Where: "enrollments.csv line 2", Facts: []fact.Fact{fact.Member{Group: "c", Person: "p", Role: "pupil"}}},
	}
	if d := cmp.Diff(want, docs); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]int{"orgs": 1, "academicSessions": 2, "courses": 1, "classes": 1, "users": 1, "roles": 2, "enrollments": 1}, sum.Seen); d != "" {
		t.Error(d)
	}
	if s := fmt.Sprint(docs); strings.Contains(s, "hunter2") {
		t.Error("a password is read")
	}
}

func TestAMarkIsHeardWhateverTheRoleIs(t *testing.T) {
	marked := func(o *oneroster.Options) {
		o.Profile.Marking = oneroster.Marking{Column: "metadata.secrecy", Words: map[string]string{"s": "Sekretessmarkering", "n": "Ingen"}}
	}
	roles := "sourcedId,userSourcedId,role,orgSourcedId\nr,p,wizard,u\nr2,q,wizard,u\n"
	for version, set := range map[string]files{
		"1.1": whole().with("users.csv", "sourcedId,givenName,familyName,role,orgSourcedIds,metadata.secrecy\np,Kanarina,Prov,wizard,u,S\nq,Kanarina,Prov,wizard,u,N\n"),
		"1.2": whole().with("users.csv", "sourcedId,givenName,familyName,metadata.secrecy\np,Kanarina,Prov,S\nq,Kanarina,Prov,N\n", "roles.csv", roles),
	} {
		docs, _, err := read(t.Context(), set, marked)
		if err != nil {
			t.Fatal(err)
		}
		var heard []string
		for _, d := range docs {
			for _, f := range d.Facts {
				if p, ok := f.(fact.Person); ok {
					heard = append(heard, p.ID+" "+p.Marking)
				}
			}
		}
		if d := cmp.Diff([]string{"p Sekretessmarkering"}, heard); d != "" {
			t.Errorf("%s: R9: %s", version, d)
		}
	}
}

func TestWhatAnExporterMayLeaveOut(t *testing.T) {
	set := whole().with(
		"users.csv", whole()["users.csv"]+"q,Kanarina,Prov,,u,,\n", "classes.csv", "sourcedId,title,classType,schoolSourcedId\n",
		"enrollments.csv", "sourcedId,classSourcedId,userSourcedId,role\n",
	)
	docs, sum, err := read(t.Context(), set, func(o *oneroster.Options) {
		o.Profile.MayBeEmpty = []string{"classes", "enrollments"}
		o.Profile.Roles[""] = "ignore"
	})
	if err != nil || !sum.Complete || len(sum.Findings) > 0 {
		t.Errorf("complete is %t, with %v, %v", sum.Complete, sum.Findings, err)
	}
	if d := cmp.Diff([]string{"org/u", "user/p"}, ids(docs)); d != "" {
		t.Error(d)
	}
}

func TestReads(t *testing.T) {
	for name, want := range map[string]bool{"Users.CSV": true, "academicSessions.csv": true, "manifest.csv": true, "demographics.csv": false, "users.zip": false, "users": false} {
		if got := oneroster.Reads(name); got != want {
			t.Errorf("%s: got %t", name, got)
		}
	}
	for name := range whole() {
		if !oneroster.Reads(name) {
			t.Errorf("%s is not read", name)
		}
	}
}

func TestAnErrorOfTheCallerIsReturned(t *testing.T) {
	stop := errors.New("stop")
	_, err := oneroster.Read(t.Context(), whole(), oneroster.Options{Profile: oneroster.Default()}, func(fact.Doc) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("the error of emit became %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := read(ctx, whole()); !errors.Is(err, context.Canceled) {
		t.Errorf("the end of the context became %v", err)
	}
	if _, _, err := read(t.Context(), broken{whole()}); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("an error of the set became %v", err)
	}
}

// broken is a set of which every file breaks off.
type broken struct{ files }

func (b broken) Open(name string) (io.ReadCloser, error) {
	return io.NopCloser(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(b.files[name])))), nil
}

func TestAProfileThatMeansNothingIsRefused(t *testing.T) {
	for path, change := range map[string]func(*oneroster.Profile){
		"civicNoFrom[0]":   func(p *oneroster.Profile) { p.CivicNoFrom = []string{"userIds:"} },
		"roles.Student":    func(p *oneroster.Profile) { p.Roles["Student"] = "pupil" },
		"roles.mentor":     func(p *oneroster.Profile) { p.Roles["mentor"] = "someone" },
		"orgs.school":      func(p *oneroster.Profile) { p.Orgs["school"] = "Hus" },
		"classes.homeroom": func(p *oneroster.Profile) { p.Classes["homeroom"] = "Rum" },
		"grades.kg":        func(p *oneroster.Profile) { p.Grades["kg"] = "7A" },
		"mayBeEmpty[1]":    func(p *oneroster.Profile) { p.MayBeEmpty = []string{"classes", "users"} },
		"marking":          func(p *oneroster.Profile) { p.Marking.Column = "x" },
		"marking.words.s": func(p *oneroster.Profile) {
			p.Marking = oneroster.Marking{Column: "x", Words: map[string]string{"s": "hemlig"}}
		},
	} {
		problems := tenant.NewProblems()
		p := oneroster.Default()
		change(&p)
		p.Validate(problems)
		if err := problems.Err(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	problems := tenant.NewProblems()
	if oneroster.Default().Validate(problems); problems.Err() != nil {
		t.Error(problems.Err())
	}
}

// FuzzRead: whatever a file holds, a read ends with docs that have ids, or with a reason that shows nothing of it.
func FuzzRead(f *testing.F) {
	for name, text := range whole() {
		f.Add(name, []byte(text))
	}
	f.Add("manifest.csv", []byte(manifest("1.2", "users=delta", "roles=bulk")))
	f.Add("roles.csv", []byte("sourcedId,userSourcedId,role,orgSourcedId\nr,p,student,u\n"))
	f.Add("academicSessions.csv", []byte("\ufeff\"sourcedId\",startDate,endDate,,\r\nt,2026-08-17,2026-12-18\r\n"))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		set := whole()
		set[name] = string(text)
		docs, sum, err := read(t.Context(), set)
		if err != nil {
			if code := reason.Of(err).Code; code != reason.Unreadable && code != reason.TruncatedFile || sum.Complete {
				t.Fatalf("code %s, complete %t: %v", code, sum.Complete, err)
			}
			return
		}
		for _, d := range docs {
			if _, id, ok := strings.Cut(d.ID, "/"); !ok || id == "" || d.Where == "" || d.Deleted != (len(d.Facts) == 0) {
				t.Fatalf("%+v", d)
			}
		}
		again, _, err := read(t.Context(), set)
		if err != nil || !cmp.Equal(docs, again) {
			t.Fatalf("R11: the same set says something else: %v", err)
		}
		if bytes.Equal(text, []byte(whole()[name])) && !sum.Complete {
			t.Fatal("the set as it should be is not complete")
		}
	})
}
