package store

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	essv1 "eventful.se/ess/proto/ess/v1"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
)

func marshal(m proto.Message) ([]byte, error) {
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, errors.New("a text is not valid UTF-8")
	}
	return b, nil
}

func encodeEntry(e target.Entry) ([]byte, error) {
	p := &essv1.Entry{
		Schema: schemaMajor, Id: idTo(e.ID), EntityKind: string(e.Entity.Kind), EntityKey: keyTo(e.Entity.Key), Anchor: keyTo(e.Anchor), Native: e.Native,
		Held: e.Held, State: string(e.State), Reason: reasonTo(e.Reason), Refused: e.Refused, Left: int32(e.Left), Buried: e.Buried, Approved: e.Approved, Begun: e.Begun, Role: string(e.As.Role), SchoolForm: string(e.As.Form), Attempts: int64(e.Attempts), NextTry: timeTo(e.NextTry),
		Cause: &essv1.Cause{Seq: e.Cause.Seq, Run: e.Cause.Run, When: timeTo(e.Cause.When)},
	}
	for _, f := range e.Fields {
		p.Fields = append(p.Fields, &essv1.Field{Name: f.Name, Value: f.Value.Reveal()})
	}
	for _, n := range e.Needs {
		p.Needs = append(p.Needs, idTo(n))
	}
	for _, s := range e.Sets {
		set := &essv1.ReferenceSet{Name: s.Name}
		for _, m := range s.Members {
			set.Members = append(set.Members, idTo(m))
		}
		p.Sets = append(p.Sets, set)
	}
	p.FoundBy, p.Untouched = e.FoundBy, e.Untouched
	for _, n := range e.Near {
		c := &essv1.Candidate{Native: n.Native, By: n.By, Refused: n.Refused}
		for _, f := range n.Fields {
			c.Fields = append(c.Fields, &essv1.Field{Name: f.Name, Value: f.Value.Reveal()})
		}
		p.Near = append(p.Near, c)
	}
	return marshal(p)
}

func decodeEntry(b []byte) (e target.Entry, err error) {
	var p essv1.Entry
	if err := unmarshal(b, &p); err != nil {
		return e, err
	}
	e = target.Entry{
		ID: idFrom(p.GetId()), Entity: roster.Ref{Kind: roster.Kind(p.GetEntityKind())}, Native: p.GetNative(), Held: p.GetHeld(),
		State: target.EntryState(p.GetState()), Reason: reasonFrom(p.GetReason()), Refused: p.GetRefused(), Left: roster.Date(p.GetLeft()), Buried: p.GetBuried(), Approved: p.GetApproved(), Begun: p.GetBegun(), As: target.Capacity{Role: roster.Role(p.GetRole()), Form: roster.SchoolType(p.GetSchoolForm())}, Attempts: int(p.GetAttempts()), NextTry: timeFrom(p.GetNextTry()),
		Cause: target.Cause{Seq: p.GetCause().GetSeq(), Run: p.GetCause().GetRun(), When: timeFrom(p.GetCause().GetWhen())},
	}
	for _, f := range p.GetFields() {
		e.Fields = append(e.Fields, target.Field{Name: f.GetName(), Value: roster.Personal(f.GetValue())})
	}
	for _, n := range p.GetNeeds() {
		e.Needs = append(e.Needs, idFrom(n))
	}
	for _, s := range p.GetSets() {
		set := target.Set{Name: s.GetName()}
		for _, m := range s.GetMembers() {
			set.Members = append(set.Members, idFrom(m))
		}
		e.Sets = append(e.Sets, set)
	}
	e.FoundBy, e.Untouched = p.GetFoundBy(), p.GetUntouched()
	for _, c := range p.GetNear() {
		n := target.Candidate{Native: c.GetNative(), By: c.GetBy(), Refused: c.GetRefused()}
		for _, f := range c.GetFields() {
			n.Fields = append(n.Fields, target.Field{Name: f.GetName(), Value: roster.Personal(f.GetValue())})
		}
		e.Near = append(e.Near, n)
	}
	if e.Entity.Key, err = keyFrom(p.GetEntityKey()); err != nil {
		return e, err
	}
	e.Anchor, err = keyFrom(p.GetAnchor())
	return e, err
}

func idTo(i target.ID) *essv1.ResourceId { return &essv1.ResourceId{Kind: i.Kind, Key: i.Key} }

func idFrom(p *essv1.ResourceId) target.ID { return target.ID{Kind: p.GetKind(), Key: p.GetKey()} }

func encodeMark(m target.Mark) ([]byte, error) {
	return marshal(&essv1.Mark{
		Schema: schemaMajor, Cursor: &essv1.Position{Log: timeTo(m.Cursor.Log), Seq: m.Cursor.Seq}, WakeAt: timeTo(m.WakeAt),
		Mapping: m.Mapping, Set: setRefTo(m.Set), InFlight: setRefTo(m.InFlight), Status: statusTo(m.Status),
		Reconciled: reconciledTo(m.Reconciled),
	})
}

func reconciledTo(r target.Reconciled) *essv1.Reconciled {
	if r.At.IsZero() {
		return nil
	}
	var last []*essv1.Drift
	if r.Last != nil {
		for _, d := range *r.Last {
			last = append(last, &essv1.Drift{Kind: d.ID.Kind, Key: d.ID.Key, What: d.What, Repaired: d.Repaired})
		}
	}
	return &essv1.Reconciled{
		Asked: timeTo(r.Asked), Since: r.Since, Last: last,
		At: timeTo(r.At), Found: int64(r.Found), Repaired: int64(r.Repaired), Reported: int64(r.Reported), Reason: reasonTo(r.Reason),
	}
}

func reconciledFrom(p *essv1.Reconciled) target.Reconciled {
	var last *[]target.Drift
	if list := p.GetLast(); len(list) > 0 {
		last = new([]target.Drift)
		for _, d := range list {
			*last = append(*last, target.Drift{ID: target.ID{Kind: d.GetKind(), Key: d.GetKey()}, What: d.GetWhat(), Repaired: d.GetRepaired()})
		}
	}
	return target.Reconciled{
		Asked: timeFrom(p.GetAsked()), Since: p.GetSince(), Last: last,
		At: timeFrom(p.GetAt()), Found: int(p.GetFound()), Repaired: int(p.GetRepaired()), Reported: int(p.GetReported()), Reason: reasonFrom(p.GetReason()),
	}
}

func statusTo(s target.Status) *essv1.Status {
	if s.Mode == "" {
		return nil
	}
	return &essv1.Status{
		Mode: string(s.Mode), Reason: reasonTo(s.Reason), Since: timeTo(s.Since), Waiting: int64(s.Waiting), Parked: int64(s.Parked),
		Withheld: int64(s.Withheld), Held: int64(s.Held), Orphans: int64(s.Orphans), Settings: s.Settings,
	}
}

func statusFrom(p *essv1.Status) target.Status {
	return target.Status{
		Mode: target.Mode(p.GetMode()), Reason: reasonFrom(p.GetReason()), Since: timeFrom(p.GetSince()), Waiting: int(p.GetWaiting()),
		Parked: int(p.GetParked()), Withheld: int(p.GetWithheld()), Held: int(p.GetHeld()), Orphans: int(p.GetOrphans()), Settings: p.GetSettings(),
	}
}

func decodeMark(b []byte) (m target.Mark, err error) {
	var p essv1.Mark
	if err := unmarshal(b, &p); err != nil {
		return m, err
	}
	return target.Mark{
		Cursor: roster.Position{Log: timeFrom(p.GetCursor().GetLog()), Seq: p.GetCursor().GetSeq()}, WakeAt: timeFrom(p.GetWakeAt()),
		Mapping: p.GetMapping(), Set: setRefFrom(p.GetSet()), InFlight: setRefFrom(p.GetInFlight()), Status: statusFrom(p.GetStatus()),
		Reconciled: reconciledFrom(p.GetReconciled()),
	}, nil
}

func setRefTo(r target.SetRef) *essv1.SetRef {
	if r == (target.SetRef{}) {
		return nil
	}
	return &essv1.SetRef{Blob: r.Blob, Name: r.Name, Digest: r.Digest, At: timeTo(r.At)}
}

func setRefFrom(p *essv1.SetRef) target.SetRef {
	return target.SetRef{Blob: p.GetBlob(), Name: p.GetName(), Digest: p.GetDigest(), At: timeFrom(p.GetAt())}
}

func encodeRun(r source.Run) ([]byte, error) {
	p := &essv1.Run{
		Schema: schemaMajor, Id: r.ID, Source: sourceTo(r.Source), State: string(r.State), Reason: reasonTo(r.Reason),
		Started: timeTo(r.Started), Ended: timeTo(r.Ended), Cursor: r.Cursor, Complete: r.Complete, Origin: r.Origin,
		DataTime: timeTo(r.DataTime), Seen: countsTo(r.Seen), Counts: countsTo(r.Counts),
	}
	for _, f := range r.Findings {
		p.Findings = append(p.Findings, &essv1.FindingCount{
			Reason: reasonTo(&f.Reason), Severity: string(f.Severity), Effect: string(f.Effect), Count: int64(f.Count), Where: f.Where,
		})
	}
	return marshal(p)
}

func decodeRun(b []byte) (*source.Run, error) {
	var p essv1.Run
	if err := unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("read a run: %w", err)
	}
	r := &source.Run{
		ID: p.GetId(), Source: sourceFrom(p.GetSource()), State: source.State(p.GetState()), Reason: reasonFrom(p.GetReason()),
		Started: timeFrom(p.GetStarted()), Ended: timeFrom(p.GetEnded()), Cursor: p.GetCursor(), Complete: p.GetComplete(),
		Origin: p.GetOrigin(), DataTime: timeFrom(p.GetDataTime()), Seen: countsFrom(p.GetSeen()), Counts: countsFrom(p.GetCounts()),
	}
	for _, f := range p.GetFindings() {
		x := source.FindingCount{
			Severity: fact.Severity(f.GetSeverity()), Effect: fact.Effect(f.GetEffect()), Count: int(f.GetCount()), Where: f.GetWhere(),
		}
		if why := reasonFrom(f.GetReason()); why != nil {
			x.Reason = *why
		}
		r.Findings = append(r.Findings, x)
	}
	return r, nil
}

func countsTo(m map[string]int) map[string]int64 {
	if len(m) == 0 {
		return nil
	}
	p := make(map[string]int64, len(m))
	for k, n := range m {
		p[k] = int64(n)
	}
	return p
}

func countsFrom(p map[string]int64) map[string]int {
	if len(p) == 0 {
		return nil
	}
	m := make(map[string]int, len(p))
	for k, n := range p {
		m[k] = int(n)
	}
	return m
}
