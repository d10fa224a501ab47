package http2

import (
	"encoding/binary"
	"math"

	"github.com/authtap/authtap/reassembly"
)

// unchanged says that a SETTINGS frame does not set the table's size.
const unchanged = math.MaxUint32

// settings reads a SETTINGS frame of direction d, or an acknowledgement (RFC
// 9113, sections 6.5 and 6.5.3). What it says of the table's size holds for the
// blocks of the other direction from where that one acknowledges it.
func (p *conn) settings(h *half, d reassembly.Direction, f frame, b []byte, whole bool) {
	if f.flags&ack != 0 {
		o := &p.half[d.Reverse()]
		if len(o.waiting) == 0 {
			// What it acknowledges comes later, or is lost.
			if o.early < math.MaxUint8 {
				o.early++
			}
			p.allow(h, math.MaxUint32)
			return
		}
		n := o.waiting[0]
		if o.waiting = o.waiting[1:]; len(o.waiting) == 0 {
			o.waiting = nil
		}
		if n != unchanged {
			p.allow(h, n)
		}
		return
	}
	n := tableSize(b)
	switch {
	case !whole:
		p.missSettings(d)
	case h.early > 0:
		h.early--
	case len(h.waiting) >= p.shard.limits.Settings:
		p.shard.stats.SettingsOver++
		p.missSettings(d)
	default:
		h.waiting = append(h.waiting, n)
		// More may be used at once: who announces it is ready for it.
		if o := &p.half[d.Reverse()]; n != unchanged && n > firstTable && o.state != over {
			t := p.tableOf(o)
			t.allowed = max(t.allowed, n)
		}
	}
}

// tableSize gives SETTINGS_HEADER_TABLE_SIZE, where it is set.
func tableSize(b []byte) uint32 {
	n := uint32(unchanged)
	for ; len(b) >= 6; b = b[6:] {
		if binary.BigEndian.Uint16(b) == 1 {
			n = min(binary.BigEndian.Uint32(b[2:]), unchanged-1)
		}
	}
	return n
}

// missSettings takes in that SETTINGS of direction d may be missing: what the
// other side may do is not known any more.
func (p *conn) missSettings(d reassembly.Direction) {
	p.half[d].waiting, p.half[d].early = nil, 0
	p.allow(&p.half[d.Reverse()], math.MaxUint32)
}

// allow sets how large the table of a direction may be.
func (p *conn) allow(h *half, n uint32) {
	if h.table == nil && n == firstTable || h.state == over {
		return
	}
	p.tableOf(h).allow(n)
}

// tableOf gives a direction's table.
func (p *conn) tableOf(h *half) *table {
	if h.table == nil {
		h.table = &table{max: firstTable, allowed: firstTable}
		if h.guessed { // there were blocks before
			h.table.allowed = math.MaxUint32
			h.table.partial = true
		}
	}
	return h.table
}

// loseTable notes that header blocks of a direction are missing.
func (p *conn) loseTable(h *half) {
	if h.state != over {
		p.shard.reader.lose(p.tableOf(h))
	}
}

// dropTable gives the table back.
func (p *conn) dropTable(h *half) {
	if h.table != nil {
		p.shard.pool.Charge(-int(h.table.size))
		h.table = nil
	}
}
