package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

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
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
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
		path, err := s.Quarantine(b, &Rows{})
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
	aside, err := s.Quarantine(b, &Rows{})
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

// What is in a spool can be seen from beside it, while it is used and after,
// and looking changes nothing.
func TestReadSpool(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadSpool(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a folder that is not there: %v", err)
	}
	at := func(seconds int) *Block {
		return &Block{Rows: Rows{AuthEvents: []detect.AuthEvent{{Time: detect.Timestamp(seconds)}, {Time: 1}}}}
	}
	s := openSpool(t, SpoolOptions{Dir: dir})
	for i := range 4 {
		if err := s.Write(t.Context(), at(10*i+10)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, want SpoolState) {
		t.Helper()
		want.Dir, want.Bytes = dir, s.Stats().Bytes
		before, _ := filepath.Glob(filepath.Join(dir, "*"))
		got, err := ReadSpool(dir)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", what, got, err, want)
		}
		if after, _ := filepath.Glob(filepath.Join(dir, "*")); !slices.Equal(before, after) {
			t.Errorf("%s: looking made %q of %q", what, after, before)
		}
	}
	check("four blocks", SpoolState{Segments: 1, Waiting: 8, Oldest: 10, Open: true})
	take(t, s)
	check("three blocks", SpoolState{Segments: 1, Waiting: 6, Oldest: 20, Open: true})
	b, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Quarantine(b, &Rows{}); err != nil {
		t.Fatal(err)
	}
	check("one aside", SpoolState{Segments: 1, Waiting: 4, Oldest: 30, Aside: 1, Quarantined: 2, Open: true})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check("closed", SpoolState{Segments: 1, Waiting: 4, Oldest: 30, Aside: 1, Quarantined: 2})

	s = openSpool(t, SpoolOptions{Dir: dir})
	check("open again", SpoolState{Segments: 1, Waiting: 4, Oldest: 30, Aside: 1, Quarantined: 2, Open: true})
	take(t, s)
	take(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check("all sent", SpoolState{Aside: 1, Quarantined: 2})

	// A write that has not ended, a file that has no header yet, and others.
	s = openSpool(t, SpoolOptions{Dir: dir})
	if err := s.Write(t.Context(), at(70)); err != nil {
		t.Fatal(err)
	}
	segments, _ := filepath.Glob(filepath.Join(dir, "0*"+suffix))
	f, err := os.OpenFile(segments[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("half")
	if err = errors.Join(err, f.Close(), os.WriteFile(filepath.Join(dir, "9000000000000000.spool"), nil, 0o600), os.WriteFile(filepath.Join(dir, "note.spool"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadSpool(dir); err != nil || got.Segments != 1 || got.Waiting != 2 || got.Oldest != 70 || got.Bytes != s.Stats().Bytes+4 {
		t.Errorf("with a half record: %+v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
