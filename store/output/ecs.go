package output

import "github.com/authtap/authtap/detect"

// ecsVersion is that of the Elastic Common Schema whose fields these are.
const ecsVersion = "9.4.0"

// ecsEvent is a finding in the Elastic Common Schema. What that has no field
// for is below authtap.
type ecsEvent struct {
	Timestamp detect.Timestamp `json:"@timestamp"` // last seen
	Message   string           `json:"message,omitempty"`
	Tags      []string         `json:"tags,omitempty"`
	ECS       struct {
		Version string `json:"version"`
	} `json:"ecs"`
	Event struct {
		Kind     string           `json:"kind"`
		Category []string         `json:"category"`
		Type     []string         `json:"type"`
		Outcome  string           `json:"outcome,omitempty"`
		Action   string           `json:"action"`
		Severity int              `json:"severity"` // 1 (info) to 5 (critical)
		ID       string           `json:"id"`
		Sequence uint64           `json:"sequence"`
		Start    detect.Timestamp `json:"start"`
		End      detect.Timestamp `json:"end"`
		Module   string           `json:"module"`
		Dataset  string           `json:"dataset"`
	} `json:"event"`
	Rule struct {
		ID   string `json:"id"`
		Name string `json:"name,omitempty"`
	} `json:"rule"`
	Threat      *ecsThreat      `json:"threat,omitempty"`
	Source      *end            `json:"source,omitempty"`
	Destination *ecsDestination `json:"destination,omitempty"`
	User        *ecsUser        `json:"user,omitempty"`
	HTTP        *ecsHTTP        `json:"http,omitempty"`
	URL         *ecsURL         `json:"url,omitempty"`
	Network     *ecsNetwork     `json:"network,omitempty"`
	Observer    struct {
		Vendor  string `json:"vendor"`
		Product string `json:"product"`
		Type    string `json:"type"`
		Version string `json:"version,omitempty"`
		Name    string `json:"name,omitempty"`
	} `json:"observer"`
	Authtap struct {
		Verdict    string             `json:"verdict"`
		Severity   string             `json:"severity"`
		Confidence string             `json:"confidence"`
		Count      uint64             `json:"count"`
		DedupeKey  string             `json:"dedupe_key,omitempty"`
		Credential *detect.Credential `json:"credential,omitempty"`
		Evidence   map[string]string  `json:"evidence,omitempty"`
		References []string           `json:"references,omitempty"`
		Capture    *detect.Capture    `json:"capture,omitempty"`
		Suppressed string             `json:"suppressed,omitempty"` // why
	} `json:"authtap"`
}

type ecsThreat struct {
	Framework string       `json:"framework"`
	Technique ecsTechnique `json:"technique"`
}

type ecsTechnique struct {
	ID           []string `json:"id"`
	Subtechnique *ecsIDs  `json:"subtechnique,omitempty"`
}

type ecsIDs struct {
	ID []string `json:"id"`
}

type ecsDestination struct {
	IP     string `json:"ip,omitempty"`
	Port   uint16 `json:"port,omitempty"`
	Domain string `json:"domain,omitempty"`
}

type ecsUser struct {
	Name string `json:"name"`
}

type ecsHTTP struct {
	Request  *ecsRequest  `json:"request,omitempty"`
	Response *ecsResponse `json:"response,omitempty"`
}

type ecsRequest struct {
	Method string `json:"method"`
}

type ecsResponse struct {
	Status int `json:"status_code"`
}

type ecsURL struct {
	Domain string `json:"domain,omitempty"`
	Port   int    `json:"port,omitempty"`
	Path   string `json:"path,omitempty"`
}

type ecsNetwork struct {
	CommunityID string `json:"community_id,omitempty"`
	Transport   string `json:"transport,omitempty"`
}

func ecs(f *detect.Finding, version string) *ecsEvent {
	e := new(ecsEvent)
	e.Timestamp, e.Message, e.ECS.Version = f.LastSeen, f.Title, ecsVersion

	v := &e.Event
	v.Kind, v.Module, v.Dataset = "alert", "authtap", "authtap.findings"
	v.Action, v.ID, v.Sequence, v.Start, v.End = f.Detector, f.ID, f.Version, f.FirstSeen, f.LastSeen
	v.Severity = int(f.Severity)
	v.Category, v.Type, v.Outcome = []string{"intrusion_detection"}, []string{"info"}, "unknown"
	switch f.Verdict {
	case detect.Accepted:
		v.Type, v.Outcome = []string{"allowed"}, "success"
	case detect.Rejected:
		v.Type, v.Outcome = []string{"denied"}, "failure"
	case detect.Observed: // nobody tried anything
		v.Category, v.Outcome = []string{"vulnerability"}, ""
	}
	e.Rule.ID, e.Rule.Name = f.Detector, f.Title
	e.Threat = ecsThreatOf(f)

	e.Source = endOf(f.Client)
	domain, port := hostPort(f.Host)
	to := ecsDestination{Domain: domain}
	if f.Server != nil {
		to.IP, to.Port = f.Server.IP.String(), f.Server.Port
	}
	e.Destination = orNil(to)
	e.User = orNil(ecsUser{f.Principal})
	e.HTTP = orNil(ecsHTTP{orNil(ecsRequest{f.Method}), orNil(ecsResponse{f.Status})})
	e.URL = orNil(ecsURL{Domain: domain, Port: port, Path: f.Path})
	if f.CommunityID != "" {
		e.Network = &ecsNetwork{f.CommunityID, "tcp"}
	}
	o := &e.Observer
	o.Vendor, o.Product, o.Type, o.Version, o.Name = "authtap", "authtap", "ids", version, f.Sensor

	a := &e.Authtap
	a.Verdict, a.Severity, a.Confidence = f.Verdict.String(), f.Severity.String(), f.Confidence.String()
	a.Count, a.DedupeKey, a.Credential = f.Count, f.DedupeKey, f.Credential
	a.Evidence, a.References, a.Capture = evidence(f), f.References, captureOf(f)
	if f.Suppressed != "" {
		e.Tags, a.Suppressed = []string{"suppressed"}, f.Suppressed
	}
	return e
}

func ecsThreatOf(f *detect.Finding) *ecsThreat {
	all := techniques(f.References)
	if len(all) == 0 {
		return nil
	}
	t := &ecsThreat{Framework: "MITRE ATT&CK"}
	for _, x := range all {
		t.Technique.ID = append(t.Technique.ID, x[0])
		if x[1] != "" {
			if t.Technique.Subtechnique == nil {
				t.Technique.Subtechnique = new(ecsIDs)
			}
			t.Technique.Subtechnique.ID = append(t.Technique.Subtechnique.ID, x[1])
		}
	}
	return t
}
