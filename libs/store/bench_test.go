package store

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"eventful.se/ess/libs/roster"
)

const benchSize = 20_000

func BenchmarkFirstLoad(b *testing.B) {
	changes := many(benchSize)
	b.Run("publish", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			s := open(b)
			b.StartTimer()
			if err := s.Log(demo).Publish(b.Context(), alvis, "run", changes, nil); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N*benchSize)/b.Elapsed().Seconds(), "changes/s")
	})
	b.Run("raw", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			s := open(b)
			p := publication{l: s.Log(demo), s: alvis, run: "run"}
			var batches [][]*nats.Msg
			for i := range changes {
				m, err := p.change(changes[i])
				if err != nil {
					b.Fatal(err)
				}
				if i%(maxBatch-2) == 0 {
					batches = append(batches, nil)
				}
				batches[len(batches)-1] = append(batches[len(batches)-1], m)
			}
			b.StartTimer()
			for _, msgs := range batches {
				if _, err := jetstreamext.PublishMsgBatch(b.Context(), s.js, msgs); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.N*benchSize)/b.Elapsed().Seconds(), "changes/s")
	})
}

func BenchmarkRead(b *testing.B) {
	s := open(b)
	if err := s.Log(demo).Publish(b.Context(), alvis, "run", many(benchSize), nil); err != nil {
		b.Fatal(err)
	}
	b.Run("scan", func(b *testing.B) {
		for range b.N {
			if scan, err := s.Log(demo).Scan(b.Context(), alvis); err != nil || len(scan.Heads) != benchSize {
				b.Fatal(fmt.Sprint(len(scan.Heads), err))
			}
		}
		b.ReportMetric(float64(b.N*benchSize)/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("load", func(b *testing.B) {
		for range b.N {
			n := 0
			if _, err := s.Log(demo).Load(b.Context(), func(roster.Event) error { n++; return nil }); err != nil || n < benchSize {
				b.Fatal(fmt.Sprint(n, err))
			}
		}
		b.ReportMetric(float64(b.N*benchSize)/b.Elapsed().Seconds(), "records/s")
	})
}
