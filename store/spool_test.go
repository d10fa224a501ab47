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
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/authtap/authtap/detect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// numbers gives a block of login attempts that are told apart by a number.
func numbers(all ...uint64) *Block {
	b := &Block{}
	for _, n := range all {
		b.AuthEvents = append(b.AuthEvents, detect.AuthEvent{Number: n, Host: strings.Repeat("h", int(n%50))})
	}
	return b
}

func numbersOf(r *Rows) (all []uint64) {
	for _, e := range r.AuthEvents {
		all = append(all, e.Number)
	}
	return all
}

func openSpool(t testing.TB, o SpoolOptions) *Spool {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := OpenSpool(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *Spool, all ...uint64) {
	t.Helper()
	if err := s.Write(context.Background(), numbers(all...)); err != nil {
		t.Fatal(err)
	}
}

// take gives what the next block holds and acknowledges it.
func take(t testing.TB, s *Spool) (token string, all []uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	b, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Done(b); err != nil {
		t.Fatal(err)
	}
	return b.Token, numbersOf(&b.Rows)
}

func empty(t testing.TB, s *Spool) {
	t.Helper()
	s.Finish()
	if b, err := s.Next(context.Background()); err != io.EOF {
		t.Errorf("the spool still gives %v, %v", b, err)
	}
}

// kill leaves the spool as a killed process would.
func (s *Spool) kill() { _ = s.release() }

func TestSpoolKeepsOrderOverRestarts(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, SpoolOptions{Dir: dir})
	put(t, s, 1, 2)
	put(t, s, 3)
	put(t, s, 4)
	if _, got := take(t, s); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("got %d", got)
	}
	b, err := s.Next(context.Background()) // not acknowledged
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Stats(); got.Waiting != 2 || got.Unclosed != 0 {
		t.Errorf("%+v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openSpool(t, SpoolOptions{Dir: dir})
	token, got := take(t, s)
	if token != b.Token || !slices.Equal(got, []uint64{3}) {
		t.Errorf("after a restart %s %d, want %s [3]", token, got, b.Token)
	}
	put(t, s, 5)
	s.kill()
	s = openSpool(t, SpoolOptions{Dir: dir})
	defer s.Close()
	for _, want := range []uint64{4, 5} {
		if _, got := take(t, s); !slices.Equal(got, []uint64{want}) {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	if got, want := s.Stats(), (SpoolStats{Unclosed: 1, Bytes: s.Stats().Bytes}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	empty(t, s)
}

// What waited when a process was killed is counted by the next, once.
func TestSpoolCountsWhatWasNotSynced(t *testing.T) {
	dir := t.TempDir()
	open := func(want SpoolStats) *Spool {
		t.Helper()
		s := openSpool(t, SpoolOptions{Dir: dir})
		got := s.Stats()
		got.Waiting, got.Bytes = 0, 0
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		return s
	}
	s := open(SpoolStats{})
	b := NewBatcher(s, BatcherOptions{Every: time.Hour})
	for n := range uint64(7) {
		if err := b.AuthEvent(detect.AuthEvent{Number: n}); err != nil {
			t.Fatal(err)
		}
	}
	for read := make([]byte, 8); read[0] != 7; time.Sleep(time.Millisecond) {
		if _, err := s.pending.ReadAt(read, 0); err != nil {
			t.Fatal(err)
		}
	}
	lock := s.lock
	s.lock = nil
	lock.Close() // as if it were killed; the batcher's end comes too late
	next := open(SpoolStats{Unclosed: 1, Unsynced: 7})
	if err := next.Close(); err != nil {
		t.Error(err)
	}
	open(SpoolStats{}).kill()
	open(SpoolStats{Unclosed: 1}).kill()
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
	s.kill()
}

func TestSpoolIsOneProcess(t *testing.T) {
	dir := t.TempDir()
	defer openSpool(t, SpoolOptions{Dir: dir}).Close()
	if _, err := OpenSpool(SpoolOptions{Dir: dir}); err == nil || !strings.Contains(err.Error(), "--spool") {
		t.Errorf("opened twice: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSpool(SpoolOptions{Dir: filepath.Join(file, "x")}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("opened below a file: %v", err)
	}
}

// A full spool loses its oldest segments, and counts their rows.
func TestSpoolFullDropsTheOldest(t *testing.T) {
	s := openSpool(t, SpoolOptions{Max: 64 << 10})
	defer s.Close()
	const blocks = 1000
	for n := range uint64(blocks) {
		put(t, s, n, n+blocks, n+2*blocks)
		if got := s.Stats().Bytes; got > 64<<10 {
			t.Fatalf("%d bytes", got)
		}
	}
	s.Finish()
	st := s.Stats()
	if st.Dropped == 0 || st.Dropped+st.Waiting != 3*blocks || st.Bytes < 48<<10 {
		t.Errorf("%+v", st)
	}
	for n := st.Dropped / 3; n < blocks; n++ { // the latest are there, in order
		if _, got := take(t, s); got[0] != n {
			t.Fatalf("got %d, want %d", got[0], n)
		}
	}
	empty(t, s)
}

// A block that is under way when it is dropped is acknowledged without harm.
func TestSpoolDropsWhatIsUnderWay(t *testing.T) {
	s := openSpool(t, SpoolOptions{Max: 4 << 10})
	defer s.Close()
	put(t, s, 1)
	b, err := s.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(500) {
		put(t, s, 100+n)
	}
	if err := s.Done(b); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Dropped+st.Waiting != 501 {
		t.Errorf("%+v", st)
	}
	if _, got := take(t, s); got[0] < 100 {
		t.Errorf("got %d again", got)
	}
}

// With Wait a full spool waits for its reader, whatever the sizes.
func TestSpoolFullWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openSpool(t, SpoolOptions{Max: 2000, Wait: true})
		defer s.Close()
		written := 0
		go func() {
			for n := range uint64(300) {
				put(t, s, n)
				written++
			}
			s.Finish()
		}()
		synctest.Wait()
		if st := s.Stats(); written == 0 || written == 300 || st.Bytes > 2000 || st.Dropped > 0 {
			t.Errorf("%d written: %+v", written, st)
		}
		for n := range uint64(300) {
			if _, got := take(t, s); got[0] != n {
				t.Fatalf("got %d, want %d", got, n)
			}
			synctest.Wait()
		}
		empty(t, s)
		if st := s.Stats(); st.Dropped > 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestSpoolWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openSpool(t, SpoolOptions{Max: 500, Wait: true})
		defer s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var err error
		n := uint64(0)
		for ; err == nil; n++ {
			err = s.Write(ctx, numbers(n))
		}
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "full") {
			t.Error(err)
		}
		if st := s.Stats(); st.Waiting != n-1 {
			t.Errorf("%d written: %+v", n-1, st)
		}
	})
}

// Whatever the end of the last segment looks like, every block before it comes
// out, and what is cut off is counted.
func TestSpoolTornTail(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, SpoolOptions{Dir: dir})
	for n := range uint64(3) {
		put(t, s, n)
	}
	path := s.tail.path
	ends := []int64{headerSize}
	for range 3 {
		b, err := s.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, b.end)
		if err := s.Done(b); err != nil {
			t.Fatal(err)
		}
	}
	s.kill()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for length := range len(whole) + 1 {
		for _, tail := range []string{"", "\xff", strings.Repeat("\xff", 100)} {
			if length < int(headerSize) && tail != "" {
				continue // an id like any other
			}
			dir := t.TempDir()
			text := append(whole[:length:length], tail...)
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), text, 0o600); err != nil {
				t.Fatal(err)
			}
			s := openSpool(t, SpoolOptions{Dir: dir})
			blocks, kept := 0, int64(0)
			for i, end := range ends {
				if end <= int64(length) {
					blocks, kept = i, end
				}
			}
			if st := s.Stats(); st.Torn != uint64(int64(len(text))-kept) || st.Waiting != uint64(blocks) {
				t.Errorf("cut at %d and %q: %+v, want %d blocks and %d bytes torn", length, tail, st, blocks, int64(len(text))-kept)
			}
			put(t, s, 99) // it goes on
			for n := range blocks {
				if _, got := take(t, s); got[0] != uint64(n) {
					t.Errorf("got %d, want %d", got, n)
				}
			}
			if _, got := take(t, s); got[0] != 99 {
				t.Errorf("got %d, want 99", got)
			}
			empty(t, s)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Damage within what was whole when the process began loses that segment's
// rest, which is counted, and no more.
func TestSpoolDamagedWhileOpen(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, SpoolOptions{Dir: dir})
	put(t, s, 1)
	put(t, s, 2)
	put(t, s, 3)
	take(t, s)
	if err := os.Truncate(s.tail.path, s.tail.size-1); err != nil {
		t.Fatal(err)
	}
	if _, got := take(t, s); got[0] != 2 {
		t.Fatalf("got %d", got)
	}
	put2 := func() { put(t, s, 4) }
	done := make(chan struct{})
	go func() { // Next passes over what is damaged and waits for more
		defer close(done)
		if _, got := take(t, s); got[0] != 4 {
			t.Errorf("got %d, want 4", got)
		}
	}()
	for s.Stats().Dropped == 0 {
		time.Sleep(time.Millisecond)
	}
	put2()
	<-done
	if st := s.Stats(); st.Dropped != 1 || st.Torn == 0 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
	empty(t, s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// faults makes files that fail as told.
type faults struct {
	mu sync.Mutex
	// room is the number of bytes that may still be written; then there is
	// ENOSPC in the middle of a write. Negative: no end.
	room int64
	sync error // what Sync returns
	open error
}

func (f *faults) openFile(path string, flag int) (file, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open != nil && flag&os.O_CREATE != 0 {
		return nil, f.open
	}
	under, err := openFile(path, flag)
	return &faulty{under, f}, err
}

type faulty struct {
	file
	f *faults
}

func (x *faulty) WriteAt(b []byte, at int64) (int, error) {
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	if x.f.room < 0 {
		return x.file.WriteAt(b, at)
	}
	n := min(int64(len(b)), x.f.room)
	x.f.room -= n
	if _, err := x.file.WriteAt(b[:n], at); err != nil {
		return 0, err
	}
	if n < int64(len(b)) {
		return int(n), syscall.ENOSPC
	}
	return int(n), nil
}

func (x *faulty) Sync() error {
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	return errors.Join(x.f.sync, x.file.Sync())
}

func TestSpoolDiskFull(t *testing.T) {
	f := &faults{room: -1}
	dir := t.TempDir()
	s := openSpool(t, SpoolOptions{Dir: dir, open: f.openFile})
	put(t, s, 1)
	for room := range int64(200) { // in the header, in the record, behind it
		f.mu.Lock()
		f.room = room
		f.mu.Unlock()
		if err := s.Write(context.Background(), numbers(1000+uint64(room))); err == nil {
			break
		} else if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), dir) {
			t.Fatalf("%d bytes of room: %v", room, err)
		}
		if room == 199 {
			t.Fatal("never enough room")
		}
	}
	for name, fail := range map[string]func(){
		"sync": func() { f.sync = errors.New("I/O error") },
		"open": func() { f.open = syscall.EMFILE },
	} {
		f.mu.Lock()
		f.room, f.sync, f.open = -1, nil, nil
		fail()
		f.mu.Unlock()
		// A new segment, which is where it is opened.
		s.mu.Lock()
		s.seal()
		s.mu.Unlock()
		if err := s.Write(context.Background(), numbers(7)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	f.mu.Lock()
	f.room, f.sync, f.open = -1, nil, nil
	f.mu.Unlock()
	put(t, s, 2)
	s.kill() // what the failed writes left is not believed afterwards, either
	s = openSpool(t, SpoolOptions{Dir: dir})
	defer s.Close()
	var got []uint64
	for s.Stats().Waiting > 0 {
		_, all := take(t, s)
		got = append(got, all...)
	}
	if len(got) != 3 || got[0] != 1 || got[1] < 1000 || got[2] != 2 {
		t.Errorf("got %d, want 1, one of the last round, and 2", got)
	}
}

func TestSpoolQuarantine(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, SpoolOptions{Dir: dir, Max: 16 << 10})
	var paths []string
	for n := range uint64(200) {
		put(t, s, n, n, n)
		b, err := s.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		path, err := s.Quarantine(b)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	st := s.Stats()
	if st.QuarantinedBlocks != 200 || st.Quarantined != 600 || st.Waiting != 0 || st.QuarantineDropped == 0 || st.Bytes > 16<<10 {
		t.Errorf("%+v", st)
	}
	if _, err := os.Stat(paths[0]); err == nil {
		t.Error("the oldest is still there")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// A file put back, under a free number above the others, is sent.
	last := paths[len(paths)-1]
	if err := os.Rename(last, filepath.Join(dir, "9999999999999999.spool")); err != nil {
		t.Fatal(err)
	}
	s = openSpool(t, SpoolOptions{Dir: dir, Max: 16 << 10})
	defer s.Close()
	if _, got := take(t, s); !slices.Equal(got, []uint64{199, 199, 199}) {
		t.Errorf("got %d", got)
	}
	if got := s.Stats().Bytes; got == 0 {
		t.Error("what is in quarantine does not count")
	}
	empty(t, s)
}

// Blocks that this version cannot read are given with the error that puts them
// aside.
func TestSpoolUnknownFormat(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, SpoolOptions{Dir: dir})
	put(t, s, 1)
	put(t, s, 2)
	path := s.tail.path
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, _, next, err := readRecord(strings.NewReader(string(text)), headerSize, int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	text[headerSize+recordHead] = format + 1
	putHead(text[headerSize:next], 1)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openSpool(t, SpoolOptions{Dir: dir})
	defer s.Close()
	b, err := s.Next(context.Background())
	if !errors.Is(err, ErrPoison) || b == nil {
		t.Fatalf("%v, %v", b, err)
	}
	aside, err := s.Quarantine(b)
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(aside); err != nil || !slices.Equal(kept[headerSize:], text[headerSize:next]) {
		t.Errorf("%s is not the block: %v", aside, err)
	}
	if _, got := take(t, s); got[0] != 2 {
		t.Errorf("got %d", got)
	}
}

// Whatever happens in whatever order, what Write acknowledged comes out once
// and in order, by the blocks' tokens.
func TestSpoolProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			r.Fatal(err)
		}
		f := &faults{room: -1}
		open := func() *Spool {
			s, err := OpenSpool(SpoolOptions{Dir: dir, Max: 1 << 20, open: f.openFile})
			if err != nil {
				r.Fatal(err)
			}
			s.segmentSize = 300 // a few blocks
			return s
		}
		s := open()
		var (
			next     uint64
			kept     []uint64            // acknowledged by Write
			doubtful = map[uint64]bool{} // Write failed: may come or not
			seen     = map[string]bool{}
			got      []uint64
		)
		receive := func(done bool) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if s.Stats().Waiting > 0 {
				ctx = context.Background()
			}
			b, err := s.Next(ctx)
			if b == nil {
				return
			}
			if err != nil {
				r.Fatalf("next: %v", err)
			}
			if !seen[b.Token] {
				seen[b.Token] = true
				got = append(got, numbersOf(&b.Rows)...)
			}
			if done {
				if err := s.Done(b); err != nil {
					r.Fatalf("done: %v", err)
				}
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"write": func(r *rapid.T) {
				var all []uint64
				for range rapid.IntRange(1, 5).Draw(r, "rows") {
					all = append(all, next)
					next++
				}
				f.room = rapid.Int64Range(-1, 400).Draw(r, "room")
				f.sync = nil
				if rapid.IntRange(0, 9).Draw(r, "sync") == 0 {
					f.sync = errors.New("I/O error")
				}
				if err := s.Write(context.Background(), numbers(all...)); err == nil {
					kept = append(kept, all...)
				} else {
					for _, n := range all {
						doubtful[n] = true
					}
				}
				f.room, f.sync = -1, nil
			},
			"receive":     func(*rapid.T) { receive(true) },
			"send halves": func(*rapid.T) { receive(false) },
			"restart": func(r *rapid.T) {
				if err := s.Close(); err != nil {
					r.Fatal(err)
				}
				s = open()
			},
			"crash": func(r *rapid.T) {
				// In the middle of a write: some of it is in the file.
				var path string
				var size int64
				if s.tail != nil {
					path, size = s.tail.path, s.tail.size
				}
				s.kill()
				if path != "" {
					record, err := appendRecord(nil, &numbers(1<<40).Rows)
					if err != nil {
						r.Fatal(err)
					}
					cut := rapid.IntRange(0, len(record)-1).Draw(r, "cut")
					h, err := os.OpenFile(path, os.O_RDWR, 0)
					if err == nil { // else it was acknowledged and removed
						_, _ = h.WriteAt(record[:cut], size)
						h.Close()
					}
				}
				if rapid.Bool().Draw(r, "position") { // not synced: it may be damaged
					_ = os.Truncate(filepath.Join(dir, "position"), rapid.Int64Range(0, positionSize).Draw(r, "length"))
				}
				s = open()
			},
		})
		for s.Stats().Waiting > 0 {
			receive(true)
		}
		s.Close()
		got = slices.DeleteFunc(got, func(n uint64) bool { return doubtful[n] })
		if d := cmp.Diff(kept, got); d != "" {
			r.Fatalf("acknowledged (-) and received (+):\n%s", d)
		}
		if st := s.Stats(); st.Dropped != 0 {
			r.Fatalf("%+v", st)
		}
	})
}

// FuzzSegment feeds the reader of segments with whatever: no panic, no more
// memory than the file is worth, and nothing beyond the file's end.
func FuzzSegment(f *testing.F) {
	var seg segment
	text := seg.newHeader()
	for i := range uint64(3) {
		r := numbers(i, i+1).Rows
		r.Heartbeats = []Heartbeat{{Sensor: "edge", Counters: map[string]uint64{"a": 1}}}
		r.Findings = []detect.Finding{{ID: fmt.Sprint(i), Client: &detect.Address{}, Evidence: detect.Evidence{{Name: "n"}}}}
		text, _ = appendRecord(text, &r)
	}
	f.Add(text)
	f.Add(text[:len(text)-1])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s segment
		r := strings.NewReader(string(text))
		if err := s.scan(r, int64(len(text)), -1); err != nil {
			if !errors.Is(err, errTorn) {
				t.Fatal(err)
			}
			return
		}
		if s.size > int64(len(text)) {
			t.Fatalf("%d bytes of %d", s.size, len(text))
		}
		for at := headerSize; at < s.size; {
			payload, _, next, err := readRecord(r, at, s.size)
			if err != nil || next <= at {
				t.Fatalf("at %d: %v", at, err)
			}
			if rows, err := decode(payload); err == nil {
				if again, err := decode(encode(nil, &rows)); err != nil || again.Len() != rows.Len() {
					t.Fatalf("encoded again: %v", err)
				}
			}
			at = next
		}
	})
}

// FuzzRows does the same behind the checksum.
func FuzzRows(f *testing.F) {
	f.Add(encode(nil, &numbers(1, 2).Rows))
	f.Add(encode(nil, &Rows{Findings: []detect.Finding{{ID: "a", References: []string{"x"}}}, Heartbeats: []Heartbeat{{}}}))
	f.Fuzz(func(t *testing.T, payload []byte) {
		rows, err := decode(payload)
		if err != nil {
			return
		}
		again, err := decode(encode(nil, &rows))
		if err != nil || again.Len() != rows.Len() {
			t.Fatalf("encoded again: %v", err)
		}
	})
}
