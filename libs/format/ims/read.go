package ims

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// reader turns the tokens of one document into docs.
type reader struct {
	profile  *Profile
	file     string
	in       *decoder
	scan     *scanner
	tree     tree
	emit     func(fact.Doc) error
	summary  Summary
	findings findings
	delta    bool // a recstatus was seen that may make the document a delta

	// The profile's places and the children that they, and the format, want of each element.
	civicNo, username, eppn, marking, unitCode []place
	keep                                       []keepPath
	yearPaths                                  [][]string
	wantPerson, wantGroup                      map[string]bool
	wantID, wantMember                         map[string]bool

	main    string // the source whose ids are written bare
	words   words
	people  map[word]*who
	alias   [2]map[word]word // ids that an object had before, by idtype
	years   map[word][]yearGroup
	groups  []*group
	byID    map[word]*group
	members []member
	deleted []deletion
	undone  map[string]int // doc → index of its deletion, to withdraw
}

// who is what is remembered of a person that was emitted.
type who struct {
	elements int // that stood in the file and were no deletion
	pupil    bool
	staff    bool
	leftOut  bool // the document says that the person is deleted
	enrolled bool // at a school, by a membership of its own
}

// maxYears is the most school years that are kept of a person.
const maxYears = 32

// yearGroup is a school year that a person's element tells.
type yearGroup struct {
	unit, schoolType, year string
	line                   int
	used                   bool
}

// group is what is kept of a group element until the document has ended.
type group struct {
	id        word
	doc       string
	line      int
	as        string
	elements  int // that stood in the document, counted at the first
	leftOut   bool
	parents   []word
	fact      fact.Group
	unitCodes []string
}

// member is one role of one member. There may be millions: it holds numbers only.
type member struct {
	group, who       word
	role, start, end word
	line             uint32
	kind             idtype
	state            roleState
}

type idtype uint8

const (
	personID idtype = iota
	groupID
)

type roleState uint8

const (
	active roleState = iota
	inactive
	deletedRole
)

type deletion struct {
	doc  string
	line int
}

type keepPath struct {
	path  []string
	below bool // everything below, not the element itself
}

// word numbers a text that occurs often. The zero word is no text.
type word uint32

type words struct {
	texts []string
	index map[string]word
}

func (w *words) of(b []byte) word {
	if len(b) == 0 {
		return 0
	}
	if i, ok := w.index[string(b)]; ok {
		return i
	}
	i := word(len(w.texts))
	s := string(b)
	w.texts = append(w.texts, s)
	w.index[s] = i
	return i
}

func (w *words) text(i word) string { return w.texts[i] }

func newReader(ctx context.Context, r io.Reader, o Options, emit func(fact.Doc) error) (*reader, error) {
	p, limits := o.Profile, o.Limits.orDefault()
	rd := &reader{
		profile: &p, file: o.File, emit: emit, main: p.MainSource,
		civicNo: parsePlaces(p.CivicNoFrom), username: parsePlaces(p.UsernameFrom), eppn: parsePlaces(p.EPPNFrom),
		unitCode:   parsePlaces(p.UnitCodeFrom),
		wantPerson: map[string]bool{"sourcedid": true, "userid": true, "name": true, "demographics": true, "email": true, "institutionrole": true},
		wantGroup:  map[string]bool{"sourcedid": true, "grouptype": true, "description": true, "org": true, "timeframe": true, "relationship": true},
		wantID:     map[string]bool{"source": true, "id": true},
		wantMember: map[string]bool{"sourcedid": true, "idtype": true, "role": true},
		words:      words{texts: []string{""}, index: map[string]word{}},
		people:     map[word]*who{}, alias: [2]map[word]word{{}, {}}, years: map[word][]yearGroup{},
		byID: map[word]*group{}, undone: map[string]int{},
	}
	if p.SecurityMarking != "" {
		rd.marking = parsePlaces([]string{p.SecurityMarking})
	}
	for _, k := range p.Keep {
		path, below := strings.CutSuffix(k, "/*")
		rd.keep = append(rd.keep, keepPath{strings.Split(path, "/"), below})
	}
	for _, y := range p.YearGroups {
		rd.yearPaths = append(rd.yearPaths, strings.Split(y, "/"))
		rd.wantPerson[rd.yearPaths[len(rd.yearPaths)-1][0]] = true
	}
	for _, list := range [][]place{rd.civicNo, rd.username, rd.eppn, rd.marking} {
		for _, pl := range list {
			rd.wantPerson[pl.path[0]] = true
		}
	}
	for _, pl := range rd.unitCode {
		rd.wantGroup[pl.path[0]] = true
	}
	for _, k := range rd.keep {
		rd.wantPerson[k.path[0]], rd.wantGroup[k.path[0]] = true, true
	}
	rd.summary.Seen = map[string]int{"persons": 0, "groups": 0, "memberships": 0, "members": 0}
	var err error
	if rd.in, err = newDecoder(r, &p, limits.Bytes); err != nil {
		return nil, rd.explain(err)
	}
	rd.scan = newScanner(ctx, rd.in, limits, p.AllowDoctype == bare)
	return rd, nil
}

// document reads from the first byte to the last.
func (rd *reader) document() error {
	for {
		tok, err := rd.scan.next()
		if err != nil {
			return err
		}
		switch {
		case tok == endOfDoc:
			return nil
		case tok != startTag:
		case rd.scan.depth() == 1:
			if rd.scan.name != "enterprise" {
				return rd.scan.flaw(ErrRoot, "the root element is not enterprise")
			}
		default:
			if err := rd.object(); err != nil {
				return err
			}
		}
	}
}

// object reads a child of the root.
func (rd *reader) object() error {
	line := rd.scan.here()
	switch rd.scan.name {
	case "properties":
		if err := rd.tree.read(rd.scan, map[string]bool{"datasource": true, "type": true, "datetime": true}); err != nil {
			return err
		}
		rd.properties(rd.tree.root(), line)
		return nil
	case "person":
		rd.summary.Seen["persons"]++
		if err := rd.tree.read(rd.scan, rd.wantPerson); err != nil {
			return err
		}
		return rd.person(rd.tree.root(), line)
	case "group":
		rd.summary.Seen["groups"]++
		if err := rd.tree.read(rd.scan, rd.wantGroup); err != nil {
			return err
		}
		rd.group(rd.tree.root(), line)
		return nil
	case "membership":
		rd.summary.Seen["memberships"]++
		return rd.membership(line)
	default:
		return skip(rd.scan)
	}
}

func (rd *reader) properties(e elem, line int) {
	s := &rd.summary
	s.Datasource, s.Type = string(e.at("datasource")), string(e.at("type"))
	if text := string(e.at("datetime")); text != "" {
		var ok bool
		if s.DataTime, ok = parseTime(text); !ok {
			rd.findings.add(reason.DateUnreadable, fact.Warning, fact.Dropped, line, "properties/datetime")
		}
	}
}

// sourcedIDs reads the ids of an object: the one that it has, and those that it had.
func (rd *reader) sourcedIDs(e elem) (id word, former []word) {
	for s := range e.all("sourcedid") {
		k := rd.key(s)
		if k == 0 {
			continue
		}
		switch strings.ToLower(string(s.attr("sourcedidtype"))) {
		case "old", "duplicate":
			former = append(former, k)
		default:
			if id == 0 {
				id = k
			}
		}
	}
	if id == 0 && len(former) > 0 {
		id, former = former[len(former)-1], former[:len(former)-1]
	}
	return id, former
}

// key returns the id that a sourcedid stands for, or none.
func (rd *reader) key(sourcedid elem) word {
	id := sourcedid.at("id")
	if len(id) == 0 || rd.profile.IDs == onlyID {
		return rd.words.of(id)
	}
	source := sourcedid.at("source")
	if rd.main == "" {
		rd.main = string(source)
	}
	if len(source) == 0 || string(source) == rd.main {
		return rd.words.of(id)
	}
	return rd.words.of(bytes.Join([][]byte{source, id}, []byte{'/'}))
}

// recstatus tells whether an element says that its object is deleted.
func (rd *reader) recstatus(e elem) (gone bool) {
	switch string(e.attr("recstatus")) {
	case "1", "2":
		rd.delta = true
	case "3":
		rd.delta = true
		return true
	}
	return false
}

// drop notes that a doc is deleted; what is stated again later in the document is not.
func (rd *reader) drop(doc string, line int) {
	rd.undone[doc] = len(rd.deleted)
	rd.deleted = append(rd.deleted, deletion{doc, line})
}

func (rd *reader) undrop(doc string) {
	if i, ok := rd.undone[doc]; ok {
		rd.deleted[i].doc = ""
		delete(rd.undone, doc)
	}
}

func (rd *reader) person(e elem, line int) error {
	id, former := rd.sourcedIDs(e)
	if id == 0 {
		rd.findings.add(reason.ElementWithoutID, fact.Serious, fact.KeptBack, line, "person")
		return nil
	}
	name := rd.words.text(id)
	w := rd.people[id]
	if w == nil {
		w = &who{}
		rd.people[id] = w
	}
	if rd.recstatus(e) {
		w.leftOut = true
		rd.drop("person/"+name, line)
		return nil
	}
	rd.undrop("person/" + name)
	doc := rd.docID("person", name, w.elements, line)
	w.elements++

	f := fact.Person{
		ID: name, CivicNo: rd.identityNumber(e), Username: firstOf(rd.username, e), EPPN: firstOf(rd.eppn, e),
		GivenName: string(e.at("name", "n", "given")), FamilyName: string(e.at("name", "n", "family")),
		MiddleName: string(e.at("name", "n", "other")), BirthDate: day(string(e.at("demographics", "bday"))),
		Email: string(e.at("email")), Role: rd.institutionRole(e, w, line), Extra: rd.extra(e),
	}
	for _, old := range former {
		if old != id {
			f.FormerIDs = append(f.FormerIDs, rd.words.text(old))
			rd.alias[personID][old] = id
		}
	}
	rd.displayName(&f, string(e.at("name", "fn")))
	// The format's codes are the reverse of ISO 5218.
	switch string(e.at("demographics", "gender")) {
	case "1":
		f.Sex = string(roster.Woman)
	case "2":
		f.Sex = string(roster.Man)
	}
	if m := firstOf(rd.marking, e); m != "" {
		f.Marking = m
		if known, ok := rd.profile.SecurityMarkings[m]; ok {
			f.Marking = known
		}
	}
	for _, path := range rd.yearPaths {
		e.each(path, func(y elem) {
			if len(rd.years[id]) == maxYears {
				return
			}
			rd.years[id] = append(rd.years[id], yearGroup{string(y.attr("unit")), string(y.attr("schoolType")), y.string(), line, false})
		})
	}
	return rd.emit(fact.Doc{ID: doc, Where: where(line), Facts: []fact.Fact{f}})
}

// docID returns the id of the doc of an object, and notes one that stands in the document twice.
func (rd *reader) docID(kind, id string, before, line int) string {
	if before == 0 {
		return kind + "/" + id
	}
	rd.findings.add(reason.ElementTwice, fact.Info, fact.Noted, line, kind)
	if rd.isDelta() {
		return kind + "/" + id
	}
	return kind + "#" + strconv.Itoa(before+1) + "/" + id
}

// displayName keeps a formatted name where it says more than its parts.
func (rd *reader) displayName(f *fact.Person, fn string) {
	fn = strings.Join(strings.Fields(fn), " ")
	switch {
	case fn == "":
	case f.GivenName != "" || f.FamilyName != "":
		plain := strings.TrimSpace(f.GivenName + " " + f.FamilyName)
		if fn != plain && fn != f.FamilyName+", "+f.GivenName && fn != f.FamilyName+" "+f.GivenName {
			f.DisplayName = fn
		}
	case rd.profile.FN == split:
		if family, given, ok := strings.Cut(fn, ","); ok {
			f.GivenName, f.FamilyName = strings.TrimSpace(given), strings.TrimSpace(family)
		} else if i := strings.LastIndexByte(fn, ' '); i > 0 {
			f.GivenName, f.FamilyName = fn[:i], fn[i+1:]
		} else {
			f.GivenName = fn
		}
	default:
		f.DisplayName = fn
	}
}

// identityNumber returns the identity number from the first place that has one.
func (rd *reader) identityNumber(e elem) string {
	for _, p := range rd.civicNo {
		v := string(p.in(e))
		if v == "" {
			continue
		}
		anything := p.path[0] == "sourcedid" || p.path[0] == "userid" && p.attr == ""
		if !anything || looksLikeCivicNo(v) {
			return v
		}
	}
	return ""
}

// looksLikeCivicNo tells whether a text has the form of a Swedish identity number: a date of 6 or 8 digits, and four
// characters of which the first two may be T or TF.
func looksLikeCivicNo(s string) bool {
	var b []byte
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ' || c == '-' || c == '+' || c == '\'' && i == 0:
		case '0' <= c && c <= '9', c|0x20 == 't', c|0x20 == 'f':
			b = append(b, c|0x20)
		default:
			return false
		}
	}
	if len(b) != 10 && len(b) != 12 {
		return false
	}
	date, last := b[:len(b)-4], b[len(b)-4:]
	last = bytes.TrimPrefix(last, []byte("t"))
	if len(last) == 3 {
		last = bytes.TrimPrefix(last, []byte("f"))
	}
	digits := func(b []byte) bool {
		return !bytes.ContainsFunc(b, func(r rune) bool { return r < '0' || r > '9' })
	}
	return digits(date) && digits(last)
}

// institutionRole notes what the person is, and returns the role whose e-mail address the element tells.
func (rd *reader) institutionRole(e elem, w *who, line int) string {
	var roles []string
	primary := ""
	for r := range e.all("institutionrole") {
		text := string(r.attr("institutionroletype"))
		if text == "" {
			text = r.string()
		}
		role, ok := rd.profile.InstitutionRoles[code(text)]
		if !ok {
			rd.findings.add(reason.RoleUnknown, fact.Warning, fact.Dropped, line, text)
			continue
		}
		switch role {
		case string(roster.RolePupil):
			w.pupil = true
		case string(roster.RoleStaff):
			w.staff = true
		default:
			continue
		}
		if strings.EqualFold(string(r.attr("primaryrole")), "yes") && primary == "" {
			primary = role
		}
		if len(roles) == 0 || roles[0] != role {
			roles = append(roles, role)
		}
	}
	if len(roles) == 1 {
		return roles[0]
	}
	return primary
}

// extra returns the attributes that the profile keeps.
func (rd *reader) extra(e elem) map[string]string {
	var x extras
	for _, k := range rd.keep {
		e.each(k.path, func(e elem) {
			path := strings.Join(k.path, "/")
			if !k.below {
				x.take(e, path)
				return
			}
			for c := range e.all("") {
				x.take(c, path+"/"+c.name())
			}
		})
	}
	return x.values
}

func (rd *reader) group(e elem, line int) {
	id, former := rd.sourcedIDs(e)
	if id == 0 {
		rd.findings.add(reason.ElementWithoutID, fact.Serious, fact.KeptBack, line, "group")
		return
	}
	name := rd.words.text(id)
	first := rd.byID[id]
	if rd.recstatus(e) {
		rd.drop("group/"+name, line)
		if first == nil {
			rd.byID[id] = &group{id: id, leftOut: true}
		}
		return
	}
	rd.undrop("group/" + name)
	g := &group{id: id, line: line}
	if first == nil || first.leftOut {
		rd.byID[id] = g
		first = g
	}
	g.doc = rd.docID("group", name, first.elements, line)
	first.elements++
	for _, old := range former {
		if old != id {
			rd.alias[groupID][old] = id
		}
	}
	g.as = rd.groupType(e, line)
	start, end := rd.timeframe(e, true)
	g.fact = fact.Group{ID: name, Name: groupName(e, name), Type: g.as, Start: start, End: end, Extra: rd.extra(e)}
	if isUnit(g.as) {
		g.unitCodes = rd.unitCodes(e)
	}
	for r := range e.all("relationship") {
		s, ok := r.child("sourcedid")
		if !ok {
			continue
		}
		other := rd.key(s)
		switch relation := strings.ToLower(string(r.attr("relation"))); {
		case other == 0:
		case relation == "1" || relation == "parent":
			first.addParent(other)
		case relation == "2" || relation == "child":
			rd.members = append(rd.members, member{group: id, who: other, kind: groupID, line: uint32(line)})
		}
	}
	rd.groups = append(rd.groups, g)
}

// addParent notes a group above. More than a few is no register's doing, and would make the walk to the units long.
func (g *group) addParent(id word) {
	const most = 64
	if len(g.parents) < most {
		g.parents = append(g.parents, id)
	}
}

func groupName(e elem, id string) string {
	for _, form := range []string{"short", "long", "full"} {
		if t := e.at("description", form); len(t) > 0 {
			return string(t)
		}
	}
	return id
}

// groupType returns what a group is by the profile's table.
func (rd *reader) groupType(e elem, line int) string {
	unknown := ""
	for _, row := range rd.profile.GroupTypes {
		for t := range e.all("grouptype") {
			scheme := string(t.at("scheme"))
			if row.Scheme != "" && !strings.EqualFold(row.Scheme, scheme) {
				continue
			}
			for v := range t.all("typevalue") {
				level, text := string(v.attr("level")), v.string()
				if (row.Level == "" || code(row.Level) == code(level)) && (row.Text == "" || strings.EqualFold(row.Text, text)) {
					return row.As
				}
				unknown = strings.TrimSpace(scheme + " " + text + " " + level)
			}
		}
	}
	if unknown == "" {
		unknown = "no type"
	}
	rd.findings.add(reason.GroupTypeUnknown, fact.Warning, fact.Noted, line, unknown)
	return otherGroup
}

func isUnit(as string) bool {
	switch roster.OrganisationType(as) {
	case roster.Authority, roster.School, roster.SchoolUnit:
		return true
	}
	return false
}

// unitCodes returns the skolenhetskod from the first place that has one.
func (rd *reader) unitCodes(e elem) []string {
	for _, p := range rd.unitCode {
		text := string(p.in(e))
		if p.path[0] == "description" {
			text = onlyCode(text)
		}
		if isUnitCode(text) {
			return []string{text}
		}
	}
	return nil
}

func isUnitCode(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) == 8
}

// onlyCode returns the one word of a text that is 8 digits.
func onlyCode(text string) (only string) {
	for _, f := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;:()[]/", r) }) {
		if isUnitCode(f) {
			if only != "" && only != f {
				return ""
			}
			only = f
		}
	}
	return only
}

// membership reads a membership member by member: there may be any number of them.
func (rd *reader) membership(line int) error {
	s := rd.scan
	above := s.depth() - 1
	var g word
	first := len(rd.members)
	for {
		tok, err := s.next()
		if err != nil {
			return err
		}
		switch {
		case tok == endTag && s.depth() == above:
			if g == 0 {
				rd.members = rd.members[:first]
				rd.findings.add(reason.ElementWithoutID, fact.Serious, fact.Dropped, line, "membership")
			}
			for i := first; i < len(rd.members); i++ {
				rd.members[i].group = g
			}
			return nil
		case tok != startTag:
		case s.name == "sourcedid":
			if err := rd.tree.read(s, rd.wantID); err != nil {
				return err
			}
			if k := rd.key(rd.tree.root()); k != 0 {
				g = k
			}
		case s.name == "member":
			rd.summary.Seen["members"]++
			at := s.here()
			if err := rd.tree.read(s, rd.wantMember); err != nil {
				return err
			}
			rd.member(rd.tree.root(), at)
		default:
			if err := skip(s); err != nil {
				return err
			}
		}
	}
}

func (rd *reader) member(e elem, line int) {
	m := member{line: uint32(line)}
	if s, ok := e.child("sourcedid"); ok {
		m.who = rd.key(s)
	}
	if m.who == 0 {
		rd.findings.add(reason.ElementWithoutID, fact.Warning, fact.Dropped, line, "member")
		return
	}
	kind := e.at("idtype")
	if t, ok := e.child("idtype"); ok && len(kind) == 0 {
		kind = t.attr("idtype")
	}
	if k := strings.ToLower(string(kind)); k == "2" || k == "group" {
		m.kind = groupID
	}
	roles := 0
	for r := range e.all("role") {
		roles++
		m.state, m.start, m.end = active, 0, 0
		kind := r.attr("roletype")
		if len(kind) == 0 {
			kind = r.at("roletype")
		}
		m.role = rd.words.of(kind)
		start, end := rd.timeframe(r, rd.profile.Dates == all)
		if s := strings.ToLower(string(r.at("status"))); s == "0" || s == "inactive" {
			m.state = inactive
			end = rd.ended(start, end, string(r.at("datetime")))
		}
		if rd.recstatus(r) {
			m.state = deletedRole
		}
		m.start, m.end = rd.words.of([]byte(start)), rd.words.of([]byte(end))
		rd.members = append(rd.members, m)
	}
	if roles == 0 {
		rd.members = append(rd.members, m)
	}
}

// timeframe returns the days of a timeframe, as dates where they can be read and as written where not. A date that
// does not restrict counts only with every.
func (rd *reader) timeframe(e elem, every bool) (start, end string) {
	t, ok := e.child("timeframe")
	if !ok {
		return "", ""
	}
	read := func(name string) string {
		d, ok := t.child(name)
		if !ok || !every && string(d.attr("restrict")) == "0" {
			return ""
		}
		return day(d.string())
	}
	return read("begin"), read("end")
}

// ended returns the day on which an inactive role was over, or nothing when the document does not tell.
func (rd *reader) ended(start, end, changed string) string {
	if rd.summary.DataTime.IsZero() {
		return ""
	}
	today := roster.Today(rd.summary.DataTime).String()
	for _, d := range []string{end, day(changed)} {
		if _, err := roster.ParseDate(d); err == nil && d <= today && d >= start {
			return d
		}
	}
	return ""
}

// isDelta tells whether the document holds changes only, as far as it has been read.
func (rd *reader) isDelta() bool {
	switch t := strings.ToLower(rd.summary.Type); rd.profile.Delta {
	case always:
		return true
	case never:
		return false
	case onRecstatus:
		return rd.delta || t == "delta" || t == "melding"
	default:
		return t == "delta" || t == "melding"
	}
}

// finish completes the summary of a document that was read to its end.
func (rd *reader) finish() error {
	rd.summary.Complete = !rd.isDelta()
	switch suspect, surely := rd.in.suspect(); {
	case surely && rd.profile.EncodingOverride == "":
		// Every name with å, ä or ö would be a wrong one, and go out to every target.
		return &flaw{1, ErrEncoding, "is said to be " + rd.in.name + " but is UTF-8 throughout (the profile's encodingOverride settles it)"}
	case suspect:
		rd.findings.add(reason.EncodingSuspect, fact.Serious, fact.Noted, 1, rd.in.name)
	}
	return nil
}

// day returns the day of a date or a time as YYYY-MM-DD, or the text as it stands.
func day(s string) string {
	if len(s) == len(time.DateOnly) && s[4] == '-' && s[7] == '-' {
		return s
	}
	if t, ok := parseTime(s); ok {
		return roster.Today(t).String()
	}
	return s
}

// parseTime reads ISO 8601 in the forms that occur, and 28/Oct/2005, as a public sample has it.
func parseTime(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, false
	}
	for _, layout := range []string{
		time.DateOnly, "2006-01-02T15:04:05", time.RFC3339, "2006-01-02T15:04", "2006-01-02T15:04Z07:00",
		"2006-01-02T15:04:05Z0700", time.DateTime, "2006-01-02 15:04", "20060102", "02/Jan/2006", "20060102T150405",
	} {
		if t, err := time.ParseInLocation(layout, s, roster.Stockholm()); err == nil && t.Year() > 0 {
			return t, true
		}
	}
	return time.Time{}, false
}
