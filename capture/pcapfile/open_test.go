package pcapfile_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	capt := write(t, dir, "ok.pcap", little().pcap(micro, 0, 1).b)
	write(t, dir, "none/readme.txt", []byte("hello"))
	write(t, dir, "none/empty.pcap", nil)
	deep := little().pcap(micro, 0, 1).b
	for range 5 {
		deep = gzipped(deep)
	}
	locked := write(t, dir, "locked.pcap", deep)
	if err := os.Chmod(locked, 0); err != nil {
		t.Fatal(err)
	}
	file := func(name, content string) string { return write(t, dir, name, []byte(content)) }
	tests := []struct {
		name string
		args []string
		want string // with DIR for the folder
		is   error
	}{
		{"nothing", nil, "no capture named: give files, folders, or - for standard input", nil},
		{"missing", []string{capt, dir + "/missing"}, "DIR/missing: no such file or directory; check the path", fs.ErrNotExist},
		{"no match", []string{dir + "/*.cap"}, "DIR/*.cap: no file matches this pattern", nil},
		{"bad pattern", []string{dir + "/[.cap"}, "DIR/[.cap: syntax error in pattern", filepath.ErrBadPattern},
		{"empty", []string{file("empty", "")}, "DIR/empty: empty file; " + pcapfile.Readable, nil},
		{"short", []string{file("short", "\xd4\xc3\xb2")}, "DIR/short: not a capture (it begins with d4 c3 b2); " + pcapfile.Readable, nil},
		{"text", []string{file("text", "hello")}, "DIR/text: not a capture (it begins with 68 65 6c 6c); " + pcapfile.Readable, nil},
		{"compressed text", []string{file("text.gz", string(gzipped([]byte("hello"))))}, "DIR/text.gz: not a capture (it begins with 68 65 6c 6c); " + pcapfile.Readable, nil},
		{"compressed nothing", []string{file("empty.zst", string(zstded(nil))+string(zstded([]byte{})))}, "DIR/empty.zst: empty file; " + pcapfile.Readable, nil},
		{"xz", []string{file("text.xz", "\xfd7zXZ\x00")}, "DIR/text.xz: compressed with xz, not a capture as it is; " + pcapfile.Readable, nil},
		{"bzip2", []string{file("text.bz2", "BZh9")}, "DIR/text.bz2: compressed with bzip2, not a capture as it is; " + pcapfile.Readable, nil},
		{"compressed too often", []string{file("deep", string(deep))}, "DIR/deep: compressed more than 4 times; " + pcapfile.Readable, nil},
		{"folder without captures", []string{dir + "/none"}, "DIR/none: no capture here; " + pcapfile.Readable, nil},
		{"pattern without captures", []string{dir + "/none/*"}, "DIR/none/*: no capture here; " + pcapfile.Readable, nil},
		{"standard input that is no capture", []string{"-"}, "-: not a capture (it begins with 68 65 6c 6c); " + pcapfile.Readable, nil},
		{"standard input twice", []string{capt, "-", "-"}, "-: standard input can be read only once", nil},
		{"no right", []string{locked}, "DIR/locked.pcap: permission denied; give this user the right to read it", fs.ErrPermission},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.is == fs.ErrPermission && os.Geteuid() == 0 {
				t.Skip("root may read every file")
			}
			stdin := "hello, world"
			if strings.HasSuffix(tt.name, "twice") {
				stdin = string(little().pcap(micro, 0, 1).b)
			}
			s, err := pcapfile.Open(tt.args, pcapfile.Options{Stdin: strings.NewReader(stdin)})
			if err == nil {
				s.Close()
				t.Fatal("no error")
			}
			if got := strings.ReplaceAll(err.Error(), dir, "DIR"); got != tt.want {
				t.Errorf("error %q, want %q", got, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v does not wrap %v", err, tt.is)
			}
		})
	}
}

// TestOpenNames: which files arguments stand for, and in which order.
func TestOpenNames(t *testing.T) {
	dir := t.TempDir()
	at := func(seconds uint32) []byte { return little().pcap(micro, 0, 1).record(seconds, 0, "x").b }
	write(t, dir, "b.pcap", at(1))
	write(t, dir, "a.pcap.gz", gzipped(at(2)))
	write(t, dir, "notes.txt", []byte("no capture"))
	write(t, dir, "empty.pcap", nil)
	write(t, dir, "sub/c", zstded(at(3)))
	write(t, dir, "sub/deeper/d.pcapng", little().section().b)
	write(t, dir, "sub.pcap", at(4))
	write(t, dir, "[x].pcap", at(5))
	for link, to := range map[string]string{"link.pcap": "b.pcap", "dangling": "nowhere", "sub/loop": ".."} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "sub/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args, want, others []string
	}{
		{[]string{"b.pcap", "a.pcap.gz", "b.pcap"}, []string{"b.pcap", "a.pcap.gz", "b.pcap"}, nil},
		{[]string{""}, []string{"[x].pcap", "a.pcap.gz", "b.pcap", "link.pcap", "sub/c", "sub/deeper/d.pcapng", "sub.pcap"}, []string{"empty.pcap", "notes.txt"}},
		{[]string{"sub", "*.pcap"}, []string{"sub/c", "sub/deeper/d.pcapng", "[x].pcap", "b.pcap", "link.pcap", "sub.pcap"}, []string{"empty.pcap"}},
		{[]string{"s*"}, []string{"sub/c", "sub/deeper/d.pcapng", "sub.pcap"}, nil},
		{[]string{"[x].pcap"}, []string{"[x].pcap"}, nil},
		{[]string{"sub/loop/b.pcap"}, []string{"sub/loop/b.pcap"}, nil},
	}
	for _, tt := range tests {
		var args []string
		for _, arg := range tt.args {
			args = append(args, filepath.Join(dir, arg))
		}
		s, err := pcapfile.Open(args, pcapfile.Options{})
		if err != nil {
			t.Errorf("%v: %v", tt.args, err)
			continue
		}
		short := func(paths []string) (out []string) {
			for _, path := range paths {
				out = append(out, strings.TrimPrefix(path, dir+"/"))
			}
			return out
		}
		if got := short(s.Inputs()); !slices.Equal(got, tt.want) {
			t.Errorf("%v: inputs %v, want %v", tt.args, got, tt.want)
		}
		if got := short(s.Others()); !slices.Equal(got, tt.others) {
			t.Errorf("%v: others %v, want %v", tt.args, got, tt.others)
		}
		var total int64
		for _, name := range s.Inputs() {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			total += info.Size()
		}
		_, damage := drain(t, s)
		if damage != nil {
			t.Errorf("%v: %v", tt.args, damage)
		}
		if st := s.Stats(); st.BytesExpected != uint64(total) || st.BytesRead != uint64(total) {
			t.Errorf("%v: %d of %d bytes read, want all of %d", tt.args, st.BytesRead, st.BytesExpected, total)
		}
	}
}

// TestStats: a packet counts when it is handed on, and the rest of a damaged
// file counts as read.
func TestStats(t *testing.T) {
	file := little().pcap(micro, 0, 1).record(1, 0, "data").record(2, 0, "more").u32(0, 0, 0xffffffff, 0).raw(make([]byte, 1<<20)...).b
	path := write(t, t.TempDir(), "a.pcap", file)
	for _, stdin := range []bool{false, true} {
		arg, size := path, uint64(len(file))
		if stdin {
			arg = "-"
		}
		s, err := pcapfile.Open([]string{arg}, pcapfile.Options{Stdin: bytes.NewReader(file)})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []capture.Stats{{}, {Packets: 1, Bytes: 4}, {Packets: 2, Bytes: 8}, {Packets: 2, Bytes: 8}, {Packets: 2, Bytes: 8}} {
			if i > 0 {
				var p capture.Packet
				if err := s.Next(&p); errors.Is(err, capture.ErrDamaged) != (i == 3) || (err == io.EOF) != (i == 4) {
					t.Fatalf("call %d: %v", i, err)
				}
			}
			got := s.Stats()
			if i >= 3 && !stdin && got.BytesRead != size {
				t.Errorf("after the end, %d of %d bytes read", got.BytesRead, size)
			}
			if !stdin {
				want.BytesExpected = size
			}
			want.BytesRead = got.BytesRead
			if got != want {
				t.Errorf("call %d, stdin %v: %+v, want %+v", i, stdin, got, want)
			}
		}
		s.Close()
	}
}

// slow gives its bytes one at a time.
type slow struct{ r io.Reader }

func (s slow) Read(b []byte) (int, error) { return s.r.Read(b[:min(1, len(b))]) }

func TestSlowStandardInput(t *testing.T) {
	file := zstded(little().pcap(micro, 0, 1).record(1, 0, "data").record(2, 0, longest).b)
	s, err := pcapfile.Open([]string{"-"}, pcapfile.Options{Stdin: slow{bytes.NewReader(file)}})
	if err != nil {
		t.Fatal(err)
	}
	packets, damage := drain(t, s)
	if len(packets) != 2 || damage != nil || packets[1].Data != longest {
		t.Errorf("%d packets, %v", len(packets), damage)
	}
	if st := s.Stats(); st.BytesRead != uint64(len(file)) || st.BytesExpected != 0 {
		t.Errorf("%d of %d bytes read, want %d of 0", st.BytesRead, st.BytesExpected, len(file))
	}
}

// TestCloseUnblocks: Close ends a Next that waits for data that never comes,
// from standard input and from a named pipe.
func TestCloseUnblocks(t *testing.T) {
	begin := little().pcap(micro, 0, 1).record(1, 0, "data").b
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, arg := range []string{"-", fifo} {
		var stdin io.Reader
		feeding := make(chan struct{})
		if arg == "-" {
			r, w := io.Pipe()
			defer w.Close() // ends the read that Close leaves
			stdin = r
			go func() { defer close(feeding); w.Write(begin) }()
		} else {
			go func() {
				defer close(feeding)
				if w, err := os.OpenFile(fifo, os.O_RDWR, 0); err == nil {
					t.Cleanup(func() { w.Close() })
					w.Write(begin)
				}
			}()
		}
		s, err := pcapfile.Open([]string{arg}, pcapfile.Options{Stdin: stdin})
		if err != nil {
			t.Fatal(err)
		}
		var p capture.Packet
		if err := s.Next(&p); err != nil || string(p.Data) != "data" {
			t.Fatal(err)
		}
		<-feeding
		ended := make(chan error)
		go func() {
			var p capture.Packet
			ended <- s.Next(&p)
		}()
		s.Close()
		if err := <-ended; err != io.EOF {
			t.Errorf("%s: Next after Close gives %v", arg, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: second Close: %v", arg, err)
		}
		_ = s.Stats()
	}
}

// TestReplaced: a file that another took the place of, or that is gone, when
// its turn comes is reported, and the other inputs go on.
func TestReplaced(t *testing.T) {
	dir := t.TempDir()
	first := write(t, dir, "1", little().pcap(micro, 0, 1).record(1, 0, "one").b)
	second := write(t, dir, "2", little().pcap(micro, 0, 1).record(2, 0, "two").b)
	third := write(t, dir, "3", little().pcap(micro, 0, 1).record(3, 0, "three").b)
	s, err := pcapfile.Open([]string{third, second, first}, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	other := write(t, dir, "other", []byte("other"))
	if err := os.Rename(other, first); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	packets, damage := drain(t, s)
	if len(packets) != 1 || packets[0].Data != "three" || len(damage) != 2 {
		t.Fatalf("packets %v, damage %v", packets, damage)
	}
	if d := damage[0]; d.File != first || !strings.Contains(d.Error(), "the file was replaced while it was read") {
		t.Error(d)
	}
	if d := damage[1]; d.File != second || !errors.Is(d, fs.ErrNotExist) {
		t.Error(d)
	}
}
