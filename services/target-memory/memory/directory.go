package memory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/target"
)

// directory is the other side: what a vendor would run. All that follows is what its calls come to.
type directory struct{ Config }

// object is a unit, user or group as the directory has it.
type object struct {
	ID         string            `json:"id"` // given by the directory, never used again
	Type       string            `json:"type"`
	ExternalID string            `json:"externalId,omitempty"` // whatever who made it calls it by
	Disabled   bool              `json:"disabled,omitempty"`
	Away       bool              `json:"away,omitempty"`    // lies where those lie who have left
	Guarded    bool              `json:"guarded,omitempty"` // runs the directory: nobody takes it over
	Unit       string            `json:"unit,omitempty"`    // the id of the unit that it is in
	Attributes map[string]string `json:"attributes"`
	Members    []member          `json:"members,omitempty"` // of a group
}

// member is a user in one of the sets of a group.
type member struct {
	Set  string `json:"set"`
	User string `json:"user"`
}

// content is the file.
type content struct {
	Serial  int      `json:"serial"` // the last id that was given
	Calls   int      `json:"calls"`  // how many calls came, whatever the answer was
	Writes  int      `json:"writes"` // how many of them could change something
	Objects []object `json:"objects"`
}

// entry is a line of the journal.
type entry struct {
	What   string `json:"what"` // add, replace or remove
	Object object `json:"object"`
}

// trouble says how the directory is to answer badly.
type trouble struct {
	Status int           `yaml:"status"` // 401, 409, 422, 429, 500 …, or 0 for an answer that makes no sense
	After  time.Duration `yaml:"after"`  // how long to ask to wait
	Hang   bool          `yaml:"hang"`   // no answer at all
	Of     string        `yaml:"of"`     // only of the object with this external id
	Skip   int           `yaml:"skip"`   // so many writes of a batch go well first
	Done   bool          `yaml:"done"`   // what was asked is done all the same
}

// The answers of the directory, as those of an HTTP API.
const (
	garbage       = 0
	unauthorised  = 401
	notFound      = 404
	conflict      = 409
	unprocessable = 422
	tooMany       = 429
)

// answer is an answer that is not what was hoped for.
type answer struct {
	status int
	after  time.Duration
	what   string // never a value
}

func (a answer) Error() string { return "the directory answers " + strconv.Itoa(a.status) }

// session is a few calls in a row by one who has the directory to her- or himself.
type session struct {
	content
	ctx     context.Context
	trouble *trouble
	size    int               // of a page
	byKey   map[target.ID]int // index into Objects, of what has an external id
	byID    map[string]int
	byName  map[string]string // id by user name in lower case
	changed bool
	journal []entry // what was written
}

// use has do call the directory, and keeps what that changed. Whatever do returns, what was done is kept.
func (d directory) use(ctx context.Context, do func(*session) error) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.Timeout, reason.Errorf(reason.Transient, nil, reason.NoAnswer, "address", d.File, "time", d.Timeout))
	defer cancel()
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s := &session{ctx: ctx, size: d.PageSize}
	if s.trouble, err = d.troubled(); err == nil {
		s.content, err = d.read()
	}
	if err != nil {
		return err
	}
	s.index()
	err = do(s)
	s.Objects = slices.DeleteFunc(s.Objects, func(o object) bool { return o.ID == "" })
	if s.trouble != nil && s.trouble.Hang {
		<-ctx.Done() // what else it would say nobody hears
		err = context.Cause(ctx)
	}
	if !s.changed {
		return err
	}
	if unkept := d.keep(s.journal); unkept != nil {
		return errors.Join(err, unkept)
	}
	return errors.Join(err, d.write(s.content))
}

// lock waits until nobody else uses the directory, in this process or another.
func (d directory) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(d.File+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, d.unusable(err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(d.unusable(err), f.Close())
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		}
	}
}

func (d directory) unusable(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return reason.Errorf(reason.Misconfigured, err, reason.NotPermitted, "address", "this machine", "path", d.File)
	}
	return reason.Errorf(reason.Transient, err, reason.ServerRefused, "address", "this machine", "path", d.File)
}

func (d directory) troubled() (*trouble, error) {
	if d.Trouble == "" {
		return nil, nil
	}
	data, err := os.ReadFile(d.Trouble)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	t := &trouble{}
	if err == nil {
		err = yaml.UnmarshalWithOptions(data, t, yaml.Strict())
	}
	if err != nil {
		return nil, reason.Errorf(reason.Misconfigured, err, reason.Unreadable, "file", d.Trouble, "what", "it is not a trouble")
	}
	return t, nil
}

func (d directory) read() (c content, err error) {
	data, err := os.ReadFile(d.File)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, d.unusable(err)
	}
	if json.Unmarshal(data, &c) != nil { // whose error would tell what stands there
		return c, reason.Errorf(reason.Transient, nil, reason.AnswerUnreadable, "address", d.File, "what", "it is not JSON")
	}
	return c, nil
}

// write puts the file in the place of the old one, whole or not at all.
func (d directory) write(c content) error {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	if err := e.Encode(c); err != nil {
		return fmt.Errorf("write the directory: %w", err)
	}
	part := filepath.Join(filepath.Dir(d.File), "."+filepath.Base(d.File)+".part")
	err := os.WriteFile(part, out.Bytes(), 0o600)
	if err == nil {
		err = os.Rename(part, d.File)
	}
	if err != nil {
		return d.unusable(err)
	}
	return nil
}

// keep adds to the journal what is about to be written.
func (d directory) keep(list []entry) error {
	if d.Journal == "" || len(list) == 0 {
		return nil
	}
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	for _, e := range list {
		if err := lines.Encode(e); err != nil {
			return fmt.Errorf("write the journal: %w", err)
		}
	}
	f, err := os.OpenFile(d.Journal, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(out.Bytes())
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return directory{Config{File: d.Journal}}.unusable(err)
	}
	return nil
}

func (s *session) index() {
	s.byKey, s.byID, s.byName = map[target.ID]int{}, map[string]int{}, map[string]string{}
	for i := range s.Objects {
		s.know(i)
	}
}

// know has the indexes know an object.
func (s *session) know(i int) {
	o := s.Objects[i]
	s.byID[o.ID] = i
	if o.ExternalID != "" {
		s.byKey[target.ID{Kind: o.Type, Key: o.ExternalID}] = i
	}
	if o.Type == user {
		s.byName[strings.ToLower(o.Attributes[username])] = o.ID
	}
}

// forget has them forget it.
func (s *session) forget(o object) {
	delete(s.byID, o.ID)
	delete(s.byKey, target.ID{Kind: o.Type, Key: o.ExternalID})
	if o.Type == user {
		delete(s.byName, strings.ToLower(o.Attributes[username]))
	}
}

// find returns the object under an external id, or nil.
func (s *session) find(id target.ID) *object {
	if i, ok := s.byKey[id]; ok {
		return &s.Objects[i]
	}
	return nil
}

// get returns the object under an id of the directory, or nil.
func (s *session) get(id string) *object {
	if i, ok := s.byID[id]; ok {
		return &s.Objects[i]
	}
	return nil
}

// ask is what every call begins with: it counts the call, and answers badly where that is wanted.
func (s *session) ask(write bool, externalID string) error {
	if s.Calls++; write {
		s.Writes++
	}
	s.changed = true
	t := s.trouble
	if err := context.Cause(s.ctx); err != nil || t == nil {
		return err
	}
	switch {
	case t.Of != "" && t.Of != externalID:
		return nil
	case write && t.Skip > 0:
		t.Skip--
		return nil
	case t.Hang:
		<-s.ctx.Done()
		return context.Cause(s.ctx)
	case t.Done: // lost says so afterwards
		return nil
	case t.Status == garbage:
		return answer{what: "it makes no sense"}
	default:
		return answer{status: t.Status, after: t.After, what: "it was told not to"}
	}
}

// lost is what every write ends with: its answer may not arrive.
func (s *session) lost() error {
	if s.trouble != nil && s.trouble.Done {
		return answer{status: s.trouble.Status}
	}
	return nil
}

// check returns why the directory does not take an object.
func (s *session) check(o object) error {
	if other, ok := s.byName[strings.ToLower(o.Attributes[username])]; ok && o.Type == user && other != o.ID {
		return answer{status: conflict, what: username}
	}
	if other := s.find(target.ID{Kind: o.Type, Key: o.ExternalID}); o.ExternalID != "" && other != nil && other.ID != o.ID {
		return answer{status: conflict}
	}
	if at := s.get(o.Unit); o.Type != unit && (at == nil || at.Type != unit) {
		return answer{status: unprocessable, what: "no such unit"}
	}
	for _, m := range o.Members {
		if at := s.get(m.User); at == nil || at.Type != user {
			return answer{status: unprocessable, what: "no such member"}
		}
	}
	return nil
}

// add makes an object and returns the id that it gets.
func (s *session) add(o object) (string, error) {
	if err := s.ask(true, o.ExternalID); err != nil {
		return "", err
	}
	if err := s.check(o); err != nil {
		return "", err
	}
	s.Serial++
	o.ID = fmt.Sprintf("%06d", s.Serial)
	s.Objects = append(s.Objects, o)
	s.know(len(s.Objects) - 1)
	s.note("add", o)
	return o.ID, s.lost()
}

// replace puts an object in the place of the one with its id.
func (s *session) replace(o object) error {
	if err := s.ask(true, o.ExternalID); err != nil {
		return err
	}
	if err := s.check(o); err != nil {
		return err
	}
	i, ok := s.byID[o.ID]
	if !ok {
		return answer{status: notFound}
	}
	s.forget(s.Objects[i])
	s.Objects[i] = o
	s.know(i)
	s.note("replace", o)
	return s.lost()
}

// remove takes an object away, and with a user all memberships. A unit that something is in stays.
func (s *session) remove(o object) error {
	if err := s.ask(true, o.ExternalID); err != nil {
		return err
	}
	if o.Type == unit && slices.ContainsFunc(s.Objects, func(other object) bool { return other.Unit == o.ID }) {
		return answer{status: 503} // a client that comes later may find it empty
	}
	s.leaveGroups(o.ID)
	i := s.byID[o.ID]
	s.forget(o)
	s.Objects[i] = object{} // use takes it out
	s.note("remove", o)
	return s.lost()
}

// leaveGroups takes a user out of every group.
func (s *session) leaveGroups(id string) {
	for i := range s.Objects {
		s.Objects[i].Members = slices.DeleteFunc(s.Objects[i].Members, func(m member) bool { return m.User == id })
	}
}

// note notes a write, with its object as it was to be.
func (s *session) note(what string, o object) {
	o.Members = slices.Clone(o.Members)
	s.journal = append(s.journal, entry{what, o})
}

// page returns the next objects after an id, in the order of their ids.
func (s *session) page(after string) ([]object, error) {
	if err := s.ask(false, ""); err != nil {
		return nil, err
	}
	var out []object
	for _, o := range s.Objects { // which is their order
		if o.ID > after && len(out) < s.size {
			out = append(out, o)
		}
	}
	return out, nil
}
