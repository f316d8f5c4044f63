package ad

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/transport/ldapx"
)

// What stands before an address in proxyAddresses: in capitals before the one that mail is sent from.
const (
	primary   = "SMTP:"
	secondary = "smtp:"
)

func (s *sink) hasMail() bool { return s.Pupils.Mail != mailNone || s.Staff.Mail != mailNone }

func (s *sink) hasProxies() bool {
	return s.Pupils.ProxyAddresses && s.Pupils.Mail != mailNone || s.Staff.ProxyAddresses && s.Staff.Mail != mailNone
}

// valueOf returns the value of a field.
func valueOf(f target.Fields, name string) string {
	for _, x := range f {
		if x.Name == name {
			return x.Value.Reveal()
		}
	}
	return ""
}

// fieldOf returns the value of a field, masked.
func fieldOf(f target.Fields, name string) roster.Personal { return roster.Personal(valueOf(f, name)) }

// createUser makes an account in one step, with its password and so that it can be used. Where the domain refuses the
// password, the account is made disabled, and the password is tried again later.
func (s *sink) createUser(ctx context.Context, op target.Operation) (*object, error) {
	f := op.Resource.Fields
	parent, err := s.place(ctx, valueOf(f, fieldOU))
	if err != nil {
		return nil, err
	}
	password, err := s.password(ctx, op)
	if err != nil {
		return nil, err
	}
	dn := ldapx.Child(ldapx.RDN("CN", valueOf(f, fieldCN)), parent)
	add := func(uac int, more func(*ldap.AddRequest)) error {
		a := ldap.NewAddRequest(dn, nil)
		a.Attribute("objectClass", []string{"user"})
		a.Attribute(s.IDAttribute, []string{op.Resource.ID.Key})
		a.Attribute(attributeUAC, []string{strconv.Itoa(uac)})
		for _, x := range f {
			if x.Name != fieldOU && x.Name != fieldCN && s.policy(x.Name) != Report {
				a.Attribute(x.Name, []string{x.Value.Reveal()})
			}
		}
		more(a)
		return s.write(ctx, func() error { return s.client.Add(ctx, a) })
	}
	err = add(uacNormal, func(a *ldap.AddRequest) {
		a.Attribute(ldapx.AttributePassword, []string{ldapx.UnicodePwd(password.Secret.Reveal())})
		if password.Change {
			a.Attribute(attributePwd, []string{"0"})
		}
	})
	switch {
	case err == nil:
		return &object{dn: dn, fresh: true}, nil
	case ldapx.WeakPassword(err):
		if again := add(uacNormal|uacDisabled, func(*ldap.AddRequest) {}); again != nil && reason.Of(again).Code != reason.NameTaken {
			return nil, again
		}
		return nil, s.fault(reason.Transient, err, reason.PasswordRefused)
	case reason.Of(err).Code == reason.NameTaken:
		own, err := s.holder(ctx, op, err)
		if err != nil || s.passwords == nil {
			return own, err
		}
		return own, s.give(ctx, op, own, password) // the one that waits to be handed out, and not that of the lost attempt
	case ldapx.Missing(err):
		s.forget()
		return nil, s.fault(reason.Transient, err, reason.ObjectMissing, "object", "OU")
	}
	return nil, err
}

// holder returns who has the name or place of what was to be made, if that is ours by its id; else why it cannot be made.
func (s *sink) holder(ctx context.Context, op target.Operation, why error) (*object, error) {
	own, err := s.byID(ctx, op.Resource.ID)
	if err != nil || own != nil {
		return own, err
	}
	s.logger.DebugContext(ctx, "a name is taken in the directory", "kind", op.Resource.ID.Kind, "key", op.Resource.ID.Key)
	return nil, why
}

// password returns that of a new account. Where nobody hands any out it is one that nobody knows, and a hand-out is a reset.
func (s *sink) password(ctx context.Context, op target.Operation) (target.Password, error) {
	if s.passwords != nil {
		role := roleOf(op.Resource.ID.Key)
		return s.passwords.New(ctx, op.Resource.Entity.Key, role, valueOf(op.Resource.Fields, fieldSAM))
	}
	return target.Password{Secret: roster.Personal(rand.Text() + "-" + strings.ToLower(rand.Text()) + "7")}, nil
}

// updateUser writes what differs from what the domain controller holds: attributes first, then name and place.
func (s *sink) updateUser(ctx context.Context, op target.Operation, o *object) error {
	f := op.Resource.Fields
	parent, err := s.place(ctx, valueOf(f, fieldOU))
	if err != nil {
		return err
	}
	changes := s.differences(op.Resource, o)
	if op.Enable {
		more, err := s.enable(ctx, op, o)
		if err != nil {
			return err
		}
		changes = append(changes, more...)
	}
	err = s.modify(ctx, o, changes)
	if ldapx.WeakPassword(err) && op.Enable && !givesPassword(changes) { // it was made without one, and was never in use
		var more []change
		if more, err = s.newPassword(ctx, op); err == nil {
			err = s.modify(ctx, o, slices.Concat(more, changes))
		}
	}
	if err != nil {
		if ldapx.WeakPassword(err) {
			return s.fault(reason.Transient, err, reason.Of(err).Code)
		}
		return err
	}
	err = s.rename(ctx, o, valueOf(f, fieldCN), parent)
	if err == nil {
		s.know(op.Resource.ID, &object{guid: o.guid})
	}
	return err
}

// written tells whether an attribute is one that an update writes.
func (s *sink) written(name string) bool {
	switch name {
	case fieldSAM, fieldUPN:
		return true
	case fieldMail:
		return s.hasMail()
	}
	_, configured := s.Attributes[name]
	return configured && s.policy(name) == Manage
}

// differences are the changes that make the attributes of an account what they are to be.
func (s *sink) differences(r target.Resource, o *object) (changes []change) {
	if o.mark != r.ID.Key {
		changes = append(changes, change{name: s.IDAttribute, values: []string{r.ID.Key}, only: true})
	}
	for _, name := range append([]string{fieldSAM, fieldUPN, fieldMail}, s.mapping.names...) {
		if s.written(name) {
			changes = append(changes, difference(o, name, valueOf(r.Fields, name))...)
		}
	}
	if s.hasProxies() {
		changes = append(changes, s.proxies(o, valueOf(r.Fields, fieldProxy))...)
	}
	return changes
}

// difference is the change, if it takes one, by which an attribute gets a value; an empty one is none.
func difference(o *object, name, value string) []change {
	switch have := o.values(name); {
	case value == "" && len(have) == 0, len(have) == 1 && have[0] == value:
		return nil
	case value == "":
		return []change{{name: name, only: true}}
	default:
		return []change{{name: name, values: []string{value}, only: true}}
	}
}

// proxies are the changes by which an account is written to under an address, and goes on to be under those that it had.
// What others wrote stays.
func (s *sink) proxies(o *object, want string) []change {
	c := change{name: fieldProxy}
	there := false
	for _, v := range o.values(fieldProxy) {
		address, is := strings.CutPrefix(v, primary)
		switch {
		case v == want:
			there = true
		case is:
			c.drop = append(c.drop, v)
			if s.OldAddresses == KeepOld && !strings.EqualFold(primary+address, want) {
				c.values = append(c.values, secondary+address)
			}
		case strings.EqualFold(v, want): // it had this one before
			c.drop = append(c.drop, v)
		}
	}
	if !there && want != "" {
		c.values = append(c.values, want)
	}
	if len(c.drop) == 0 && len(c.values) == 0 {
		return nil
	}
	return []change{c}
}

// enable are the changes after which an account can be used as before. One that never got a password gets one.
func (s *sink) enable(ctx context.Context, op target.Operation, o *object) (changes []change, err error) {
	if old, cut := s.withoutText(o.value(attributeText)); cut {
		changes = append(changes, difference(o, attributeText, old)...)
	}
	if !o.disabled() {
		return changes, nil
	}
	if o.number(attributePwd) == 0 && o.number(attributeUAC)&uacDisabled != 0 && !s.hadPassword(o) {
		more, err := s.newPassword(ctx, op)
		if err != nil {
			return nil, err
		}
		changes = append(changes, more...)
	}
	return append(changes, uac(o, false)), nil
}

// newPassword are the changes by which an account gets a first password.
func (s *sink) newPassword(ctx context.Context, op target.Operation) ([]change, error) {
	p, err := s.password(ctx, op)
	if err != nil {
		return nil, err
	}
	changes := []change{{name: ldapx.AttributePassword, values: []string{ldapx.UnicodePwd(p.Secret.Reveal())}, only: true}}
	if p.Change {
		changes = append(changes, change{name: attributePwd, values: []string{"0"}, only: true})
	}
	return changes, nil
}

func givesPassword(changes []change) bool {
	return slices.ContainsFunc(changes, func(c change) bool { return c.name == ldapx.AttributePassword })
}

// hadPassword tells of an account that was disabled by us, or neutral: it was in use before.
func (s *sink) hadPassword(o *object) bool {
	_, by := s.withoutText(o.value(attributeText))
	return by || strings.HasPrefix(o.value(fieldSAM), s.neutral(o)) || o.value(attributeLogon) != ""
}

// uac is the change of the one bit by which nobody can use an account, or somebody can.
func uac(o *object, disabled bool) change {
	bits := o.number(attributeUAC) &^ uacDisabled
	if disabled {
		bits |= uacDisabled
	}
	return change{name: attributeUAC, values: []string{strconv.FormatInt(bits, 10)}, only: true}
}

// disable keeps everybody out of an account, says so in its description, takes it out of all groups of ours and, with a
// move, puts it where those lie who have left.
func (s *sink) disable(ctx context.Context, op target.Operation, o *object) error {
	var changes []change
	if !o.disabled() {
		changes = append(changes, uac(o, true))
	}
	if _, told := s.withoutText(o.value(attributeText)); !told {
		changes = append(changes, change{name: attributeText, values: []string{s.withText(op, o.value(attributeText))}, only: true})
	}
	if err := s.modify(ctx, o, changes); err != nil {
		return err
	}
	if err := s.leaveGroups(ctx, o); err != nil || op.Verb != target.Move {
		return err
	}
	return s.rename(ctx, o, nameOf(o.dn), s.QuarantineOU)
}

// textForm begins the text in the description of a disabled account, and textEnd stands before what was there before.
const (
	textForm = "ESS "
	textEnd  = " | "
)

// withText is the description of an account that is disabled, before what stood there.
func (s *sink) withText(op target.Operation, old string) string {
	text := s.DisabledText
	if text == "" {
		text = map[Language]string{Swedish: "{date}: inaktiverat, har slutat", English: "{date}: disabled, has left"}[s.Language]
	}
	day := op.Left
	if day.IsOpen() {
		day = roster.Today(s.now())
	}
	text = textForm + strings.ReplaceAll(text, "{date}", day.String())
	if old != "" {
		text += textEnd + old
	}
	return cut(text, mostText)
}

// withoutText is what stood in a description before, and whether ours is before it.
func (s *sink) withoutText(text string) (old string, ours bool) {
	if !strings.HasPrefix(text, textForm) {
		return text, false
	}
	_, old, _ = strings.Cut(text, textEnd)
	return old, true
}

// neutral is what an account is called of which nobody is to see whose it is.
func (s *sink) neutral(o *object) string {
	return map[Language]string{Swedish: "konto-", English: "account-"}[s.Language] + o.guid[:8]
}

// contain takes an account out of everybody's sight, with all that is in it: nobody can use it, or its owner by its neutral
// name only; it is in no group of ours, and nothing that we wrote about its owner is left.
func (s *sink) contain(ctx context.Context, op target.Operation, o *object) error {
	name := s.neutral(o)
	suffix := s.Staff.UPNSuffix
	if roleOf(op.Resource.ID.Key) == roster.RolePupil {
		suffix = s.Pupils.UPNSuffix
	}
	changes := slices.Concat(difference(o, fieldSAM, name), difference(o, fieldUPN, name+"@"+suffix))
	if o.disabled() == op.Alias {
		changes = append(changes, uac(o, !op.Alias))
	}
	for _, gone := range append([]string{fieldMail, fieldProxy}, s.mapping.names...) {
		if s.policy(gone) == Report {
			continue // what others wrote we could not bring back
		}
		value := ""
		if strings.EqualFold(gone, fieldShown) {
			value = name
		}
		changes = append(changes, difference(o, gone, value)...)
	}
	if err := s.modify(ctx, o, changes); err != nil {
		return err
	}
	parent := ""
	if !op.Alias {
		parent = s.QuarantineOU
	}
	err := s.rename(ctx, o, name, parent)
	if err != nil && parent != "" && !stops(err) { // its name goes all the same
		err = errors.Join(err, s.rename(ctx, o, name, ""))
	}
	return errors.Join(err, s.leaveGroups(ctx, o))
}

// SetPassword gives an account of ours another password.
func (s *sink) SetPassword(ctx context.Context, id target.ID, native string, p target.Password) error {
	defer s.use()()
	there, err := s.read(ctx, []target.Operation{{Verb: target.Update, Resource: target.Resource{ID: id}, Native: native}})
	if err != nil {
		return err
	}
	o := there[0]
	if o == nil {
		return s.fault(reason.Conflict, nil, reason.ItemChanged)
	}
	return s.give(ctx, target.Operation{Verb: target.Disable, Resource: target.Resource{ID: id}}, o, p)
}

// give writes another password.
func (s *sink) give(ctx context.Context, op target.Operation, o *object, p target.Password) error {
	if err := s.mayChange(op, o); err != nil {
		return err
	}
	last := "-1"
	if p.Change {
		last = "0"
	}
	return s.modify(ctx, o, []change{
		{name: ldapx.AttributePassword, values: []string{ldapx.UnicodePwd(p.Secret.Reveal())}, only: true},
		{name: attributePwd, values: []string{last}, only: true},
	})
}
