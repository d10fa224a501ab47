package config_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store/trigger"
)

const triggers = `
triggers:
  - name: soc
    on: {severity: high, verdict: [accepted, likely_accepted], detector: [brute_force], host: [a.example, b.example], count: 3}
    per: client
    cooldown: 1h
    webhook: {url: https://soc.example/hook, timeout: 5s, attempts: 2}
  - name: ticket
    exec:
      command: [sh, -c, "cat"]
      timeout: 3s
  - name: wall
    on: {verdict: accepted}
    block: {file: /run/block, nftables: /run/block.nft, table: wall, for: 24h, most: 5, allow: [192.0.2.7, 198.51.100.0/24], private: true}
`

func TestTriggers(t *testing.T) {
	got, err := load(t, triggers, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []trigger.Rule{
		{
			Name: "soc", Per: trigger.PerClient, Cooldown: time.Hour,
			On: trigger.Match{
				Severity: detect.High, Verdicts: []detect.Verdict{detect.Accepted, detect.LikelyAccepted},
				Detectors: []string{"brute_force"}, Hosts: []string{"a.example", "b.example"}, Count: 3,
			},
			Webhook: &trigger.Webhook{URL: "https://soc.example/hook", Timeout: 5 * time.Second, Attempts: 2},
		},
		{Name: "ticket", Per: trigger.PerAttack, Cooldown: 10 * time.Minute, Exec: &trigger.Exec{Command: []string{"sh", "-c", "cat"}, Timeout: 3 * time.Second}},
		{
			Name: "wall", Per: trigger.PerAttack, Cooldown: 10 * time.Minute, On: trigger.Match{Verdicts: []detect.Verdict{detect.Accepted}},
			Block: &trigger.Block{
				File: "/run/block", NFTables: "/run/block.nft", Table: "wall", For: 24 * time.Hour, Most: 5, Private: true,
				Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("198.51.100.0/24")},
			},
		},
	}
	if !reflect.DeepEqual(got.Triggers, want) {
		t.Errorf("got  %+v\nwant %+v", got.Triggers, want)
	}
}

func TestTriggerMistakesSayWhere(t *testing.T) {
	for file, want := range map[string]string{
		"triggers: {}\n":                         "authtap.yaml:1: a list is expected here",
		"triggers:\n  - x\n":                     "authtap.yaml:2: a mapping",
		"triggers:\n  - exec: {command: true}\n": "authtap.yaml:2: a trigger has no name",
		"triggers:\n  - name: a\n":               "authtap.yaml:2: trigger a: one of webhook, exec and block",
		"triggers:\n  - name: a\n    exec: {command: x}\n    block: {file: x}\n":            "authtap.yaml:2: trigger a: one of webhook",
		"triggers:\n  - name: a\n    when: x\n":                                             `authtap.yaml:3: trigger: there is no "when"`,
		"triggers:\n  - name: a\n    on:\n      severity: bad\n":                            `authtap.yaml:4: unknown severity "bad"`,
		"triggers:\n  - name: a\n    on: {verdict: [accepted, bad]}\n":                      `authtap.yaml:3: unknown verdict "bad"`,
		"triggers:\n  - name: a\n    on: {count: 0}\n":                                      `authtap.yaml:3: "0" is not a whole number of at least 1`,
		"triggers:\n  - name: a\n    per: ip\n":                                             `authtap.yaml:3: "ip" is none of attack, client`,
		"triggers:\n  - name: a\n    cooldown: 10\n":                                        `authtap.yaml:3: "10" is not a duration`,
		"triggers:\n  - name: a\n    exec: {command: nonesuch-program}\n":                   `authtap.yaml:2: trigger a: `,
		"triggers:\n  - name: a\n    webhook: {url: soc.example}\n":                         "authtap.yaml:2: trigger a: that is no URL",
		"triggers:\n  - name: a\n    block: {file: x, allow: [y]}\n":                        `authtap.yaml:3: "y" is not a network`,
		"triggers:\n  - name: a\n    block: {file: x}\n  - name: a\n    block: {file: y}\n": `authtap.yaml:4: trigger "a" is there twice`,
		"triggers:\n  - name: a\n    on: {detector: brute}\n    block: {file: x}\n":         `trigger a: there is no detector "brute"`,
		"triggers:\n  - name: a\n    block: {file: x, private: yes}\n":                      `authtap.yaml:3: "yes" is neither`,
	} {
		_, err := load(t, file, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s%v\nwant %s", file, err, want)
		}
	}
}
