//go:build linux && cgo

package live

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
)

// The tests of this file capture real traffic. The test program runs itself
// in a network namespace, the sensor's, with a web server; and that one runs
// another, the client's; a veth pair connects the two. The namespaces have no
// names: they are gone when their last process is, however it ends.
const (
	sensorAddr, clientAddr = "10.99.0.1", "10.99.0.2"
	sensorLink, clientLink = "tap0", "tap1"
)

func init() {
	roles["client"] = func() {
		if err := beClient(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	roles["unprivileged"] = beUnprivileged
}

// role is the test program again, in a role.
func role(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "AUTHTAP_TEST_ROLE="+name, "GORACE=atexit_sleep_ms=0")
	return cmd
}

func inRole(name string) bool { return os.Getenv("AUTHTAP_TEST_ROLE") == name }

// TestLive runs the scenarios, in a network namespace.
func TestLive(t *testing.T) {
	if inRole("sensor") {
		t.Run("SetUp", func(t *testing.T) { setUp(t) })
		t.Run("Exchanges", engines(seesExchanges))
		t.Run("Filters", engines(filters))
		t.Run("SeveralInterfaces", engines(severalInterfaces))
		t.Run("Any", anyInterface)
		t.Run("Promiscuous", engines(promiscuous))
		t.Run("Drops", engines(countsDrops))
		t.Run("Close", engines(closesWhileBlocked))
		t.Run("InterfaceGoes", engines(interfaceGoes))
		t.Run("InterfaceGoesDown", engines(interfaceGoesDown))
		t.Run("Agree", enginesAgree)
		t.Run("Fragments", fragmentsStayTogether)
		t.Run("Load", engines(accountsForAll))
		t.Run("OpenErrors", engines(openErrors))
		t.Run("Lists", listsInterfaces)
		t.Run("Rights", saysWhichRights)
		return
	}
	if out, err := inNamespace(t, "SetUp"); err != nil {
		reason := fmt.Sprintf("live capture cannot be tested here; it takes root, network namespaces and the program ip: %v\n%s", err, out)
		if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	out, err := inNamespace(t, "")
	if err != nil {
		t.Errorf("%v", err)
	}
	t.Logf("in the namespace:\n%s", out)
}

// engines runs a scenario with each engine, and with several rings.
func engines(scenario func(*testing.T, Options)) func(*testing.T) {
	return func(t *testing.T) {
		for _, opt := range []Options{{Engine: Libpcap}, {Engine: AFPacket}, {Engine: AFPacket, Rings: 3}} {
			t.Run(fmt.Sprintf("%s-%d", opt.Engine, opt.Rings), func(t *testing.T) { scenario(t, opt) })
		}
	}
}

// inNamespace runs the scenarios of that name in a namespace of their own. They
// have the time that this test has, but for that to tell how they went.
func inNamespace(t *testing.T, name string) ([]byte, error) {
	var within time.Duration // 0: for ever
	if until, ok := t.Deadline(); ok {
		within = max(time.Until(until)-10*time.Second, time.Second)
	}
	return namespaced("-test.run=^TestLive$/"+name, "-test.timeout="+within.String(), "-test.count=1", "-test.v").CombinedOutput()
}

// namespaced is the test program in a namespace of its own.
func namespaced(args ...string) *exec.Cmd {
	cmd := role("sensor", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if uid := os.Geteuid(); uid != 0 {
		// Where the system lets every user have namespaces, that will do.
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}

// network is the client's namespace, seen from the sensor's.
type network struct {
	in  io.Writer
	out *bufio.Reader
}

// setUp connects the sensor's namespace to a new client's and serves web pages
// in it, on ports 8080 and 8081.
func setUp(t *testing.T) *network {
	t.Helper()
	client := role("client")
	client.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	client.Stderr = os.Stderr
	in, err1 := client.StdinPipe()
	out, err2 := client.StdoutPipe()
	if err := errors.Join(err1, err2, client.Start()); err != nil {
		t.Fatal(err)
	}
	n := &network{in, bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close() // the client ends with its input
		client.Wait()
	})
	err := errors.Join(
		ip("link add "+sensorLink+" type veth peer name "+clientLink),
		ip(fmt.Sprintf("link set %s netns %d", clientLink, client.Process.Pid)),
		ip("addr add "+sensorAddr+"/24 dev "+sensorLink),
		ip("link set "+sensorLink+" up"),
		ip("link set lo up"),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ip("link del " + sensorLink) })
	n.do(t, "up")

	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "answer to %s", r.URL.Path)
	})}
	t.Cleanup(func() { server.Close() })
	for _, addr := range []string{sensorAddr + ":8080", sensorAddr + ":8081", "127.0.0.1:8080"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		go server.Serve(l)
	}
	return n
}

// do has the client do something and waits until it is done.
func (n *network) do(t *testing.T, what string) {
	t.Helper()
	if _, err := fmt.Fprintln(n.in, what); err != nil {
		t.Fatal(err)
	}
	if answer, err := n.out.ReadString('\n'); answer != "done\n" {
		t.Fatalf("client: %q, %v", answer, err)
	}
}

func ip(args string) error {
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, bytes.TrimSpace(out))
	}
	return nil
}

// beClient does what the lines of in say: "up", "get ADDRESS N", with a
// connection for every two requests, and "flood ADDRESS N", UDP packets.
func beClient(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var what, addr string
		var count int
		fmt.Sscan(lines.Text(), &what, &addr, &count)
		switch what {
		case "up":
			err := errors.Join(ip("addr add "+clientAddr+"/24 dev "+clientLink), ip("link set "+clientLink+" up"))
			if err != nil {
				return err
			}
		case "get":
			if err := get(addr, count); err != nil {
				return err
			}
		case "flood":
			conn, err := net.Dial("udp", addr)
			if err != nil {
				return err
			}
			packet := make([]byte, 1400)
			for range count {
				if _, err := conn.Write(packet); err != nil {
					return err
				}
			}
			conn.Close()
		}
		if _, err := fmt.Fprintln(out, "done"); err != nil {
			return err
		}
	}
	return nil
}

// get asks for pages. It does so without a client of net/http, which takes as many
// connections as it likes when the machine is busy.
func get(addr string, count int) error {
	var conn net.Conn
	var in *bufio.Reader
	for i := range count {
		if i%2 == 0 {
			var err error
			if conn, err = net.Dial("tcp", addr); err != nil {
				return err
			}
			defer conn.Close()
			in = bufio.NewReader(conn)
		}
		if _, err := fmt.Fprintf(conn, "GET /page/%d HTTP/1.1\r\nHost: %s\r\n\r\n", i, addr); err != nil {
			return err
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != fmt.Sprintf("answer to /page/%d", i) {
			return fmt.Errorf("page %d: %q, %v", i, body, err)
		}
		if i%2 == 1 {
			conn.Close()
		}
	}
	return nil
}

// tap is all sources of a capture.
type tap []*Source

func open(t *testing.T, opt Options) tap {
	t.Helper()
	opt.Poll = 40 * time.Millisecond
	sources, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tap(sources).close)
	return sources
}

func (c tap) close() {
	for _, s := range c {
		s.Close()
	}
}

func (c tap) stats() (sum capture.Stats) {
	for _, s := range c {
		st := s.Stats()
		sum.Packets += st.Packets
		sum.Bytes += st.Bytes
		sum.KernelDropped += st.KernelDropped
		sum.InterfaceDropped += st.InterfaceDropped
	}
	return sum
}

// collect takes all packets until the wire has been quiet for a while, and
// gives them by interface and number.
func collect(t *testing.T, c tap) (packets []capture.Packet) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, s := range c {
		all.Go(func() {
			for quiet := 0; quiet < 5; {
				var p capture.Packet
				switch err := s.Next(&p); err {
				case nil:
					quiet = 0
					p.Data = bytes.Clone(p.Data)
					mu.Lock()
					packets = append(packets, p)
					mu.Unlock()
				case capture.ErrQuiet:
					quiet++
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	slices.SortFunc(packets, func(a, b capture.Packet) int {
		return cmp.Or(cmp.Compare(a.Input, b.Input), cmp.Compare(a.Number, b.Number))
	})
	return packets
}

// count counts the packets that hold a text. What TCP sent again, which another
// packet is, with a time of its own, counts once.
func count(packets []capture.Packet, text string) (n int) {
	first := map[string][]byte{}
	for _, p := range packets {
		i := bytes.Index(p.Data, []byte(text))
		if i < 0 {
			continue
		}
		said := string(p.Data[i:])
		if f, ok := first[said]; ok && !bytes.Equal(f, p.Data) {
			continue
		}
		first[said] = p.Data
		n++
	}
	return n
}

func seesExchanges(t *testing.T, opt Options) {
	n := setUp(t)
	opt.Interfaces, opt.Promiscuous, opt.BPF = []string{sensorLink}, true, "tcp"
	for _, opt.Immediate = range []bool{false, opt.Engine == Libpcap} {
		before := time.Now()
		s := open(t, opt)
		n.do(t, "get "+sensorAddr+":8080 20")
		packets := collect(t, s)
		after := time.Now()
		if requests, answers := count(packets, "GET /page/"), count(packets, "answer to /page/"); requests != 20 || answers != 20 {
			t.Errorf("immediate %v: %d requests and %d answers, want 20 of each", opt.Immediate, requests, answers)
		}
		var bytes uint64
		for i, p := range packets {
			bytes += uint64(len(p.Data))
			if p.Link != capture.LinkEthernet || p.Input != 0 || p.Number != uint64(i+1) || p.Length != len(p.Data) ||
				p.Time < capture.TimeOf(before) || p.Time > capture.TimeOf(after) {
				t.Errorf("packet %d: %v at %v, input %d, number %d, %d of %d bytes", i, p.Link, p.Time, p.Input, p.Number, len(p.Data), p.Length)
			}
		}
		want := capture.Stats{Packets: uint64(len(packets)), Bytes: bytes}
		if st := s.stats(); st != want {
			t.Errorf("%+v, want %+v", st, want)
		}
		if !slices.Equal(s[0].Inputs(), []string{sensorLink}) {
			t.Error(s[0].Inputs())
		}
		s.close()
		if st := s.stats(); st != want {
			t.Errorf("after Close %+v, want %+v", st, want)
		}
	}
}

func filters(t *testing.T, opt Options) {
	n := setUp(t)
	opt.Interfaces, opt.BPF, opt.SnapLen = []string{sensorLink}, "tcp port 8081", 60
	s := open(t, opt)
	n.do(t, "get "+sensorAddr+":8080 7")
	n.do(t, "get "+sensorAddr+":8081 3")
	packets := collect(t, s)
	connections, cut := map[int]bool{}, 0
	for _, p := range packets {
		// Ethernet, IPv4 without options, TCP.
		src, dst := int(p.Data[34])<<8|int(p.Data[35]), int(p.Data[36])<<8|int(p.Data[37])
		if src != 8081 && dst != 8081 {
			t.Errorf("a packet from port %d to %d", src, dst)
		}
		if p.Data[47] == 0x02 {
			connections[src] = true
		}
		if len(p.Data) > 60 || p.Length < len(p.Data) {
			t.Errorf("%d of %d bytes", len(p.Data), p.Length)
		}
		if p.Length > 60 {
			cut++
		}
	}
	if len(connections) != 2 || cut < 6 {
		t.Errorf("%d connections, want 2; %d packets cut, want 6 at least", len(connections), cut)
	}
}

func severalInterfaces(t *testing.T, opt Options) {
	n := setUp(t)
	opt.Interfaces, opt.BPF = []string{"lo", sensorLink}, "tcp"
	s := open(t, opt)
	var local error
	var done sync.WaitGroup
	done.Go(func() { local = get("127.0.0.1:8080", 30) })
	n.do(t, "get "+sensorAddr+":8080 20")
	done.Wait()
	if local != nil {
		t.Fatal(local)
	}
	packets := collect(t, s)
	perInput := make([][]capture.Packet, 2)
	for _, p := range packets {
		perInput[p.Input] = append(perInput[p.Input], p)
		if p.Number != uint64(len(perInput[p.Input])) {
			t.Errorf("packet %d of input %d has number %d", len(perInput[p.Input]), p.Input, p.Number)
		}
	}
	for i, want := range []int{30, 20} {
		// Linux gives a packet of the loopback interface once.
		if requests, answers := count(perInput[i], "GET /page/"), count(perInput[i], "answer to /page/"); requests != want || answers != want {
			t.Errorf("%s: %d requests and %d answers, want %d", s[0].Inputs()[i], requests, answers, want)
		}
	}
}

func anyInterface(t *testing.T) {
	n := setUp(t)
	s := open(t, Options{Interfaces: []string{"any"}, Promiscuous: true, BPF: "tcp"})
	n.do(t, "get "+sensorAddr+":8080 4")
	if err := get("127.0.0.1:8080", 2); err != nil {
		t.Fatal(err)
	}
	packets := collect(t, s)
	if requests := count(packets, "GET /page/"); requests != 6 {
		t.Errorf("%d requests, want 6", requests)
	}
	for _, p := range packets {
		if p.Link != capture.LinkSLL && p.Link != capture.LinkSLL2 {
			t.Fatalf("link type %v", p.Link)
		}
	}
}

// promiscuous: the interface is, as long as it was asked for.
func promiscuous(t *testing.T, opt Options) {
	setUp(t)
	is := func() bool {
		out, err := exec.Command("ip", "-details", "link", "show", sensorLink).Output()
		if err != nil {
			t.Fatal(err)
		}
		return !bytes.Contains(out, []byte("promiscuity 0"))
	}
	for _, asked := range []bool{false, true} {
		opt.Interfaces, opt.Promiscuous = []string{sensorLink}, asked
		s := open(t, opt)
		if is() != asked {
			t.Errorf("asked for %v, it is %v", asked, is())
		}
		s.close()
		if is() {
			t.Error("it still is when closed")
		}
	}
}

// countsDrops: what finds the kernel's buffer full is counted.
func countsDrops(t *testing.T, opt Options) {
	n := setUp(t)
	sink, err := net.ListenPacket("udp", sensorAddr+":9000")
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	const sent = 20_000
	opt.Interfaces, opt.BPF, opt.BufferBytes = []string{sensorLink}, "udp port 9000", 1<<20
	s := open(t, opt)
	n.do(t, fmt.Sprintf("flood %s %d", sink.LocalAddr(), sent))
	packets := collect(t, s)
	st := s.stats()
	if st.KernelDropped == 0 {
		t.Errorf("nothing dropped: %+v", st)
	}
	// The kernel may drop some before it captures them: accountsForAll knows how many.
	if got := uint64(len(packets)) + st.KernelDropped; len(packets) == 0 || got > sent {
		t.Errorf("%d packets and %d dropped, %d sent", len(packets), st.KernelDropped, sent)
	}
}

// closesWhileBlocked: Close ends a Next that waits on a silent wire.
func closesWhileBlocked(t *testing.T, opt Options) {
	setUp(t)
	opt.Interfaces, opt.BPF = []string{sensorLink}, "tcp port 1"
	sources, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources {
		quiet := make(chan struct{}, 1)
		ended := make(chan error)
		go func() {
			for {
				var p capture.Packet
				err := s.Next(&p)
				if err != capture.ErrQuiet {
					ended <- err
					return
				}
				select {
				case quiet <- struct{}{}:
				default:
				}
			}
		}()
		<-quiet // so that it waits for the second time
		s.Close()
		if err := <-ended; err != io.EOF {
			t.Errorf("%s: Next gives %v", s.Name(), err)
		}
	}
}

// interfaceGoes: an interface that is removed ends with an error
// that names it, and the others go on.
func interfaceGoes(t *testing.T, opt Options) {
	setUp(t)
	opt.Interfaces, opt.BPF = []string{sensorLink, "lo"}, "tcp"
	s := open(t, opt)
	if err := ip("link del " + sensorLink); err != nil {
		t.Fatal(err)
	}
	rings := len(s) / 2
	for _, s := range s[:rings] {
		var p capture.Packet
		err := s.Next(&p)
		for err == capture.ErrQuiet {
			err = s.Next(&p)
		}
		if want := s.Name() + ": the interface disappeared"; err == nil || !strings.EqualFold(err.Error(), want) {
			t.Fatalf("error %v, want %s", err, want)
		}
		if err := s.Next(&p); err != io.EOF {
			t.Errorf("Next gives %v", err)
		}
	}
	if err := get("127.0.0.1:8080", 2); err != nil {
		t.Fatal(err)
	}
	if requests := count(collect(t, s[rings:]), "GET /page/"); requests != 2 {
		t.Errorf("%d requests on lo, want 2", requests)
	}
}

// interfaceGoesDown: when it is up again, capturing goes on.
func interfaceGoesDown(t *testing.T, opt Options) {
	n := setUp(t)
	opt.Interfaces, opt.BPF, opt.Poll = []string{sensorLink}, "tcp", 10*time.Millisecond
	sources, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	s := tap(sources)
	t.Cleanup(s.close)
	if err := ip("link set " + sensorLink + " down"); err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, s := range sources {
		for range 10 {
			var p capture.Packet
			if err := s.Next(&p); err != nil && err != capture.ErrQuiet {
				told = append(told, err.Error())
			}
		}
	}
	var want []string
	if opt.Engine == AFPacket { // libpcap keeps it to itself
		want = []string{sources[0].Name() + ": network is down; capturing goes on when the interface is up again"}
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if err := ip("link set " + sensorLink + " up"); err != nil {
		t.Fatal(err)
	}
	n.do(t, "get "+sensorAddr+":8080 4")
	if requests := count(collect(t, s), "GET /page/"); requests != 4 {
		t.Errorf("%d requests when it was up again, want 4", requests)
	}
}

func openErrors(t *testing.T, opt Options) {
	setUp(t)
	if err := ip("link add down0 type veth peer name down1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ip("link del down0") })
	for _, tt := range []struct {
		interfaces []string
		filter     string
		want       string
	}{
		{[]string{sensorLink, "absent0"}, "", "absent0: no such interface; authtap sniff -D lists them"},
		{[]string{"down0"}, "", "down0: the interface is down; sudo ip link set dev down0 up"},
		{[]string{sensorLink}, "tcp prot 80", sensorLink + `: the filter "tcp prot 80": can't parse filter expression: syntax error`},
	} {
		opt.Interfaces, opt.BPF = tt.interfaces, tt.filter
		s, err := Open(opt)
		if err == nil {
			tap(s).close()
		}
		if err == nil || err.Error() != tt.want {
			t.Errorf("%v: error %v, want %s", tt.interfaces, err, tt.want)
		}
	}
}

func listsInterfaces(t *testing.T) {
	setUp(t)
	list, err := Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string) (Interface, bool) {
		i := slices.IndexFunc(list, func(i Interface) bool { return i.Name == name })
		if i < 0 {
			return Interface{}, false
		}
		return list[i], true
	}
	tap, ok := find(sensorLink)
	if !ok || !tap.Up || tap.Loopback || !slices.Contains(tap.Addresses, netip.MustParseAddr(sensorAddr)) {
		t.Errorf("%s: %+v", sensorLink, tap)
	}
	lo, ok := find("lo")
	if !ok || !lo.Loopback || !slices.Contains(lo.Addresses, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("lo: %+v", lo)
	}
	if anyDevice, ok := find("any"); !ok || anyDevice.Description == "" {
		t.Errorf("any: %+v", anyDevice)
	}
}

// saysWhichRights: without rights, the error says which are missing, and they
// are enough.
func saysWhichRights(t *testing.T) {
	setUp(t)
	if users, err := os.ReadFile("/proc/self/uid_map"); err != nil || len(strings.Fields(string(users))) != 3 || strings.Fields(string(users))[2] == "1" {
		t.Skip("there is only one user here; root has others")
	}
	if self, err := os.Executable(); err != nil || os.Chmod(self, 0o755) != nil { // whatever the umask
		t.Fatal(self, err)
	}
	run := func(engine Engine, capabilities ...uintptr) string {
		cmd := role("unprivileged", string(engine))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: capabilities}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	const capNetRaw = 13
	for _, engine := range []Engine{Libpcap, AFPacket} {
		if got, want := run(engine), sensorLink+": permission denied: capturing needs the capability CAP_NET_RAW; "+
			"run as root, or once: sudo setcap cap_net_raw=ep "; !strings.HasPrefix(got, want) || !strings.Contains(got, "interfaces: ok") {
			t.Errorf("%s without rights: %q, want %q and the program's path", engine, got, want)
		}
		if got := run(engine, capNetRaw); got != "captures\ninterfaces: ok\n" {
			t.Errorf("%s with CAP_NET_RAW: %q", engine, got)
		}
	}
}

func beUnprivileged() {
	s, err := Open(Options{Interfaces: []string{sensorLink}, Engine: Engine(os.Args[1]), Rings: 2, Promiscuous: true, BPF: "tcp"})
	if err != nil {
		fmt.Println(err)
	} else {
		fmt.Println("captures")
		tap(s).close()
	}
	if list, err := Interfaces(); err == nil && len(list) > 0 {
		fmt.Println("interfaces: ok")
	}
}
