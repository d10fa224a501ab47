package output

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/authtap/authtap/detect"
)

// end is an end of a connection, as ECS and OCSF have it.
type end struct {
	IP       string `json:"ip,omitempty"`
	Port     uint16 `json:"port,omitempty"`
	Hostname string `json:"hostname,omitempty"`
}

func endOf(a *detect.Address) *end {
	if a == nil {
		return nil
	}
	return &end{IP: a.IP.String(), Port: a.Port}
}

// hostPort parts the port from a host, as a request names it; 0 where it names
// none.
func hostPort(host string) (name string, port int) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.IndexByte(host, ':') < i && host[i-1] != ']' {
		return host, 0
	}
	n, err := strconv.ParseUint(host[i+1:], 10, 16)
	if err != nil {
		return host, 0
	}
	return host[:i], int(n)
}

var attackID = regexp.MustCompile(`^(T\d{4})(\.\d{3})?$`)

// techniques gives the techniques of MITRE ATT&CK among references, each with
// its sub-technique, if it names one.
func techniques(references []string) (all [][2]string) {
	for _, r := range references {
		if m := attackID.FindStringSubmatch(r); m != nil {
			t := [2]string{m[1]}
			if m[2] != "" {
				t[1] = r
			}
			all = append(all, t)
		}
	}
	return all
}

// evidence gives the facts by name; nil when there are none.
func evidence(f *detect.Finding) map[string]string {
	if len(f.Evidence) == 0 {
		return nil
	}
	all := make(map[string]string, len(f.Evidence))
	for _, fact := range f.Evidence {
		all[fact.Name] = fact.Value.String()
	}
	return all
}

// capture gives where the first packet is; nil where that is not known.
func captureOf(f *detect.Finding) *detect.Capture {
	if f.Capture.Packet == 0 {
		return nil
	}
	return &f.Capture
}

// orNil gives nil for a struct that says nothing.
func orNil[T comparable](v T) *T {
	var nothing T
	if v == nothing {
		return nil
	}
	return &v
}
