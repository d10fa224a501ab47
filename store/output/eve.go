package output

import (
	"hash/fnv"
	"strconv"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
)

// eveAlert is a finding as an event of Suricata's EVE log. What that has no
// field for is in the alert's metadata, where all values are lists of strings.
type eveAlert struct {
	Timestamp   string   `json:"timestamp"`
	EventType   string   `json:"event_type"`
	SrcIP       string   `json:"src_ip,omitempty"`
	SrcPort     uint16   `json:"src_port,omitempty"`
	DestIP      string   `json:"dest_ip,omitempty"`
	DestPort    uint16   `json:"dest_port,omitempty"`
	Proto       string   `json:"proto"`
	AppProto    string   `json:"app_proto,omitempty"`
	Direction   string   `json:"direction,omitempty"`
	CommunityID string   `json:"community_id,omitempty"`
	Host        string   `json:"host,omitempty"` // the sensor
	PcapFile    string   `json:"pcap_filename,omitempty"`
	PcapCount   uint64   `json:"pcap_cnt,omitempty"`
	HTTP        *eveHTTP `json:"http,omitempty"`
	Alert       struct {
		Action      string              `json:"action"`
		GID         int                 `json:"gid"`
		SignatureID int                 `json:"signature_id"`
		Rev         int                 `json:"rev"`
		Signature   string              `json:"signature"`
		Category    string              `json:"category"`
		Severity    int                 `json:"severity"`
		References  []string            `json:"references,omitempty"`
		Metadata    map[string][]string `json:"metadata"`
	} `json:"alert"`
}

type eveHTTP struct {
	Hostname string `json:"hostname,omitempty"`
	Port     int    `json:"http_port,omitempty"`
	Method   string `json:"http_method,omitempty"`
	URL      string `json:"url,omitempty"`
	Status   int    `json:"status,omitempty"`
}

// signatureID gives a detector's number, which follows from its name. It is
// in the range that rules of one's own have.
func signatureID(detector string) int {
	h := fnv.New32a()
	h.Write([]byte(detector))
	return 1_000_000 + int(h.Sum32()%1_000_000)
}

func eve(f *detect.Finding) *eveAlert {
	e := &eveAlert{
		Timestamp: capture.Time(f.LastSeen).Time().Format("2006-01-02T15:04:05.000000-0700"),
		EventType: "alert", Proto: "TCP", CommunityID: f.CommunityID, Host: f.Sensor,
		PcapFile: f.Capture.File, PcapCount: f.Capture.Packet,
	}
	if f.Client != nil {
		e.SrcIP, e.SrcPort = f.Client.IP.String(), f.Client.Port
		e.Direction = "to_server"
	}
	if f.Server != nil {
		e.DestIP, e.DestPort = f.Server.IP.String(), f.Server.Port
	}
	name, port := hostPort(f.Host)
	if f.Method != "" || f.Status != 0 {
		e.AppProto = "http"
		e.HTTP = &eveHTTP{name, port, f.Method, f.Path, f.Status}
	}

	a := &e.Alert
	a.Action, a.GID, a.SignatureID, a.Rev, a.Signature = "allowed", 1, signatureID(f.Detector), 1, f.Detector
	if f.Title != "" {
		a.Signature = f.Title
	}
	// 1 is the gravest.
	a.Severity = [...]int{4, 4, 3, 2, 1, 1}[f.Severity]
	// The names are of Suricata's classification.
	switch f.Verdict {
	case detect.Accepted:
		a.Category = "Successful User Privilege Gain"
	case detect.Rejected:
		a.Category = "Unsuccessful User Privilege Gain"
	case detect.Observed:
		a.Category = "Potentially Bad Traffic"
	default:
		a.Category = "Attempted User Privilege Gain"
	}
	a.References = f.References
	a.Metadata = map[string][]string{}
	for _, m := range []struct{ name, value string }{
		{"detector", f.Detector}, {"finding_id", f.ID}, {"version", strconv.FormatUint(f.Version, 10)},
		{"verdict", f.Verdict.String()}, {"signature_severity", f.Severity.String()}, {"confidence", f.Confidence.String()},
		{"first_seen", f.FirstSeen.String()}, {"count", strconv.FormatUint(f.Count, 10)}, {"principal", f.Principal},
		{"dedupe_key", f.DedupeKey}, {"suppressed", f.Suppressed},
	} {
		if m.value != "" {
			a.Metadata[m.name] = []string{m.value}
		}
	}
	if e.HTTP == nil && name != "" {
		a.Metadata["host"] = []string{f.Host}
	}
	if c := f.Credential; c != nil {
		a.Metadata["credential_kind"], a.Metadata["credential_place"] = []string{c.Kind}, []string{c.Place}
		a.Metadata["credential_id"], a.Metadata["credential_mask"] = []string{c.ID}, []string{c.Mask}
	}
	for name, value := range evidence(f) {
		a.Metadata["evidence_"+name] = []string{value}
	}
	return e
}
