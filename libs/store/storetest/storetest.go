// Package storetest shows a test what lies in the streams of a server, read past everything that package store makes of
// it. Only tests import it.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Message is a message of a stream as the server keeps it.
type Message struct {
	Stream  string
	Subject string
	Header  map[string][]string
	Data    []byte
}

// Streams returns the settings of every stream at an address, as the server keeps them.
func Streams(t testing.TB, url string) (all []jetstream.StreamConfig) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	streams := js.ListStreams(t.Context())
	for info := range streams.Info() {
		all = append(all, info.Config)
	}
	if err := streams.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// Messages returns every message of every stream at an address, history included, each stream's in their order.
func Messages(t testing.TB, url string) (all []Message) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	streams := js.ListStreams(ctx)
	for info := range streams.Info() {
		messages, err := read(ctx, js, info)
		if err != nil {
			t.Fatalf("stream %s: %v", info.Config.Name, err)
		}
		all = append(all, messages...)
	}
	if err := streams.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func read(ctx context.Context, js jetstream.JetStream, info *jetstream.StreamInfo) (list []Message, err error) {
	if info.State.Msgs == 0 {
		return nil, nil
	}
	consumer, err := js.OrderedConsumer(ctx, info.Config.Name, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, err
	}
	defer messages.Stop()
	for uint64(len(list)) < info.State.Msgs {
		m, err := next(ctx, messages, info.Config.MaxAge)
		switch {
		case err != nil && ctx.Err() == nil && info.Config.MaxAge > 0:
			return list, nil // the rest has grown too old meanwhile
		case err != nil:
			return nil, err
		}
		list = append(list, Message{info.Config.Name, m.Subject(), m.Headers(), m.Data()})
	}
	return list, nil
}

// next returns the next message, and of a stream whose messages age an error when that takes so long.
func next(ctx context.Context, messages jetstream.MessagesContext, age time.Duration) (jetstream.Msg, error) {
	if age > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, age)
		defer cancel()
	}
	return messages.Next(jetstream.NextContext(ctx))
}
