package store

import (
	"fmt"
	"slices"
	"strings"

	essv1 "eventful.se/ess/proto/ess/v1"

	"eventful.se/ess/libs/roster"
)

func askTo(a Ask) *essv1.Ask {
	p := &essv1.Ask{
		Schema: schemaMajor, Id: a.ID, Verb: string(a.Verb), Asked: timeTo(a.Asked), By: a.By, Why: a.Why,
		Since: timeTo(a.Since), Verify: a.Verify, Force: a.Force,
		State: string(a.State), Worker: a.Worker, Begun: timeTo(a.Begun), Ended: timeTo(a.Ended),
		Reason: reasonTo(a.Reason), Text: a.Text, Detail: a.Detail,
	}
	for _, ref := range a.Refs {
		p.Refs = append(p.Refs, ref.String())
	}
	if len(a.Counts) > 0 {
		p.Counts = make(map[string]int64, len(a.Counts))
		for what, n := range a.Counts {
			p.Counts[what] = int64(n)
		}
	}
	return p
}

// askFrom reads an ask from its subject and its body.
func askFrom(subject string, body []byte, seq uint64) (Ask, error) {
	a := Ask{seq: seq}
	t := strings.Split(subject, ".")
	if len(t) != 5 {
		return a, fmt.Errorf("subject %q is of no ask", subject)
	}
	a.Place, a.ID = Place{t[1], t[2], t[3]}, t[4]
	var p essv1.Ask
	if err := unmarshal(body, &p); err != nil {
		return a, fmt.Errorf("ask %s: %w", subject, err)
	}
	a.Verb, a.Asked, a.By, a.Why = Verb(p.GetVerb()), timeFrom(p.GetAsked()), p.GetBy(), p.GetWhy()
	a.Since, a.Verify, a.Force = timeFrom(p.GetSince()), p.GetVerify(), p.GetForce()
	a.State, a.Worker, a.Begun, a.Ended = AskState(p.GetState()), p.GetWorker(), timeFrom(p.GetBegun()), timeFrom(p.GetEnded())
	a.Reason, a.Text, a.Detail = reasonFrom(p.GetReason()), p.GetText(), p.GetDetail()
	for _, text := range p.GetRefs() {
		ref, err := refFrom(text)
		if err != nil {
			return a, fmt.Errorf("ask %s: %w", subject, err)
		}
		a.Refs = append(a.Refs, ref)
	}
	if len(p.GetCounts()) > 0 {
		a.Counts = make(map[string]int, len(p.GetCounts()))
		for what, n := range p.GetCounts() {
			a.Counts[what] = int(n)
		}
	}
	return a, nil
}

// refFrom reads the kind and the key of an entity, as [roster.Ref] prints them.
func refFrom(text string) (ref roster.Ref, err error) {
	kind, key, _ := strings.Cut(text, "/")
	if ref.Kind = roster.Kind(kind); !slices.Contains(roster.Kinds(), ref.Kind) {
		return ref, fmt.Errorf("%q is no kind of entity", kind)
	}
	ref.Key, err = roster.ParseKey(key)
	return ref, err
}
