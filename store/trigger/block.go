package trigger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/authtap/authtap/detect"
)

// Block puts clients on a block list, for others to use:
//
//   - File has an address a line.
//   - NFTables is for nft -f: sets of a table inet, by name, with each address's
//     time. Whoever loads it decides which chain asks the sets.
//   - What the list is made of is beside File in FILE.json, so that it is known
//     after a restart.
//
// Each is replaced as a whole. Never on it are addresses that name no host of
// the network (loopback, link-local, multicast, unspecified), those of Allow, the
// server that was attacked and, without Private, private ones.
type Block struct {
	File, NFTables string
	// Table is the table's name. Default "authtap".
	Table string
	// For is how long an address stays, counted from the last finding. Default
	// an hour.
	For time.Duration
	// Most is how many addresses there may be. Default 10,000.
	Most int
	// Allow are networks that are never blocked. Private lets private addresses
	// be.
	Allow   []netip.Prefix
	Private bool
}

// shared is the range between customers and their carrier (RFC 6598).
var (
	shared    = netip.MustParsePrefix("100.64.0.0/10")
	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// spares reports whether an address is never to be blocked.
func (b *Block) spares(ip netip.Addr) bool {
	return !ip.IsValid() || ip.IsUnspecified() || ip.IsLoopback() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || ip == broadcast ||
		!b.Private && (ip.IsPrivate() || shared.Contains(ip)) ||
		slices.ContainsFunc(b.Allow, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// blocked is an address on the list.
type blocked struct {
	Address  netip.Addr `json:"address"`
	Until    time.Time  `json:"until"`
	Detector string     `json:"detector"`
	Finding  string     `json:"finding"`
}

type blockList struct {
	Block
	list  []blocked // by address
	dirty bool      // the files are not as the list is
	count func(int)
}

func newBlockList(b Block, count func(int)) (*blockList, error) {
	switch {
	case b.File == "":
		return nil, errors.New("the block list has no file")
	case b.File == b.NFTables || b.NFTables == b.state():
		return nil, errors.New("the block list needs a file for each form")
	case b.Table == "":
		b.Table = "authtap"
	case !tableName.MatchString(b.Table):
		return nil, fmt.Errorf("%q is no name of a table", b.Table)
	}
	if b.For <= 0 {
		b.For = time.Hour
	}
	if b.Most <= 0 {
		b.Most = 10_000
	}
	return &blockList{Block: b, count: count}, nil
}

var tableName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// begin reads the list as it was, and takes off who may not be blocked any more.
func (l *blockList) begin() error {
	text, err := os.ReadFile(l.state())
	if err == nil {
		err = json.Unmarshal(text, &l.list)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot read the block list: %w", err)
	}
	l.list = slices.DeleteFunc(l.list, func(x blocked) bool { return l.spares(x.Address) })
	slices.SortFunc(l.list, func(a, b blocked) int { return a.Address.Compare(b.Address) })
	l.list = slices.CompactFunc(l.list, func(a, b blocked) bool { return a.Address == b.Address })
	l.list = l.list[:min(len(l.list), l.Most)]
	l.dirty = true
	return l.write(time.Now())
}

func (b *Block) state() string { return b.File + ".json" }

func (l *blockList) do(_ context.Context, f *detect.Finding) error {
	if f.Client == nil { // there are several
		return errSpared
	}
	ip := f.Client.IP.Unmap().WithZone("")
	if l.spares(ip) || f.Server != nil && f.Server.IP.Unmap() == ip {
		return errSpared
	}
	now := time.Now()
	x := blocked{ip, now.Add(l.For), f.Detector, f.ID}
	l.drop(now)
	i, known := slices.BinarySearchFunc(l.list, ip, func(x blocked, ip netip.Addr) int { return x.Address.Compare(ip) })
	switch {
	case known:
		l.list[i] = x
	case len(l.list) >= l.Most:
		return fmt.Errorf("%v is not blocked: there are %d addresses on the list", ip, len(l.list))
	default:
		l.list = slices.Insert(l.list, i, x)
	}
	l.dirty = true
	return l.write(now)
}

// drop takes off whose time is over.
func (l *blockList) drop(now time.Time) {
	n := len(l.list)
	l.list = slices.DeleteFunc(l.list, func(x blocked) bool { return !x.Until.After(now) })
	l.dirty = l.dirty || len(l.list) < n
}

func (l *blockList) expire(now time.Time) (next time.Time, err error) {
	l.drop(now)
	if err := l.write(now); err != nil {
		return next, err
	}
	for _, x := range l.list {
		if next.IsZero() || x.Until.Before(next) {
			next = x.Until
		}
	}
	return next, nil
}

// write brings the files up to date, if they are not.
func (l *blockList) write(now time.Time) error {
	l.drop(now)
	l.count(len(l.list))
	if !l.dirty {
		return nil
	}
	state, err := json.MarshalIndent(l.list, "", " ")
	if err != nil {
		return err
	}
	var text bytes.Buffer
	for _, x := range l.list {
		fmt.Fprintln(&text, x.Address)
	}
	files := []struct {
		path string
		text []byte
	}{{l.state(), append(state, '\n')}, {l.File, text.Bytes()}}
	if l.NFTables != "" {
		files = append(files, struct {
			path string
			text []byte
		}{l.NFTables, l.nft(now)})
	}
	for _, f := range files {
		if err := replace(f.path, f.text); err != nil {
			return fmt.Errorf("cannot write the block list: %w", err)
		}
	}
	l.dirty = false
	return nil
}

// nft gives the sets as nft reads them: one transaction, which leaves in them
// what is on the list.
func (l *blockList) nft(now time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Made by authtap. Loaded with: nft -f FILE\n")
	fmt.Fprintf(&b, "table inet %s {\n\tset blocked4 { type ipv4_addr; flags timeout; }\n\tset blocked6 { type ipv6_addr; flags timeout; }\n}\n", l.Table)
	for _, set := range []struct {
		name string
		of   func(netip.Addr) bool
	}{{"blocked4", netip.Addr.Is4}, {"blocked6", netip.Addr.Is6}} {
		fmt.Fprintf(&b, "flush set inet %s %s\n", l.Table, set.name)
		for _, x := range l.list {
			if set.of(x.Address) {
				left := max(int64((x.Until.Sub(now)+time.Second-1)/time.Second), 1)
				const day = 86400
				timeout := fmt.Sprintf("%ds", left)
				if left >= 100*day { // nft takes eight digits of a unit at most
					timeout = fmt.Sprintf("%dd%ds", left/day, left%day)
				}
				fmt.Fprintf(&b, "add element inet %s %s { %v timeout %s }\n", l.Table, set.name, x.Address, timeout)
			}
		}
	}
	return b.Bytes()
}

// replace writes a file beside the one at path and puts it in its place, so that
// whoever reads finds the one or the other as a whole.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
