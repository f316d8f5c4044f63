// Command rawpublish is the yardstick of `make bench` for a first load: it publishes the messages of a roster log
// once more, in order, byte by byte and headers too, to an empty log, with nothing but the library for atomic batches.
// It stands under store, for nothing else may talk to NATS.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"eventful.se/ess/libs/store"
)

// batchSize is the most that nats-server takes in one atomic batch.
const batchSize = 1000

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout, time.Now); err != nil {
		fmt.Fprintln(os.Stderr, "rawpublish:", err)
		os.Exit(1)
	}
}

// run prints how many messages it published, and how many seconds that took, as one JSON object.
func run(ctx context.Context, args []string, stdout io.Writer, now func() time.Time) error {
	flags := flag.NewFlagSet("rawpublish", flag.ContinueOnError)
	from := flags.String("from", "", "data directory of a NATS server that holds the log")
	to := flags.String("to", "", "an empty directory, for the copy")
	tenant := flags.String("tenant", "", "whose log")
	if err := flags.Parse(args); err != nil {
		return err
	}
	msgs, err := read(ctx, *from, *tenant)
	if err != nil {
		return fmt.Errorf("read the log in %s: %w", *from, err)
	}
	took, err := publish(ctx, *to, *tenant, msgs, now)
	if err != nil {
		return fmt.Errorf("publish to %s: %w", *to, err)
	}
	return json.NewEncoder(stdout).Encode(map[string]any{"count": len(msgs), "seconds": took.Seconds()})
}

// with runs do on the log of a tenant on a server of its own, reached over loopback as any other.
func with(ctx context.Context, dir, tenant string, do func(jetstream.JetStream, jetstream.Stream) error) (err error) {
	server, err := store.Embedded(store.ServerOptions{Dir: dir, Listen: true})
	if err != nil {
		return err
	}
	defer server.Shutdown()
	s, err := store.Connect(ctx, store.Options{URL: server.URL(), Name: "rawpublish"})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.EnsureTenant(ctx, tenant, 1); err != nil {
		return err
	}
	nc, err := nats.Connect(server.URL())
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, "ESS-"+tenant)
	if err != nil {
		return err
	}
	return do(js, stream)
}

func read(ctx context.Context, dir, tenant string) (msgs []*nats.Msg, err error) {
	err = with(ctx, dir, tenant, func(_ jetstream.JetStream, s jetstream.Stream) error {
		consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
		if err != nil {
			return err
		}
		messages, err := consumer.Messages()
		if err != nil {
			return err
		}
		defer messages.Stop()
		for range s.CachedInfo().State.Msgs {
			m, err := messages.Next()
			if err != nil {
				return err
			}
			msgs = append(msgs, &nats.Msg{Subject: m.Subject(), Header: m.Headers(), Data: m.Data()})
		}
		return nil
	})
	return msgs, err
}

func publish(ctx context.Context, dir, tenant string, msgs []*nats.Msg, now func() time.Time) (took time.Duration, err error) {
	if len(msgs) == 0 {
		return 0, errors.New("there is nothing to publish")
	}
	err = with(ctx, dir, tenant, func(js jetstream.JetStream, _ jetstream.Stream) error {
		begun := now()
		// The mark of the opened run stands alone, for what follows expects it.
		for done, next := 0, 1; done < len(msgs); done, next = next, min(next+batchSize, len(msgs)) {
			if _, err := jetstreamext.PublishMsgBatch(ctx, js, msgs[done:next]); err != nil {
				return fmt.Errorf("after %d messages: %w", done, err)
			}
		}
		took = now().Sub(begun)
		return nil
	})
	return took, err
}
