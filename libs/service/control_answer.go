package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
)

// CheckStep is one step of a check, as it stands in the detail of an answer.
type CheckStep struct {
	Step   string `json:"step"`
	Detail string `json:"detail,omitempty"`
	OK     bool   `json:"ok"`
	Why    *Told  `json:"why,omitempty"`
}

// CheckDetail is the detail of the answer to a check.
type CheckDetail struct {
	Steps []CheckStep `json:"steps"`
}

// RunDetail is the detail of the answer to a read.
type RunDetail struct {
	Run   string       `json:"run"`
	State source.State `json:"state"`
}

// detail returns the JSON of a detail.
func detail(v any) []byte {
	if v == nil {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return text
}

// checked answers with each step of a check.
func checked(ctx context.Context, check func(context.Context, func(name, detail string, err error)) error) answer {
	d := CheckDetail{Steps: []CheckStep{}}
	err := check(ctx, func(name, detail string, err error) {
		step := CheckStep{Step: name, Detail: detail, OK: err == nil}
		if err != nil {
			why := reason.Of(err)
			step.Why = told(&why)
		}
		d.Steps = append(d.Steps, step)
	})
	if errors.Is(err, errors.ErrUnsupported) {
		return answer{text: "the connector cannot check itself: look at its runs, or at the reason of its link"}
	}
	return answer{err: err, text: "every step went well", detail: d}
}

// toldRun answers with what a read came to.
func toldRun(run source.Run, err error) answer {
	if err != nil {
		return answer{err: err, text: err.Error(), again: reason.FaultOf(err) == reason.Transient}
	}
	a := answer{text: fmt.Sprintf("run %s: %s", run.ID, run.State), counts: run.Counts, detail: RunDetail{run.ID, run.State}}
	if run.Believed() {
		return a
	}
	if run.Reason != nil {
		a.text += ": " + run.Reason.Text(reason.English)
	}
	if run.State != source.Held && run.Reason != nil {
		a.err = &reason.Error{Reason: *run.Reason}
	}
	return a
}

// toldSettled answers with what a round of a link came to. What broke off, or was put off, is done again: only then is it
// certain that a crash in between does not lose it.
func toldSettled(s target.Settled, err error) answer {
	switch {
	case errors.Is(err, target.ErrPaused):
		return answer{err: err}
	case err != nil:
		return answer{err: err, text: err.Error(), again: reason.FaultOf(err) != reason.Misconfigured}
	}
	a := answer{counts: map[string]int{
		"created": s.Created, "updated": s.Updated, "disabled": s.Disabled, "moved": s.Moved, "deleted": s.Deleted,
		"waiting": s.Status.Waiting, "parked": s.Status.Parked, "withheld": s.Status.Withheld, "held": s.Held, "orphans": s.Orphans,
	}}
	switch {
	case s.Halted != nil:
		a.err, a.text, a.again = &reason.Error{Reason: *s.Halted}, "the link is halted", !forPeople(s.Halted.Code)
	case s.Deferred != "":
		a.text, a.again = "not yet: "+s.Deferred, true
	case s.Status.Mode == target.ModePreview:
		a.text = "the link is in preview: this would be done, and nothing was written"
	case s.Delivered != "":
		a.text = "delivered " + s.Delivered
	default:
		a.text = "the target is as the roster says"
	}
	if s.Held > 0 && a.err == nil && !a.again {
		a.text += "; a part of it waits for a decision: essctl held show"
	}
	return a
}

// forPeople tells whether only a person can mend what halted a link.
func forPeople(c reason.Code) bool {
	switch c {
	case reason.WrongCredentials, reason.HostKeyUnknown, reason.HostKeyChanged, reason.NotPermitted, reason.PreflightFailed, reason.LogRegressed:
		return true
	default:
		return false
	}
}
