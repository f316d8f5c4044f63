package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/reason"
)

// EnsureTenant makes the streams of a tenant that do not exist yet, with 1, 3 or 5 replicas, and brings the settings of
// those that do up to date. With 0 they are made with 1, and those that do exist keep as many as they have. It is for the
// moment when an operator applies a tenant: no reader or writer calls it, so that a lost stream is seen. A log that is
// missing beside a ledger was lost, and is refused.
func (s *Store) EnsureTenant(ctx context.Context, tenant string, replicas int) error {
	if err := validToken("tenant", tenant); err != nil {
		return err
	}
	if replicas != 0 && replicas != 1 && replicas != 3 && replicas != 5 {
		return fmt.Errorf("replicas is %d, want 1, 3 or 5", replicas)
	}
	configs := streamConfigs(tenant, max(1, replicas))
	exists := make([]bool, len(configs))
	for i, c := range configs {
		err := s.request(ctx, c.Name, "", "look for stream "+c.Name, func(ctx context.Context) error {
			there, err := s.js.Stream(ctx, c.Name)
			if errors.Is(err, jetstream.ErrStreamNotFound) {
				return nil
			}
			if exists[i] = err == nil; exists[i] && replicas == 0 {
				configs[i].Replicas = there.CachedInfo().Config.Replicas
			}
			return err
		})
		if err != nil {
			return err
		}
		if i == 1 && exists[1] && !exists[0] { // the ledger is made after the log
			return reason.Errorf(reason.Misconfigured, nil, reason.LogMissing, "stream", configs[0].Name)
		}
	}
	for i, c := range configs {
		err := s.request(ctx, c.Name, "", "make stream "+c.Name, func(ctx context.Context) (err error) {
			if exists[i] {
				_, err = s.js.UpdateStream(ctx, c)
			} else {
				_, err = s.js.CreateStream(ctx, c)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// streamConfigs returns the streams of a tenant in the order in which they are made.
//
// None takes a time to live (when a tombstone expires over older history, the dead come back) or a rollup header (one
// message empties the stream). The log has no limit per subject, for what a limit drops stays readable on the disk: the
// janitor erases history instead.
func streamConfigs(tenant string, replicas int) []jetstream.StreamConfig {
	base := jetstream.StreamConfig{
		Storage:            jetstream.FileStorage,
		Retention:          jetstream.LimitsPolicy,
		Discard:            jetstream.DiscardNew,
		Replicas:           replicas,
		MaxMsgs:            -1,
		MaxBytes:           -1,
		MaxMsgsPerSubject:  -1,
		Duplicates:         time.Second, // expectations, not message ids, keep what is sent twice from being stored twice
		AllowAtomicPublish: true,
	}
	log, ledger, audit := base, base, base
	log.Name = logStream(tenant)
	log.Description = "roster log of " + tenant
	log.Subjects = []string{logSubjects + tenant + ".>"}
	ledger.Name = ledgerStream(tenant)
	ledger.Description = "ledgers, delivered sets, runs, holds, decisions, user names and sealed passwords of " + tenant
	ledger.Subjects = []string{
		ledgerSubjects + tenant + ".>", blobSubjects + tenant + ".>", runSubjects + tenant + ".>", holdSubjects + tenant + ".>", linkHoldSubjects + tenant + ".>",
		deskSubjects + tenant + ".>", nameSubjects + tenant + ".>", letterSubjects + tenant + ".>",
	}
	ledger.MaxMsgsPerSubject = 1
	audit.Name = auditStream(tenant)
	audit.Description = "who did what to " + tenant + ", and why"
	audit.Subjects = []string{auditSubjects + tenant + ".>"}
	audit.DenyDelete, audit.DenyPurge = true, true
	return []jetstream.StreamConfig{log, ledger, audit}
}
