package reassemblytest

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"
)

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)) }

// Drop loses packets at a rate of 0 to 1.
func Drop(packets []Packet, rate float64, seed uint64) []Packet {
	r := random(seed)
	return filter(packets, func(Packet) bool { return r.Float64() >= rate })
}

// DropDirection loses everything that the servers (or the clients) sent.
func DropDirection(packets []Packet, fromServer bool) []Packet {
	return filter(packets, func(p Packet) bool { return p.FromServer != fromServer })
}

// Duplicate captures packets a second time, right behind the first, at a rate
// of 0 to 1: what a mirror of both sides of a port does.
func Duplicate(packets []Packet, rate float64, seed uint64) []Packet {
	r := random(seed)
	var out []Packet
	for _, p := range packets {
		out = append(out, p)
		if r.Float64() < rate {
			out = append(out, p)
		}
	}
	return out
}

// Reorder mixes the data segments that one side sent without an answer in
// between; none moves by more than window of its own kind. Acknowledgements
// stay where they are, so they may overtake the data. Times stay in order.
func Reorder(packets []Packet, window int, seed uint64) []Packet {
	out, r := slices.Clone(packets), random(seed)
	bursts := map[string]*burst{}
	var order []*burst
	for i, p := range packets {
		if !hasPayload(p.inner) {
			continue
		}
		b := bursts[p.Conn]
		if b == nil || b.fromServer != p.FromServer {
			b = &burst{fromServer: p.FromServer}
			bursts[p.Conn] = b
			order = append(order, b)
		}
		b.at = append(b.at, i)
	}
	for _, b := range order {
		permuted := jitter(len(b.at), window, r)
		for i, j := range permuted {
			place(out, b.at[i], packets[b.at[j]])
		}
	}
	return out
}

// burst is where the data segments of one side stand that have none of the
// other side between them.
type burst struct {
	fromServer bool
	at         []int
}

// Jitter mixes all packets; none moves by more than window places, nor across
// a pause of 200 ms. Times stay in order.
func Jitter(packets []Packet, window int, seed uint64) []Packet {
	out, r := slices.Clone(packets), random(seed)
	for from := 0; from < len(packets); {
		to := from + 1
		for to < len(packets) && packets[to].Time.Sub(packets[to-1].Time) < 200*time.Millisecond {
			to++
		}
		for i, j := range jitter(to-from, window, r) {
			place(out, from+i, packets[from+j])
		}
		from = to
	}
	return out
}

// place puts a packet where another was, at that one's time.
func place(out []Packet, i int, p Packet) {
	t := out[i].Time
	out[i] = p
	out[i].Time = t
}

// jitter gives a permutation of 0..n-1 in which nothing is further than window
// from its own place.
func jitter(n, window int, r *rand.Rand) []int {
	perm := make([]int, n)
	for i := range perm {
		perm[i] = i
	}
	for i := 0; i < n; i += window + 1 {
		part := perm[i:min(n, i+window+1)]
		r.Shuffle(len(part), func(a, b int) { part[a], part[b] = part[b], part[a] })
	}
	return perm
}

// Snap cuts every packet to n bytes; Length stays.
func Snap(packets []Packet, n int) []Packet {
	out := slices.Clone(packets)
	for i := range out {
		out[i].Data = out[i].Data[:min(n, len(out[i].Data))]
	}
	return out
}

// Midstream begins the capture late: the first n packets are missing.
func Midstream(packets []Packet, n int) []Packet {
	return slices.Clone(packets[min(n, len(packets)):])
}

// WithoutHandshake begins the capture late for every connection: everything
// before the first segment with data is missing.
func WithoutHandshake(packets []Packet) []Packet {
	begun := map[string]bool{}
	return filter(packets, func(p Packet) bool {
		if _, tcp, _, _, ok := layout(p.inner); ok && p.inner[tcp+13]&syn != 0 {
			begun[p.Conn] = false // a name may be used again
		}
		begun[p.Conn] = begun[p.Conn] || hasPayload(p.inner)
		return begun[p.Conn]
	})
}

// Split cuts the data segments into pieces of 1 to most bytes, as if they had
// been sent so.
func Split(packets []Packet, most int, seed uint64) []Packet {
	r := random(seed)
	var out []Packet
	for _, p := range packets {
		ip, tcp, payload, end, ok := layout(p.Data)
		if !ok || payload >= end || len(p.Data) < p.Length {
			out = append(out, p)
			continue
		}
		flags := p.Data[tcp+13]
		for from := payload; from < end; {
			to := min(end, from+1+r.IntN(most))
			b := slices.Concat(p.Data[:payload], p.Data[from:to])
			binary.BigEndian.PutUint32(b[tcp+4:], binary.BigEndian.Uint32(p.Data[tcp+4:])+uint32(from-payload))
			if to < end { // these end a message, so they belong to its last piece
				b[tcp+13] = flags &^ (psh | fin)
			}
			if from > payload && flags&syn != 0 {
				b[tcp+13] &^= syn
			}
			if b[ip]>>4 == 4 {
				binary.BigEndian.PutUint16(b[ip+2:], uint16(len(b)-ip))
			} else {
				binary.BigEndian.PutUint16(b[ip+4:], uint16(len(b)-ip-40))
			}
			checksum(b, ip)
			for len(b) < ethernetMin {
				b = append(b, 0)
			}
			piece := p
			piece.Data, piece.Length = b, len(b)
			out = append(out, piece)
			from = to
		}
	}
	return out
}

func filter(packets []Packet, keep func(Packet) bool) []Packet {
	var out []Packet
	for _, p := range packets {
		if keep(p) {
			out = append(out, p)
		}
	}
	return out
}

func hasPayload(frame []byte) bool {
	_, _, payload, end, ok := layout(frame)
	return ok && payload < end
}
