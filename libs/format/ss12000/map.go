package ss12000

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Reading says what a read is.
type Reading struct {
	Profile Profile
	Today   roster.Date
	// Delta says that of groups and persons only those are read that changed after Since; every other list is read whole.
	// What the profile leaves out is then emitted as deleted, for it may have counted before. What a changed duty or
	// activity pointed at before nobody tells: whom it no longer is of stays as it is until everything is read.
	Delta bool
	Since time.Time
	// Frame is what [Mapper.Frame] told after the read before, of a delta.
	Frame string
}

// Mapper makes docs of the objects of a read. The objects come list by list, in the order of [Resources], from one
// goroutine:
//
//	Deleted, of a delta
//	Add, for every object of organisations ... activities
//	Missing: look up what it names, Add that
//	Add, for groups and persons
//	Missing: look up what it names, Add that
//	Finish
//
// The lists before groups are kept in memory, in a short form; of groups and persons the ids.
type Mapper struct {
	Reading
	emit  func(fact.Doc) error
	of    roster.Source // whose persons are enriched
	words struct{ organisations, groups, duties, assignments table }
	folds map[string]string // what words are folded to: they are few, and each is in thousands of objects

	units      map[string]*unit
	descended  bool              // the units know what is below them
	syllabuses map[string]string // subject by id
	programmes map[string]string // code by id
	duties     map[string]*Duty
	staff      map[string]bool // persons with a duty that counts
	placements map[string]*Placement
	children   map[string]bool // persons with a placement that counts
	activities map[string]*Activity
	taught     map[string]bool    // groups that an activity names
	subjects   map[string]subject // by group
	expanded   []*Person          // persons that stood in duties

	seen   map[Resource]map[string]bool // groups and persons: whether they count
	marks  map[string]string            // securityMarking of persons that only references tell
	asked  map[string]bool              // what Missing named, by list and id
	calls  int                          // of Missing
	doubt  string
	frame  map[string][sha256.Size]byte // of the objects that others are understood by
	counts map[string]int
	odd    map[string]int
	lost   int // teachers whose duty was not found
}

// unit is an organisation.
type unit struct {
	*Organisation
	as    string // what the profile says that it is
	in    bool   // it counts
	below []string
}

// subject is what a group is taught.
type subject struct {
	name    string
	unclear bool // several
}

// NewMapper returns a mapper. The ids of the docs are those of the objects with their list: "persons/<id>".
func NewMapper(r Reading, emit func(fact.Doc) error) *Mapper {
	m := &Mapper{
		Reading: r, emit: emit, units: map[string]*unit{}, syllabuses: map[string]string{}, programmes: map[string]string{},
		duties: map[string]*Duty{}, staff: map[string]bool{}, placements: map[string]*Placement{}, children: map[string]bool{},
		activities: map[string]*Activity{}, taught: map[string]bool{}, subjects: map[string]subject{}, seen: map[Resource]map[string]bool{Groups: {}, Persons: {}},
		marks: map[string]string{}, asked: map[string]bool{}, counts: map[string]int{}, odd: map[string]int{},
		frame: map[string][sha256.Size]byte{}, folds: map[string]string{},
	}
	// What is no source is refused by Validate.
	m.of, _ = roster.ParseSource(r.Profile.Enriches)
	m.words.organisations, m.words.groups = newTable(r.Profile.Organisations), newTable(r.Profile.GroupTypes)
	m.words.duties, m.words.assignments = newTable(r.Profile.DutyRoles), newTable(r.Profile.AssignmentRoles)
	return m
}

// Add takes an object. An object that was added before, as when somebody moved between two pages, counts once.
func (m *Mapper) Add(o Object) error {
	m.counts[string(o.Resource())]++
	switch o := o.(type) {
	case *Organisation:
		m.framed(o)
		m.organisation(o)
	case *Syllabus:
		m.framed(o)
		m.syllabuses[o.ID] = cmp.Or(o.CourseCode, o.SubjectCode, o.SubjectName)
	case *Programme:
		m.framed(o)
		m.programmes[o.ID] = cmp.Or(o.Code, o.Name)
	case *Duty:
		m.duty(o)
	case *Placement:
		m.placement(o)
	case *Activity:
		m.activity(o)
	case *Group:
		return m.group(o)
	case *Person:
		return m.person(o)
	}
	return nil
}

// Odd takes in what pages said was odd, to tell it as findings.
func (m *Mapper) Odd(odd map[string]int) {
	for what, n := range odd {
		m.odd[what] += n
	}
}

// changed tells whether something may have changed since the last read.
func (m *Mapper) changed(at time.Time) bool { return m.Delta && (at.IsZero() || at.After(m.Since)) }

// framed notes what an object says that groups and persons are understood by. Times are no part of it.
func (m *Mapper) framed(o Object) {
	head := o.Head()
	was := *head
	*head = Meta{ID: was.ID}
	m.frame[string(o.Resource())+"/"+was.ID] = sha256.Sum256(Append(nil, o))
	*head = was
}

// Frame tells apart what the organisations, syllabuses and programmes say, once they were read. Groups and persons of a
// read before are not to be understood by those of another frame.
func (m *Mapper) Frame() string {
	all := sha256.New()
	for _, id := range slices.Sorted(maps.Keys(m.frame)) {
		sum := m.frame[id]
		all.Write(sum[:])
	}
	return hex.EncodeToString(all.Sum(nil)[:8])
}

// Doubt tells why what changed cannot be laid over what is known, so that everything has to be read; nothing where it
// can. It is asked when the lists before groups were read.
func (m *Mapper) Doubt() string {
	if m.Delta && m.doubt == "" && m.Frame() != m.Reading.Frame {
		return "organisations, syllabuses or programmes changed"
	}
	return m.doubt
}

// Deleted takes in what deletedEntities tells of. A group or a person is gone; what else is gone may concern any of them.
func (m *Mapper) Deleted(gone Deleted) error {
	for _, of := range Resources() {
		for _, id := range gone[of] {
			if of.Whole() {
				m.doubt = "deleted of " + string(of)
				continue
			}
			if err := m.delete(of, ID(id)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *Mapper) delete(of Resource, id string) error {
	return m.emit(fact.Doc{ID: string(of) + "/" + id, Where: string(of), Deleted: true})
}

// leave leaves out an object that does not count: in a delta it may have counted before.
func (m *Mapper) leave(of Resource, id string) error {
	if !m.Delta {
		return nil
	}
	return m.delete(of, id)
}

func (m *Mapper) state(of Resource, id string, facts ...fact.Fact) error {
	if len(facts) == 0 {
		return m.leave(of, id)
	}
	return m.emit(fact.Doc{ID: string(of) + "/" + id, Where: string(of), Facts: facts})
}

// Missing names objects that were not seen and are needed: duties that teach; of a delta, once groups and persons were
// read, also those of them that something else that changed says something new about. It names each once, and those that
// were not found are given up.
func (m *Mapper) Missing() map[Resource][]string {
	m.calls++
	missing := map[Resource][]string{}
	name := func(of Resource, id string) {
		if key := string(of) + "/" + id; id != "" && !m.asked[key] {
			m.asked[key] = true
			missing[of] = append(missing[of], id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.activities)) {
		for _, t := range m.activities[id].Teachers {
			if m.duties[t.Duty.ID] == nil {
				name(Duties, t.Duty.ID)
			}
		}
	}
	if !m.Delta || m.calls == 1 {
		return missing
	}
	unseen := func(of Resource, id string) {
		if _, seen := m.seen[of][id]; !seen {
			name(of, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.activities)) {
		if a := m.activities[id]; m.changed(a.Modified) {
			for _, g := range a.Groups {
				unseen(Groups, g.ID)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.duties)) {
		if d := m.duties[id]; m.changed(d.Modified) {
			unseen(Persons, d.Person.ID)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.placements)) {
		if p := m.placements[id]; m.changed(p.Modified) {
			unseen(Persons, p.Child.ID)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.marks)) {
		unseen(Persons, id)
	}
	return missing
}

// Unlisted names the lists that are empty although others refer to what stands in them. It is asked when all were read.
func (m *Mapper) Unlisted() (lists []Resource) {
	if len(m.units) == 0 && len(m.seen[Persons]) > 0 {
		lists = append(lists, Organisations)
	}
	if len(m.seen[Groups]) == 0 && len(m.taught) > 0 {
		lists = append(lists, Groups)
	}
	return lists
}

// Summary is what was read.
type Summary struct {
	// Seen counts objects by list, and persons by what they have: "persons.civicNo".
	Seen     map[string]int
	Findings []fact.Finding
}

// Finish emits what waited, and ends the use of the mapper.
func (m *Mapper) Finish() (Summary, error) {
	for _, p := range m.expanded {
		if err := m.person(p); err != nil {
			return Summary{}, err
		}
	}
	steps := []func() error{m.emitUnits, m.emitDuties, m.emitPlacements, m.emitActivities, m.emitMarks}
	if m.Profile.Enriches != "" {
		steps = nil
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return Summary{}, err
		}
	}
	s := Summary{Seen: m.counts}
	for _, what := range slices.Sorted(maps.Keys(m.odd)) {
		s.Findings = append(s.Findings, fact.Finding{
			Reason: reason.New(reason.UnlikeStandard, "what", what), Severity: fact.Info, Effect: fact.Noted, Count: m.odd[what],
		})
	}
	if m.lost > 0 {
		s.Findings = append(s.Findings, fact.Finding{
			Reason: reason.New(reason.ReferenceDangling, "what", "activities.teachers.duty"), Severity: fact.Warning, Effect: fact.Dropped,
			Where: string(Activities), Count: m.lost,
		})
	}
	return s, nil
}

// mark notes what a reference says of a person's protection.
func (m *Mapper) mark(to Ref) {
	if roster.SecurityMarking(to.Marking).Protects() && to.ID != "" {
		m.marks[to.ID] = to.Marking
	}
}

// emitMarks states what references tell of who is protected, also of whom the list of persons does not have (rule R9).
func (m *Mapper) emitMarks() error {
	for _, id := range slices.Sorted(maps.Keys(m.marks)) {
		f := fact.Person{ID: id, About: true, Marking: m.marks[id]}
		if err := m.emit(fact.Doc{ID: "marks/" + id, Where: string(Persons), Facts: []fact.Fact{f}}); err != nil {
			return err
		}
	}
	return nil
}
