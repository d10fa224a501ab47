package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Limit is one bound on what is kept. Those of memory are shares of the budget
// where nothing else is set.
type Limit struct {
	Name string
	Doc  string
	// fixed is the default, or share the part of the budget for one unit, in
	// bytes divided by per.
	fixed int64
	share float64
	per   int64
}

// The limits by name, sorted. Those over all shards are divided among them.
var known = []Limit{
	{Name: "body-bytes", Doc: "bytes kept of a body for inspection", fixed: 64 << 10},
	{Name: "conversations", Doc: "TCP conversations known at a time, over all shards", share: 0.25, per: 160},
	{Name: "decoded-bytes", Doc: "bytes that a compressed body may decompress to", fixed: 8 << 20},
	{Name: "encoded-bytes", Doc: "bytes of a compressed body that are decompressed", fixed: 1 << 20},
	{Name: "fragment-bytes", Doc: "bytes of IP fragments that wait for the rest of their datagram", share: 0.02, per: 1},
	{Name: "handshake-bytes", Doc: "bytes read of each side of a TLS handshake", fixed: 128 << 10},
	{Name: "head-bytes", Doc: "bytes of a message's first line and header", fixed: 64 << 10},
	{Name: "http2-bytes", Doc: "bytes of HTTP/2 streams, bodies and header tables, over all shards", share: 0.1, per: 1},
	{Name: "ledger-rows", Doc: "endpoints, credentials and keys of issuers, of each, that are counted at a time", share: 0.1, per: 1500},
	{Name: "message-bytes", Doc: "bytes of messages that are not complete or wait for their response, over all shards", share: 0.2, per: 1},
	{Name: "reassembly-bytes", Doc: "bytes of conversations and of what waits for missing bytes, over all shards", share: 0.4, per: 1},
	{Name: "store-queue", Doc: "bytes of rows that wait to be written to spool or store", fixed: 8 << 20},
	{Name: "stream-bytes", Doc: "bytes of one direction of a conversation that wait for missing ones", fixed: 1 << 20},
	{Name: "tls-bytes", Doc: "bytes of TLS handshakes and records that are not complete, over all shards", share: 0.03, per: 1},
	{Name: "tls-connections", Doc: "TLS connections decrypted at a time, over all shards", share: 0.2, per: 6 << 10},
	{Name: "tls-secrets", Doc: "secrets of TLS known at a time", share: 0.05, per: 256},
	{Name: "tls-waiting", Doc: "bytes of TLS connections that wait for their secret, over all shards", share: 0.05, per: 1},
	{Name: "tls-waiting-stream", Doc: "bytes of a TLS connection that wait for its secret", fixed: 1 << 20},
	{Name: "window-bytes", Doc: "bytes of all sliding windows", share: 0.15, per: 1},
	{Name: "window-keys", Doc: "keys of each sliding window", fixed: 200_000},
}

// Limits holds what was set in the place of defaults.
type Limits map[string]int64

// Set takes NAME=NUMBER, or several separated by commas. The number may have a
// unit, as a Size.
func (l *Limits) Set(text string) error {
	for pair := range strings.SplitSeq(text, ",") {
		name, number, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok {
			return fmt.Errorf("%q is not NAME=NUMBER", pair)
		}
		if !slices.ContainsFunc(known, func(k Limit) bool { return k.Name == name }) {
			return fmt.Errorf("there is no limit %q: authtap config check lists them", name)
		}
		var n Size
		if err := n.Set(number); err != nil || n < 1 {
			return fmt.Errorf("%s: %q is not a number of at least 1", name, number)
		}
		if *l == nil {
			*l = Limits{}
		}
		(*l)[name] = int64(n)
	}
	return nil
}

// String gives what was set, in the form of Set.
func (l *Limits) String() string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(*l)) {
		pairs = append(pairs, name+"="+strconv.FormatInt((*l)[name], 10))
	}
	return strings.Join(pairs, ",")
}

// Type names the kind of value in the help text.
func (l *Limits) Type() string { return "name=number" }

// Known lists the limits by name.
func Known() []Limit { return slices.Clone(known) }

// Limit gives a limit as it is in force under a budget. The name is one of
// Known.
func (s *Settings) Limit(name string, budget Size) int {
	if n, ok := s.Limits[name]; ok {
		return int(n)
	}
	i := slices.IndexFunc(known, func(k Limit) bool { return k.Name == name })
	if k := known[i]; k.share > 0 {
		return int(k.share * float64(budget) / float64(k.per))
	}
	return int(known[i].fixed)
}
