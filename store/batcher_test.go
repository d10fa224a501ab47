package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
)

// sink keeps batches as text, and fails while broken.
type sink struct {
	mu      sync.Mutex
	batches []string
	broken  error
	block   chan struct{} // when set, Write waits for it
}

func (s *sink) Write(ctx context.Context, b *store.Block) error {
	if s.block != nil {
		select {
		case <-s.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	text := ""
	for _, f := range b.Findings {
		text += fmt.Sprintf("%s%d ", f.ID, f.Version)
	}
	for _, e := range b.AuthEvents {
		text += fmt.Sprintf("login%d ", e.Number)
	}
	for _, o := range b.Occurrences {
		text += fmt.Sprintf("occurrence%d ", o.Count)
	}
	for _, h := range b.Heartbeats {
		text += "heartbeat of " + h.Sensor + " "
	}
	if n := len(b.Endpoints) + len(b.Credentials) + len(b.Issuers); n > 0 {
		text += fmt.Sprintf("%d of ledgers", n)
	}
	s.batches = append(s.batches, text)
	return nil
}

func (s *sink) Close() error { return nil }

func (s *sink) set(broken error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = broken
}

// size is what a finding without texts takes of the queue, in bytes.
const size = 512

func add(t *testing.T, b *store.Batcher, id string, version uint64) {
	t.Helper()
	if err := b.Finding(detect.Finding{ID: id, Version: version}); err != nil {
		t.Fatal(err)
	}
}

func TestBatchesByRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{block: make(chan struct{}, 9)}
		b := store.NewBatcher(s, store.BatcherOptions{Rows: 2, Queue: 8 * size})
		add(t, b, "a", 1)
		add(t, b, "a", 3)
		add(t, b, "a", 2)
		s.block <- struct{}{}
		add(t, b, "b", 1)
		synctest.Wait()
		s.block <- struct{}{}
		add(t, b, "a", 4)
		if err := b.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		if want := []string{"a3 b1 ", "a4 "}; !slices.Equal(s.batches, want) {
			t.Errorf("%q, want %q", s.batches, want)
		}
		if got, want := b.Stats(), (store.BatcherStats{Stored: 3, Merged: 2}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

func TestBatchesByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		b := store.NewBatcher(s, store.BatcherOptions{Every: time.Second})
		add(t, b, "a", 1)
		time.Sleep(900 * time.Millisecond)
		add(t, b, "b", 1)
		synctest.Wait()
		if b.Stats().Stored != 0 {
			t.Error("written before its time")
		}
		time.Sleep(101 * time.Millisecond)
		synctest.Wait()
		if got := b.Stats().Stored; got != 2 {
			t.Errorf("%d findings stored after a second", got)
		}
		b.Close(context.Background())
	})
}

// Without Retry a full queue makes Add wait, and a failure is final.
func TestFailureIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{block: make(chan struct{}), broken: errors.New("disk full")}
		b := store.NewBatcher(s, store.BatcherOptions{Rows: 1, Queue: size, Wait: true})
		add(t, b, "a", 1)
		synctest.Wait()
		add(t, b, "b", 1)
		third := make(chan error)
		go func() { third <- b.Finding(detect.Finding{ID: "c", Version: 1}) }()
		synctest.Wait()
		select {
		case err := <-third:
			t.Fatalf("Add did not wait for room: %v", err)
		default:
		}
		close(s.block)
		if err := <-third; !errors.Is(err, s.broken) {
			t.Errorf("Add: %v", err)
		}
		if err := b.Close(context.Background()); !errors.Is(err, s.broken) {
			t.Errorf("Close: %v", err)
		}
		if got, want := b.Stats(), (store.BatcherStats{Lost: 3, Failures: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

// With Retry nothing waits, and what a failing sink did not take is written
// when it works again.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{broken: errors.New("connection refused")}
		told := 0
		b := store.NewBatcher(s, store.BatcherOptions{Rows: 1, Queue: 2 * size, Retry: true, Failed: func(error) { told++ }})
		add(t, b, "a", 1)
		synctest.Wait()
		add(t, b, "b", 1)
		add(t, b, "c", 1)
		add(t, b, "d", 1)
		add(t, b, "c", 2)
		time.Sleep(10 * time.Second)
		s.set(nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if want := []string{"a1 ", "b1 c2 "}; !slices.Equal(s.batches, want) {
			t.Errorf("%q, want %q", s.batches, want)
		}
		if got, want := b.Stats(), (store.BatcherStats{Stored: 3, Merged: 1, Lost: 1, Failures: 5}); got != want || told != 5 {
			t.Errorf("%+v, want %+v; told %d times", got, want, told)
		}
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// Close makes one attempt more, and says what is lost.
func TestCloseOfAFailingSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{broken: errors.New("connection refused")}
		b := store.NewBatcher(s, store.BatcherOptions{Rows: 1, Retry: true})
		add(t, b, "a", 1)
		synctest.Wait()
		add(t, b, "b", 1)
		if err := b.Close(context.Background()); !errors.Is(err, s.broken) {
			t.Error(err)
		}
		if got := b.Stats(); got.Lost != 2 || got.Waiting != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// A sink that hangs does not keep Close for longer than its context.
func TestCloseOfAHangingSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := store.NewBatcher(&sink{block: make(chan struct{})}, store.BatcherOptions{Rows: 1, Retry: true})
		add(t, b, "a", 1)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := b.Close(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if got := b.Stats(); got.Lost != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// Rows of all tables come in one block, and take the bytes of their texts.
func TestRowsOfAllTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		b := store.NewBatcher(s, store.BatcherOptions{Queue: 64 << 10, Retry: true})
		for _, err := range []error{
			b.Finding(detect.Finding{ID: "a", Version: 1}), b.AuthEvent(detect.AuthEvent{Number: 7}),
			b.Occurrence(detect.Occurrence{Count: 3}), b.Heartbeat(store.Heartbeat{Sensor: "edge"}),
			b.Endpoint(detect.Endpoint{}), b.Use(detect.Use{}), b.IssuerKey(detect.IssuerKey{}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if len(s.batches) != 0 {
			t.Error("written before there was a reason to")
		}
		if err := b.AuthEvent(detect.AuthEvent{Number: 8, Host: strings.Repeat("h", 40<<10)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if want := []string{"a1 login7 login8 occurrence3 heartbeat of edge 3 of ledgers"}; !slices.Equal(s.batches, want) {
			t.Errorf("half the queue's bytes wait: %q, want %q", s.batches, want)
		}
		b.Close(context.Background())
	})
}

// Hurry ends the waiting for room: what finds none is lost, and counted.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{block: make(chan struct{})}
		b := store.NewBatcher(s, store.BatcherOptions{Rows: 1, Queue: size, Wait: true, Retry: true})
		add(t, b, "a", 1)
		synctest.Wait()
		add(t, b, "b", 1)
		third := make(chan error, 1)
		go func() { third <- b.Finding(detect.Finding{ID: "c", Version: 1}) }()
		synctest.Wait()
		b.Hurry()
		if err := <-third; err != nil {
			t.Error(err)
		}
		close(s.block)
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if got, want := b.Stats(), (store.BatcherStats{Stored: 2, Lost: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}
