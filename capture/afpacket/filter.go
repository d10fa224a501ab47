//go:build linux && cgo

package afpacket

import (
	"fmt"
	"strings"

	"github.com/google/gopacket/pcap"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// compile gives the program that the kernel filters an interface's packets
// with. It also cuts them to the snap length.
//
// libpcap compiles for the interface, not for its type of packets alone: it
// then knows that VLAN tags stand beside a packet and not in it.
func compile(name, expression string, snap int, loopback bool) ([]bpf.RawInstruction, error) {
	program, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: uint32(snap)}})
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(expression) != "" {
		inactive, err := pcap.NewInactiveHandle(name)
		if err != nil {
			return nil, err
		}
		defer inactive.CleanUp()
		if err := inactive.SetSnapLen(snap); err != nil {
			return nil, err
		}
		if err := inactive.SetBufferSize(1 << 16); err != nil {
			return nil, err
		}
		handle, err := inactive.Activate()
		if err != nil {
			return nil, err
		}
		defer handle.Close()
		compiled, err := handle.CompileBPFFilter(expression)
		if err != nil {
			return nil, fmt.Errorf("the filter %q: %w", expression, err)
		}
		program = program[:0]
		for _, i := range compiled {
			program = append(program, bpf.RawInstruction{Op: i.Code, Jt: i.Jt, Jf: i.Jf, K: i.K})
		}
	}
	if loopback {
		// Each packet passes twice, out and in again; as in libpcap, once is
		// enough.
		in, err := bpf.Assemble([]bpf.Instruction{
			bpf.LoadExtension{Num: bpf.ExtType},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipFalse: 1},
			bpf.RetConstant{Val: 0},
		})
		return append(in, program...), err
	}
	return program, nil
}
