package output

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/authtap/authtap/detect"
)

// SARIFOptions say what stands in the log besides the findings.
type SARIFOptions struct {
	// Version is the program's.
	Version string
	// Detectors are those whose findings there may be; each is a rule of the
	// log where it has a finding.
	Detectors []detect.Detector
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver struct {
			Name    string      `json:"name"`
			Version string      `json:"version,omitempty"`
			Rules   []sarifRule `json:"rules,omitempty"`
		} `json:"driver"`
	} `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifRule struct {
	ID         string     `json:"id"`
	Short      *sarifText `json:"shortDescription,omitempty"`
	Full       *sarifText `json:"fullDescription,omitempty"`
	Help       *sarifText `json:"help,omitempty"`
	Default    sarifLevel `json:"defaultConfiguration"`
	Properties struct {
		// By what code scanners sort their alerts: 0 to 10.
		SecuritySeverity string   `json:"security-severity"`
		Tags             []string `json:"tags"`
	} `json:"properties"`
}

type sarifLevel struct {
	Level string `json:"level"`
}

type sarifResult struct {
	RuleID      string            `json:"ruleId"`
	RuleIndex   int               `json:"ruleIndex"`
	Level       string            `json:"level"`
	Message     sarifText         `json:"message"`
	Locations   []sarifLocation   `json:"locations,omitempty"`
	Occurrences uint64            `json:"occurrenceCount,omitempty"`
	Fingerprint map[string]string `json:"fingerprints"`
	Partial     map[string]string `json:"partialFingerprints,omitempty"`
	Suppressed  []sarifSuppressed `json:"suppressions,omitempty"`
	Properties  struct {
		Verdict     string             `json:"verdict"`
		Severity    string             `json:"severity"`
		Confidence  string             `json:"confidence"`
		Version     uint64             `json:"version"`
		FirstSeen   detect.Timestamp   `json:"firstSeen"`
		LastSeen    detect.Timestamp   `json:"lastSeen"`
		Client      *detect.Address    `json:"client,omitempty"`
		Server      *detect.Address    `json:"server,omitempty"`
		Status      int                `json:"status,omitempty"`
		Principal   string             `json:"principal,omitempty"`
		Credential  *detect.Credential `json:"credential,omitempty"`
		Evidence    map[string]string  `json:"evidence,omitempty"`
		CommunityID string             `json:"communityId,omitempty"`
		Packet      uint64             `json:"packet,omitempty"`
		Sensor      string             `json:"sensor,omitempty"`
	} `json:"properties"`
}

type sarifSuppressed struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification"`
}

type sarifLocation struct {
	Physical *sarifPhysical `json:"physicalLocation,omitempty"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifPhysical struct {
	Artifact struct {
		URI string `json:"uri"`
	} `json:"artifactLocation"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
	Kind string `json:"kind"`
}

// SARIF prints findings as a log of the Static Analysis Results Interchange
// Format 2.1.0, in the order in which they come.
func SARIF(w io.Writer, findings []detect.Finding, o SARIFOptions) error {
	run := sarifRun{Results: []sarifResult{}}
	driver := &run.Tool.Driver
	driver.Name, driver.Version = "authtap", o.Version
	index := map[string]int{}
	for i := range findings {
		f := &findings[i]
		n, ok := index[f.Detector]
		if !ok {
			n = len(driver.Rules)
			index[f.Detector] = n
			driver.Rules = append(driver.Rules, sarifRuleOf(f, o.Detectors))
		}
		run.Results = append(run.Results, sarifResultOf(f, n))
	}
	var all bytes.Buffer
	encoder := json.NewEncoder(&all)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	}); err != nil {
		return err
	}
	_, err := w.Write(harmless(all.Bytes()))
	return err
}

func sarifLevelOf(s detect.Severity) string {
	switch s {
	case detect.Critical, detect.High:
		return "error"
	case detect.Medium:
		return "warning"
	}
	return "note"
}

// sarifRuleOf gives the rule of a finding: what its detector says of itself, or
// where that is not known, what the finding says.
func sarifRuleOf(f *detect.Finding, detectors []detect.Detector) sarifRule {
	severity, references := f.Severity, f.References
	r := sarifRule{ID: f.Detector, Short: orNil(sarifText{f.Title})}
	if i := slices.IndexFunc(detectors, func(d detect.Detector) bool { return d.Name == f.Detector }); i >= 0 {
		d := &detectors[i]
		severity, references = d.Severity, d.References()
		what, _, _ := strings.Cut(d.Doc, "\n\n")
		r.Short, r.Full, r.Help = orNil(sarifText{d.Title}), orNil(sarifText{what}), orNil(sarifText{d.Doc})
	}
	r.Default.Level = sarifLevelOf(severity)
	r.Properties.SecuritySeverity = [...]string{"0.0", "1.0", "3.0", "5.5", "8.0", "9.5"}[severity]
	r.Properties.Tags = []string{"security"}
	for _, ref := range references {
		if strings.HasPrefix(ref, "CWE-") {
			ref = "external/cwe/" + strings.ToLower(ref)
		}
		r.Properties.Tags = append(r.Properties.Tags, ref)
	}
	return r
}

func sarifResultOf(f *detect.Finding, rule int) sarifResult {
	r := sarifResult{
		RuleID: f.Detector, RuleIndex: rule, Level: sarifLevelOf(f.Severity), Occurrences: f.Count,
		Fingerprint: map[string]string{"authtap/id": f.ID},
	}
	r.Message.Text = f.Detector
	if f.Title != "" {
		r.Message.Text = f.Title
	}
	if at := endpoint(f); at != "" {
		r.Message.Text += ": " + at
	}
	r.Message.Text += " (" + f.Verdict.String() + ")"
	if f.DedupeKey != "" {
		r.Partial = map[string]string{"authtap/dedupeKey": f.DedupeKey}
	}
	if f.Suppressed != "" {
		r.Suppressed = []sarifSuppressed{{"external", "accepted", f.Suppressed}}
	}
	var where sarifLocation
	if f.Capture.File != "" {
		where.Physical = new(sarifPhysical)
		where.Physical.Artifact.URI = (&url.URL{Path: strings.ToValidUTF8(f.Capture.File, "\ufffd")}).String()
	}
	if f.Host+f.Path != "" {
		where.Logical = []sarifLogical{{f.Host + f.Path, "resource"}}
	}
	if where.Physical != nil || where.Logical != nil {
		r.Locations = []sarifLocation{where}
	}
	p := &r.Properties
	p.Verdict, p.Severity, p.Confidence, p.Version = f.Verdict.String(), f.Severity.String(), f.Confidence.String(), f.Version
	p.FirstSeen, p.LastSeen, p.Client, p.Server, p.Status = f.FirstSeen, f.LastSeen, f.Client, f.Server, f.Status
	p.Principal, p.Credential, p.Evidence = f.Principal, f.Credential, evidence(f)
	p.CommunityID, p.Packet, p.Sensor = f.CommunityID, f.Capture.Packet, f.Sensor
	return r
}
