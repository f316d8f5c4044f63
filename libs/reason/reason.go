// Package reason says why: every failure, every withheld or missing resource and every finding has a code with
// arguments, a text in Swedish and English and a next step (rule R12). Arguments never hold a name or an identity
// number: reasons stand in logs, metrics and reports (rule R8).
package reason

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Language is a language that the texts exist in.
type Language string

// The languages.
const (
	Swedish Language = "sv"
	English Language = "en"
)

// Code names a reason. Codes are stable: dashboards and reports refer to them.
type Code string

// Arg is one argument of a reason: a count, a file name, an address, a key; never a name or an identity number.
type Arg struct{ Name, Value string }

// Reason is a code with its arguments.
type Reason struct {
	Code Code
	Args []Arg
}

// New returns a reason. The arguments come in pairs of name and value; values are printed with fmt.Sprint.
func New(code Code, pairs ...any) Reason {
	r := Reason{Code: code}
	for i := 0; i+1 < len(pairs); i += 2 {
		r.Args = append(r.Args, Arg{fmt.Sprint(pairs[i]), fmt.Sprint(pairs[i+1])})
	}
	return r
}

// Arg returns the value of an argument, or nothing.
func (r Reason) Arg(name string) string {
	for _, a := range r.Args {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// Text says in a sentence what is wrong.
func (r Reason) Text(l Language) string { return r.expand(l, entry.text) }

// Next says what to do about it.
func (r Reason) Next(l Language) string { return r.expand(l, entry.next) }

// String returns the English text and the code.
func (r Reason) String() string { return r.Text(English) + " (" + string(r.Code) + ")" }

func (r Reason) expand(l Language, part func(entry, Language) string) string {
	e, ok := catalogue[r.Code]
	if !ok {
		return string(r.Code)
	}
	s := part(e, l)
	for _, a := range r.Args {
		value := a.Value
		if l == Swedish && a.Name == "field" {
			value = inSwedish(value)
		}
		s = strings.ReplaceAll(s, "{"+a.Name+"}", value)
	}
	return s
}

// inSwedish returns a field of SS 12000 in a school's word, where it has one.
func inSwedish(field string) string {
	switch field {
	case "birthDate":
		return "födelsedatum"
	case "civicNo":
		return "identitetsnummer"
	case "email":
		return "e-postadress"
	case "familyName":
		return "efternamn"
	case "givenName":
		return "förnamn"
	case "schoolType":
		return "skolform"
	case "schoolYear":
		return "läsår"
	case "type":
		return "typ"
	}
	return field
}

// Known tells whether the catalogue has texts for a code.
func Known(c Code) bool { _, ok := catalogue[c]; return ok }

// Fault says what a caller does about an error.
type Fault string

// The faults. An error that says nothing is transient.
const (
	Transient     Fault = "transient"     // try again, with back-off
	Invalid       Fault = "invalid"       // this item can never be applied as it is: park it
	Conflict      Fault = "conflict"      // the other side differs from what was assumed: read again, adopt or re-plan
	Misconfigured Fault = "misconfigured" // credentials or set-up: halt, probe, tell a human
	Unsupported   Fault = "unsupported"   // the other side cannot do this: skip and count
)

// Error is an error with a fault and a reason.
type Error struct {
	Fault  Fault
	Reason Reason
	After  time.Duration // how long the other side asked to wait; zero when it did not
	Err    error         // the cause, or nil
}

// Error returns the reason's English text, then the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Reason.String()
	}
	return e.Reason.String() + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an error with a fault, a reason and the cause err, which may be nil.
func Errorf(f Fault, err error, code Code, pairs ...any) error {
	return &Error{Fault: f, Reason: New(code, pairs...), Err: err}
}

// FaultOf returns the fault of an error.
func FaultOf(err error) Fault {
	if e, ok := errors.AsType[*Error](err); ok && e.Fault != "" {
		return e.Fault
	}
	return Transient
}

// Of returns the reason of an error; an error that has none gets [Unexpected].
func Of(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return New(Unexpected)
}

// AfterOf returns how long an error asks to wait, or zero.
func AfterOf(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.After
	}
	return 0
}
