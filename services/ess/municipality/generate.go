package municipality

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"eventful.se/ess/libs/roster"
)

// The limits of Options.Pupils: fewer pupils cannot hold every [Case], more would need a number twice.
const (
	MinPupils = 20
	MaxPupils = 1_000_000
)

// DefaultDay is the day of a municipality whose options name none.
const DefaultDay = roster.Date(20260914)

// Options say which municipality to make.
type Options struct {
	Pupils int         // brought to MinPupils or MaxPupils when outside
	Seed   uint64      // another seed is another municipality
	Day    roster.Date // the day that the dates lie around; DefaultDay when open
	Shape  Shape
	// Protected is how the exports tell of protected persons; ProtectedNone when empty. Nobody is protected at first.
	Protected Protected
	// GroupIDs is what becomes of the ids of classes and mentor groups in August.
	GroupIDs GroupIDs
}

// Shape says which schools the municipality has.
type Shape string

// The shapes. The zero shape is ShapeAdult.
const (
	ShapeAdult   Shape = "adult"   // komvux and SFI: courses that start and end all year, few classes
	ShapeSchools Shape = "schools" // grundskola and gymnasium: everyone has a class and a mentor group
)

// GroupIDs is what becomes of the ids of classes and mentor groups when the läsår turns, in the words of a source's
// settings.
type GroupIDs string

// The ways. The zero way is that every school has its own, which no setting describes.
const (
	GroupIDsMixed  GroupIDs = ""
	GroupIDsStable GroupIDs = "stable" // 7B is 8B now, by the same id
	GroupIDsYearly GroupIDs = "yearly" // no id is used again
	GroupIDsReused GroupIDs = "reused" // the id belongs to the name: this year's 7B has that of last year's
)

// The proportions.
const (
	pupilsPerStaff  = 12
	pupilsPerUnit   = 400
	pupilsPerClass  = 25
	pupilsPerMentor = 13
	pupilsPerCourse = 22
	minCourses      = 10 // of a unit, so that a pupil finds six that are open
)

// New makes a municipality with as many pupils as the options say, and staff and groups to fit.
func New(o Options) *Municipality {
	pupils := min(max(o.Pupils, MinPupils), MaxPupils)
	b := newBuilder(o.Seed, o.Day, o.Shape, pupils, max(1, pupils/pupilsPerStaff))
	b.m.Protected, b.m.groupIDs = cmp.Or(o.Protected, ProtectedNone), o.GroupIDs
	b.addUnits()
	b.addPersons()
	b.addGroups(0)
	for _, p := range b.pupils {
		b.join(p, 4+b.r.IntN(3)-len(p.groups))
	}
	return b.finish()
}

// Sized makes a municipality of an exact size for benchmarks: so many persons, groups (units and authority among them,
// as IMS Enterprise counts) and members ([Size.Members]). It returns an error when the three do not fit together.
func Sized(persons, groups, members int, seed uint64) (*Municipality, error) {
	staff := persons / (pupilsPerStaff + 1)
	if persons-staff < MinPupils || persons-staff > MaxPupils {
		return nil, fmt.Errorf("%d persons are too few or too many: want %d to %d pupils beside the staff", persons, MinPupils, MaxPupils)
	}
	b := newBuilder(seed, 0, ShapeAdult, persons-staff, staff)
	b.addUnits()
	b.addPersons()
	if b.addGroups(groups - len(b.m.Units)); len(b.m.Units)+len(b.groups) != groups {
		return nil, fmt.Errorf("%d groups are too few for %d persons: want at least %d", groups, persons, len(b.m.Units)+len(b.groups))
	}
	left := members - b.members()
	if left < 0 {
		return nil, fmt.Errorf("%d members are too few for %d persons and %d groups: want at least %d", members, persons, groups, members-left)
	}
	for n := len(b.pupils); left > 0; {
		before := left
		share := max(1, left/n)
		for i := 0; i < n && left > 0; i++ {
			left -= b.join(b.pupils[i], min(share, left))
		}
		if left == before {
			return nil, fmt.Errorf("%d members are too many for %d persons and %d groups: want at most %d", members, persons, groups, members-left)
		}
	}
	return b.finish(), nil
}

// builder holds a municipality in the making.
type builder struct {
	m      *Municipality
	r      *rand.Rand
	kinds  []unitKind
	pupils []*draft
	staff  []*draft
	groups []*Group
	at     []campus // of each school unit

	wantPupils, wantStaff int
}

// draft is a person in the making, with the indices of the units and groups that he or she is in.
type draft struct {
	Person
	units  []int
	groups []int
}

// campus is what a school unit has.
type campus struct {
	id       string
	kind     unitKind
	pupils   []*draft
	teachers []*draft
	courses  []int // indices of groups
}

func newBuilder(seed uint64, day roster.Date, shape Shape, pupils, staff int) *builder {
	if day.IsOpen() {
		day = DefaultDay
	}
	r := rand.New(rand.NewPCG(seed, 0))
	m := &Municipality{
		Name: "Provköpings kommun", Day: day, Time: day.Start(), Protected: ProtectedNone,
		seed: seed, shape: shape, pupils: pupils,
	}
	m.numbers.offset = r.IntN(days * 99)
	return &builder{m: m, r: r, kinds: unitKinds(shape), wantPupils: pupils, wantStaff: staff}
}

func (b *builder) finish() *Municipality {
	m := b.m
	m.Persons = make([]Person, 0, len(b.staff)+len(b.pupils))
	for _, d := range slices.Concat(b.staff, b.pupils) {
		m.Persons = append(m.Persons, d.Person)
	}
	m.Groups = make([]Group, 0, len(b.groups))
	for _, g := range b.groups {
		m.Groups = append(m.Groups, *g)
	}
	m.groups = len(m.Groups)
	return m
}

// members counts the members of units and groups so far, as [Size.Members] does.
func (b *builder) members() int {
	n := 0
	for _, d := range slices.Concat(b.staff, b.pupils) {
		n += len(d.units)
	}
	for _, g := range b.groups {
		n += len(g.Members)
	}
	return n
}

// addUnits makes the authority and the school units, at least three.
func (b *builder) addUnits() {
	b.m.Units = append(b.m.Units, Unit{ID: "h-1", Name: b.m.Name})
	places := []string{"Norra", "Södra", "Östra", "Västra", "Centrum", "Ängen", "Åparken", "Hamnen", "Björkö", "Skogsås"}
	for i := range max(3, (b.wantPupils+pupilsPerUnit-1)/pupilsPerUnit) {
		kind := b.kinds[i%len(b.kinds)]
		name := kind.name + " " + places[i%len(places)]
		if round := i / len(places); round > 0 {
			name = fmt.Sprintf("%s %d", name, round+1)
		}
		u := Unit{
			ID: fmt.Sprintf("u-%d", i+1), Name: name, Parent: "h-1", SchoolType: kind.schoolType,
			Code: fmt.Sprintf("%08d", 990001+i), kind: kind,
		}
		b.m.Units = append(b.m.Units, u)
		b.at = append(b.at, campus{id: u.ID, kind: kind})
	}
}

// addPersons makes the staff and the pupils, each at a unit.
func (b *builder) addPersons() {
	for i := range max(b.wantStaff, len(b.at)) {
		at := i % len(b.at)
		d := &draft{units: []int{at}}
		role, cases := staffRole(i/len(b.at)), b.someCases()
		start := b.m.Day.AddDays(-200 - b.r.IntN(4000))
		d.Duties = []Duty{{Unit: b.at[at].id, Role: role, Start: start}}
		if i >= 3 && b.r.IntN(20) == 0 {
			second := (at + 1) % len(b.at)
			d.units = append(d.units, second)
			d.Duties = append(d.Duties, Duty{Unit: b.at[second].id, Role: role, Start: start})
			cases = append(cases, CaseTwoUnits)
		}
		b.m.identify(&d.Person, b.r, cases)
		b.staff = append(b.staff, d)
		if role == Instructor {
			for _, u := range d.units {
				b.at[u].teachers = append(b.at[u].teachers, d)
			}
		}
	}
	fixed := fixedCases()
	for i := range b.wantPupils {
		at := i % len(b.at)
		d := &draft{units: []int{at}}
		cases := b.someCases()
		if i < len(fixed) {
			cases = fixed[i]
		}
		b.enrol(d, cases)
		b.m.identify(&d.Person, b.r, cases)
		b.pupils = append(b.pupils, d)
		b.at[at].pupils = append(b.at[at].pupils, d)
	}
}

// enrol puts a pupil into the units that his or her cases ask for.
func (b *builder) enrol(d *draft, cases []Case) {
	day := b.m.Day
	e := Enrolment{Unit: b.at[d.units[0]].id, Start: day.AddDays(-160 - b.r.IntN(500))}
	if b.r.IntN(4) > 0 {
		e.End = day.AddDays(180 + b.r.IntN(400))
	}
	for _, c := range cases {
		switch c {
		case CaseStartsToday:
			e.Start = day
		case CaseStartsLater:
			e.Start = day.AddDays(1)
		case CaseEndsToday:
			e.End = day
		case CaseEnded:
			e.End = day.AddDays(-1)
		case CaseBothRoles:
			d.Duties = []Duty{{Unit: e.Unit, Role: Assistant, Start: e.Start}}
		}
	}
	d.Enrolments = []Enrolment{e}
	if slices.Contains(cases, CaseTwoUnits) {
		second := (d.units[0] + 1) % len(b.at)
		d.units = append(d.units, second)
		d.Enrolments = append(d.Enrolments, Enrolment{Unit: b.at[second].id, Start: e.Start.AddDays(10), End: e.End})
	}
}

// fixedCases are the cases of the first pupils.
func fixedCases() [][]Case {
	return [][]Case{
		{CaseTF, CaseForeignName},
		{CaseT, CaseSingleName},
		{CaseCoordination},
		{CaseTwoUnits, CaseHyphen},
		{CaseBothRoles, CaseApostrophe},
		{CaseNFD},
		{CaseLongName},
		{CaseNull},
		{CaseNoEmail, CaseAccent},
		{CaseMarkup, CaseDoubleSurname},
		{CaseStartsToday},
		{CaseStartsLater},
		{CaseEndsToday},
		{CaseEnded},
	}
}

// someCases returns the cases of any other person: mostly none.
func (b *builder) someCases() []Case {
	switch n := b.r.IntN(1000); {
	case n < 80:
		return []Case{CaseDoubleSurname}
	case n < 160:
		return []Case{CaseForeignName}
	case n < 180:
		return []Case{CaseHyphen}
	case n < 200:
		return []Case{CaseAccent}
	case n < 225:
		return []Case{CaseCoordination, CaseForeignName}
	case n < 235:
		return []Case{CaseTF}
	case n < 240:
		return []Case{CaseT}
	case n < 245:
		return []Case{CaseNFD}
	case n < 247:
		return []Case{CaseLongName}
	case n < 250:
		return []Case{CaseNoEmail}
	default:
		return nil
	}
}

// identify gives a new person an id, a number, a name and an address.
func (m *Municipality) identify(p *Person, r *rand.Rand, cases []Case) {
	m.made++
	p.ID, p.Cases = fmt.Sprintf("p-%d", m.made), cases
	switch {
	case p.Is(CaseTF):
		p.CivicNo = m.numbers.tf()
	case p.Is(CaseT):
		p.CivicNo = m.numbers.t()
	case p.Is(CaseCoordination):
		p.CivicNo = m.numbers.samordningsnummer()
	default:
		p.CivicNo = m.numbers.personnummer()
	}
	p.name(r, m.made)
	p.address(m.made)
}

// staffRole returns the role of the nth member of staff of a unit.
func staffRole(n int) Role {
	switch n % 12 {
	case 3:
		return Manager
	case 5:
		return Administrator
	case 8:
		return Assistant
	default:
		return Instructor
	}
}

// addGroups makes classes, mentor groups and courses with their teachers, and fills the classes and mentor groups. It
// makes as many as want when want is more than the least; 0 asks for enough that a pupil can attend five courses.
func (b *builder) addGroups(want int) {
	for at := range b.at {
		b.addHomes(at)
	}
	homes := len(b.groups)
	for at := range b.at {
		n := minCourses
		if want == 0 {
			n = max(n, len(b.at[at].pupils)*5/pupilsPerCourse)
		}
		for i := range n {
			b.addCourse(at, i)
		}
	}
	for i := len(b.groups) - homes; len(b.groups) < want; i++ {
		b.addCourse(i%len(b.at), i/len(b.at))
	}
}

// addHomes puts all pupils of a unit into classes, each class into mentor groups, and where there are no classes all
// into mentor groups, as the unit has them.
func (b *builder) addHomes(at int) {
	c := &b.at[at]
	if !c.kind.classes {
		if c.kind.mentors {
			for i, pupils := range parts(c.pupils, pupilsPerMentor) {
				b.addHome(at, Group{Name: mentorName(c.kind.className(0, i), 0), Kind: Mentors}, pupils)
			}
		}
		return
	}
	classes := parts(c.pupils, pupilsPerClass)
	nth := map[int]int{}
	for i, pupils := range classes {
		grade := c.kind.first + i*c.kind.grades()/len(classes)
		name := c.kind.className(grade, nth[grade])
		nth[grade]++
		b.addHome(at, Group{Name: name, Kind: Class, Grade: grade}, pupils)
		if c.kind.mentors {
			for k, part := range parts(pupils, pupilsPerMentor) {
				b.addHome(at, Group{Name: mentorName(name, k+1), Kind: Mentors, Grade: grade}, part)
			}
		}
	}
}

// addHome makes a class or mentor group of the läsår with its leader, and puts pupils into it for as long as they are
// enrolled.
func (b *builder) addHome(at int, g Group, pupils []*draft) {
	c := &b.at[at]
	g.Start, g.End = schoolYear(b.m.Day)
	i := b.addGroup(at, g)
	if len(c.teachers) > 0 {
		t := c.teachers[i%len(c.teachers)]
		b.place(t, i, Member{Role: g.Kind.leader(), Start: max(g.Start, t.Duties[slices.Index(t.units, at)].Start), End: g.End})
	}
	for _, p := range pupils {
		b.attend(p, at, i, 0)
	}
}

// leader returns the role of who leads a group of the kind.
func (k GroupKind) leader() Role {
	if k == Mentors {
		return Mentor
	}
	return Instructor
}

// parts cuts a list into as few parts of at most size as there are, all of about the same length.
func parts[T any](list []T, size int) [][]T {
	n := (len(list) + size - 1) / size
	cut := make([][]T, n)
	for i := range n {
		cut[i] = list[i*len(list)/n : (i+1)*len(list)/n]
	}
	return cut
}

// addCourse makes the nth course of a unit, which lies around the day, and gives it teachers.
func (b *builder) addCourse(at, n int) {
	c, day := &b.at[at], b.m.Day
	course := c.kind.courses[n%len(c.kind.courses)]
	g := Group{Name: fmt.Sprintf("%s %d", course.name, n/len(c.kind.courses)+1), Kind: Teaching, Course: course.code}
	switch when := b.r.IntN(25); {
	case n >= minCourses && when == 0:
		g.Start = day.AddDays(1 + b.r.IntN(20))
		g.End = g.Start.AddDays(35 + b.r.IntN(100))
	case n >= minCourses && when == 1:
		g.End = day.AddDays(-1 - b.r.IntN(7))
		g.Start = g.End.AddDays(-35 - b.r.IntN(100))
	default:
		g.Start = day.AddDays(-7 - b.r.IntN(100))
		g.End = day.AddDays(14 + b.r.IntN(140))
	}
	if at == 0 {
		b.unusual(&g, n)
	}
	i := b.addGroup(at, g)
	c.courses = append(c.courses, i)
	if g.Is(GroupEmpty) || len(c.teachers) == 0 {
		return
	}
	first := b.r.IntN(len(c.teachers))
	for k := range 1 + (n+1)%6/5 {
		t := c.teachers[(first+k)%len(c.teachers)]
		if !slices.Contains(t.groups, i) {
			b.place(t, i, Member{Role: Instructor, Start: g.Start, End: g.End})
		}
	}
}

// unusual makes the first courses of the first unit the examples of the cases.
func (b *builder) unusual(g *Group, n int) {
	switch n {
	case 0, 1:
		g.Name, g.Cases = "Svenska för alla", []GroupCase{GroupSameName}
	case 2:
		g.Name, g.Cases = `Räkna & <läsa> "på riktigt"`, []GroupCase{GroupMarkup}
	case 3:
		g.Start, g.Cases = b.m.Day.AddDays(1), []GroupCase{GroupStartsLater}
	case 4:
		g.End, g.Cases = b.m.Day.AddDays(-1), []GroupCase{GroupEnded}
	case 5:
		g.Cases = []GroupCase{GroupEmpty}
	}
}

func (b *builder) addGroup(at int, g Group) int {
	g.ID, g.Unit = fmt.Sprintf("g-%d", len(b.groups)+1), b.at[at].id
	b.groups = append(b.groups, &g)
	return len(b.groups) - 1
}

func (b *builder) place(d *draft, g int, m Member) {
	m.Person = d.ID
	b.groups[g].Members = append(b.groups[g].Members, m)
	d.groups = append(d.groups, g)
}

// join puts a pupil into up to n more courses of his or her units and returns into how many.
func (b *builder) join(p *draft, n int) int {
	joined := 0
	for try := 0; joined < n && try < 8*n; try++ {
		at := p.units[try%len(p.units)]
		if b.attend(p, at, pick(b.r, b.at[at].courses), 30) {
			joined++
		}
	}
	return joined
}

// attend puts a pupil into a group of a unit for the days that both are there, from up to late days after the group's
// start, and tells whether it did.
func (b *builder) attend(p *draft, at, group, late int) bool {
	g := b.groups[group]
	if g.Is(GroupEmpty) || slices.Contains(p.groups, group) {
		return false
	}
	e := p.Enrolments[slices.Index(p.units, at)]
	m := Member{Role: Learner, Start: max(g.Start, e.Start), End: g.End}
	if !e.End.IsOpen() {
		m.End = min(m.End, e.End)
	}
	if m.End < m.Start {
		return false
	}
	if later := m.Start.AddDays(b.r.IntN(late + 1)); later <= m.End && later <= b.m.Day {
		m.Start = later
	}
	b.place(p, group, m)
	return true
}

// unitKind is a sort of school unit.
type unitKind struct {
	name       string
	short      string // begins the names of its classes
	schoolType roster.SchoolType
	classes    bool
	mentors    bool
	first      int // school year; 0 for adults
	last       int
	courses    []course
}

// grades returns how many school years the unit has, 1 for adults.
func (k unitKind) grades() int { return k.last - k.first + 1 }

// has tells whether the unit has pupils of the school year.
func (k unitKind) has(grade int) bool { return grade > 0 && k.first <= grade && grade <= k.last }

// className returns the name of the nth class of a school year: 7A, NA1C; KV1A for adults.
func (k unitKind) className(grade, n int) string {
	letter := string('A' + rune(n%26))
	switch {
	case grade == 0:
		return fmt.Sprintf("%s%d%s", k.short, n/26+1, letter)
	case n >= 26:
		letter += fmt.Sprint(n/26 + 1)
	}
	return fmt.Sprintf("%s%d%s", k.short, grade, letter)
}

// mentorName returns the name of the nth mentor group of a class, or of its only one when n is 0.
func mentorName(class string, n int) string {
	if n == 0 {
		return "Mentor " + class
	}
	return fmt.Sprintf("Mentor %s %d", class, n)
}

type course struct{ code, name string }

func unitKinds(s Shape) []unitKind {
	upper := courses("MATMAT01a Matematik 1a", "SVESVE01 Svenska 1", "ENGENG05 Engelska 5", "HISHIS01b Historia 1b",
		"SAMSAM01b Samhällskunskap 1b", "NAKNAK01b Naturkunskap 1b", "RELREL01 Religionskunskap 1")
	if s == ShapeSchools {
		lower := courses("MA Matematik", "SV Svenska", "EN Engelska", "HI Historia", "IDH Idrott och hälsa",
			"SL Slöjd", "BI Biologi")
		return []unitKind{
			{"Grundskolan", "", "GR", true, true, 7, 9, lower},
			{"Skolan", "", "GR", true, true, 4, 6, lower},
			{"Gymnasiet", "NA", "GY", true, true, 1, 3, upper},
		}
	}
	return []unitKind{
		{"Komvux", "KV", "VUXGY", false, false, 0, 0, upper},
		{"SFI", "SFI", "VUXSFI", false, true, 0, 0, courses("SFIA SFI kurs A", "SFIB SFI kurs B", "SFIC SFI kurs C", "SFID SFI kurs D")},
		{"Komvux", "KV", "VUXGR", false, false, 0, 0, courses("GRNMATD Matematik delkurs 1", "GRNSVED Svenska delkurs 1",
			"GRNENGD Engelska delkurs 1", "GRNSAMD Samhällskunskap delkurs 1")},
		{"Yrkesvux", "YV", "VUXGY", true, false, 0, 0, courses("VÅRVÅR01 Vård och omsorg 1", "BYGBYG0 Bygg och anläggning",
			"MATMAO0 Mat och restaurang", "ELLELL0 Elinstallation")},
	}
}

func courses(list ...string) []course {
	cs := make([]course, len(list))
	for i, s := range list {
		cs[i].code, cs[i].name, _ = strings.Cut(s, " ")
	}
	return cs
}
