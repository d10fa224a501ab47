package storetest

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
)

// Start is the packet time of Finding(0), which is recent, so that no
// retention takes it.
var Start = capture.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC))

// Finding gives the n-th of a row of findings that differ in everything, a
// minute apart. All of its fields follow from n, so that a row that was
// torn can be told.
func Finding(n int) detect.Finding {
	at := Start.Add(time.Duration(n) * time.Minute)
	f := detect.Finding{
		ID:          fmt.Sprintf("%032x", n+1),
		Version:     uint64(n%7 + 1),
		Detector:    []string{"jwt_alg_none", "brute_force", "basic_auth"}[n%3],
		Title:       fmt.Sprintf("title %d", n),
		Severity:    detect.Info + detect.Severity(n%5),
		Confidence:  detect.Certain + detect.Confidence(n%3),
		Verdict:     detect.Rejected + detect.Verdict(n%5),
		DedupeKey:   fmt.Sprintf("key-%d", n),
		FirstSeen:   detect.Timestamp(at),
		LastSeen:    detect.Timestamp(at.Add(time.Duration(n%10) * time.Second)),
		Count:       uint64(n) * 3,
		Host:        fmt.Sprintf("host-%d.example", n%4),
		Method:      "POST",
		Path:        fmt.Sprintf("/users/%d", n),
		Status:      200 + n%300,
		Evidence:    detect.Evidence{{Name: "z", Value: credential.Word("last letter first")}, {Name: "n", Value: credential.Number(int64(n))}},
		References:  []string{"CWE-347", "API2:2023"},
		CommunityID: fmt.Sprintf("1:%027d=", n),
		Capture:     detect.Capture{File: fmt.Sprintf("file-%d.pcap", n), Packet: uint64(n) + 1},
		Sensor:      fmt.Sprintf("sensor-%d", n%2),
	}
	if n%4 != 3 {
		ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(n % 8)})
		if n%2 == 1 {
			ip = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(n % 8)})
		}
		f.Client = &detect.Address{IP: ip, Port: uint16(n % 65536)}
		f.Principal = fmt.Sprintf("user-%d", n%5)
	}
	if n%5 != 4 {
		f.Server = &detect.Address{IP: netip.AddrFrom4([4]byte{198, 51, 100, 1}), Port: 443}
		f.Credential = &detect.Credential{Kind: "jwt", Place: "header:authorization", ID: fmt.Sprintf("%032x", n*n), Mask: "eyJh…(312)"}
	}
	return f
}

// Hostile gives findings with what traffic may put into them: quotes of every
// language, control characters, bytes that are no text.
func Hostile() []detect.Finding {
	texts := []string{
		`'; DROP TABLE findings; --`, `"`, "`", `\`, `\'`, `?`, `\?`, `%s`, `{x:String}`, `$1`, `/* */`, `null`,
		"tab\tline\nreturn\rend", "nul\x00in it", "\x1b[2J\x1b]0;title\x07", "\xff\xfe not UTF-8", "ünïcödé 漢字 🙂", "\u202e right to left",
		"<script>alert(1)</script>",
	}
	var all []detect.Finding
	for i, text := range texts {
		f := Finding(1000 + i*20) // all pointers set
		f.Host, f.Path, f.Principal, f.Method, f.DedupeKey, f.Capture.File = text, "/"+text, text, text, text, text
		f.Credential.Place = "header:" + text
		all = append(all, f)
	}
	return all
}

// line gives a finding as the JSON line that it is known by.
func line(t testing.TB, f detect.Finding) string {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
