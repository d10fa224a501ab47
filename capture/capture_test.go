package capture_test

import (
	"math"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
)

func TestTime(t *testing.T) {
	for _, tt := range []struct {
		time capture.Time
		want string
	}{
		{0, "1970-01-01T00:00:00.000000Z"},
		{-1, "1969-12-31T23:59:59.999999Z"},
		{1_767_323_045_123_456_789, "2026-01-02T03:04:05.123456Z"},
		{math.MaxInt64, "2262-04-11T23:47:16.854775Z"},
		{math.MinInt64, "1677-09-21T00:12:43.145224Z"},
	} {
		if got := tt.time.String(); got != tt.want {
			t.Errorf("%d: %s, want %s", int64(tt.time), got, tt.want)
		}
		if got := string(tt.time.AppendTo([]byte("at "))); got != "at "+tt.want {
			t.Errorf("%d: appended %s", int64(tt.time), got)
		}
		if got := capture.TimeOf(tt.time.Time().In(time.FixedZone("", 3600))); got != tt.time {
			t.Errorf("%d: %d after a conversion", int64(tt.time), int64(got))
		}
		if got := tt.time.Add(time.Hour).Sub(tt.time); got != time.Hour {
			t.Errorf("%d: an hour later is %v later", int64(tt.time), got)
		}
	}
}

func TestLinkType(t *testing.T) {
	for _, tt := range []struct {
		link  capture.LinkType
		name  string
		known bool
	}{
		{147, "147", false},
		{20, "20", false}, // SLL2 in eight bits
		{capture.LinkEthernet, "EN10MB", true},
		{capture.LinkSLL2, "LINUX_SLL2", true},
		{capture.LinkRaw12, "RAW", true},
	} {
		if tt.link.String() != tt.name || tt.link.Known() != tt.known {
			t.Errorf("%d: %v, known %v; want %s, %v", uint16(tt.link), tt.link, tt.link.Known(), tt.name, tt.known)
		}
	}
}
