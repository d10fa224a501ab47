package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ store.Store = (*Store)(nil)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, filepath.Join(t.TempDir(), "authtap.db"))
	})
}

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, s *Store) (all []detect.Finding) {
	t.Helper()
	for f, err := range s.Findings(context.Background(), store.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// execute runs statements on a file as another program would.
func execute(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := filepath.Join(dir, "foreign.db")
	execute(t, foreign, "CREATE TABLE cookies (a)")
	foreignBytes, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	later := filepath.Join(dir, "later.db")
	if err := open(t, later).Close(); err != nil {
		t.Fatal(err)
	}
	execute(t, later, "PRAGMA user_version = 99")
	for name, c := range map[string]struct {
		path string
		o    Options
		want string
	}{
		"nothing there":  {filepath.Join(dir, "none.db"), Options{Existing: true}, "authtap replay"},
		"no folder":      {filepath.Join(dir, "none", "x.db"), Options{}, "no such file or directory"},
		"a folder":       {dir, Options{}, "is a directory"},
		"not a database": {file("text.db", strings.Repeat("not a database, but long enough. ", 100)), Options{}, "not a database"},
		"another's":      {foreign, Options{}, "another program"},
		"later version":  {later, Options{}, "later version"},
	} {
		s, err := Open(c.path, c.o)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: got %v, want an error with %q and the path", name, err, c.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "none.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file that was only asked for: %v", err)
	}
	if now, err := os.ReadFile(foreign); err != nil || string(now) != string(foreignBytes) {
		t.Errorf("another program's database was changed (%v)", err)
	}
}

// Names that mean something to SQLite or in an address are names of files.
func TestNames(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"authtap.db", "with space.db", "a?mode=memory&b=#%41", ":memory:", "file:x", "ü"} {
		s := open(t, name)
		if err := s.Write(context.Background(), store.Of(storetest.Finding(1))); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
			t.Errorf("%q: %v, %v", name, info, err)
			continue
		}
		s, err = Open(name, Options{Existing: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, s); len(got) != 1 {
			t.Errorf("%q holds %d findings, want 1", name, len(got))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	left, err := filepath.Glob("*-wal")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Two processes (here: two handles) may write to one file.
func TestTwoWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authtap.db")
	a, b := open(t, path), open(t, path)
	defer a.Close()
	defer b.Close()
	errs := make(chan error)
	for i, s := range []*Store{a, b} {
		go func() {
			var err error
			for n := range 50 {
				err = errors.Join(err, s.Write(context.Background(), store.Of(storetest.Finding(i*50+n))))
			}
			errs <- err
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := read(t, a); len(got) != 100 {
		t.Errorf("%d findings, want 100", len(got))
	}
}

// A write that does not come through leaves nothing of itself.
func TestWriteIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authtap.db")
	s := open(t, path)
	defer s.Close()
	execute(t, path, `CREATE TRIGGER full BEFORE INSERT ON findings WHEN NEW.title = 'title 3' BEGIN SELECT raise(ABORT, 'no room'); END`)
	err := s.Write(context.Background(), store.Of(storetest.Finding(1), storetest.Finding(2), storetest.Finding(3)))
	if err == nil || !strings.Contains(err.Error(), "no room") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error with the path", err)
	}
	if got := read(t, s); len(got) != 0 {
		t.Errorf("%d findings of a write that failed", len(got))
	}
}

// What is damaged in the file is an error, not a finding.
func TestDamagedRows(t *testing.T) {
	for column, value := range map[string]string{
		"severity": "'fatal'", "confidence": "''", "verdict": "'maybe'", "first_seen": "'yesterday'", "last_seen": "''",
		"client_ip": "'300.1.1.1'", "server_ip": "''", "evidence": "'[]'", `"references"`: "'{'", "count": "'many'", "client_port": "70000",
	} {
		path := filepath.Join(t.TempDir(), "authtap.db")
		s := open(t, path)
		if err := s.Write(context.Background(), store.Of(storetest.Finding(1))); err != nil {
			t.Fatal(err)
		}
		execute(t, path, "UPDATE findings SET "+column+" = "+value)
		var errs int
		for f, err := range s.Findings(context.Background(), store.Filter{}) {
			if err == nil {
				t.Errorf("%s: got %+v, want an error", column, f)
			} else if errs++; !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v does not name the file", column, err)
			}
		}
		if errs != 1 {
			t.Errorf("%s: %d errors, want 1", column, errs)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "authtap.db"))
	defer s.Close()
	batch := make([]detect.Finding, 1000)
	b.ReportAllocs()
	var n int
	for b.Loop() {
		for i := range batch {
			batch[i] = storetest.Finding(n)
			n++
		}
		if err := s.Write(context.Background(), store.Of(batch...)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "findings/s")
}
