// Package tenant holds what an operator writes about a customer: settings that report every problem at once, with its
// path, and secrets that are only ever references.
package tenant

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/roster"
)

// Document is what an operator writes about one customer: which registers are read and which targets are kept right.
type Document struct {
	Tenant  string `yaml:"tenant"`  // name: lower-case letters, digits and hyphens; a token of every subject
	Title   string `yaml:"title"`   // the customer's name, for people
	Service Level  `yaml:"service"` // bronze, silver or gold; default silver
	// Exceptions lift what the service level does not have.
	Exceptions []Exception `yaml:"exceptions"`
	Pepper     Secret      `yaml:"pepper"` // secret that makes the keys; it never rotates
	// ProtectedRoutine says how the customer tells of protected persons whom a source says nothing of: an office and what
	// it does. Without it no link writes while there is such a source.
	ProtectedRoutine string `yaml:"protectedRoutine"`
	// Quiet are the spans of every year in which absence ends nothing, such as 06-10..08-20.
	Quiet []Season `yaml:"quiet"`
	// SchoolYear is the day on which a new läsår begins; default 07-01.
	SchoolYear Day    `yaml:"schoolYear"`
	Status     Status `yaml:"status"` // who is told every morning how the tenant stands
	Units      []Unit `yaml:"units"`  // what is said of units beside the registers, for every link
	// Names says what people are called in the targets that make accounts; see package names.
	Names names.Spec `yaml:"names"`
	// Passwords are rules for initial passwords: the first that fits counts, and behind them stand the defaults.
	Passwords []PasswordRule `yaml:"passwords"`
	Handout   Handout        `yaml:"handout"` // to whom initial passwords are sealed until they are handed out
	Sources   []Source       `yaml:"sources"` // in order of precedence: the first one's attributes win
	Links     []Link         `yaml:"links"`

	secrets []Ending // those that say when they end
}

// Status says who is told every morning how the tenant stands, beside the log.
type Status struct {
	Webhook Secret `yaml:"webhook"` // reference to an address that takes the status as JSON; empty for none
}

// Level is what the customer has bought.
type Level string

// The service levels.
const (
	Bronze Level = "bronze"
	Silver Level = "silver"
	Gold   Level = "gold"
)

// Source is one register of a tenant.
type Source struct {
	System   string   `yaml:"system"`
	Instance string   `yaml:"instance"` // default "default"
	Schedule string   `yaml:"schedule"` // cron expression of five fields in Europe/Stockholm; default the connector's
	OnSite   bool     `yaml:"onSite"`   // the program at the customer's reads it, and none of ours; see docs/on-site.md
	Guard    ast.Node `yaml:"guard"`    // limits of what may change without being approved; see the source's runtime
	Settings ast.Node `yaml:"settings"` // the connector's own
	// Protected is how the source tells of protected persons, flag, omits or none; and GroupIDs how long its group ids mean
	// the same group, stable, yearly or reused. Default the connector's.
	Protected string `yaml:"protected"`
	GroupIDs  string `yaml:"groupIds"`
	// Canaries are ids of the source that every complete read has.
	Canaries Canaries `yaml:"canaries"`
}

// Canaries are ids of a source.
type Canaries struct {
	Units   []string `yaml:"units"`
	Groups  []string `yaml:"groups"`
	Persons []string `yaml:"persons"`
}

// Link is one target of a tenant.
type Link struct {
	Target   string `yaml:"target"`
	Instance string `yaml:"instance"` // default "default"
	Mode     Mode   `yaml:"mode"`     // preview, active or paused; default preview
	// Guard are limits of what may be taken away or renamed at the target without being approved; see the target's runtime.
	Guard ast.Node `yaml:"guard"`
	// Gap is how long a person may be between two schools without being a leaver; default 0d, and 60d in komvux.
	Gap Days `yaml:"gap"`
	// Lead is how many days before it begins something counts as begun, and Linger how many days after its end it still
	// counts: an enrolment, a duty, a membership, a group, a unit; default 0d.
	Lead   Days `yaml:"lead"`
	Linger Days `yaml:"linger"`
	// Leave are the stages of leaving, by the days since; default leaveGroups at 0d, disable at 30d, delete at 180d.
	Leave []Stage `yaml:"leave"`
	// Lifecycles are what holds for a role or a school form in place of the four above; see [Link.Complete].
	Lifecycles []Lifecycle `yaml:"lifecycles"`
	// Filter is a CEL expression over the merged roster: for whom the link is; default everybody. See package rule.
	Filter string `yaml:"filter"`
	// OnOutOfScope says what becomes of what the target holds and the filter, an excluded unit or changed settings take
	// out: release (default), asLeaver or delete.
	OnOutOfScope string `yaml:"onOutOfScope"`
	// Protected says what the target has of protected persons: withhold (default), or alias, by which an account that
	// there is may go on.
	Protected string `yaml:"protected"`
	// Roles say what the link does with the accounts of each role: manage, match or ignore; default the connector's.
	Roles Roles `yaml:"roles"`
	// Reconcile says how often all that the target holds is compared with what ESS wrote there; see [Link.Reconciles].
	Reconcile *Reconcile `yaml:"reconcile"`
	Settings  ast.Node   `yaml:"settings"` // the connector's own
}

// Reconcile says how what others did at a target is found, and whether it is undone.
type Reconcile struct {
	Every   *time.Duration `yaml:"every"`   // how often the target is listed; default 24h, 0s for never
	Changes *time.Duration `yaml:"changes"` // how often a target that can tell is asked in between what has changed; default 15m, 0s for never
	Repair  *bool          `yaml:"repair"`  // whether what differs is written as it was, and not only counted; default true
}

// Reconciles returns how often the link compares all, and how often what has changed, 0 for never, and whether it repairs.
func (l Link) Reconciles() (every, changes time.Duration, repair bool) {
	r := l.Reconcile
	if r == nil {
		r = &Reconcile{}
	}
	every, changes, repair = 24*time.Hour, 15*time.Minute, true
	if r.Every != nil {
		every = *r.Every
	}
	if r.Changes != nil {
		changes = *r.Changes
	}
	if r.Repair != nil {
		repair = *r.Repair
	}
	return every, changes, repair
}

// shortestReconcile and shortestChanges keep a target from being asked all the time.
const (
	shortestReconcile = 10 * time.Minute
	shortestChanges   = time.Minute
)

// Roles say what a link does with the accounts of each role: manage makes, changes and removes them, match uses those that
// the customer has, ignore has nothing to do with them; empty for the connector's default.
type Roles struct {
	Pupil string `yaml:"pupil"`
	Staff string `yaml:"staff"`
}

// What a link does with the accounts of a role.
const (
	Manage = "manage"
	Match  = "match"
	Ignore = "ignore"
)

// Stage is one step of leaving.
type Stage struct {
	After Days   `yaml:"after"`
	Do    string `yaml:"do"` // leaveGroups, disable, move (to where the target keeps accounts of those who have left) or delete
}

// Mode says how much a link does.
type Mode string

// The modes. A link that names none is in preview: it shows what it would do, and writes nothing.
const (
	Preview Mode = "preview"
	Active  Mode = "active"
	Paused  Mode = "paused"
)

// Ref returns the source's system and instance.
func (s Source) Ref() roster.Source { return roster.Source{System: s.System, Instance: s.Instance} }

// Ref returns the target's system and instance.
func (l Link) Ref() roster.Source { return roster.Source{System: l.Target, Instance: l.Instance} }

// Precedence returns the sources in the order in which their attributes win.
func (d *Document) Precedence() (p roster.Precedence) {
	for _, s := range d.Sources {
		p = append(p, s.Ref())
	}
	return p
}

// Parse reads a document and checks everything but the connectors' own settings. The error names every problem.
func Parse(data []byte) (*Document, error) {
	d := &Document{Service: Silver, SchoolYear: Day{time.July, 1}}
	if err := decode(bytes.NewReader(data), d); err != nil {
		return nil, err
	}
	for i := range d.Sources {
		d.Sources[i].Instance = orDefault(d.Sources[i].Instance)
	}
	for i := range d.Links {
		l := &d.Links[i]
		l.Instance, l.Mode = orDefault(l.Instance), cmp.Or(l.Mode, Preview)
		l.OnOutOfScope, l.Protected = cmp.Or(l.OnOutOfScope, Release), cmp.Or(l.Protected, Withhold)
		if l.Leave == nil {
			l.Leave = []Stage{{0, LeaveGroups}, {30, Disable}, {180, Delete}}
		}
	}
	var err error
	if d.secrets, err = expiring(data); err != nil {
		return nil, err
	}
	p := NewProblems()
	d.validate(p)
	return d, p.Err()
}

// Decode reads a connector's settings strictly into config, which holds the defaults. The error is as [Unreadable] says.
func Decode(settings ast.Node, config any) error {
	if settings == nil {
		return nil
	}
	return Unreadable(yaml.NodeToValue(settings, config, yaml.Strict()))
}

// Unreadable says where YAML could not be read and why, without what stands there: a value that has come to a wrong
// place, or below a misspelt key, may be a secret (rule R8). Only the name of an unknown key is told.
func Unreadable(err error) error {
	if err == nil {
		return nil
	}
	var known yaml.Error
	if !errors.As(err, &known) {
		return errors.New(quoted.ReplaceAllString(err.Error(), "…"))
	}
	what := "a number is too large or too small here"
	switch known.(type) {
	case *yaml.UnknownFieldError:
		what = known.GetMessage()
	case *yaml.OverflowError:
	default:
		what = quoted.ReplaceAllString(known.GetMessage(), "…")
	}
	if at := known.GetToken(); at != nil && at.Position != nil {
		return fmt.Errorf("line %d, column %d: %s", at.Position.Line, at.Position.Column, what)
	}
	return errors.New(what)
}

// quoted is where errors of YAML, numbers and times tell what was written.
var quoted = regexp.MustCompile(`"(?:\\.|[^"\\])*"`)

func decode(r io.Reader, into any) error {
	err := yaml.NewDecoder(r, yaml.Strict()).Decode(into)
	if errors.Is(err, io.EOF) {
		return errors.New("the document is empty")
	}
	return Unreadable(err)
}

func orDefault(instance string) string {
	if instance == "" {
		return "default"
	}
	return instance
}

var token = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func (d *Document) validate(p Problems) {
	checkToken(p.At("tenant"), d.Tenant)
	if !slices.Contains([]Level{Bronze, Silver, Gold}, d.Service) {
		p.At("service").Add("%q is not a service level: write bronze, silver or gold", d.Service)
	}
	p.At("pepper").Check(d.Pepper.Validate())
	d.validateEntitlements(p)
	if !d.Status.Webhook.IsZero() {
		p.At("status.webhook").Check(d.Status.Webhook.Validate())
	}
	d.validateUnits(p)
	d.validatePasswords(p)
	for _, wrong := range d.Names.Problems() {
		p.At("names").At("%s", wrong.Path).Check(wrong.Err)
	}
	seen := map[roster.Source]bool{}
	for i, s := range d.Sources {
		checkRef(p.At("sources[%d]", i), "system", s.Ref(), seen)
		s.validate(p.At("sources[%d]", i))
	}
	clear(seen)
	for i, l := range d.Links {
		l.validate(p.At("links[%d]", i))
		checkRef(p.At("links[%d]", i), "target", l.Ref(), seen)
	}
}

func (s Source) validate(p Problems) {
	word := func(key, text string, words ...string) {
		if text != "" && !slices.Contains(words, text) {
			p.At("%s", key).Add("%q is not a way: write %s, or leave it out for the connector's", text, strings.Join(words, ", "))
		}
	}
	word("protected", s.Protected, "flag", "omits", "none")
	word("groupIds", s.GroupIDs, "stable", "yearly", "reused")
	for key, ids := range map[string][]string{"units": s.Canaries.Units, "groups": s.Canaries.Groups, "persons": s.Canaries.Persons} {
		for i, id := range ids {
			if strings.TrimSpace(id) != id || id == "" {
				p.At("canaries.%s[%d]", key, i).Add("is empty or has a blank around it: write the source's id as it is")
			}
		}
	}
}

func (l Link) validate(p Problems) {
	if !slices.Contains([]Mode{Preview, Active, Paused}, l.Mode) {
		p.At("mode").Add("%q is not a mode: write preview, active or paused", l.Mode)
	}
	for role, word := range map[string]string{"pupil": l.Roles.Pupil, "staff": l.Roles.Staff} {
		if word != "" && !slices.Contains([]string{Manage, Match, Ignore}, word) {
			p.At("roles.%s", role).Add("%q is not a way: write manage, match or ignore, or leave it out for the connector's", word)
		}
	}
	every, changes, _ := l.Reconciles()
	if every != 0 && every < shortestReconcile {
		p.At("reconcile.every").Add("is %s: write 24h, at least 10m, or 0s for never", every)
	}
	if changes != 0 && changes < shortestChanges {
		p.At("reconcile.changes").Add("is %s: write 15m, at least 1m, or 0s for never", changes)
	}
	l.validateScope(p)
	l.validateLifecycles(p)
}

// checkRef checks the two names of a source or a target, and that no other has both.
func checkRef(p Problems, system string, ref roster.Source, seen map[roster.Source]bool) {
	checkToken(p.At("%s", system), ref.System)
	checkToken(p.At("instance"), ref.Instance)
	if seen[ref] {
		p.Add("%s is there twice: give one of them another instance", ref)
	}
	seen[ref] = true
}

func checkToken(p Problems, s string) {
	if !token.MatchString(s) {
		p.Add("%q may only have lower-case letters, digits and hyphens, such as lund-gy", s)
	}
}
