package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/services/ess/municipality"
)

// approver stands in the audit.
const approver = "demo"

// readHeld has the register read when it lacks more pupils than may leave without anybody looking: the guard holds them, and
// the targets go on showing everybody.
func (s *stage) readHeld(ctx context.Context, before *municipality.Municipality) error {
	run, err := s.read(ctx)
	if err != nil {
		return err
	}
	if run.State != source.Held {
		return fmt.Errorf("the read ended as %s, and was to be held", run.State)
	}
	s.say.fact("held", "%s", run.Reason.Text(reason.English))
	kept, err := s.store.Holds(tenantName).Kept(ctx, s.register())
	if err != nil {
		return err
	}
	for _, g := range kept.Groups(s.o.Now()) {
		s.say.fact("", "%s  %s: %s", g.ID, g.Operation, kinds(g.Counts))
	}
	if _, err := s.await(ctx); err != nil {
		return err
	}
	return s.check(before)
}

// approve does what essctl held approve does: the audit first, then the verdict on exactly what was looked at. The next
// read that still asks for it publishes it.
func (s *stage) approve(ctx context.Context, before *municipality.Municipality) error {
	holds := s.store.Holds(tenantName)
	kept, err := holds.Kept(ctx, s.register())
	switch {
	case err != nil:
		return err
	case kept.Hold == nil:
		return errors.New("nothing is held")
	}
	const why = "called the school: a course has ended"
	digest, now := kept.Hold.Digest, s.o.Now()
	var groups []string
	for _, g := range kept.Groups(now) {
		groups = append(groups, g.ID)
	}
	items, err := kept.Decide(digest, nil, guard.Approved, approver, now)
	if err != nil {
		return err
	}
	entry := store.AuditEntry{
		When: now, Who: approver, What: "held.approve", On: s.register().String(), Why: why,
		Details: map[string]string{"digest": digest, "groups": strings.Join(groups, " "), "items": fmt.Sprint(items)},
	}
	audit := s.store.Audit(tenantName)
	if err := audit.Record(ctx, entry); err != nil {
		return err
	}
	if err := holds.Keep(ctx, s.register(), kept); err != nil {
		return err
	}
	s.say.fact("approve", "essctl held approve %s --tenant %s --source %s --why %q", digest, tenantName, s.o.Source, why)
	entries, err := audit.Entries(ctx)
	if err != nil {
		return err
	}
	if len(entries) == 0 || entries[len(entries)-1].Details["digest"] != digest {
		return errors.New("the audit does not say who approved")
	}
	s.say.fact("audit", "%s: %s of %s items by %s, because: %s", entry.When.Format("15:04:05"), entry.What, entry.Details["items"], entry.Who, entry.Why)
	return s.readOn(ctx, before)
}

// kinds writes counts of kinds of entity.
func kinds(n map[roster.Kind]int) string {
	all := map[string]int{}
	for k, c := range n {
		all[string(k)] = c
	}
	return counts(all)
}
