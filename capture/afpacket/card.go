//go:build linux && cgo

package afpacket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/authtap/authtap/capture"
)

// card is the interface that rings have in common. Its socket receives nothing;
// as long as it is open, the interface is promiscuous if that was asked for.
type card struct {
	net.Interface
	fd       int
	hardware uint16
	loopback bool
	dropped  uint32       // by the interface, when it was opened
	rings    atomic.Int32 // that are open
}

func openCard(name string, promiscuous bool) (*card, error) {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return nil, unix.ENODEV // or it cannot be known, which is the same
	}
	if iface.Flags&net.FlagUp == 0 {
		return nil, unix.ENETDOWN
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	c := &card{Interface: *iface, fd: fd}
	c.dropped = c.missed()
	request, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, request)
	}
	if err == nil {
		c.hardware = request.Uint16()
		c.loopback = c.hardware == unix.ARPHRD_LOOPBACK
		if promiscuous {
			err = unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
				&unix.PacketMreq{Ifindex: int32(iface.Index), Type: unix.PACKET_MR_PROMISC})
		}
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *card) close() { unix.Close(c.fd) }

// linkType gives the type of the interface's packets.
func (c *card) linkType() (capture.LinkType, error) {
	switch c.hardware {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return capture.LinkEthernet, nil
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP:
		return capture.LinkRaw, nil
	}
	return 0, fmt.Errorf("its packets are neither Ethernet nor raw IP (hardware type %d)", c.hardware)
}

// up says whether the interface is up; an error that it is gone.
func (c *card) up() (bool, error) {
	request, err := unix.NewIfreq(c.Name)
	if err != nil {
		return false, err
	}
	request.SetUint32(uint32(c.Index)) // its name may be another by now
	err = unix.IoctlIfreq(c.fd, unix.SIOCGIFNAME, request)
	if err == nil {
		err = unix.IoctlIfreq(c.fd, unix.SIOCGIFFLAGS, request)
	}
	if err != nil {
		return false, errors.New("the interface disappeared")
	}
	return request.Uint16()&unix.IFF_UP != 0, nil
}

// missed counts the packets that the interface had no room for, over all that
// it has counted; 0 where that cannot be read.
func (c *card) missed() (n uint32) {
	for _, counter := range []string{"rx_missed_errors", "rx_fifo_errors"} {
		text, err := os.ReadFile("/sys/class/net/" + c.Name + "/statistics/" + counter)
		if err != nil {
			return 0
		}
		v, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return 0
		}
		n += uint32(v)
	}
	return n
}

// drops counts those since it was opened.
func (c *card) drops() uint32 { return c.missed() - c.dropped }
