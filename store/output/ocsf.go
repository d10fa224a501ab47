package output

import (
	"fmt"
	"strconv"

	"github.com/authtap/authtap/detect"
)

// ocsfVersion is that of the Open Cybersecurity Schema Framework whose class
// Detection Finding this is.
const ocsfVersion = "1.8.0"

// ocsfFinding is a finding as a Detection Finding. What that has no attribute
// for is in unmapped. Times are in milliseconds.
type ocsfFinding struct {
	ActivityID   int    `json:"activity_id"`
	ActivityName string `json:"activity_name"`
	CategoryUID  int    `json:"category_uid"`
	CategoryName string `json:"category_name"`
	ClassUID     int    `json:"class_uid"`
	ClassName    string `json:"class_name"`
	TypeUID      int64  `json:"type_uid"`
	TypeName     string `json:"type_name"`
	Time         int64  `json:"time"`
	StartTime    int64  `json:"start_time"`
	EndTime      int64  `json:"end_time"`
	SeverityID   int    `json:"severity_id"`
	Severity     string `json:"severity"`
	ConfidenceID int    `json:"confidence_id"`
	Confidence   string `json:"confidence"`
	IsAlert      bool   `json:"is_alert"`
	StatusID     int    `json:"status_id"`
	Status       string `json:"status"`
	StatusCode   string `json:"status_code,omitempty"` // of HTTP
	StatusDetail string `json:"status_detail,omitempty"`
	Count        uint64 `json:"count,omitempty"`
	Message      string `json:"message,omitempty"`
	Metadata     struct {
		Version string      `json:"version"`
		UID     string      `json:"uid"`
		Product ocsfProduct `json:"product"`
	} `json:"metadata"`
	Info struct {
		UID       string       `json:"uid"`
		UIDAlt    string       `json:"uid_alt,omitempty"`
		Title     string       `json:"title,omitempty"`
		Types     []string     `json:"types"`
		FirstSeen int64        `json:"first_seen_time"`
		LastSeen  int64        `json:"last_seen_time"`
		Analytic  ocsfAnalytic `json:"analytic"`
		Attacks   []ocsfAttack `json:"attacks,omitempty"`
	} `json:"finding_info"`
	Evidences []ocsfEvidence `json:"evidences,omitempty"`
	Unmapped  struct {
		Verdict     string             `json:"verdict"`
		Version     uint64             `json:"version"`
		Sensor      string             `json:"sensor,omitempty"`
		Credential  *detect.Credential `json:"credential,omitempty"`
		References  []string           `json:"references,omitempty"`
		CommunityID string             `json:"community_id,omitempty"`
		Capture     *detect.Capture    `json:"capture,omitempty"`
	} `json:"unmapped"`
}

type ocsfProduct struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor_name"`
	Version string `json:"version,omitempty"`
}

type ocsfAnalytic struct {
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
	UID    string `json:"uid"`
	Name   string `json:"name,omitempty"`
}

type ocsfAttack struct {
	Technique    ocsfUID  `json:"technique"`
	SubTechnique *ocsfUID `json:"sub_technique,omitempty"`
}

type ocsfUID struct {
	UID string `json:"uid"`
}

type ocsfEvidence struct {
	Source      *end              `json:"src_endpoint,omitempty"`
	Destination *end              `json:"dst_endpoint,omitempty"`
	User        *ocsfUser         `json:"user,omitempty"`
	Request     *ocsfRequest      `json:"http_request,omitempty"`
	Response    *ocsfResponse     `json:"http_response,omitempty"`
	Data        map[string]string `json:"data,omitempty"`
	VerdictID   int               `json:"verdict_id"`
	Verdict     string            `json:"verdict"`
}

type ocsfUser struct {
	Name string `json:"name"`
}

type ocsfRequest struct {
	Method string   `json:"http_method,omitempty"`
	URL    *ocsfURL `json:"url,omitempty"`
}

type ocsfURL struct {
	Hostname string `json:"hostname,omitempty"`
	Port     int    `json:"port,omitempty"`
	Path     string `json:"path"`
}

type ocsfResponse struct {
	Code int `json:"code"`
}

func milliseconds(t detect.Timestamp) int64 { return int64(t) / 1e6 }

func ocsf(f *detect.Finding, version string) *ocsfFinding {
	const other = 99
	o := &ocsfFinding{
		ActivityID: 1, ActivityName: "Create", CategoryUID: 2, CategoryName: "Findings",
		ClassUID: 2004, ClassName: "Detection Finding", IsAlert: true, StatusID: 1, Status: "New",
		Time: milliseconds(f.FirstSeen), StartTime: milliseconds(f.FirstSeen), EndTime: milliseconds(f.LastSeen),
		Count: f.Count, Message: f.Title,
	}
	if f.Suppressed != "" {
		o.IsAlert, o.StatusID, o.Status, o.StatusDetail = false, 3, "Suppressed", f.Suppressed
	}
	if f.Version > 1 {
		o.ActivityID, o.ActivityName = 2, "Update"
	}
	o.TypeUID = int64(o.ClassUID)*100 + int64(o.ActivityID)
	o.TypeName = o.ClassName + ": " + o.ActivityName
	o.SeverityID = int(f.Severity) // their numbers are ours
	o.Severity = [...]string{"Unknown", "Informational", "Low", "Medium", "High", "Critical"}[f.Severity]
	switch f.Confidence {
	case detect.Certain:
		o.ConfidenceID, o.Confidence = 3, "High"
	case detect.Firm:
		o.ConfidenceID, o.Confidence = 2, "Medium"
	default:
		o.ConfidenceID, o.Confidence = 1, "Low"
	}
	if f.Status != 0 {
		o.StatusCode = strconv.Itoa(f.Status)
	}
	o.Metadata.Version, o.Metadata.UID = ocsfVersion, fmt.Sprintf("%s-%d", f.ID, f.Version)
	o.Metadata.Product = ocsfProduct{"authtap", "authtap", version}

	i := &o.Info
	i.UID, i.UIDAlt, i.Title, i.Types = f.ID, f.DedupeKey, f.Title, []string{f.Detector}
	i.FirstSeen, i.LastSeen = o.StartTime, o.EndTime
	i.Analytic = ocsfAnalytic{1, "Rule", f.Detector, f.Title}
	for _, t := range techniques(f.References) {
		i.Attacks = append(i.Attacks, ocsfAttack{ocsfUID{t[0]}, orNil(ocsfUID{t[1]})})
	}

	e := ocsfEvidence{Source: endOf(f.Client), Destination: endOf(f.Server), User: orNil(ocsfUser{f.Principal}), Data: evidence(f)}
	name, port := hostPort(f.Host)
	if e.Destination == nil && name != "" {
		e.Destination = new(end)
	}
	if e.Destination != nil {
		e.Destination.Hostname = name
	}
	r := ocsfRequest{Method: f.Method}
	if f.Path != "" { // an object url needs one
		r.URL = &ocsfURL{name, port, f.Path}
	}
	e.Request, e.Response = orNil(r), orNil(ocsfResponse{f.Status})
	// Evidence needs one of these.
	if e.Source != nil || e.Destination != nil || e.User != nil || e.Data != nil {
		e.VerdictID, e.Verdict = other, f.Verdict.String()
		o.Evidences = []ocsfEvidence{e}
	}

	u := &o.Unmapped
	u.Verdict, u.Version, u.Sensor, u.Credential = f.Verdict.String(), f.Version, f.Sensor, f.Credential
	u.References, u.CommunityID, u.Capture = f.References, f.CommunityID, captureOf(f)
	return o
}
