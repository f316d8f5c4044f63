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

// reader turns the tokens of a document, or of the documents of an export, into docs.
type reader struct {
	profile  *Profile
	limits   Limits
	parts    []part // the documents until now
	in       *decoder
	scan     *scanner
	tree     tree
	emit     func(fact.Doc) error
	summary  Summary
	findings findings
	delta    bool // a recstatus was seen that may make the document a delta
	nameless bool // an element was seen that has no id
	newest   time.Time

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

// part is a document of an export. Lines are counted through all documents, so that what is kept of an element need not
// tell which document it stood in.
type part struct {
	file string
	from int // lines before it
}

// here returns the line, counted through all documents.
func (rd *reader) here() int { return rd.parts[len(rd.parts)-1].from + rd.scan.here() }

// where says where a line is.
func (rd *reader) where(line int) string {
	of := rd.parts[0]
	for _, p := range rd.parts {
		if p.from < line {
			of = p
		}
	}
	text := "line " + strconv.Itoa(line-of.from)
	if len(rd.parts) > 1 {
		text = of.file + ", " + text
	}
	return text
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

func newReader(o Options, emit func(fact.Doc) error) *reader {
	p := o.Profile
	rd := &reader{
		profile: &p, limits: o.Limits.orDefault(), emit: emit, main: p.MainSource,
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
	return rd
}

// document reads a document from the first byte to the last.
func (rd *reader) document(ctx context.Context, file string, r io.Reader) (err error) {
	next := part{file: file}
	if rd.scan != nil {
		next.from = rd.here()
	}
	rd.parts = append(rd.parts, next)
	if rd.in, err = newDecoder(r, rd.profile, rd.limits.Bytes); err != nil {
		return err
	}
	rd.scan = newScanner(ctx, rd.in, rd.limits, rd.profile.AllowDoctype == bare)
	if err := rd.objects(); err != nil {
		return err
	}
	return rd.finish()
}

// objects reads the children of the root.
func (rd *reader) objects() error {
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
	line := rd.here()
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
	s.Datasource = string(e.at("datasource"))
	if !rd.isDelta() { // which one document makes of all
		s.Type = string(e.at("type"))
	}
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
				rd.nameless = true
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
			at := rd.here()
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
	rd.summary.Complete = !rd.isDelta() && !rd.nameless
	if rd.newest.Before(rd.summary.DataTime) {
		rd.newest = rd.summary.DataTime
	}
	switch suspect, surely := rd.in.suspect(); {
	case surely && rd.profile.EncodingOverride == "":
		// Every name with å, ä or ö would be a wrong one, and go out to every target.
		return &flaw{1, ErrEncoding, "is said to be " + rd.in.name + " but is UTF-8 throughout (the profile's encodingOverride settles it)"}
	case suspect:
		rd.findings.add(reason.EncodingSuspect, fact.Serious, fact.Noted, rd.parts[len(rd.parts)-1].from+1, rd.in.name)
	}
	return nil
}
