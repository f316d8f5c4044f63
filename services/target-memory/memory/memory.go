// Package memory keeps a small directory equal to the roster: school units, user accounts and groups in one JSON file.
//
// It is the shortest example of a target that takes calls, for tests, demonstrations and to copy. The directory stands for
// a vendor's: it gives everything an id of its own, lets no two users have one user name, refuses members that it does
// not know, lists in pages, disables, takes so many calls a second, and can be made to answer badly. directory.go is that directory, mapping.go says
// what it should hold, and this file makes it so.
package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// Connector describes the directory in a file as a target.
func Connector() target.Connector {
	return target.Connector{
		System: "memory",
		Title:  "a directory in a file",
		Roles:  map[roster.Role]target.Handling{roster.RolePupil: target.Manage, roster.RoleStaff: target.Manage},
		New:    func() target.Config { return defaults() },
	}
}

// Open makes the target, without touching the file. All links that have one directory share its calls.
func (c *Config) Open(env target.Env) (*target.Target, error) {
	calls := env.Budgets.Of(budget.Spec{Name: "memory", Scope: c.File, Rate: c.Rate})
	made := &target.Target{
		Mapping:    mapping{env.Handling},
		Applier:    &sink{directory{*c}, calls},
		Pace:       calls.Rate,
		Accounts:   []string{user},
		Quarantine: true,
		Watched:    map[string]guard.Operation{username: guard.Rename, email: guard.Address},
	}
	if c.Members == keepManual {
		made.KeepsMembers = []string{group}
	}
	return made, nil
}

// sink makes the directory so. Its anchor is the external id of an object, which is the key of our id: what stands under
// it is ours, whoever made it and whenever. What is taken over gets it, and what is only used never does.
type sink struct {
	directory directory
	budget    *budget.Budget
}

var (
	_ target.Applier = (*sink)(nil)
	_ target.Lister  = (*sink)(nil)
	_ target.Checker = (*sink)(nil)
	_ target.Matcher = (*sink)(nil)
)

// Kinds lists units first, for users and groups are in one.
func (*sink) Kinds() []string { return []string{unit, user, group} }

// Apply asks for one operation after the other. What one of them comes to changes nothing for the next, but for an
// answer that is about all of them.
func (s *sink) Apply(ctx context.Context, ops []target.Operation) []target.Outcome {
	out := make([]target.Outcome, len(ops))
	next := 0
	failed := func(err error) {
		for ; next < len(ops); next++ {
			out[next].Err = err
		}
	}
	for next < len(ops) {
		first := next
		_, err := s.calls(ctx, func(d *session) (more bool, err error) {
			out[next] = s.apply(d, ops[next])
			if fault := reason.FaultOf(out[next].Err); out[next].Err != nil && fault != reason.Invalid && fault != reason.Conflict {
				failed(out[next].Err)
			} else {
				next++
			}
			return next < len(ops), nil
		})
		if err != nil { // nothing of these calls was kept
			next = first
			clear(out[first:])
			failed(err)
		}
	}
	return out
}

// calls uses the directory for calls, each of which is drawn from the budget, and tells whether there are more. Who would
// have to wait for the next call lets others use the directory first.
func (s *sink) calls(ctx context.Context, do func(*session) (more bool, err error)) (more bool, err error) {
	if err := s.budget.Wait(ctx); err != nil {
		return false, err
	}
	err = s.directory.use(ctx, func(d *session) (err error) {
		for more, err = do(d); more && err == nil && s.budget.Allow(); {
			more, err = do(d)
		}
		return err
	})
	return more, err
}

func (s *sink) apply(d *session, op target.Operation) (out target.Outcome) {
	id := op.Resource.ID
	there := d.find(id)
	if own := d.get(op.Native); there == nil && op.Verb == target.Update && own != nil && own.ExternalID == "" && own.Type == id.Kind && !own.Guarded {
		there = own // taken over
	}
	switch {
	case op.Verb == target.Delete && there == nil:
		return out // gone, which is what was asked
	case op.Verb == target.Create && there != nil, op.Verb != target.Create && there == nil:
		out.Err = s.explain(answer{status: conflict}, id)
		return out
	}
	var o object
	switch op.Verb {
	case target.Delete:
		out.Err = s.explain(d.remove(*there), id)
		return out
	case target.Create, target.Update:
		o, out.Refused = s.object(d, op, there)
	case target.Disable, target.Move:
		o = *there
		o.Disabled, o.Away = true, op.Verb == target.Move
	case target.Contain:
		o = neutral(*there)
		o.Disabled = !op.Alias
		d.leaveGroups(there.ID)
	default:
		out.Err = reason.Errorf(reason.Unsupported, target.ErrUnsupported, reason.ItemRefused, "address", s.directory.File, "what", op.Verb)
		return out
	}
	if there == nil {
		out.Native, out.Err = d.add(o)
	} else {
		o.ID, out.Native = there.ID, there.ID
		out.Err = d.replace(o)
	}
	out.Err = s.explain(out.Err, id)
	return out
}

// object is a resource as the directory has it, with the members that the directory knows; the others are refused. Of what
// is there already stays what we know nothing of.
func (s *sink) object(d *session, op target.Operation, there *object) (o object, refused map[target.ID]error) {
	r := op.Resource
	o = object{Type: r.ID.Kind, ExternalID: r.ID.Key, Attributes: map[string]string{}}
	if there != nil {
		maps.Copy(o.Attributes, there.Attributes)
		for _, name := range fields(o.Type) {
			delete(o.Attributes, name)
		}
		if s.directory.Members == keepManual {
			o.Members = slices.DeleteFunc(slices.Clone(there.Members), func(m member) bool { return dropped(d, op, m) })
		}
	}
	for _, f := range r.Fields {
		if f.Name != in {
			o.Attributes[f.Name] = f.Value.Reveal()
		} else if at := d.find(target.ID{Kind: unit, Key: f.Value.Reveal()}); at != nil {
			o.Unit = at.ID
		}
	}
	for _, set := range r.Sets {
		for _, m := range set.Members {
			at := d.find(m)
			if at == nil {
				at = d.get(op.Natives[m])
			}
			if at != nil {
				if one := (member{set.Name, at.ID}); !slices.Contains(o.Members, one) {
					o.Members = append(o.Members, one)
				}
				continue
			}
			if refused == nil {
				refused = map[target.ID]error{}
			}
			refused[m] = s.explain(answer{status: unprocessable, what: "no such member"}, m)
		}
	}
	return o, refused
}

// dropped tells whether an operation takes a member away.
func dropped(d *session, op target.Operation, m member) bool {
	return slices.ContainsFunc(op.SetsDrop, func(s target.Set) bool {
		return s.Name == m.Set && slices.ContainsFunc(s.Members, func(id target.ID) bool {
			at := d.find(id)
			return at != nil && at.ID == m.User || op.Natives[id] == m.User
		})
	})
}

// neutral is an account of which nobody sees whose it is. Its user name is the alias by which its owner may go on.
func neutral(o object) object {
	o.Attributes = map[string]string{username: "konto-" + o.ID, givenName: "Konto", familyName: o.ID}
	return o
}

// Lookup finds an object by its external id.
func (s *sink) Lookup(ctx context.Context, id target.ID, _ string) (held target.Held, err error) {
	_, err = s.calls(ctx, func(d *session) (more bool, err error) {
		if err := d.ask(false, ""); err != nil {
			return false, s.explain(err, id)
		}
		o := d.find(id)
		if o == nil {
			return false, target.ErrNotFound
		}
		held = d.held(*o)
		return false, nil
	})
	return held, err
}

// Check asks the directory for its first page.
func (s *sink) Check(ctx context.Context, step func(name, detail string, err error)) error {
	n := 0
	_, err := s.calls(ctx, func(d *session) (more bool, err error) {
		page, err := d.page("")
		n = len(page)
		return false, s.explain(err, target.ID{})
	})
	step("directory", fmt.Sprintf("%s, with %d objects on its first page", s.directory.File, n), err)
	return err
}

// List tells of every object with an external id, a page at a time.
func (s *sink) List(ctx context.Context, found func(target.Held) error) (err error) {
	after := ""
	for more := true; more && err == nil; {
		more, err = s.calls(ctx, func(d *session) (more bool, err error) {
			page, err := d.page(after)
			if err != nil {
				return false, s.explain(err, target.ID{})
			}
			for _, o := range page {
				if after = o.ID; o.ExternalID == "" {
					continue // somebody else's
				}
				if err := found(d.held(o)); err != nil {
					return false, err
				}
			}
			return len(page) == s.directory.PageSize, nil
		})
	}
	return err
}

// held is an object in the words of the mapping.
func (d *session) held(o object) target.Held {
	h := target.Held{ID: target.ID{Kind: o.Type, Key: o.ExternalID}, Native: o.ID, Disabled: o.Disabled}
	for _, name := range fields(o.Type) {
		value := o.Attributes[name]
		if at := d.get(o.Unit); name == in && at != nil {
			value = at.ExternalID
		}
		if value != "" {
			h.Fields = append(h.Fields, target.Field{Name: name, Value: roster.Personal(value)})
		}
	}
	if o.Type != group {
		return h
	}
	for _, name := range sets() {
		set := target.Set{Name: name}
		for _, m := range o.Members {
			switch at := d.get(m.User); {
			case m.Set != name || at == nil:
			case at.ExternalID != "":
				set.Members = append(set.Members, target.ID{Kind: at.Type, Key: at.ExternalID})
			default:
				set.Members = append(set.Members, target.ID{Kind: target.Foreign, Key: at.ID})
			}
		}
		slices.SortFunc(set.Members, target.ID.Compare)
		h.Sets = append(h.Sets, set)
	}
	return h
}

// explain turns an answer of the directory into what the link does about it. It is the one place that does.
func (s *sink) explain(err error, id target.ID) error {
	a, ok := errors.AsType[answer](err)
	if !ok {
		return err
	}
	to := func(f reason.Fault, code reason.Code, args ...any) error {
		return &reason.Error{Fault: f, Reason: reason.New(code, append([]any{"address", s.directory.File}, args...)...), After: a.after, Err: a}
	}
	switch {
	case a.status == unauthorised:
		return to(reason.Misconfigured, reason.WrongCredentials, "user", "target-memory")
	case a.status == tooMany:
		s.budget.Throttled(a.after)
		return to(reason.Transient, reason.Throttled)
	case a.status == conflict && a.what != "":
		return to(reason.Invalid, reason.NameTaken, "column", a.what)
	case a.status == conflict || a.status == notFound:
		return to(reason.Conflict, reason.ItemChanged)
	case a.status == unprocessable:
		return to(reason.Invalid, reason.ItemRefused, "what", a.what)
	case a.status == garbage:
		return to(reason.Transient, reason.AnswerUnreadable, "what", a.what)
	default:
		return to(reason.Transient, reason.ServerRefused, "path", cmp.Or(id.Kind, "the list"))
	}
}
