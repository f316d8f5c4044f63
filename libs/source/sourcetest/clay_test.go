package sourcetest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/tenant"
)

// clay is a register that can be formed at will, and the source that reads it. It does everything that a source can do,
// right; what is broken about it on purpose is in flaw.
type clay struct {
	flaw     string
	town     sourcetest.Town
	version  int
	versions map[string]int    // of every doc that there is
	sums     map[string]string // of what they state
	gone     map[string]int    // of every doc that there was
	fault    sourcetest.Fault
	told     int // the version up to which a reader that acknowledges early has been told
	mended   chan struct{}
	kept     []fact.Doc
	read     time.Time // what had which time when it was last read
}

func newClay(flaw string) *clay {
	return &clay{flaw: flaw, versions: map[string]int{}, sums: map[string]string{}, gone: map[string]int{}, mended: make(chan struct{})}
}

const password = "hush-hush"

// under describes the connector to the suite.
func (c *clay) under() sourcetest.Under {
	u := sourcetest.Under{
		Connector: source.Connector{
			System: "clay", Title: "Clay",
			Defaults: source.Defaults{Schedule: "0 18 * * *", Protected: source.ProtectedFlag, GroupIDs: source.GroupIDsStable},
			New:      func() source.Config { return &config{clay: c} },
		},
		Settings: "name: clay\n", Refused: map[string]string{"name: ''": "name", "name: [1]": ""}, Secrets: []string{password},
		Register: c, Against: "itself", Sample: "testdata/sample.yaml",
		Steps: map[sourcetest.Fault]string{
			sourcetest.Unreachable: "connect", sourcetest.SignIn: "sign-in", sourcetest.Rights: "rights", sourcetest.Nothing: "data",
		},
	}
	switch c.flaw {
	case "claims no delta, and gives a cursor":
		u.Claims.NoDelta = "every read reads everything"
	case "claims to read everything where something changed":
		u.Claims.NoPart = "it does not know what is gone"
	case "claims to state no groups":
		u.Claims.NoGroups = "it has none"
	case "claims to keep everything in memory":
		u.Claims.NoStream = "it is small"
	}
	return u
}

type config struct {
	Name string `yaml:"name"`
	clay *clay
}

func (c *config) Validate(p tenant.Problems) {
	if c.clay.flaw != "takes wrong settings" {
		p.At("name").Required(c.Name)
	}
}

func (c *config) Open(env source.Env) (source.Source, error) {
	if c.clay.flaw == "connects when it is opened" && c.clay.fault == sourcetest.Unreachable {
		time.Sleep(1100 * time.Millisecond)
	}
	return reader{c.clay, env.Logger}, nil
}

// docs states a town, doc by doc.
func (c *clay) docs() iter.Seq[fact.Doc] {
	return func(yield func(fact.Doc) bool) {
		for _, u := range c.town.Units {
			if !yield(fact.Doc{ID: "unit/" + u.ID, Where: "unit", Facts: []fact.Fact{fact.Unit{ID: u.ID, Name: u.Name}}}) {
				return
			}
		}
		for i, p := range c.town.Persons {
			mark := string(roster.MarkingNone)
			if p.Protected && c.flaw != "drops the mark of protection" {
				mark = string(roster.MarkingConfidential)
			}
			d := fact.Doc{ID: "person/" + p.ID, Where: fmt.Sprint("person ", i), Facts: []fact.Fact{fact.Person{
				ID: p.ID, CivicNo: p.CivicNo, GivenName: p.GivenName, FamilyName: p.FamilyName, Email: p.Email, Marking: mark, Role: string(p.Role),
			}}}
			if p.Role == roster.RolePupil {
				d.Facts = append(d.Facts, fact.Enrolment{Person: p.ID, Unit: p.Unit, End: p.End})
			} else {
				d.Facts = append(d.Facts, fact.Duty{Person: p.ID, Unit: p.Unit, End: p.End})
			}
			switch c.flaw {
			case "calls docs by their place":
				d.ID = fmt.Sprint("person/", i)
			case "names people in a place":
				d.Where = p.GivenName
			case "has no last days":
				f, _ := d.Facts[1].(fact.Enrolment)
				f.End = ""
				d.Facts[1] = f
			}
			if !yield(d) {
				return
			}
		}
		for _, g := range c.town.Groups {
			d := fact.Doc{ID: "group/" + g.ID, Where: "group", Facts: []fact.Fact{fact.Group{ID: g.ID, Name: g.Name, Unit: g.Unit}}}
			for _, m := range g.Members {
				d.Facts = append(d.Facts, fact.Member{Group: g.ID, Person: m.Person, Role: string(m.Role)})
			}
			if !yield(d) {
				return
			}
		}
	}
}

// Hold counts a version up for every doc that changes.
func (c *clay) Hold(t sourcetest.Town) error {
	c.town = t
	c.version++
	before := maps.Clone(c.versions)
	for d := range c.docs() {
		sum := fmt.Sprint(d.Facts)
		delete(before, d.ID)
		delete(c.gone, d.ID)
		if c.flaw == "misses what changes in the moment of a read" && c.sums[d.ID] != "" && c.read.Equal(t.At) {
			continue
		}
		if c.sums[d.ID] != sum && (c.flaw != "forgets who moved" || c.versions[d.ID] == 0) {
			c.sums[d.ID], c.versions[d.ID] = sum, c.version
		}
	}
	for id := range before {
		delete(c.versions, id)
		delete(c.sums, id)
		c.gone[id] = c.version
	}
	return nil
}

func (c *clay) Break(f sourcetest.Fault) (string, error) {
	if f == sourcetest.OtherPeer {
		return "clay has no peer", nil
	}
	c.fault = f
	return "", nil
}

func (c *clay) Mend() error {
	c.fault = ""
	close(c.mended)
	c.mended = make(chan struct{})
	return nil
}

// reader reads clay.
type reader struct {
	*clay
	logger *slog.Logger
}

func (r reader) connect() error {
	switch r.fault {
	case sourcetest.Unreachable:
		return reason.Errorf(reason.Transient, nil, reason.Unreachable, "address", "clay")
	case sourcetest.SignIn:
		if r.flaw == "shows its password" {
			r.logger.Debug("sign in", "password", password)
		}
		return reason.Errorf(reason.Misconfigured, nil, reason.WrongCredentials, "address", "clay", "user", "potter")
	case sourcetest.Rights:
		return reason.Errorf(reason.Misconfigured, nil, reason.NotPermitted, "address", "clay", "path", "all")
	case sourcetest.Nothing:
		return reason.Errorf(reason.Transient, nil, reason.NoFile, "path", "clay", "pattern", "all")
	default:
		return nil
	}
}

func (r reader) Check(_ context.Context, step func(name, detail string, err error)) error {
	names := map[sourcetest.Fault]string{sourcetest.Unreachable: "connect", sourcetest.SignIn: "sign-in", sourcetest.Rights: "rights", sourcetest.Nothing: "data"}
	err := r.connect()
	for _, f := range []sourcetest.Fault{sourcetest.Unreachable, sourcetest.SignIn, sourcetest.Rights, sourcetest.Nothing} {
		switch {
		case f != r.fault:
			step(names[f], "", nil)
		case r.flaw == "checks nothing":
			step(names[f], "", nil)
			err = nil
		default:
			step(names[f], "", err)
			return err
		}
	}
	return err
}

func (r reader) Read(ctx context.Context, since source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	res := source.Result{Origin: "clay", DataTime: r.town.At, Seen: map[string]int{}}
	if err := r.connect(); err != nil {
		if r.flaw == "has errors without a reason" {
			return res, errors.New("it did not work")
		}
		return res, err
	}
	if r.fault == sourcetest.Hang {
		if r.flaw == "waits for ever" {
			<-r.mended
			return res, ctx.Err()
		}
		select {
		case <-ctx.Done():
		case <-r.mended:
		}
		return res, ctx.Err()
	}
	if r.flaw == "leaves something running" {
		mended := make(chan struct{})
		go func() { <-mended }()
	}
	r.read = r.town.At
	from, err := strconv.Atoi(string(since))
	res.Complete = err != nil || from > r.version
	if r.flaw == "takes any cursor" && len(since) > 0 {
		res.Complete = false
	}
	res.Cursor = source.Cursor(strconv.Itoa(r.version))
	if r.flaw == "acknowledges early" && !res.Complete {
		from, r.clay.told = max(from, r.told), r.version
	}
	if r.flaw == "calls a delta complete" {
		res.Complete = true
	}
	n, err := r.emit(ctx, !res.Complete || r.flaw == "calls a delta complete" && len(since) > 0, from, emit)
	res.Seen["docs"] = n
	if r.flaw == "believes what was cut" && reason.Of(err).Code == reason.TransferCut {
		err = nil
	}
	if r.flaw == "swallows the error of emit" && err != nil && reason.Of(err).Code == reason.Unexpected {
		err = nil
	}
	return res, err
}

// emit emits what is there, or what changed since a version.
func (r reader) emit(ctx context.Context, delta bool, from int, emit func(fact.Doc) error) (n int, err error) {
	all := slices.Values([]fact.Doc{})
	if r.fault != sourcetest.Empty {
		all = r.docs()
	}
	if r.flaw == "keeps everything in memory" {
		r.clay.kept = slices.Collect(all)
		all = slices.Values(r.kept)
	}
	if r.flaw == "has another order every time" {
		list := slices.Collect(all)
		if r.clay.told++; r.told%2 == 0 {
			slices.Reverse(list)
		}
		all = slices.Values(list)
	}
	if r.flaw == "reads one page" {
		list := slices.Collect(all)
		all = slices.Values(list[:min(len(list), 100)])
	}
	half := len(r.versions) / 2
	for d := range all {
		if p, ok := d.Facts[0].(fact.Person); ok && delta && r.flaw == "drops the mark of protection from what changed" {
			p.Marking = string(roster.MarkingNone)
			d.Facts[0] = p
		}
		if ctx.Err() != nil && r.flaw != "does not listen" {
			return n, ctx.Err()
		}
		switch {
		case r.fault == sourcetest.Slow:
			time.Sleep(time.Millisecond)
		case r.fault == sourcetest.Garbage, r.fault == sourcetest.GarbageLate && n == half:
			what := "no doc"
			if p, ok := d.Facts[0].(fact.Person); ok && r.flaw == "shows a number in an error" {
				what = p.CivicNo + " is no doc"
			}
			return n, reason.Errorf(reason.Invalid, nil, reason.Unreadable, "file", "clay", "what", what)
		case r.fault == sourcetest.Cut && n == half:
			return n, reason.Errorf(reason.Transient, nil, reason.TransferCut, "file", "clay", "bytes", n)
		}
		if delta && r.versions[d.ID] <= from && r.fault == "" {
			continue
		}
		if err := emit(d); err != nil {
			if r.flaw == "emits on after an error" {
				continue
			}
			return n, err
		}
		n++
	}
	if !delta || r.flaw == "forgets who left" {
		return n, nil
	}
	for _, id := range slices.Sorted(maps.Keys(r.gone)) {
		if r.gone[id] > from {
			if err := emit(fact.Doc{ID: id, Where: "bin", Deleted: true}); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}
