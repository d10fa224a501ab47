//go:build linux && cgo

package live

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authtap/authtap/capture"
)

// The tests of this file send frames as they are from one end of a veth pair,
// both ends of which are in the sensor's namespace, and capture at the other.
const (
	wireLink, sendLink = "wire0", "wire1"
)

func init() { roles["sender"] = beSender }

func wire(t testing.TB) {
	t.Helper()
	for _, args := range []string{
		"link add " + wireLink + " type veth peer name " + sendLink,
		"link set " + wireLink + " up", "link set " + sendLink + " up",
	} {
		if err := ip(args); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { ip("link del " + wireLink) })
}

// sender gives a socket that sends frames on the wire.
func sender() (int, error) {
	iface, err := net.InterfaceByName(sendLink)
	if err != nil {
		return 0, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return 0, err
	}
	return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: iface.Index})
}

func send(t *testing.T, frames ...[]byte) {
	t.Helper()
	fd, err := sender()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, f := range frames {
		if _, err := unix.Write(fd, f); err != nil {
			t.Fatal(err)
		}
	}
}

// mine is where the tests' frames come from; the kernel sends some of its own.
var mine = []byte{2, 0, 0, 0, 0, 1}

// frame gives a frame with tags (pairs of EtherType and what follows it) around
// an IPv4 packet.
func frame(tags []uint16, ip []byte) []byte {
	b := append([]byte{2, 0, 0, 0, 0, 2}, mine...)
	for _, t := range tags {
		b = binary.BigEndian.AppendUint16(b, t)
	}
	b = binary.BigEndian.AppendUint16(b, 0x0800)
	return append(b, ip...)
}

// datagram gives an IPv4 packet of UDP, or a fragment of it (offset and flag).
func datagram(id, fragment, srcPort, dstPort uint16, n int) []byte {
	b := make([]byte, 28+n)
	b[0], b[8], b[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], fragment)
	copy(b[12:], []byte{10, 7, byte(srcPort >> 8), byte(srcPort), 10, 8, 0, 1})
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum+sum>>16))
	binary.BigEndian.PutUint16(b[20:], srcPort)
	binary.BigEndian.PutUint16(b[22:], dstPort)
	binary.BigEndian.PutUint16(b[24:], uint16(8+n))
	for i := range n {
		b[28+i] = byte(i)
	}
	return b
}

func ours(packets []capture.Packet) []capture.Packet {
	return slices.DeleteFunc(packets, func(p capture.Packet) bool { return !bytes.Equal(p.Data[6:12], mine) })
}

// enginesAgree: all engines give the frames that were sent, VLAN tags of all
// kinds among them, and filter them alike.
func enginesAgree(t *testing.T) {
	wire(t)
	var sent [][]byte
	for i, tags := range [][]uint16{
		{},
		{0x8100, 5},
		{0x8100, 5 | 6<<13},      // with a priority
		{0x8100, 3 << 13},        // a priority, and no VLAN
		{0x8100, 0},              // nothing at all
		{0x88a8, 100},            // a provider's tag
		{0x88a8, 100, 0x8100, 5}, // QinQ
		{0x8100, 100, 0x8100, 5}, // QinQ as it was before 802.1ad
		{0x9100, 100, 0x8100, 5}, // another kind, which stays where it is
		{0x8100, 1, 0x8100, 2, 0x8100, 3},
	} {
		sent = append(sent, frame(tags, datagram(0, 0, uint16(4000+i), 53, 100+i)))
	}
	for _, tt := range []struct {
		filter string
		snap   int
		want   []int // indices of the frames
	}{
		{"", 0, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"", 70, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"udp port 53", 0, []int{0, 1, 2, 3, 4, 5}}, // the kernel sees those behind one tag, as with tcpdump
		{"vlan 5", 0, []int{1, 2}},
		{"vlan 100 and vlan 5 and udp src port 4007", 0, []int{7}},
	} {
		var captures []tap
		for _, opt := range []Options{{Engine: Libpcap}, {Engine: AFPacket}, {Engine: AFPacket, Rings: 3}} {
			opt.Interfaces, opt.BPF, opt.SnapLen, opt.Promiscuous = []string{wireLink}, tt.filter, tt.snap, true
			captures = append(captures, open(t, opt))
		}
		send(t, sent...)
		for i, c := range captures {
			packets := ours(collect(t, c))
			slices.SortFunc(packets, func(a, b capture.Packet) int { return int(a.Time - b.Time) })
			if len(packets) != len(tt.want) {
				t.Errorf("engine %d, %q: %d packets, want %d", i, tt.filter, len(packets), len(tt.want))
				continue
			}
			for j, p := range packets {
				want := sent[tt.want[j]]
				cut := want
				if tt.snap > 0 {
					cut = want[:tt.snap]
				}
				if !bytes.Equal(p.Data, cut) || p.Length != len(want) {
					t.Errorf("engine %d, %q: frame %d came as\n% x (%d), want\n% x (%d)", i, tt.filter, tt.want[j], p.Data, p.Length, cut, len(want))
				}
			}
			c.close()
		}
	}
}

// fragmentsStayTogether: the parts of a datagram come through one ring, with
// which nobody else has to share what it puts together.
func fragmentsStayTogether(t *testing.T) {
	wire(t)
	c := open(t, Options{Interfaces: []string{wireLink}, Engine: AFPacket, Rings: 4, Promiscuous: true})
	const datagrams = 64
	var frames [][]byte
	for i := range uint16(datagrams) {
		const more = 0x2000
		frames = append(frames,
			frame(nil, datagram(i, more, 5000+i, 53, 92)), // 100 bytes behind the IP header, of which 96 count
			frame(nil, datagram(i, more|12, 5000+i, 53, 92)),
			frame(nil, datagram(i, 24, 5000+i, 53, 92)))
	}
	send(t, frames...)
	at := make([][]int, datagrams) // how many came through each ring
	rings := map[int]bool{}
	for i, ring := range c {
		for _, p := range ours(collect(t, tap{ring})) {
			id := binary.BigEndian.Uint16(p.Data[18:])
			if at[id] == nil {
				at[id] = make([]int, len(c))
			}
			at[id][i]++
			rings[i] = true
		}
	}
	for id, n := range at {
		if len(n) == 0 || slices.Max(n) != 3 {
			t.Errorf("datagram %d came through the rings as %v", id, n)
		}
	}
	if len(rings) != len(c) {
		t.Errorf("%d of %d rings were used", len(rings), len(c))
	}
}

// flood has another process send so many frames, at a rate a second or, where
// that is 0, as fast as it can. What it gives waits for the end and gives the
// time that the sending took.
func flood(t testing.TB, frames, rate int) (wait func() time.Duration) {
	t.Helper()
	cmd := role("sender", strconv.Itoa(frames), strconv.Itoa(rate))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() time.Duration {
		t.Helper()
		text, err := io.ReadAll(out)
		if err := errors.Join(err, cmd.Wait()); err != nil {
			t.Fatal(err)
		}
		took, err := time.ParseDuration(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		return took
	}
}

// drain reads all sources, until wait has returned and the wire is quiet, or
// until they end.
func drain(t testing.TB, c tap, wait func() time.Duration) time.Duration {
	t.Helper()
	var sent atomic.Bool
	var all sync.WaitGroup
	for _, s := range c {
		all.Go(func() {
			for quiet := 0; quiet < 5; {
				var p capture.Packet
				switch err := s.Next(&p); err {
				case nil:
					quiet = 0
				case capture.ErrQuiet:
					if sent.Load() {
						quiet++
					}
				case io.EOF:
					return
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	took := wait()
	sent.Store(true)
	all.Wait()
	return took
}

// beSender sends what flood wants: frames of 64 conversations, of 64 to 1500
// bytes.
func beSender() {
	count, _ := strconv.Atoi(os.Args[1])
	rate, _ := strconv.Atoi(os.Args[2])
	fd, err := sender()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var frames [][]byte
	for i := range 64 {
		frames = append(frames, frame(nil, datagram(0, 0, uint16(6000+i), 53, []int{22, 400, 1400, 800}[i%4])))
	}
	began := time.Now()
	for i := range count {
		if rate > 0 && i%32 == 0 {
			for time.Since(began) < time.Duration(i)*time.Second/time.Duration(rate) {
			}
		}
		if _, err := unix.Write(fd, frames[i%len(frames)]); err != nil && err != unix.ENOBUFS { // that is one that the wire lost
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fmt.Println(time.Since(began))
}

// wireLost is how many frames that were sent the wire has lost, which a busy
// kernel does: nobody could have captured them.
func wireLost(t testing.TB) uint64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, counts, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name != sendLink {
			continue
		}
		const sentDropped = 11 // bytes, packets, errors and drops; first of eight received ones
		if f := strings.Fields(counts); len(f) > sentDropped {
			if n, err := strconv.ParseUint(f[sentDropped], 10, 64); err == nil {
				return n
			}
		}
	}
	t.Fatalf("no counts of %s in\n%s", sendLink, text)
	return 0
}

// accountsForAll: what was sent was received or is counted as dropped, also
// where the buffer is much too small.
func accountsForAll(t *testing.T, opt Options) {
	wire(t)
	opt.Interfaces, opt.BPF, opt.Promiscuous = []string{wireLink}, "udp port 53", true
	for _, opt.BufferBytes = range []int{1 << 20, 64 << 20} {
		const sent = 100_000
		c, lost := open(t, opt), wireLost(t)
		took := drain(t, c, flood(t, sent, 0))
		st := c.stats()
		lost = wireLost(t) - lost
		t.Logf("%d MiB: %d packets in %v, %d dropped, %d lost on the wire", opt.BufferBytes>>20, st.Packets, took, st.KernelDropped, lost)
		if st.Packets+st.KernelDropped+lost != sent || st.Packets == 0 {
			t.Errorf("%d packets and %d dropped, %d sent, %d of them lost on the wire", st.Packets, st.KernelDropped, sent, lost)
		}
		c.close()
	}
}

// BenchmarkLoad tells what the engines lose of 200,000 packets a second, and
// what they cost: time of a core for each packet received. It sends two seconds
// on end, once, in a namespace of its own.
func BenchmarkLoad(b *testing.B) {
	if !inRole("sensor") {
		cmd := namespaced("-test.run=^$", "-test.bench=^BenchmarkLoad$", "-test.benchtime=1x")
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.Skipf("%v\n%s", err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "Benchmark") {
				fmt.Print(line)
			}
		}
		b.SkipNow()
	}
	wire(b)
	for _, opt := range []Options{{Engine: Libpcap}, {Engine: AFPacket}, {Engine: AFPacket, Rings: 2}} {
		for _, rate := range []int{200_000, 0} {
			b.Run(fmt.Sprintf("%s-%d/rate=%d", opt.Engine, opt.Rings, rate), func(b *testing.B) {
				opt.Interfaces, opt.BPF, opt.Promiscuous = []string{wireLink}, "udp port 53", true
				const frames = 400_000
				for range b.N {
					sources, err := Open(opt)
					if err != nil {
						b.Fatal(err)
					}
					c := tap(sources)
					before := cpu()
					took := drain(b, c, flood(b, frames, rate))
					used := cpu() - before
					st := c.stats()
					c.close()
					if st.Packets+st.KernelDropped != frames {
						b.Errorf("%d packets and %d dropped, %d sent", st.Packets, st.KernelDropped, frames)
					}
					b.ReportMetric(frames/took.Seconds(), "sent/s")
					b.ReportMetric(100*float64(st.KernelDropped)/frames, "%dropped")
					b.ReportMetric(float64(used)/float64(st.Packets), "cpu-ns/packet")
					b.ReportMetric(0, "ns/op")
				}
			})
		}
	}
}

// cpu is the time of cores that this process has taken.
func cpu() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
