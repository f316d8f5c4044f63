package store

import (
	essv1 "eventful.se/ess/proto/ess/v1"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

func encodeGuarded(g guard.Kept) ([]byte, error) {
	p := &essv1.Guarded{Schema: schemaMajor}
	if h := g.Hold; h != nil {
		p.Hold = &essv1.Hold{Digest: h.Digest, Run: h.Run, Since: timeTo(h.Since), Seen: timeTo(h.Seen), Doubt: reasonTo(h.Doubt)}
		for _, i := range h.Items {
			p.Hold.Items = append(p.Hold.Items, &essv1.HeldItem{Item: itemTo(i.Item), Unit: keyTo(i.Unit), Class: keyTo(i.Class), Doubted: i.Doubted})
		}
	}
	for _, d := range g.Decisions {
		p.Decisions = append(p.Decisions, &essv1.Decision{Item: itemTo(d.Item), Verdict: string(d.Verdict), At: timeTo(d.At), By: d.By})
	}
	for _, x := range g.Passed {
		p.Passed = append(p.Passed, &essv1.Passed{
			At: timeTo(x.At), Kind: string(x.Bucket.Kind), Form: string(x.Bucket.Form), Operation: string(x.Bucket.Operation), Marks: x.Marks,
		})
	}
	return marshal(p)
}

func decodeGuarded(b []byte) (g guard.Kept, err error) {
	var p essv1.Guarded
	if err := unmarshal(b, &p); err != nil {
		return g, err
	}
	var k keys
	if h := p.GetHold(); h != nil {
		g.Hold = &guard.Hold{Digest: h.GetDigest(), Run: h.GetRun(), Since: timeFrom(h.GetSince()), Seen: timeFrom(h.GetSeen()), Doubt: reasonFrom(h.GetDoubt())}
		for _, i := range h.GetItems() {
			g.Hold.Items = append(g.Hold.Items, guard.HeldItem{
				Item: k.item(i.GetItem()), Unit: k.from(i.GetUnit()), Class: k.from(i.GetClass()), Doubted: i.GetDoubted(),
			})
		}
	}
	for _, d := range p.GetDecisions() {
		g.Decisions = append(g.Decisions, guard.Decision{Item: k.item(d.GetItem()), Verdict: guard.Verdict(d.GetVerdict()), At: timeFrom(d.GetAt()), By: d.GetBy()})
	}
	for _, x := range p.GetPassed() {
		b := guard.Bucket{Kind: roster.Kind(x.GetKind()), Form: roster.SchoolType(x.GetForm()), Operation: guard.Operation(x.GetOperation())}
		g.Passed = append(g.Passed, guard.Passed{At: timeFrom(x.GetAt()), Bucket: b, Marks: x.GetMarks()})
	}
	return g, k.err
}

func encodeFound(f *source.Found) ([]byte, error) {
	p := &essv1.Found{Schema: schemaMajor, Run: f.Run, At: timeTo(f.At)}
	for _, i := range f.Issues {
		p.Issues = append(p.Issues, &essv1.Issue{
			Reason: reasonTo(&i.Reason), Severity: string(i.Severity), Effect: string(i.Effect), Kind: string(i.Ref.Kind), Key: keyTo(i.Ref.Key),
			Where: i.Where, Count: int64(i.Count), Since: timeTo(i.Since), State: string(i.State),
		})
	}
	return marshal(p)
}

func decodeFound(b []byte) (*source.Found, error) {
	var p essv1.Found
	if err := unmarshal(b, &p); err != nil {
		return nil, err
	}
	var k keys
	f := &source.Found{Run: p.GetRun(), At: timeFrom(p.GetAt())}
	for _, i := range p.GetIssues() {
		x := source.Issue{
			Severity: fact.Severity(i.GetSeverity()), Effect: fact.Effect(i.GetEffect()), Ref: roster.Ref{Kind: roster.Kind(i.GetKind()), Key: k.from(i.GetKey())},
			Where: i.GetWhere(), Count: int(i.GetCount()), Since: timeFrom(i.GetSince()), State: source.IssueState(i.GetState()),
		}
		if why := reasonFrom(i.GetReason()); why != nil {
			x.Reason = *why
		}
		f.Issues = append(f.Issues, x)
	}
	return f, k.err
}

func itemTo(i guard.Item) *essv1.Item {
	return &essv1.Item{Kind: string(i.Ref.Kind), Key: keyTo(i.Ref.Key), Expect: i.Expect, Operation: string(i.Operation), Hash: i.Hash}
}

func (k *keys) item(p *essv1.Item) guard.Item {
	return guard.Item{
		Ref: roster.Ref{Kind: roster.Kind(p.GetKind()), Key: k.from(p.GetKey())}, Expect: p.GetExpect(),
		Operation: guard.Operation(p.GetOperation()), Hash: p.GetHash(),
	}
}
