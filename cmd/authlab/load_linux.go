package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
)

// load is how a program that sniffs is put under load.
type load struct {
	program string
	engines []string
	rate    int           // packets a second; 0: as many as can be sent
	span    time.Duration // how long to send
}

// The ends of the wire: where authtap sniffs, and where packets are sent.
const (
	tapEnd, sendEnd = "wire0", "wire1"
	insideVariable  = "AUTHLAB_NAMESPACE"
)

// loadAll sends the packets of a capture to authtap, with each engine, and
// tells what it saw, what was lost, and what it cost. It never sends to a
// network: the wire is in a namespace that is made for it and gone with it.
func loadAll(w io.Writer, path string, l load) error {
	if os.Getenv(insideVariable) == "" {
		inside := exec.Command("/proc/self/exe", os.Args[1:]...)
		inside.Env = append(os.Environ(), insideVariable+"=1")
		inside.Stdout, inside.Stderr = w, os.Stderr
		inside.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if err := inside.Run(); err != nil {
			return fmt.Errorf("it takes root, to make a network namespace: %w", err)
		}
		return nil
	}
	frames, err := ethernetFrames(path)
	if err != nil {
		return err
	}
	// The kernel is to send nothing of its own.
	for _, conf := range []string{"all", "default"} {
		os.WriteFile("/proc/sys/net/ipv6/conf/"+conf+"/disable_ipv6", []byte("1"), 0) // absent where there is no IPv6
	}
	for _, args := range []string{
		"link add " + tapEnd + " type veth peer name " + sendEnd,
		"link set " + tapEnd + " up", "link set " + sendEnd + " up",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	for _, engine := range l.engines {
		if err := l.run(w, engine, frames); err != nil {
			return err
		}
	}
	return nil
}

// ethernetFrames reads a capture into memory.
func ethernetFrames(path string) (frames [][]byte, err error) {
	s, err := pcapfile.Open([]string{path}, pcapfile.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	const most = 1 << 30
	size := 0
	for {
		var p capture.Packet
		switch err := s.Next(&p); {
		case errors.Is(err, io.EOF) || size > most:
			if len(frames) == 0 {
				return nil, fmt.Errorf("%s holds no packets", path)
			}
			return frames, nil
		case err != nil:
			return nil, err
		case p.Link != capture.LinkEthernet:
			return nil, fmt.Errorf("%s: its packets are of type %v; only Ethernet can be sent", path, p.Link)
		case len(p.Data) <= 1514: // longer ones do not fit the wire
			frames = append(frames, slices.Clone(p.Data))
			size += len(p.Data)
		}
	}
}

// run puts one program under load.
func (l *load) run(w io.Writer, engine string, frames [][]byte) error {
	state, err := os.MkdirTemp("", "authlab")
	if err != nil {
		return err
	}
	defer os.RemoveAll(state)
	cmd := exec.Command(l.program, "sniff", "-i", tapEnd, "--engine", engine, "--store", "none", "--key-file", state+"/key")
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() && !strings.Contains(lines.Text(), "listening on") {
		fmt.Fprintln(w, lines.Text())
	}
	var sent int
	var took time.Duration
	var sending sync.WaitGroup
	sending.Go(func() {
		// From one processor, as a network card gives a conversation to one:
		// else the kernel would change the order of packets on the way. The
		// thread ends with the goroutine.
		runtime.LockOSThread()
		sent, took, err = l.send(frames)
	})
	sending.Wait()
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return err
	}
	time.Sleep(500 * time.Millisecond) // for what is on its way
	memory := most(cmd.Process.Pid)
	cmd.Process.Signal(os.Interrupt)
	var statistics []string
	counts := map[string]int{}
	for lines.Scan() {
		statistics = append(statistics, lines.Text())
		if number, what, ok := strings.Cut(lines.Text(), " "); ok {
			what, _, _ = strings.Cut(what, ":")
			counts[what], _ = strconv.Atoi(number)
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s", l.program, err, strings.Join(statistics, "\n"))
	}
	read, dropped := counts["packets read"], counts["packets dropped by the kernel"]
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	fmt.Fprintf(w, "%s: %d packets sent in %v, %.0f a second; %d read, %d dropped by the kernel (%.2f %%), %d unaccounted for; %v of CPU, %v a packet; at most %s\n",
		engine, sent, took.Round(time.Millisecond), float64(sent)/took.Seconds(), read, dropped, 100*float64(dropped)/float64(sent),
		sent-read-dropped, cpu.Round(time.Millisecond), cpu/time.Duration(max(read, 1)),
		memory)
	for _, line := range statistics {
		fmt.Fprintln(w, "    "+line)
	}
	return nil
}

// most gives the most memory that a process has had. (What its parent is told of
// it counts the parent's own, from before it was another program.)
func most(pid int) string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "unknown memory"
	}
	for line := range strings.Lines(string(status)) {
		if kB, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(kB)
		}
	}
	return "unknown memory"
}

// send sends the frames again and again. Each time the addresses are others, so
// that conversations are new ones.
func (l *load) send(frames [][]byte) (sent int, took time.Duration, err error) {
	iface, err := net.InterfaceByName(sendEnd)
	if err != nil {
		return 0, 0, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: iface.Index}); err != nil {
		return 0, 0, err
	}
	var one unix.CPUSet
	one.Set(0)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return 0, 0, err
	}
	frames = slices.Clone(frames)
	for i := range frames {
		frames[i] = slices.Clone(frames[i])
	}
	began := time.Now()
	for pass := 1; ; pass++ {
		for _, f := range frames {
			if sent%32 == 0 {
				for l.rate > 0 && time.Since(began) < time.Duration(sent)*time.Second/time.Duration(l.rate) {
				}
				if took = time.Since(began); took >= l.span {
					return sent, took, nil
				}
			}
			if _, err := unix.Write(fd, f); err != nil {
				return sent, took, fmt.Errorf("sending: %w", err)
			}
			sent++
			// In the second and third byte of both IPv4 addresses; checksums
			// are not looked at.
			if len(f) >= 34 && f[12] == 8 && f[13] == 0 {
				change := byte(pass ^ (pass - 1))
				f[28], f[32] = f[28]^change, f[32]^change
				change = byte((pass ^ (pass - 1)) >> 8)
				f[27], f[31] = f[27]^change, f[31]^change
			}
		}
	}
}
