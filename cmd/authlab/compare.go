package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/tlswire/suite"
)

// request is what a request line and its host come to.
type request struct {
	http2              bool
	method, host, path string
}

// answered is a request with the status of its response, 0 without one.
type answered struct {
	request
	status int
}

// anyHost stands for a host of which the line was cut: tshark believes what is
// left of it.
const anyHost = "*"

// rebuilt is an exchange that authtap gave. Bytes are missing in a cut one.
type rebuilt struct {
	answered
	cut, decrypted bool
}

// clientHello and serverHello are what is compared of a handshake. An empty
// JA3 is one that tshark does not give.
type clientHello struct{ name, ja3 string }

type serverHello struct{ version, cipher string }

// handshake is one that authtap gave. Of the hellos one may be missing.
type handshake struct {
	client  clientHello
	server  serverHello
	noHello [2]bool // of the client, of the server
	retried bool    // there were two of each
}

// truth is what tshark saw.
type truth struct {
	requests []answered
	clients  []clientHello
	servers  []serverHello
	// Messages in TLS, those that tshark does not pair included.
	openedRequests, openedResponses int
}

// compare counts what of the truth is there, each thing once, and tells what is
// not.
func compare(t *truth, exchanges []rebuilt, handshakes []handshake) (s score, missing []string) {
	count := func(m measure, found bool, what any) {
		s[m].of++
		if found {
			s[m].found++
		} else {
			missing = append(missing, fmt.Sprintf("%s: %v", describe(m), what))
		}
	}
	lines, statuses := map[request]int{}, map[answered]int{}
	for _, x := range exchanges {
		if x.cut && x.host == "" {
			x.host = anyHost
		}
		lines[x.request]++
		statuses[x.answered]++
	}
	// Those of which the host is certain first, so that the others get what is
	// left.
	foundLine, foundStatus := make([]bool, len(t.requests)), make([]bool, len(t.requests))
	for i, x := range t.requests {
		foundLine[i], foundStatus[i] = take(lines, x.request), take(statuses, x)
	}
	for i, x := range t.requests {
		r, a := requests1, statuses1
		if x.http2 {
			r, a = requests2, statuses2
		}
		hostless := x
		hostless.host = anyHost
		count(r, foundLine[i] || take(lines, hostless.request), x.request)
		if x.status != 0 {
			count(a, foundStatus[i] || take(statuses, hostless), x)
		}
	}
	clients, servers := map[clientHello]int{}, map[serverHello]int{}
	names, again := map[string]int{}, map[string]int{}
	for _, h := range handshakes {
		n := 1
		if h.retried {
			n = 2
			again[h.client.name]++
		}
		if !h.noHello[0] {
			clients[h.client]++
			names[h.client.name]++
		}
		if !h.noHello[1] {
			servers[h.server] += n
		}
	}
	// Those with a fingerprint first, so that the others get what is left. The
	// second hello of a retried handshake has one that is not given.
	for _, h := range t.clients {
		if h.ja3 != "" {
			found := take(clients, h)
			if found {
				names[h.name]--
			}
			count(clientHellos, found || take(again, h.name), h)
		}
	}
	for _, h := range t.clients {
		if h.ja3 == "" {
			count(clientHellos, take(names, h.name) || take(again, h.name), h)
		}
	}
	for _, h := range t.servers {
		count(serverHellos, take(servers, h), h)
	}
	return s, missing
}

// take takes one out of a set, if it is there.
func take[K comparable](set map[K]int, k K) bool {
	if set[k] == 0 {
		return false
	}
	set[k]--
	return true
}

// decrypted counts the messages in the clear that are there of those that
// tshark decrypted.
func (s *score) decrypted(t *truth, exchanges []rebuilt) {
	requests, responses := 0, 0
	for _, x := range exchanges {
		if x.decrypted && x.method != "" {
			requests++
		}
		if x.decrypted && x.status != 0 {
			responses++
		}
	}
	s[opened].of += t.openedRequests + t.openedResponses
	s[opened].found += min(requests, t.openedRequests) + min(responses, t.openedResponses)
}

// readTruth reads what tshark saw in a capture.
func readTruth(path string) (t truth, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return t, err
	}
	type message struct {
		Method, Host, URI string
		Status            int
		ByOrder           int `json:"status_by_order"`
		TCP               int `json:"stream"`
		Stream            int `json:"h2_stream"`
	}
	var file struct {
		Requests  []message `json:"http1_requests"`
		Responses []message `json:"http1_responses"`
		Streams   []message `json:"http2"`
		TLS       []struct {
			TCP                             int `json:"stream"`
			Type, Version, SNI, JA3, Cipher string
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return t, fmt.Errorf("%s: %w", path, err)
	}
	add := func(r *message, http2 bool) {
		t.requests = append(t.requests, answered{request{http2, r.Method, strings.ToLower(r.Host), pathOf(r.Method, r.URI)}, r.Status})
	}
	encrypted := map[int]bool{}
	for _, h := range file.TLS {
		encrypted[h.TCP] = true
	}
	for _, r := range slices.Concat(file.Requests, file.Streams) {
		if encrypted[r.TCP] && r.Method != "" {
			t.openedRequests++
		}
	}
	for _, r := range slices.Concat(file.Responses, file.Streams) {
		if encrypted[r.TCP] && r.Status != 0 {
			t.openedResponses++
		}
	}
	upgraded := 0 // statuses of responses on stream 1 to requests in HTTP/1
	for _, r := range file.Streams {
		if r.Method != "" {
			add(&r, true)
		} else if r.Stream == 1 {
			upgraded = r.Status
		}
	}
	for _, r := range file.Requests {
		if r.Status == 0 {
			r.Status = r.ByOrder
		}
		// The request that upgrades to HTTP/2 is that of stream 1 (RFC 7540,
		// section 3.2).
		if http2 := r.Status == 101 && upgraded != 0; http2 {
			r.Status = upgraded
			add(&r, true)
		} else {
			add(&r, false)
		}
	}
	for _, h := range file.TLS {
		switch h.Type {
		case "client_hello":
			t.clients = append(t.clients, clientHello{h.SNI, h.JA3})
		case "server_hello":
			s, err := serverHelloOf(h.Version, h.Cipher)
			if err != nil {
				return t, fmt.Errorf("%s: %w", path, err)
			}
			t.servers = append(t.servers, s)
		}
	}
	return t, nil
}

// serverHelloOf gives what authtap calls a version such as TLS1.3d28 and a
// cipher such as 0xc030.
func serverHelloOf(version, cipher string) (serverHello, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(cipher, "0x"), 16, 16)
	if err != nil {
		return serverHello{}, fmt.Errorf("cipher %q: %w", cipher, err)
	}
	switch rest, isTLS := strings.CutPrefix(version, "TLS"); {
	case version == "SSLv3":
		version = exchange.SSL30.String()
	case isTLS:
		version = "TLS " + strings.Replace(rest, "d", " draft ", 1)
	}
	return serverHello{version, suite.Name(uint16(n))}, nil
}

// pathOf cuts a target to its path, as authtap prints it.
func pathOf(method, uri string) string {
	x := exchange.Exchange{Request: exchange.Message{Method: method, Target: uri}}
	path, _ := x.PathQuery()
	return path
}

// readExchanges reads what `authtap exchanges` prints.
func readExchanges(out []byte) (all []rebuilt, err error) {
	err = eachLine(out, func(line []byte) error {
		var x struct {
			Protocol, Method, Host, Path, TLS string
			Status                            int
			Flags                             []string
		}
		if err := json.Unmarshal(line, &x); err != nil {
			return err
		}
		path, _, _ := strings.Cut(x.Path, " ") // where tshark ends it
		all = append(all, rebuilt{
			answered:  answered{request{x.Protocol == "h2", x.Method, x.Host, path}, x.Status},
			cut:       slices.Contains(x.Flags, "gap") || slices.Contains(x.Flags, "truncated"),
			decrypted: x.TLS == "decrypted",
		})
		return nil
	})
	return all, err
}

// readHandshakes reads what `authtap exchanges --tls` prints.
func readHandshakes(out []byte) (all []handshake, err error) {
	err = eachLine(out, func(line []byte) error {
		var x struct {
			Version, Cipher, SNI, JA3 string
			Retried                   bool
			Flags                     []string
		}
		if err := json.Unmarshal(line, &x); err != nil {
			return err
		}
		h := handshake{client: clientHello{x.SNI, x.JA3}, server: serverHello{x.Version, x.Cipher}, retried: x.Retried}
		for _, f := range x.Flags {
			if f == "unpaired" { // one of the hellos is missing
				h.noHello = [2]bool{x.Cipher != "", x.Cipher == ""}
			}
		}
		all = append(all, h)
		return nil
	})
	return all, err
}

// eachLine calls f for each line.
func eachLine(out []byte, f func(line []byte) error) error {
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if err := f(lines.Bytes()); err != nil {
			return fmt.Errorf("not a line of JSON: %w", err)
		}
	}
	return lines.Err()
}
