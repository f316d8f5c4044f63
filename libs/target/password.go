package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// ErrNotLoaded says that the roster is being loaded, so that what was asked can be asked again soon.
var ErrNotLoaded = errors.New(notLoaded)

// Reset says what became of giving accounts other passwords.
type Reset struct {
	Given  int
	Others int // accounts that are not ours to change, or that nobody can use
	// Failed are the persons whose account may have the old password or the new one: nothing is kept for them.
	Failed []roster.Key

	err error // why it was given up, or the first failure
}

// ResetPasswords gives the accounts that the link keeps of some persons other passwords, each kept to be handed out before
// it is given: of a person every account, of a group or a unit those of its pupils now. It leaves alone what is the
// customer's own, contained or disabled, and fails with [reason.NoHandoutKey], and changes nothing more, where nobody could
// learn the new one.
func (l *Link) ResetPasswords(ctx context.Context, refs ...roster.Ref) (Reset, error) {
	r := &Reset{}
	if l.o.Mode == ModePreview {
		return *r, errors.New("the link is in preview and changes nothing: apply its document with mode: active")
	}
	if _, err := l.ask(ctx, command{refs: refs, reset: r}); err != nil {
		return Reset{}, err
	}
	return *r, r.err
}

func (l *Link) resetPasswords(ctx context.Context, refs []roster.Ref, r *Reset) {
	setter, can := l.o.Made.Applier.(PasswordSetter)
	c, calls := l.engine.(*calls)
	if !can || !calls || l.o.Passwords == nil {
		r.err = fmt.Errorf("target %s gives accounts no passwords: %w", l.o.Target, ErrUnsupported)
		return
	}
	var list []account
	if !l.o.Feed.Consult(func(ro *roster.Roster) { list = c.accounts(ro, refs, r) }) {
		r.err = ErrNotLoaded
		return
	}
	for _, a := range list {
		if ctx.Err() != nil {
			r.err = context.Cause(ctx)
			return
		}
		p, err := l.o.Passwords.New(ctx, a.person, a.role, a.username)
		switch {
		case err != nil:
			r.failed(a, err)
			continue
		case !p.Kept:
			r.err = reason.Errorf(reason.Misconfigured, nil, reason.NoHandoutKey)
			return
		}
		if err = setter.SetPassword(ctx, a.id, a.native, p); err == nil {
			r.Given++
			continue
		}
		// Rather no letter than one that may be wrong.
		keep, done := finish(ctx)
		err = errors.Join(err, l.o.Passwords.Drop(keep, a.person, a.role))
		done()
		if r.failed(a, err); reason.FaultOf(err) == reason.Misconfigured {
			return
		}
	}
}

func (r *Reset) failed(a account, err error) {
	r.Failed = append(r.Failed, a.person)
	if r.err == nil {
		r.err = fmt.Errorf("set the password of %s: %w", a.id, err)
	}
}

// account is an account that is ours.
type account struct {
	id       ID
	native   string
	person   roster.Key
	role     roster.Role
	username string
}

// accounts returns the accounts that may get another password, in the order of their ids, and counts the others.
func (c *calls) accounts(ro *roster.Roster, refs []roster.Ref, r *Reset) (list []account) {
	whole, pupils := map[roster.Key]bool{}, map[roster.Key]bool{}
	for _, ref := range refs {
		switch ref.Kind {
		case roster.KindPerson:
			whole[ref.Key] = true
		case roster.KindGroup:
			if g := ro.Group(ref.Key); g != nil {
				for _, m := range g.Members {
					pupils[m.Person] = pupils[m.Person] || m.Role == roster.MemberPupil && m.Interval.Contains(ro.Today())
				}
			}
		case roster.KindOrganisation:
			for _, at := range ro.Referring(ref) {
				if p := ro.Person(at.Key); at.Kind == roster.KindPerson && p != nil {
					e, ok := roster.PrimaryEnrolment(p, ro.Today())
					pupils[at.Key] = pupils[at.Key] || ok && e.EnroledAt == ref.Key
				}
			}
		}
	}
	for id, e := range c.book.entries {
		person := e.Entity.Key
		if e.Entity.Kind != roster.KindPerson || !slices.Contains(c.link.o.Made.Accounts, id.Kind) || !whole[person] && !pupils[person] {
			continue
		}
		p := ro.Person(person)
		role := RoleOf(id, p)
		if !whole[person] && role != roster.RolePupil {
			continue
		}
		if !e.Held || e.off() || e.theirs() || e.State == Released || p == nil || ro.Contained(person) {
			r.Others++
			continue
		}
		list = append(list, account{id, e.Native, person, role, c.username(e, role)})
	}
	slices.SortFunc(list, func(a, b account) int { return a.id.Compare(b.id) })
	return list
}

// RoleOf returns the role of the account with an id: the one that stands behind a point at the end of the key, where a
// persona has an account of its own, else what the person is.
func RoleOf(id ID, p *roster.Person) roster.Role {
	switch role := roster.Role(id.Key[strings.LastIndexByte(id.Key, '.')+1:]); {
	case role == roster.RolePupil || role == roster.RoleStaff:
		return role
	case p != nil && len(p.Enrolments) > 0:
		return roster.RolePupil
	case p != nil && len(p.Duties) > 0:
		return roster.RoleStaff
	default:
		return roster.RoleNone
	}
}

// username returns what an account is called in the target, as far as the link knows.
func (c *calls) username(e *Entry, role roster.Role) string {
	if overlay := c.link.o.Made.Overlay; overlay != nil {
		if p, ok := overlay(Held{ID: e.ID, Native: e.Native, Fields: e.Fields, Sets: e.Sets}); ok && p.Username != "" {
			return p.Username.Reveal()
		}
	}
	var name string
	c.link.o.Feed.read(func(f *Feed) { name = UserName(c.link.view(f, c.anchors), c.anchors.of(e.Entity.Key), role).Current })
	return name
}

// withdraw drops the password that waits for an account which the target has no more, or lets nobody use. One that stays
// by a failure goes with the sweep of the night.
func (c *calls) withdraw(ctx context.Context, in intent) {
	l := c.link
	if l.o.Passwords == nil || !in.contain && in.verb != Delete || in.resource.Entity.Kind != roster.KindPerson || !slices.Contains(l.o.Made.Accounts, in.resource.ID.Kind) {
		return
	}
	role := roster.RoleNone // all: whoever is contained gets none of hers or his
	if !in.contain {
		role = RoleOf(in.resource.ID, nil)
	}
	if err := l.o.Passwords.Drop(ctx, in.resource.Entity.Key, role); err != nil {
		l.o.Logger.WarnContext(ctx, "a password that waits to be handed out could not be dropped; it is not handed out, and goes tonight", "target", l.o.Target.String(), "error", err)
	}
}
