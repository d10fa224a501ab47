package clickhouse

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/store"
)

// Fleet is the sensor of findings that no sensor could make alone.
const Fleet = "fleet"

// longest is how long an attack may go on and still be counted.
const longest = 7 * 24 * time.Hour

// CorrelateOptions say what Correlate looks at.
type CorrelateOptions struct {
	// Attacks that had news from Since on, as far as they were seen before
	// Until, which should be so long ago that the sensors' rows have come. What
	// lies up to a day before Since is known to it.
	Since, Until capture.Time
	// Detectors are those that are on, of all that there are, and Settings
	// replace defaults of their options, by detector and option.
	Detectors []detect.Detector
	Settings  map[string]detect.Values
	// Suppressions keep findings from being written.
	Suppressions []detect.Suppression
}

// CorrelateStats tell what a call did.
type CorrelateStats struct {
	// Found are the attacks that no sensor saw alone, Told those of them that
	// have news and were written, Known those that a sensor has said, Suppressed
	// those that a suppression keeps.
	Found, Told, Known, Suppressed uint64
}

// Correlate looks for attacks on logins whose attempts came by several sensors,
// in their auth_events, and writes findings of the detectors that look for them
// on one sensor. Windows end every few seconds and are looked at when they are
// over, so that what is found follows from the attempts: a call again, or
// several at once, writes the same rows. An attack that goes on keeps its
// finding. Attempts that two sensors saw on their way count once.
func (s *Store) Correlate(ctx context.Context, o CorrelateOptions) (st CorrelateStats, err error) {
	if err := s.prepare(ctx); err != nil {
		return st, err
	}
	var first time.Time
	err = s.conn.QueryRow(ctx, "SELECT min(first_seen) FROM findings FINAL WHERE sensor = ? AND last_seen >= fromUnixTimestamp64Micro(?)"+final,
		Fleet, int64(o.Since.Add(-detect.Closed))/1000).Scan(&first)
	if err != nil {
		return st, s.explain(err)
	}
	if begun := capture.TimeOf(first); begun > o.Since.Add(-longest) && begun < o.Since {
		o.Since = begun // what goes on is counted from its beginning
	}
	// One after the other: what one client does is no distributed attack.
	for _, look := range [][]look{clientLooks, accountLooks, hostLooks, sharedLooks} {
		var found []attack
		for i := range look {
			at := slices.IndexFunc(o.Detectors, func(d detect.Detector) bool { return d.Name == look[i].detector })
			if at < 0 {
				continue
			}
			list, err := s.attacks(ctx, &look[i], &o.Detectors[at], o)
			if err != nil {
				return st, fmt.Errorf("%s: %w", look[i].detector, s.explain(err))
			}
			found = append(found, list...)
		}
		if err := s.tellAttacks(ctx, merged(found), o.Suppressions, &st); err != nil {
			return st, err
		}
	}
	return st, nil
}

// attack is what the database found.
type attack struct {
	look     *look
	detector *detect.Detector
	severity detect.Severity

	host, key, password     string // key is the dedupe key, password the id of one that this is about alone
	client                  netip.Addr
	principal, method, path string
	failures, users         uint64
	passwords, clients      uint64
	unclear, own            uint64
	first, last             capture.Time
	success, pending        uint64 // of its own
	status                  uint16
	file                    string
	packet                  uint64
	sensors, names, lucky   []string
	addresses               []string
	minutes                 map[int64]uint64 // how many of count, by the minute since 1970
}

func (a *attack) count() uint64 { return a.failures + a.own }

// near reports whether two attacks of the same key are one: less than a day
// apart.
func (a *attack) near(b *attack) bool {
	return a.detector.Name == b.detector.Name && a.key == b.key && a.first.Sub(b.last) <= detect.Closed && b.first.Sub(a.last) <= detect.Closed
}

// merged makes one of what two windows of the same detector found, and of what
// was found of several passwords.
func merged(found []attack) (out []attack) {
	var each []attack
	for _, a := range found {
		i := slices.IndexFunc(each, func(o attack) bool { return o.password == a.password && o.near(&a) })
		switch {
		case i < 0:
			each = append(each, a)
		case a.count() > each[i].count():
			a.first, a.severity = min(a.first, each[i].first), max(a.severity, each[i].severity)
			each[i] = a
		default:
			each[i].first, each[i].severity = min(a.first, each[i].first), max(a.severity, each[i].severity)
		}
	}
	for _, a := range each {
		if i := slices.IndexFunc(out, func(o attack) bool { return o.near(&a) }); i >= 0 {
			out[i].add(&a)
		} else {
			out = append(out, a)
		}
	}
	return out
}

// add makes one of the attempts with two passwords. Accounts and clients may be
// the same.
func (a *attack) add(b *attack) {
	if b.first < a.first {
		a.first, a.method, a.path, a.file, a.packet = b.first, b.method, b.path, b.file, b.packet
	}
	if a.success == 0 && b.success > 0 {
		a.status = b.status
	}
	a.last, a.severity = max(a.last, b.last), max(a.severity, b.severity)
	a.failures, a.own, a.passwords = a.failures+b.failures, a.own+b.own, a.passwords+b.passwords
	a.unclear, a.success, a.pending = a.unclear+b.unclear, a.success+b.success, a.pending+b.pending
	a.users, a.clients = max(a.users, b.users), max(a.clients, b.clients)
	for m, n := range b.minutes {
		a.minutes[m] += n
	}
	both := func(x, y []string) []string {
		all := slices.Concat(x, y)
		slices.Sort(all)
		return slices.Compact(all)
	}
	few := func(all []string) []string { return all[:min(len(all), 8)] }
	a.names, a.lucky, a.addresses = few(both(a.names, b.names)), few(both(a.lucky, b.lucky)), few(both(a.addresses, b.addresses))
	a.sensors = both(a.sensors, b.sensors)
}

// said is a finding that is there.
type said struct {
	detector, key, sensor string
	first, last           capture.Time
	version               uint64
	verdict               int8
}

// near reports whether a finding and an attack are one: less than a day apart.
func (d *said) near(a *attack) bool {
	return a.first.Sub(d.last) <= detect.Closed && d.first.Sub(a.last) <= detect.Closed
}

// oneOf are the detectors of which an attack has only one.
var oneOf = []string{"brute_force", "credential_stuffing", "password_spraying"}

func sameKind(a, b string) bool {
	return a == b || slices.Contains(oneOf, a) && slices.Contains(oneOf, b)
}

// tellAttacks writes the findings of attacks that are news.
func (s *Store) tellAttacks(ctx context.Context, found []attack, suppress []detect.Suppression, st *CorrelateStats) error {
	if len(found) == 0 {
		return nil
	}
	slices.SortFunc(found, func(a, b attack) int {
		return cmp.Or(strings.Compare(a.key, b.key), cmp.Compare(a.first, b.first), strings.Compare(a.detector.Name, b.detector.Name))
	})
	known, err := s.said(ctx, found)
	if err != nil {
		return s.explain(err)
	}
	block := store.Block{}
	for i := range found {
		a := &found[i]
		st.Found++
		var before *said
		elsewhere := false
		for j := range known {
			d := &known[j]
			switch {
			case d.key != a.key || !sameKind(d.detector, a.detector.Name) || !d.near(a):
			case d.sensor != Fleet || d.detector != a.detector.Name:
				elsewhere = true
			case before == nil || d.first > before.first:
				before = d
			}
		}
		if elsewhere {
			st.Known++
			continue
		}
		f := a.finding()
		if before != nil {
			f.FirstSeen = detect.Timestamp(before.first)
			f.Verdict = max(f.Verdict, detect.Verdict(before.verdict))
		}
		if slices.ContainsFunc(suppress, func(s detect.Suppression) bool { return s.Keeps(&f) }) {
			st.Suppressed++
			continue
		}
		f.ID = detect.FindingID(Fleet, f.Detector, f.DedupeKey, capture.Time(f.FirstSeen))
		block.Occurrences = append(block.Occurrences, a.occurrences(&f)...)
		if before != nil && f.Version <= before.version {
			continue // nothing new
		}
		block.Findings = append(block.Findings, f)
		known = append(known, said{f.Detector, f.DedupeKey, Fleet, capture.Time(f.FirstSeen), capture.Time(f.LastSeen), f.Version, int8(f.Verdict)})
		st.Told++
	}
	if block.Occurrences, err = s.news(ctx, block.Occurrences); err != nil {
		return s.explain(err)
	}
	return s.spread(ctx, &block)
}

// occurrences gives what happened in each minute of an attack, as of its
// finding.
func (a *attack) occurrences(f *detect.Finding) (list []detect.Occurrence) {
	for _, m := range slices.Sorted(maps.Keys(a.minutes)) {
		o := detect.Occurrence{
			Finding: f.ID, Version: f.Version, Minute: detect.Timestamp(m * int64(time.Minute)), Count: a.minutes[m],
			Detector: f.Detector, Severity: f.Severity, Verdict: f.Verdict, Host: f.Host, Sensor: f.Sensor,
		}
		if f.Client != nil {
			o.Client = f.Client.IP
		}
		list = append(list, o)
	}
	return list
}

// news gives those of the occurrences that the table does not have, or with
// fewer events. They do not follow from what is news of findings alone: a look
// may have ended between the two.
func (s *Store) news(ctx context.Context, all []detect.Occurrence) (list []detect.Occurrence, err error) {
	if len(all) == 0 {
		return nil, nil
	}
	var ids []string
	from := all[0].Minute
	for i := range all {
		from = min(from, all[i].Minute)
		if i == 0 || all[i].Finding != all[i-1].Finding {
			ids = append(ids, all[i].Finding)
		}
	}
	rows, err := s.conn.Query(ctx, "SELECT finding, minute, count FROM occurrences FINAL WHERE finding IN (?) AND minute >= toDateTime(?)"+final,
		ids, int64(from)/int64(time.Second))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	type place struct {
		finding string
		minute  capture.Time
	}
	has := map[place]uint64{}
	for rows.Next() {
		var p place
		var minute time.Time
		var count uint64
		if err := rows.Scan(&p.finding, &minute, &count); err != nil {
			return nil, err
		}
		p.minute = capture.TimeOf(minute)
		has[p] = count
	}
	for _, o := range all {
		if o.Count > has[place{o.Finding, capture.Time(o.Minute)}] {
			list = append(list, o)
		}
	}
	return list, rows.Err()
}

// said asks for the findings that are of the same attacks.
func (s *Store) said(ctx context.Context, found []attack) (list []said, err error) {
	var keys, names []string
	from := found[0].first
	for i := range found {
		keys = append(keys, found[i].key)
		names = append(names, found[i].detector.Name)
		from = min(from, found[i].first)
	}
	names = append(names, oneOf...)
	rows, err := s.conn.Query(ctx, "SELECT detector, dedupe_key, sensor, first_seen, last_seen, version, toInt8(verdict) FROM findings FINAL"+
		" WHERE detector IN (?) AND dedupe_key IN (?) AND last_seen >= fromUnixTimestamp64Micro(?) ORDER BY ALL"+final,
		names, keys, int64(from.Add(-detect.Closed))/1000)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d said
		var first, last time.Time
		if err := rows.Scan(&d.detector, &d.key, &d.sensor, &first, &last, &d.version, &d.verdict); err != nil {
			return nil, err
		}
		d.first, d.last = capture.TimeOf(first), capture.TimeOf(last)
		list = append(list, d)
	}
	return list, rows.Err()
}

// finding makes a finding, but for its ID, of an attack. Its version is the
// count, and what is in doubt: it grows with what is known.
func (a *attack) finding() detect.Finding {
	d := a.detector
	f := detect.Finding{
		Version: a.count() + a.unclear, Detector: d.Name, Title: d.Title, Severity: a.severity, Confidence: d.Confidence, Verdict: detect.Rejected,
		DedupeKey: a.key, FirstSeen: detect.Timestamp(a.first), LastSeen: detect.Timestamp(a.last), Count: a.count(),
		Host: a.host, Method: a.method, Path: a.path, Status: int(a.status), Principal: a.principal,
		References: d.References(), Capture: detect.Capture{File: a.file, Packet: a.packet}, Sensor: Fleet,
	}
	if a.look.title != "" {
		f.Title, f.Confidence = a.look.title, detect.Tentative
	}
	switch {
	case a.success > 0:
		f.Verdict = detect.Accepted
	case a.pending > 0 || a.unclear > 0:
		f.Verdict = detect.Unknown
	}
	if a.client.IsValid() {
		f.Client = &detect.Address{IP: a.client}
	}
	number := func(name string, n uint64) {
		f.Evidence = append(f.Evidence, detect.Fact{Name: name, Value: credential.Number(int64(n))})
	}
	list := func(name string, of []string) {
		if len(of) > 0 {
			f.Evidence = append(f.Evidence, detect.Fact{Name: name, Value: credential.Stored(strings.Join(of, ", "))})
		}
	}
	if a.look.by == bySecret {
		f.Verdict = detect.Observed
	} else {
		number("failures", a.failures)
		number("accounts", a.users)
		if a.passwords > 0 {
			number("passwords", a.passwords)
		}
	}
	list("names", a.names)
	list("succeeded", a.lucky)
	number("clients", a.clients)
	list("addresses", a.addresses)
	list("sensors", a.sensors)
	return f
}

// attacks runs a look's query.
func (s *Store) attacks(ctx context.Context, l *look, d *detect.Detector, o CorrelateOptions) (list []attack, err error) {
	options := d.Defaults()
	maps.Copy(options, o.Settings[d.Name])
	rows, err := s.conn.Query(ctx, l.query(int64(o.Since)/1000, int64(o.Until)/1000, options))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		a := attack{look: l, detector: d, severity: cmp.Or(l.severity, d.Severity), minutes: map[int64]uint64{}}
		var client netip.Addr
		var principal, password uuid.UUID
		var first, last int64
		var failed, own []int64
		var failures []uint64
		err := rows.Scan(&a.host, &client, &principal, &password, &a.principal, &a.method, &a.path, &a.failures, &a.users, &a.passwords, &a.clients,
			&a.unclear, &a.own, &first, &last, &a.success, &a.pending, &a.status, &a.file, &a.packet, &a.sensors, &a.names, &a.lucky, &a.addresses,
			&failed, &failures, &own)
		if err != nil {
			return nil, err
		}
		for i, m := range failed {
			a.minutes[m] += failures[i]
		}
		for _, m := range own {
			a.minutes[m]++
		}
		a.first, a.last = capture.Time(first*1000), capture.Time(last*1000)
		if a.clients == 1 {
			a.client = client.Unmap()
		}
		if l.by != byAccount && l.by != bySecret && a.users != 1 {
			a.principal = ""
		}
		for i, text := range a.addresses {
			a.addresses[i] = strings.TrimPrefix(text, "::ffff:")
		}
		switch l.by {
		case byClient:
			a.key = detect.Key(a.client.String(), a.host)
		case byAccount:
			a.key = detect.Key(a.host, hex.EncodeToString(principal[:]))
		case bySecret:
			a.key = detect.Key(a.host, hex.EncodeToString(password[:]))
		default:
			a.key = detect.Key(a.host, "distributed")
			if l.by == byPassword {
				a.password = password.String()
			}
		}
		list = append(list, a)
	}
	return list, rows.Err()
}
