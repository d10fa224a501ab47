package store_test

import (
	"context"
	"testing"

	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/storetest"
)

// BenchmarkSpool writes blocks of login attempts, synced, and takes them off
// again: what the way over the disk costs.
func BenchmarkSpool(b *testing.B) {
	const rows = 10_000
	block := &store.Block{}
	for i := range rows {
		block.AuthEvents = append(block.AuthEvents, storetest.AuthEvent(i))
	}
	s, err := store.OpenSpool(store.SpoolOptions{Dir: b.TempDir(), Wait: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(ctx, block); err != nil {
			b.Fatal(err)
		}
		x, err := s.Next(ctx)
		if err == nil {
			err = s.Done(x)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkBatcher is what a row costs the correlator.
func BenchmarkBatcher(b *testing.B) {
	batcher := store.NewBatcher(discard{}, store.BatcherOptions{Wait: true})
	e := storetest.AuthEvent(1)
	b.ReportAllocs()
	for b.Loop() {
		if err := batcher.AuthEvent(e); err != nil {
			b.Fatal(err)
		}
	}
	if err := batcher.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}

type discard struct{}

func (discard) Write(context.Context, *store.Block) error { return nil }
func (discard) Close() error                              { return nil }
