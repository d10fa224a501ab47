package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// target is a sink that fails as told and knows tokens again.
type target struct {
	mu     sync.Mutex
	fail   func(b *Block) error // also after the rows were taken: half says so
	half   bool
	tokens map[string]bool
	got    []uint64
	tries  int
}

func (x *target) Write(ctx context.Context, b *Block) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tries++
	var err error
	if x.fail != nil {
		err = x.fail(b)
	}
	if (err == nil || x.half) && !x.tokens[b.Token] {
		x.tokens[b.Token] = true
		x.got = append(x.got, numbersOf(&b.Rows)...)
	}
	return err
}

func (x *target) Close() error { return nil }

func (x *target) set(half bool, fail func(*Block) error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.half, x.fail = half, fail
}

func finish(t *testing.T, spool *Spool, s *Sender) error {
	t.Helper()
	spool.Finish()
	err := s.Close(context.Background())
	if closing := spool.Close(); closing != nil {
		t.Error(closing)
	}
	return err
}

// A sink that is away, or takes blocks without saying so, gets each row once
// and in order; the pauses grow.
func TestSenderInsists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spool := openSpool(t, SpoolOptions{})
		x := &target{tokens: map[string]bool{}}
		refused := errors.New("connection refused")
		x.set(false, func(*Block) error { return refused })
		var told []error
		s := NewSender(spool, x, SenderOptions{Failed: func(err error) { told = append(told, err) }})
		put(t, spool, 1, 2)
		put(t, spool, 3)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if x.tries < 20 || x.tries > 35 {
			t.Errorf("%d attempts in ten minutes", x.tries)
		}
		if len(told) != x.tries || !errors.Is(told[0], refused) {
			t.Errorf("told %d times: %v", len(told), told[0])
		}
		x.set(true, func(*Block) error { return fmt.Errorf("the answer got lost: %w", io.EOF) })
		time.Sleep(time.Minute)
		x.set(false, nil)
		put(t, spool, 4)
		time.Sleep(time.Minute)
		if err := finish(t, spool, s); err != nil {
			t.Error(err)
		}
		if want := []uint64{1, 2, 3, 4}; !slices.Equal(x.got, want) {
			t.Errorf("got %d, want %d", x.got, want)
		}
		if st := s.Stats(); st.Blocks != 3 || st.Rows != 4 || st.Failures != uint64(len(told)) {
			t.Errorf("%+v", st)
		}
	})
}

// Rows that are never taken do not hold up the others.
func TestSenderPutsPoisonAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spool := openSpool(t, SpoolOptions{})
		x := &target{tokens: map[string]bool{}}
		x.set(false, func(b *Block) error {
			if numbersOf(&b.Rows)[0] == 2 {
				return fmt.Errorf("row 0: %w", ErrPoison)
			}
			return nil
		})
		var aside []string
		s := NewSender(spool, x, SenderOptions{Aside: func(path string, why error) { aside = append(aside, path+" "+why.Error()) }})
		for n := range uint64(4) {
			put(t, spool, n)
		}
		time.Sleep(time.Minute)
		if err := finish(t, spool, s); err != nil {
			t.Error(err)
		}
		if want := []uint64{0, 1, 3}; !slices.Equal(x.got, want) {
			t.Errorf("got %d, want %d", x.got, want)
		}
		if st := spool.Stats(); st.Quarantined != 1 || st.Waiting != 0 || len(aside) != 1 || !strings.Contains(aside[0], "row 0") {
			t.Errorf("%+v, %q", st, aside)
		}
	})
}

// Of a block that is refused, the rows that are meant are put aside and the
// others sent, each once, also where the sink fails in between. What takes too
// long to find goes with them.
func TestSenderPutsRowsAside(t *testing.T) {
	numbers := make([]uint64, 5000)
	for i := range numbers {
		numbers[i] = uint64(i)
	}
	for name, c := range map[string]struct {
		poison func(uint64) bool
		aside  []uint64 // nil: between 10 and all
	}{
		"one":    {func(n uint64) bool { return n == 4711 }, []uint64{4711}},
		"ends":   {func(n uint64) bool { return n == 0 || n == 4999 }, []uint64{0, 4999}},
		"a list": {func(n uint64) bool { return 100 <= n && n < 104 }, []uint64{100, 101, 102, 103}},
		"many":   {func(n uint64) bool { return n%100 == 1 }, nil},
		"all":    {func(n uint64) bool { return n < 5000 }, numbers},
	} {
		synctest.Test(t, func(t *testing.T) {
			spool := openSpool(t, SpoolOptions{Dir: t.TempDir()})
			x := &target{tokens: map[string]bool{}}
			x.set(true, func(b *Block) error {
				poisoned := slices.ContainsFunc(numbersOf(&b.Rows), c.poison)
				x.half = !poisoned // takes the rows, whatever it says
				switch {
				case x.tries == 5 || x.tries == 20:
					return errors.New("connection reset")
				case poisoned:
					return fmt.Errorf("%d: %w", numbersOf(&b.Rows)[0], ErrPoison)
				}
				return nil
			})
			var path string
			s := NewSender(spool, x, SenderOptions{Aside: func(p string, why error) { path = p }})
			put(t, spool, numbers...)
			put(t, spool, 5000)
			time.Sleep(time.Hour)
			if err := finish(t, spool, s); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got := slices.Clone(x.got)
			st := spool.Stats()
			if err := os.Rename(path, filepath.Join(spool.opt.Dir, "9999999999999999.spool")); err != nil {
				t.Fatal(err)
			}
			spool = openSpool(t, SpoolOptions{Dir: spool.opt.Dir})
			defer spool.Close()
			_, aside := take(t, spool)
			all := append(slices.Clone(got), aside...)
			slices.Sort(all)
			if c.aside != nil && !slices.Equal(aside, c.aside) || len(aside) < 10 && c.aside == nil || !slices.Equal(all, append(numbers, 5000)) {
				t.Errorf("%s: %d rows aside, %d sent, %d in all", name, len(aside), len(got), len(all))
			}
			if sent := s.Stats().Rows; sent != uint64(len(got)) || st.Quarantined != uint64(len(aside)) || st.QuarantinedBlocks != 1 || st.Waiting != 0 {
				t.Errorf("%s: %d rows sent, %+v", name, sent, st)
			}
			if x.tries > 4*mostRefused {
				t.Errorf("%s: %d attempts", name, x.tries)
			}
		})
	}
}

// The end waits for a sink that takes nothing only so long, says what stays
// and why, and the next sender goes on from there.
func TestSenderCloseOfADeadSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		spool := openSpool(t, SpoolOptions{Dir: dir})
		x := &target{tokens: map[string]bool{}}
		x.set(false, func(*Block) error { return errors.New("connection refused") })
		s := NewSender(spool, x, SenderOptions{Patience: 5 * time.Second})
		put(t, spool, 1, 2, 3)
		time.Sleep(3 * time.Minute) // in a long pause
		begun := time.Now()
		err := finish(t, spool, s)
		var unsent *Unsent
		if !errors.As(err, &unsent) || unsent.Rows != 3 || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begun); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("the end took %v", took)
		}
		tried := x.tries
		x.set(false, nil)
		spool = openSpool(t, SpoolOptions{Dir: dir})
		s = NewSender(spool, x, SenderOptions{})
		if err := finish(t, spool, s); err != nil {
			t.Error(err)
		}
		if !slices.Equal(x.got, []uint64{1, 2, 3}) || x.tries != tried+1 {
			t.Errorf("got %d in %d attempts", x.got, x.tries-tried)
		}
	})
}

// A sink that hangs is given up when the context is done, and a slow one is
// waited for as long as it goes on.
func TestSenderCloseOfASlowSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spool := openSpool(t, SpoolOptions{})
		x := &target{tokens: map[string]bool{}}
		x.set(false, func(*Block) error { time.Sleep(4 * time.Second); return nil })
		s := NewSender(spool, x, SenderOptions{Patience: 5 * time.Second})
		for n := range uint64(20) {
			put(t, spool, n)
		}
		if err := finish(t, spool, s); err != nil || len(x.got) != 20 {
			t.Errorf("%d rows, %v", len(x.got), err)
		}

		spool = openSpool(t, SpoolOptions{})
		hangs := hanging{}
		s = NewSender(spool, hangs, SenderOptions{Patience: time.Hour})
		put(t, spool, 1)
		synctest.Wait()
		spool.Finish()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.Close(ctx); err == nil {
			t.Error("nothing stays")
		}
		spool.Close()
	})
}

type hanging struct{}

func (hanging) Write(ctx context.Context, _ *Block) error { <-ctx.Done(); return ctx.Err() }
func (hanging) Close() error                              { return nil }

// Several failures at once: the sink and the place for what is put aside.
func TestSenderQuarantineOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &faults{room: -1}
		spool := openSpool(t, SpoolOptions{open: f.openFile})
		x := &target{tokens: map[string]bool{}}
		x.set(false, func(*Block) error { return ErrPoison })
		put(t, spool, 1)
		f.mu.Lock()
		f.room = 0
		f.mu.Unlock()
		s := NewSender(spool, x, SenderOptions{})
		time.Sleep(time.Minute)
		if st := spool.Stats(); st.Waiting != 1 || st.Quarantined != 0 || s.Stats().Failures == 0 {
			t.Errorf("%+v", st)
		}
		f.mu.Lock()
		f.room = -1
		f.mu.Unlock()
		time.Sleep(time.Minute)
		if err := finish(t, spool, s); err != nil {
			t.Error(err)
		}
		if st := spool.Stats(); st.Waiting != 0 || st.Quarantined != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// unready is a sink that takes long to get ready.
type unready struct {
	target
	takes time.Duration
	ready bool
}

func (u *unready) Prepare(ctx context.Context) error {
	if u.ready {
		return nil
	}
	select {
	case <-time.After(u.takes):
		u.ready = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A sink that gets ready has more time for it than for a write, but not longer
// than the end of a run.
func TestSenderOfAnUnreadySink(t *testing.T) {
	for _, live := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			spool := openSpool(t, SpoolOptions{})
			x := &unready{target: target{tokens: map[string]bool{}}, takes: 3 * time.Hour}
			s := NewSender(spool, x, SenderOptions{})
			put(t, spool, 1)
			time.Sleep(time.Hour)
			if st := s.Stats(); st.Preparing != 1 || st.Failures != 0 {
				t.Errorf("%+v", st)
			}
			ctx := context.Background()
			if live {
				within, cancel := context.WithTimeout(ctx, 30*time.Second)
				defer cancel()
				ctx = within
			}
			spool.Finish()
			begun := time.Now()
			err := s.Close(ctx)
			if closing := spool.Close(); closing != nil {
				t.Error(closing)
			}
			if took := time.Since(begun); live != (took <= 30*time.Second) || live != (err != nil) {
				t.Errorf("live %v: the end took %v: %v", live, took, err)
			}
			if st := s.Stats(); live == (len(x.got) == 1) || st.Preparing != 0 {
				t.Errorf("live %v: got %d, %+v", live, x.got, st)
			}
		})
	}
}
