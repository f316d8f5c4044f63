package store

import (
	"context"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/roster"
)

// History reads every record of an entity that the log still has, from all sources, the oldest first, tombstones too; with
// a zero key those of all entities of the kind.
func (l *Log) History(ctx context.Context, ref roster.Ref, each func(roster.Record)) error {
	key := "*"
	if !ref.Key.IsZero() {
		key = ref.Key.String()
	}
	filter := logSubjects + strings.Join([]string{l.tenant, "*", "*", string(ref.Kind), key}, ".")
	_, err := l.s.readAll(ctx, reading{stream: l.stream, filter: filter, deliver: jetstream.DeliverAllPolicy}, func(d delivery) error {
		e := event(d, false)
		if e.Unreadable == nil {
			each(*e.Record)
		}
		return e.Unreadable
	})
	return err
}
