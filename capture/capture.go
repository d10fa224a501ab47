// Package capture is the entrance: it defines the packet and the source it
// comes from. The formats and devices are in the packages below it: pcapfile
// reads capture files, live reads interfaces.
//
// Contract: a Source is used by one goroutine. The bytes of a Packet belong to
// the source and are valid until the next call of Next; who needs them longer
// copies them. Nothing here looks at what a packet holds, and nothing reads
// the wall clock but the live sources, which stamp packets with it.
package capture

import (
	"errors"
	"time"
)

// Time is packet time: nanoseconds since 1970-01-01 UTC. All of authtap's
// timers, windows and comparisons run on it.
type Time int64

// TimeOf converts a time.Time.
func TimeOf(t time.Time) Time { return Time(t.UnixNano()) }

// Time converts to a time.Time in UTC.
func (t Time) Time() time.Time { return time.Unix(0, int64(t)).UTC() }

// Sub returns t-u. Differences over 292 years wrap; no two packets of a run
// that the clock has accepted are so far apart.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Layout is the form of a time in everything that authtap prints: RFC 3339,
// UTC, microseconds.
const Layout = "2006-01-02T15:04:05.000000Z"

// String gives the time in Layout.
func (t Time) String() string { return t.Time().Format(Layout) }

// AppendTo appends the time in Layout.
func (t Time) AppendTo(b []byte) []byte { return t.Time().AppendFormat(b, Layout) }

// MaxPacket is the longest packet that any source hands on, in bytes; also
// tcpdump's default snap length. A file that announces a longer one is damaged.
const MaxPacket = 256 << 10

// Packet is one captured packet. Next fills a Packet that the caller owns.
type Packet struct {
	// Time is the packet's own time stamp.
	Time Time
	// Data holds the captured bytes, valid until the next call of Next.
	Data []byte
	// Length is the packet's length on the wire, at least len(Data); the
	// difference was cut by the snap length.
	Length int
	// Link says how Data begins.
	Link LinkType
	// Input is the index of the file or interface in Source.Inputs.
	Input int
	// Number counts the packets of that input from 1, as tshark does.
	Number uint64
}

// Source gives packets in the order in which they are to be processed.
type Source interface {
	// Next reads the next packet into p. At the end it returns io.EOF; damage
	// in a file is an error that wraps ErrDamaged, given once at that place,
	// after which Next may be called again and goes on with the other inputs.
	// ErrQuiet says that nothing arrived for a while (live only).
	Next(p *Packet) error
	// Inputs names the files or interfaces, in the order of Packet.Input. The
	// slice may grow between calls of Next.
	Inputs() []string
	// Stats may be called at any time, from any goroutine.
	Stats() Stats
	// Close releases the source; it makes a blocked Next return io.EOF.
	Close() error
}

// Stopper is a Source that packets are on their way to, which are not to be
// lost when the run is ended. After Stop, which may be called from any
// goroutine, Next gives what had come by then, and then io.EOF.
type Stopper interface{ Stop() }

// ErrDamaged is what a damaged or truncated capture file is reported with.
var ErrDamaged = errors.New("damaged capture")

// ErrQuiet is returned by live sources when no packet arrived within their
// poll interval. Packet.Time is then the source's own time, so that timers go
// on on a silent wire.
var ErrQuiet = errors.New("no packet yet")

// Stats counts what a source has seen since it was opened.
type Stats struct {
	// Packets and Bytes (captured bytes) handed on by Next.
	Packets, Bytes uint64
	// KernelDropped packets for want of room in the kernel's buffer,
	// InterfaceDropped by the interface or its driver; live only.
	KernelDropped, InterfaceDropped uint64
	// BytesRead and BytesExpected of the input as it is stored (compressed bytes
	// where it is compressed), for a progress bar. BytesExpected is 0 where the
	// total is unknown (standard input, live).
	BytesRead, BytesExpected uint64
}
