package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"eventful.se/ess/libs/handout"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// passwords makes the initial passwords of a link by the tenant's rules, and keeps them sealed where the school has a key.
type passwords struct {
	document *tenant.Document
	rules    []handout.Rule
	link     roster.Source
	feed     *target.Feed
	letters  *store.Letters
	random   io.Reader
	now      func() time.Time
}

var _ target.PasswordKeeper = (*passwords)(nil)

func (h *Host) passwords(d *tenant.Document, l tenant.Link, feed *target.Feed) target.PasswordKeeper {
	if h.purpose != toRun || l.Mode != tenant.Active {
		return nil
	}
	random := h.Random
	if random == nil {
		random = rand.Reader
	}
	return &passwords{d, d.PasswordRules(), l.Ref(), feed, h.Store.Letters(d.Tenant), random, h.Now}
}

// holder is what the rules and a slip say of somebody; of staff too.
type holder struct {
	key    roster.Key
	form   roster.SchoolType
	year   string
	codes  []string // of the unit
	letter handout.Letter
	names  []roster.Personal
}

// holderOf returns what is known of a person in a role now. It fails for who is not there, or must be nowhere.
func holderOf(r *roster.Roster, person roster.Key, role roster.Role) (holder, error) {
	h := holder{key: person}
	p := r.Person(person)
	if now, moved := r.Became(person); p == nil && moved {
		h.key, p = now, r.Person(now)
	}
	if p == nil || r.Contained(h.key) {
		return h, errors.New("nobody has an account there whom the roster knows")
	}
	h.names = []roster.Personal{p.GivenName, p.MiddleName, p.FamilyName, p.DisplayName}
	h.letter.Name = p.DisplayName
	if p.GivenName != "" && p.FamilyName != "" {
		h.letter.Name = p.GivenName + " " + p.FamilyName
	}
	unit := roster.Key{}
	if e, ok := roster.PrimaryEnrolment(p, r.Today()); ok && role != roster.RoleStaff {
		unit, h.form, h.year = e.EnroledAt, e.SchoolType, e.SchoolYear
	}
	if d, ok := roster.PrimaryDuty(p, r.Today()); ok && unit.IsZero() {
		unit = d.DutyAt
	}
	if o := r.Organisation(unit); o != nil {
		h.letter.Unit, h.codes = o.DisplayName, o.UnitCodes
	}
	if role == roster.RolePupil {
		if k, ok := roster.PrimaryGroup(r, h.key, roster.Class, roster.MemberPupil); ok {
			h.letter.Class = r.Group(k).DisplayName
		}
	}
	return h, nil
}

// New makes a password, and keeps it sealed before it returns where the school, or the tenant, has a key.
func (x *passwords) New(ctx context.Context, person roster.Key, role roster.Role, username string) (p target.Password, err error) {
	var h holder
	if !x.feed.Consult(func(r *roster.Roster) { h, err = holderOf(r, person, role) }) {
		err = target.ErrNotLoaded
	}
	if err != nil {
		return p, fmt.Errorf("make a password: %w", err)
	}
	shape := handout.Find(x.rules, role, h.form, h.year)
	secret, err := handout.Maker{Random: x.random}.Make(shape, handout.Whose{Username: roster.Personal(username), Names: h.names})
	if err != nil {
		return p, err
	}
	p = target.Password{Secret: secret, Change: shape.Change}
	keys := x.document.HandoutTo(h.codes)
	if len(keys) == 0 {
		return p, nil
	}
	h.letter.Made, h.letter.Username, h.letter.Password, h.letter.Change = x.now(), roster.Personal(username), secret, shape.Change
	body, err := handout.Seal(h.letter, slices.Compact(slices.Sorted(slices.Values(keys))))
	if err == nil {
		err = x.letters.Put(ctx, store.Letter{Link: x.link, Person: h.key, Role: role, Body: body})
	}
	if err != nil {
		return target.Password{}, err
	}
	p.Kept = true
	return p, nil
}

// Drop drops what is kept of a person's account in a role, or with no role of all of them.
func (x *passwords) Drop(ctx context.Context, person roster.Key, role roster.Role) error {
	return x.letters.Drop(ctx, x.link, person, role)
}

// PasswordsDetail is the detail of the answer to who asked for other passwords.
type PasswordsDetail struct {
	Failed []roster.Key `json:"failed"` // nothing waits to be handed out for them
}

// toldReset answers with what became of giving accounts other passwords.
func toldReset(r target.Reset, err error) answer {
	if errors.Is(err, target.ErrNotLoaded) {
		return answer{err: err, text: err.Error(), again: true}
	}
	a := answer{err: err, text: fmt.Sprintf("%d accounts have another password, which waits to be handed out", r.Given)}
	a.counts = map[string]int{"given": r.Given, "leftAlone": r.Others, "failed": len(r.Failed)}
	if len(r.Failed) > 0 {
		a.text += fmt.Sprintf("; of %d it is not known which one they have: ask again for those", len(r.Failed))
		a.detail = PasswordsDetail{r.Failed}
	}
	if err == nil && r.Given == 0 {
		a.text = "no account of ours is theirs that somebody can use: nothing was changed"
	}
	return a
}
