package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/authtap/authtap/detect"
)

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

// A record that was damaged on the disk is passed over, which is counted, also
// when the spool is opened again in the middle.
func TestSpoolDamagedRecord(t *testing.T) {
	const blocks = 5
	for _, damaged := range []int{0b00001, 0b00110, 0b10101, 0b11000, 0b11111} {
		dir := t.TempDir()
		s := openSpool(t, SpoolOptions{Dir: dir})
		ends := []int64{headerSize}
		for n := range uint64(blocks) {
			put(t, s, n)
			ends = append(ends, s.tail.size)
		}
		path := s.tail.path
		s.kill()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var want []uint64
		var torn int64
		for n := range blocks {
			if damaged>>n&1 == 0 {
				want = append(want, uint64(n))
				continue
			}
			text[ends[n+1]-1] ^= 4
			torn += ends[n+1] - ends[n]
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if st, err := ReadSpool(dir); err != nil || st.Waiting != uint64(len(want)) {
			t.Errorf("%b: %+v, %v", damaged, st, err)
		}
		s = openSpool(t, SpoolOptions{Dir: dir})
		if st := s.Stats(); st.Torn != uint64(torn) || st.Waiting != uint64(len(want)) {
			t.Errorf("%b: %+v, want %d bytes torn and %d rows", damaged, st, torn, len(want))
		}
		var got []uint64
		for range len(want) {
			_, all := take(t, s)
			got = append(got, all...)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openSpool(t, SpoolOptions{Dir: dir})
		}
		empty(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%b: got %d, want %d", damaged, got, want)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%b: the segment is still there", damaged)
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
	// Attempts leave nothing that takes room.
	if files, err := filepath.Glob(filepath.Join(dir, "*"+suffix)); err != nil || len(files) > 2 {
		t.Errorf("files %q, %v", files, err)
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

// A block that is larger than a spool takes goes there in parts; a row that is
// too large by itself is lost, and no other with it.
func TestBlocksAreCutToTheRoom(t *testing.T) {
	spool := openSpool(t, SpoolOptions{Max: 16 << 10, Wait: true})
	var told []error
	b := NewBatcher(spool, BatcherOptions{Retry: true, Wait: true, Failed: func(err error) { told = append(told, err) }})
	var want []uint64
	for n := range uint64(500) {
		e := numbers(n).AuthEvents[0]
		if n == 3 {
			e.Host = strings.Repeat("h", 5<<10)
		} else {
			want = append(want, n)
		}
		if err := b.AuthEvent(e); err != nil {
			t.Fatal(err)
		}
	}
	x := &target{tokens: map[string]bool{}}
	s := NewSender(spool, x, SenderOptions{})
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := finish(t, spool, s); err != nil {
		t.Error(err)
	}
	if !slices.Equal(x.got, want) {
		t.Errorf("got %d", x.got)
	}
	if st := b.Stats(); st.Stored != 499 || st.Lost != 1 || st.Waiting != 0 || len(told) != 1 || !errors.Is(told[0], errLarge) {
		t.Errorf("%+v; told %v", st, told)
	}
}

// So does one that is larger than what a disk has left.
func TestBlocksAreCutToTheDisk(t *testing.T) {
	x := &target{tokens: map[string]bool{}}
	tokens := 0
	x.fail = func(b *Block) error {
		if b.Len() > 3 {
			return syscall.ENOSPC
		}
		tokens++
		b.Token = fmt.Sprint(tokens)
		return nil
	}
	b := NewBatcher(x, BatcherOptions{Retry: true})
	var want []uint64
	for n := range uint64(100) {
		want = append(want, n)
		if err := b.AuthEvent(numbers(n).AuthEvents[0]); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if st := b.Stats(); !slices.Equal(x.got, want) || st.Stored != 100 || st.Lost != 0 || st.Failures != 0 {
		t.Errorf("got %d, %+v", x.got, st)
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
			if next, damaged := s.damaged[at]; damaged {
				at = next
				continue
			}
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
	f.Add(encode(nil, ledgerRows()))
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
