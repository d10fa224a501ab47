// Package config is what a user may set, and where it comes from: flags before
// the environment (AUTHTAP_…), before a YAML file, before the defaults.
//
// Contract: one list of settings (Settings.Flags) serves all four. A setting
// has one name: --trusted-proxy, AUTHTAP_TRUSTED_PROXY, and trusted-proxy in
// the file. A name that is not known, or a value that does not fit, is an
// error that says where it stands. Nothing here acts on a setting.
package config

import (
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/custom"
	"github.com/authtap/authtap/reassembly/filter"
	"github.com/authtap/authtap/store/clickhouse"
	"github.com/authtap/authtap/store/trigger"
)

// Settings are all of them, as they are in force.
type Settings struct {
	// Memory is the budget that the limits are shares of; 0 takes the
	// command's own default.
	Memory Size
	// Shards is the number of goroutines that reassemble and parse; 0 leaves
	// the choice to the program.
	Shards int
	// Limits replaces some of the shares.
	Limits Limits
	// TLSKeyLogs are files of TLS secrets, or folders of them; TLSKeys files of
	// servers' RSA keys.
	TLSKeyLogs, TLSKeys []string
	// DecapOnly names the tunnels that are opened, all of them when it is empty;
	// NoDecap says that none is. DecapPorts are UDP ports besides the registered
	// ones.
	DecapOnly  Tunnels
	NoDecap    bool
	DecapPorts TunnelPorts
	// NoVLANKey leaves VLANs out of what tells conversations apart.
	NoVLANKey bool

	Store string
	// Spool is the folder for rows on their way to ClickHouse, empty for the
	// program's choice; SpoolMax bounds it. Migrate says that tables are made
	// and brought up to date at the start, Cluster for which cluster they are
	// made, and Retain for how many days rows are kept.
	Spool    string
	SpoolMax Size
	Migrate  bool
	Cluster  string
	Retain   Days

	Format Format
	FailOn Severity
	// MaxFindings bounds the findings that are open at a time, and those that
	// a replay prints.
	MaxFindings int

	// LogFormat is that of what is said on standard error.
	LogFormat LogFormat
	// Listen is where metrics are to be had, empty for nowhere.
	Listen Address

	KeyFile        string
	JWTSecrets     string
	Sensor         string
	HidePrincipals bool
	TrustedProxies Prefixes
	// ClientHeaders are headers with the client's address that those proxies set,
	// besides X-Forwarded-For and Forwarded.
	ClientHeaders []string
	// Only names the detectors that run, all of them when it is empty; Disable
	// those that do not. Detectors holds what the file sets of their options.
	Only, Disable []string
	Detectors     map[string]detect.Values
	// Overrides are those that the file sets for places. Rules are files of
	// rules, Custom what stands in them; Suppress comes from them and from the
	// file, and ShowSuppressed prints what it keeps.
	Overrides      map[string][]detect.Override
	Rules          []string
	Custom         []custom.Rule
	Suppress       []detect.Suppression
	ShowSuppressed bool
	// Pins are the endpoints that the file describes. SessionCookies are cookies
	// that hold a session, ServiceCredentials those that many share on purpose,
	// BehindTLS hosts of which something in front ends TLS.
	Pins               []detect.Pin
	SessionCookies     []string
	ServiceCredentials ServiceCredentials
	BehindTLS          Hosts
	// Learned is the file that what is known of endpoints is loaded from, and
	// live kept in: empty or LearnedDefault for the program's choice, "none" for
	// none. A replay loads it only where it is set.
	Learned string
	// OpenAPI are files of OpenAPI documents, each perhaps with a host before it
	// and an equals sign.
	OpenAPI []string
	// Triggers are what is done about findings; the file alone sets them.
	Triggers []trigger.Rule

	// InnerFilter says which conversations are looked at.
	InnerFilter InnerFilter

	// Of live capture. Engine is what captures, empty for the program's choice;
	// Rings are those of each interface, 0 for as many as there are shards.
	// User is whom root becomes when the captures are open, empty for nobody else.
	// Filter is the kernel's, as tcpdump has it.
	Interfaces []string
	Filter     string
	User       string
	Engine     Engine
	Rings      int
	SnapLen    Size
	Buffer     Size
}

// Defaults are the settings where nothing is set.
func Defaults() Settings {
	return Settings{
		Store:       "sqlite:authtap.db",
		SpoolMax:    1 << 30,
		LogFormat:   LogText,
		Migrate:     true,
		MaxFindings: 10_000,
		SnapLen:     256 << 10,
		Buffer:      16 << 20,
	}
}

// A Group is a set of settings that go together on the command line.
type Group uint8

// The groups: where findings are kept; how traffic is read, judged, and
// captured.
const (
	Stores Group = 1 << iota
	Reading
	Judging
	Live
	Printing // alone: how something is printed; Stores and Judging bring it, too
	Tables   // of ClickHouse: how they are made
	Delivery // on the way to the store
	Waiting  // alone: the spool's place; Delivery brings it, too
	every    = Stores | Reading | Judging | Live | Printing | Tables | Delivery
)

// Flags adds the flags of some groups to a set; values given go into s.
func (s *Settings) Flags(fs *pflag.FlagSet, g Group) {
	mine := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.add(mine, g)
	mine.VisitAll(func(f *pflag.Flag) {
		f.Annotations = map[string][]string{annotation: nil}
		fs.AddFlag(f)
	})
}

// annotation tells the flags of settings from a command's own.
const annotation = "authtap_setting"

func (s *Settings) add(fs *pflag.FlagSet, g Group) {
	if g&Stores != 0 {
		fs.StringVar(&s.Store, "store", s.Store, "where findings are kept: sqlite:PATH, clickhouse://USER:PASSWORD@HOST:PORT/DATABASE (clickhouses:// for TLS), none")
	}
	if g&(Delivery|Waiting) != 0 {
		fs.StringVar(&s.Spool, "spool", s.Spool, "folder that keeps rows until ClickHouse has them (default: spool beside the key)")
	}
	if g&Delivery != 0 {
		fs.Var(&s.SpoolMax, "spool-max", "bytes of the spool; live, the oldest rows make room when it is full")
		fs.BoolVar(&s.Migrate, "migrate", s.Migrate, "make ClickHouse's tables and bring them up to date at the start")
	}
	if g&Tables != 0 {
		fs.StringVar(&s.Cluster, "cluster", s.Cluster, "name of the ClickHouse cluster to make tables for; none: for a single server")
		fs.Var(&s.Retain, "retain", "days that ClickHouse keeps rows for, as NAME=DAYS,... of "+strings.Join(clickhouse.Retained(), ", ")+"; 0: for ever")
	}
	if g&(Stores|Judging|Printing) != 0 {
		fs.Var(&s.Format, "format", "how findings are printed: table, text, csv, json, ecs, ocsf, eve (these four as JSON lines), sarif (of a replay); by default a table on a terminal and json in a pipe")
	}
	if g&Reading != 0 {
		fs.Var(&s.LogFormat, "log-format", "how the log on standard error is written: text, json (a line a record)")
		fs.Var(&s.Memory, "memory", "budget for memory, such as 300MiB; the limits are shares of it (default 512MiB live, 192MiB for files)")
		fs.IntVar(&s.Shards, "shards", s.Shards, "goroutines that reassemble and parse; 0: as many as there are cores")
		fs.Var(&s.InnerFilter, "inner-filter", "look only at conversations between these ends, of the innermost packets: host, net, port, and, or, not, parentheses")
		fs.Var(&s.Limits, "limits", "replace limits, as NAME=NUMBER,...; authtap config check lists them")
		fs.StringSliceVar(&s.TLSKeyLogs, "tls-keylog", s.TLSKeyLogs, "file of TLS secrets (SSLKEYLOGFILE), or a folder of them, that TLS is decrypted with; may be repeated")
		fs.StringSliceVar(&s.TLSKeys, "tls-key", s.TLSKeys, "file of a server's RSA key (PEM), that TLS up to 1.2 with RSA key exchange is decrypted with; may be repeated")
		fs.Var(&s.DecapOnly, "decap-only", "open these tunnels only, of "+tunnelNames()+"; may be repeated")
		fs.BoolVar(&s.NoDecap, "no-decap", s.NoDecap, "open no tunnels")
		fs.Var(&s.DecapPorts, "decap-ports", "UDP ports of tunnels besides the registered ones, such as vxlan=8472,gtpu=2153")
		fs.BoolVar(&s.NoVLANKey, "no-vlan-key", s.NoVLANKey, "take packets of different VLANs for one conversation where all else is the same")
	}
	if g&Judging != 0 {
		fs.StringSliceVar(&s.SessionCookies, "session-cookie", s.SessionCookies, "cookie that holds a session, besides those that are known by their names; may be repeated")
		fs.Var(&s.ServiceCredentials, "service-credential", "credential that many clients share on purpose: its id, a place such as header:x-api-key, or account:NAME; may be repeated")
		fs.StringVar(&s.Learned, "learned", s.Learned, "load what sniff has learned of endpoints, from --learned=FILE or from where this sensor keeps it; live that is done and kept unless it is none")
		fs.Lookup("learned").NoOptDefVal = LearnedDefault
		fs.StringSliceVar(&s.OpenAPI, "openapi", s.OpenAPI, "file of an OpenAPI document (YAML or JSON, 3.0 or 3.1) that describes the API; HOST=FILE where its servers are not those of the traffic; may be repeated")
		fs.Var(&s.BehindTLS, "behind-tls", "host of which something in front of the sensor ends TLS, such as api.internal or *.svc.example; may be repeated")
		fs.Var(&s.FailOn, "fail-on", "exit with 3 when there is a finding of this severity or a higher one")
		fs.IntVar(&s.MaxFindings, "max-findings", s.MaxFindings, "findings held at a time")
		fs.Var(&s.Listen, "listen", "answer /metrics (Prometheus), /healthz and /readyz at HOST:PORT; at a port alone, on this machine only")
		fs.StringVar(&s.KeyFile, "key-file", s.KeyFile, "file of 32 bytes, the key of the credentials' ids; made where it is missing")
		fs.StringVar(&s.JWTSecrets, "jwt-secrets", s.JWTSecrets, "file of secrets, one a line, that signing keys are tried against besides the built-in ones")
		fs.StringVar(&s.Sensor, "sensor", s.Sensor, "name of this sensor in findings (default: none for files, the host's name live)")
		fs.BoolVar(&s.HidePrincipals, "hide-principals", s.HidePrincipals, "give ids instead of account names")
		fs.Var(&s.TrustedProxies, "trusted-proxy", "network whose X-Forwarded-For, Forwarded and PROXY protocol are believed; may be repeated")
		fs.StringSliceVar(&s.ClientHeaders, "client-header", s.ClientHeaders, "header in which trusted proxies give the client's address, such as True-Client-IP, before X-Forwarded-For; may be repeated")
		fs.StringSliceVar(&s.Rules, "rules", s.Rules, "file of rules and suppressions (YAML); may be repeated")
		fs.BoolVar(&s.ShowSuppressed, "show-suppressed", s.ShowSuppressed, "print suppressed findings, too, with the reason; they are not stored")
		fs.StringSliceVar(&s.Only, "only", s.Only, "run these detectors only; may be repeated")
		fs.StringSliceVar(&s.Disable, "disable", s.Disable, "do not run these detectors; may be repeated")
	}
	if g&Live != 0 {
		fs.StringSliceVarP(&s.Interfaces, "interface", "i", s.Interfaces, "interface to capture from; may be repeated")
		fs.StringVar(&s.Filter, "filter", s.Filter, "packets to capture, as an expression of tcpdump's; the arguments say the same, and come first")
		fs.StringVar(&s.User, "user", s.User, "become this user when the captures are open; for root, who keeps no rights by it")
		fs.Var(&s.Engine, "engine", "what captures: afpacket (rings, Linux's own), libpcap; by default afpacket where it can be opened")
		fs.IntVar(&s.Rings, "rings", s.Rings, "rings that an interface's packets are spread over, with afpacket; 0: as many as shards")
		fs.Var(&s.SnapLen, "snaplen", "bytes captured of a packet")
		fs.Var(&s.Buffer, "buffer", "kernel's buffer for an interface; at least 2MiB a ring")
	}
}

// Days are numbers of days by name.
type Days map[string]int

// Set takes NAME=DAYS, or several separated by commas.
func (d *Days) Set(text string) error {
	for pair := range strings.SplitSeq(text, ",") {
		name, number, ok := strings.Cut(strings.TrimSpace(pair), "=")
		n, err := strconv.Atoi(strings.TrimSpace(number))
		if !ok || err != nil || n < 0 {
			return fmt.Errorf("%q is not NAME=DAYS", pair)
		}
		if !slices.Contains(clickhouse.Retained(), name) {
			return fmt.Errorf("there is no %q: it is one of %s", name, strings.Join(clickhouse.Retained(), ", "))
		}
		if *d == nil {
			*d = Days{}
		}
		(*d)[name] = n
	}
	return nil
}

// String gives what was set, in the form of Set.
func (d *Days) String() string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(*d)) {
		pairs = append(pairs, name+"="+strconv.Itoa((*d)[name]))
	}
	return strings.Join(pairs, ",")
}

// Type names the kind of value in the help text.
func (d *Days) Type() string { return "name=days" }

// LearnedDefault as Settings.Learned is where the program keeps it.
const LearnedDefault = "default"

// Size is a number of bytes.
type Size int64

var units = []struct {
	suffix string
	factor int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
	{"k", 1 << 10}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"B", 1}, {"", 1},
}

// Set reads "192MiB", "64k", "1000".
func (s *Size) Set(text string) error {
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.factor {
			break
		}
		*s = Size(n * u.factor)
		return nil
	}
	return fmt.Errorf("%q is not a size such as 65536, 64KiB or 192MiB", text)
}

// String gives the size in the largest binary unit that divides it.
func (s Size) String() string {
	switch {
	case s == 0:
		return "0"
	case s%(1<<30) == 0:
		return strconv.FormatInt(int64(s>>30), 10) + "GiB"
	case s%(1<<20) == 0:
		return strconv.FormatInt(int64(s>>20), 10) + "MiB"
	case s%(1<<10) == 0:
		return strconv.FormatInt(int64(s>>10), 10) + "KiB"
	}
	return strconv.FormatInt(int64(s), 10)
}

// Type names the kind of value in the help text.
func (s *Size) Type() string { return "size" }

// Format is how findings are printed; empty leaves the choice to the program.
type Format string

// The formats.
const (
	Table Format = "table"
	Text  Format = "text"
	JSON  Format = "json"
	CSV   Format = "csv"
	ECS   Format = "ecs"   // Elastic Common Schema
	OCSF  Format = "ocsf"  // Open Cybersecurity Schema Framework
	EVE   Format = "eve"   // as Suricata's alerts
	SARIF Format = "sarif" // Static Analysis Results Interchange Format
)

var formats = []string{string(Table), string(Text), string(CSV), string(JSON), string(ECS), string(OCSF), string(EVE), string(SARIF)}

// Set takes the name of a format.
func (f *Format) Set(text string) error {
	if !slices.Contains(formats, text) {
		return fmt.Errorf("unknown format %q: it is one of %s", text, strings.Join(formats, ", "))
	}
	*f = Format(text)
	return nil
}

// String gives the name.
func (f *Format) String() string { return string(*f) }

// Type names the kind of value in the help text.
func (f *Format) Type() string { return "format" }

// LogFormat is a form of the log.
type LogFormat string

// The forms.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Set takes the name of a form.
func (f *LogFormat) Set(text string) error {
	if LogFormat(text) != LogText && LogFormat(text) != LogJSON {
		return fmt.Errorf("unknown format of the log %q: it is one of text, json", text)
	}
	*f = LogFormat(text)
	return nil
}

// String gives the name.
func (f *LogFormat) String() string { return string(*f) }

// Type names the kind of value in the help text.
func (f *LogFormat) Type() string { return "format" }

// Address is an address to listen on.
type Address string

// Set takes HOST:PORT, or a port, which means loopback.
func (a *Address) Set(text string) error {
	full := text
	if !strings.Contains(text, ":") {
		full = ":" + text
	}
	host, port, err := net.SplitHostPort(full)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not an address such as 127.0.0.1:9464, or a port", text)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	*a = Address(net.JoinHostPort(host, port))
	return nil
}

// String gives HOST:PORT.
func (a *Address) String() string { return string(*a) }

// Type names the kind of value in the help text.
func (a *Address) Type() string { return "address" }

// Engine is what captures live; empty leaves the choice to the program.
type Engine string

// Set takes the name of an engine.
func (e *Engine) Set(text string) error {
	if engines := []Engine{"afpacket", "libpcap"}; !slices.Contains(engines, Engine(text)) {
		return fmt.Errorf("unknown engine %q: it is one of afpacket, libpcap", text)
	}
	*e = Engine(text)
	return nil
}

// String gives the name.
func (e *Engine) String() string { return string(*e) }

// Type names the kind of value in the help text.
func (e *Engine) Type() string { return "engine" }

// InnerFilter is a filter on the innermost packets; its zero value lets all
// through.
type InnerFilter struct {
	text   string
	Filter filter.Filter
}

// Set takes an expression.
func (f *InnerFilter) Set(text string) (err error) {
	f.text = text
	f.Filter, err = filter.Parse(text)
	return err
}

// String gives the expression.
func (f *InnerFilter) String() string { return f.text }

// Type names the kind of value in the help text.
func (f *InnerFilter) Type() string { return "expression" }

// Severity is a detect.Severity that can be set; zero is none.
type Severity detect.Severity

// Set takes the name of a severity.
func (s *Severity) Set(text string) error {
	v, err := detect.ParseSeverity(text)
	*s = Severity(v)
	return err
}

// String gives the name.
func (s *Severity) String() string { return detect.Severity(*s).String() }

// Type names the kind of value in the help text.
func (s *Severity) Type() string { return "severity" }

// Prefixes is a list of networks.
type Prefixes []netip.Prefix

// Set adds networks, or single addresses, separated by commas.
func (p *Prefixes) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			addr, err := netip.ParseAddr(part)
			if err != nil {
				return fmt.Errorf("%q is not a network such as 10.0.0.0/8", part)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		*p = append(*p, prefix.Masked())
	}
	return nil
}

// String gives the networks, separated by commas.
func (p *Prefixes) String() string {
	var parts []string
	for _, x := range *p {
		parts = append(parts, x.String())
	}
	return strings.Join(parts, ",")
}

// Type names the kind of value in the help text.
func (p *Prefixes) Type() string { return "network" }

// ServiceCredentials are the credentials that many share on purpose.
type ServiceCredentials struct {
	detect.Services
	texts []string
}

// Set adds some, separated by commas.
func (c *ServiceCredentials) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if err := c.Services.Set(part); err != nil {
			return err
		}
		c.texts = append(c.texts, part)
	}
	return nil
}

// String gives what was set.
func (c *ServiceCredentials) String() string { return strings.Join(c.texts, ",") }

// Type names the kind of value in the help text.
func (c *ServiceCredentials) Type() string { return "credential" }

// Hosts is a list of names of hosts.
type Hosts []string

// Set adds some, separated by commas.
func (h *Hosts) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.ToLower(strings.TrimSpace(part))
		if part == "" || strings.ContainsAny(part, "/ ") || strings.Contains(strings.TrimPrefix(part, "*."), "*") && part != "*" {
			return fmt.Errorf("%q is not a host such as api.example.com or *.example.com", part)
		}
		*h = append(*h, part)
	}
	return nil
}

// String gives them, separated by commas.
func (h *Hosts) String() string { return strings.Join(*h, ",") }

// Type names the kind of value in the help text.
func (h *Hosts) Type() string { return "host" }
