//go:build cgo

package live

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/google/gopacket/pcap"

	"github.com/authtap/authtap/capture"
)

// pcapDevice is an interface that libpcap captures from.
type pcapDevice struct {
	handle *pcap.Handle
	dlt    capture.LinkType
}

// openDevices opens an interface with the engine that the options name.
func openDevices(name string, opt *Options) ([]device, error) {
	switch opt.Engine {
	case AFPacket:
		return openRings(name, opt)
	case Libpcap:
		d, err := openDevice(name, opt)
		if err != nil {
			return nil, err
		}
		return []device{d}, nil
	}
	return nil, fmt.Errorf("there is no engine %q: it is %s or %s", opt.Engine, AFPacket, Libpcap)
}

func openDevice(name string, opt *Options) (*pcapDevice, error) {
	// "any" has no promiscuous mode; libpcap would warn, and gopacket takes a
	// warning for a failure. The same goes for an interface that turns out to
	// have none.
	promiscuous := opt.Promiscuous && name != "any"
	handle, err := activate(name, promiscuous, opt)
	if err != nil && promiscuous && err.Error() == noPromiscuous {
		handle, err = activate(name, false, opt)
	}
	if err != nil {
		return nil, explain(name, err)
	}
	d := &pcapDevice{handle: handle}
	if d.dlt, err = linkType(handle); err == nil && opt.BPF != "" {
		if err = handle.SetBPFFilter(opt.BPF); err != nil {
			err = fmt.Errorf("the filter %q: %w", opt.BPF, err)
		}
	}
	if err != nil {
		handle.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

func activate(name string, promiscuous bool, opt *Options) (*pcap.Handle, error) {
	inactive, err := pcap.NewInactiveHandle(name)
	if err != nil {
		return nil, err
	}
	defer inactive.CleanUp()
	err = errors.Join(
		inactive.SetSnapLen(opt.SnapLen),
		inactive.SetPromisc(promiscuous),
		// With a time-out, gopacket waits in poll for no longer than that,
		// and so does Close: without one it can wait for ever.
		inactive.SetTimeout(opt.Poll),
		inactive.SetBufferSize(opt.BufferBytes),
		inactive.SetImmediateMode(opt.Immediate),
	)
	if err != nil {
		return nil, err
	}
	return inactive.Activate()
}

// The texts of gopacket's errors, whose types it does not export.
const (
	noSuchDevice  = "No Such Device"
	notUp         = "Interface Not Up"
	denied        = "Permission Denied"
	noPromiscuous = "Cannot set as promisc"
)

// explain says what to do about an interface that cannot be opened.
func explain(name string, err error) error {
	text := err.Error()
	switch {
	case text == denied, errors.Is(err, os.ErrPermission):
		program, pathErr := os.Executable()
		if pathErr != nil {
			program = "authtap"
		}
		return fmt.Errorf("%s: %w: capturing needs the capability CAP_NET_RAW; "+
			"run as root, or once: sudo setcap cap_net_raw=ep %s", name, os.ErrPermission, program)
	case errors.Is(err, syscall.ENODEV), strings.Contains(text, noSuchDevice):
		return fmt.Errorf("%s: no such interface; authtap sniff -D lists them", name)
	case text == notUp, errors.Is(err, syscall.ENETDOWN):
		return fmt.Errorf("%s: the interface is down; sudo ip link set dev %s up", name, name)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// linkType gives the type of an interface's packets, or an error where they
// are not decoded. libpcap counts types as the system does, which differs from
// the numbers in files for raw IP only; and gopacket keeps eight bits of them,
// so the name must be among those that the interface has.
func linkType(handle *pcap.Handle) (capture.LinkType, error) {
	dlt := int(handle.LinkType())
	name := pcap.DatalinkValToName(dlt)
	links, err := handle.ListDataLinks()
	if err != nil {
		return 0, err
	}
	if !slices.ContainsFunc(links, func(l pcap.Datalink) bool { return l.Name == name }) && len(links) > 0 {
		name = links[0].Name
		dlt = -1
	}
	link := capture.LinkType(dlt)
	if name == "RAW" {
		link = capture.LinkRaw
	}
	if dlt < 0 || !link.Known() {
		return 0, fmt.Errorf("authtap does not decode its packets, which are of link type %s", name)
	}
	return link, nil
}

// Read implements device.
func (d *pcapDevice) Read(p *capture.Packet) error {
	data, info, err := d.handle.ZeroCopyReadPacketData()
	switch {
	case err == nil:
		p.Time, p.Data, p.Length = capture.TimeOf(info.Timestamp), append(p.Data[:0], data...), max(info.Length, len(data))
		return nil
	case err == pcap.NextErrorTimeoutExpired:
		return capture.ErrQuiet
	case err == pcap.NextErrorReadError:
		return d.handle.Error() // why
	}
	return err
}

// Link implements device.
func (d *pcapDevice) Link() capture.LinkType { return d.dlt }

// Drops implements device.
func (d *pcapDevice) Drops() (kernel, iface uint32, err error) {
	st, err := d.handle.Stats()
	if err != nil {
		return 0, 0, err
	}
	return uint32(st.PacketsDropped), uint32(st.PacketsIfDropped), nil
}

// Close implements device.
func (d *pcapDevice) Close() { d.handle.Close() }

// Interfaces lists what can be captured from, as libpcap orders it. It needs
// no rights.
func Interfaces() ([]Interface, error) {
	found, err := pcap.FindAllDevs()
	if err != nil {
		return nil, fmt.Errorf("listing the interfaces: %w", err)
	}
	const loopback, up = 1, 2 // PCAP_IF_LOOPBACK, PCAP_IF_UP
	var out []Interface
	for _, f := range found {
		i := Interface{Name: f.Name, Description: f.Description, Up: f.Flags&up != 0, Loopback: f.Flags&loopback != 0}
		for _, a := range f.Addresses {
			if addr, ok := netip.AddrFromSlice(a.IP); ok {
				i.Addresses = append(i.Addresses, addr)
			}
		}
		out = append(out, i)
	}
	return out, nil
}
