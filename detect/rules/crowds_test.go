package rules_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly/exchange"
)

// How the detectors of attacks on logins do around crowds: many people behind
// one address who have trouble with their passwords, and attacks alone and amid
// them. `go test ./detect/rules -run Crowds -v -crowds 20` prints a table.

var crowdSeeds = flag.Uint64("crowds", 1, "how many seeds each crowd is run with")

// attempt is a login. Of a guess that is right, fell is set.
type attempt struct {
	at                time.Duration
	client            string
	account, password string
	agent             string
	right, fell       bool
}

// trouble is what a crowd has with its passwords.
type trouble func(r *rand.Rand, i int) (wrong []string, right string)

// own is a password that nobody else has.
func own(i int) string { return fmt.Sprintf("Herbst-%d-%x", i*7919%10007, i) }

var troubles = []struct {
	name string
	trouble
}{
	{"typing", func(r *rand.Rand, i int) (wrong []string, right string) {
		if r.IntN(100) < 15 {
			wrong = variants(r, own(i), 2+r.IntN(3))
		}
		return wrong, own(i)
	}},
	// The day after a forced change: the old one, again, and what they think
	// that the new one was.
	{"forced", func(r *rand.Rand, i int) (wrong []string, right string) {
		for range 1 + r.IntN(2) {
			wrong = append(wrong, "old "+own(i))
		}
		return append(wrong, variants(r, "new "+own(i), 2+r.IntN(5))...), "new " + own(i)
	}},
	// As many errors, all different.
	{"forgotten", func(r *rand.Rand, i int) (wrong []string, right string) {
		return variants(r, own(i), 3+r.IntN(6)), own(i)
	}},
	// Some of them only, and the others know theirs.
	{"half forgotten", func(r *rand.Rand, i int) (wrong []string, right string) {
		if i%2 == 0 {
			wrong = variants(r, own(i), 3+r.IntN(6))
		}
		return wrong, own(i)
	}},
	// What checks the passwords is broken for a while.
	{"failover", func(r *rand.Rand, i int) (wrong []string, right string) {
		for range 3 + r.IntN(6) {
			wrong = append(wrong, own(i))
		}
		return wrong, own(i)
	}},
	// The browser fills in the old one until it is told the new.
	{"autofill", func(r *rand.Rand, i int) (wrong []string, right string) {
		for range 3 + r.IntN(6) {
			wrong = append(wrong, "old "+own(i))
		}
		if r.IntN(3) == 0 {
			wrong = append(wrong, variants(r, own(i), 1)...)
		}
		return wrong, own(i)
	}},
}

// variants are what somebody types who means another.
func variants(r *rand.Rand, s string, n int) (out []string) {
	for range n {
		b := []byte(s)
		b[r.IntN(len(b))] ^= byte(1 + r.IntN(7))
		out = append(out, string(b))
	}
	return out
}

// crowd is many people behind one address.
type crowd struct {
	people int
	within time.Duration // they come
	unseen time.Duration // until the capture begins
	gaveUp int           // percent of those with trouble never get in
	agents int           // browsers there are
	trouble
}

const office = "203.0.113.200"

func (c crowd) attempts(r *rand.Rand) (all []attempt) {
	for i := range c.people {
		at := time.Duration(r.Int64N(int64(c.within)))
		wrong, right := c.trouble(r, i)
		a := attempt{client: office, account: fmt.Sprintf("p%04d@office.test", i), agent: fmt.Sprintf("Mozilla/5.0 browser %d", r.IntN(c.agents))}
		for _, w := range wrong {
			a.at, a.password = at, w
			all = append(all, a)
			at += 3*time.Second + time.Duration(r.ExpFloat64()*6*float64(time.Second))
		}
		if len(wrong) == 0 || r.IntN(100) >= c.gaveUp {
			a.at, a.password, a.right = at, right, true
			all = append(all, a)
		}
	}
	return slices.DeleteFunc(all, func(a attempt) bool { return a.at < c.unseen })
}

// attack is one from one client; n attempts with a pause behind each, the first
// after begin. Every ownAt-th is a login of the attacker's own accounts.
type attack struct {
	detector string
	client   string
	begin    time.Duration
	pause    time.Duration
	n        int
	ownAt    int
	// guess is the i-th attempt, and whether it is right.
	guess func(i int) (account, password string, right bool)
}

func (k attack) attempts(r *rand.Rand) (all []attempt) {
	at := k.begin
	for i := range k.n {
		a := attempt{at: at, client: k.client, agent: "Mozilla/5.0 browser 0"}
		a.account, a.password, a.right = k.guess(i)
		a.fell = a.right
		all = append(all, a)
		at += k.pause + time.Duration(r.Int64N(int64(k.pause)/4+1))
		if k.ownAt > 0 && i%k.ownAt == k.ownAt-1 {
			a.at, a.account, a.password, a.right, a.fell = at, fmt.Sprint("mallory", i), own(9000+i), true, false
			all = append(all, a)
			at += k.pause
		}
	}
	return all
}

var guessers = []struct {
	name string
	attack
}{
	{"one account", attack{detector: "brute_force", n: 40, pause: 400 * time.Millisecond, guess: func(i int) (string, string, bool) { return "p0007@office.test", fmt.Sprint("guess", i), i == 39 }}},
	{"one account slowly", attack{detector: "brute_force", n: 60, pause: 3 * time.Second, guess: func(i int) (string, string, bool) { return "p0007@office.test", fmt.Sprint("guess", i), i == 59 }}},
	{"list by list", attack{detector: "brute_force", n: 90, pause: 600 * time.Millisecond, guess: func(i int) (string, string, bool) {
		return fmt.Sprintf("p%04d@office.test", 10+i/9), fmt.Sprint("guess", i%9), i == 62
	}}},
	{"list of passwords for all", attack{detector: "brute_force", n: 240, pause: 500 * time.Millisecond, guess: func(i int) (string, string, bool) {
		return fmt.Sprintf("p%04d@office.test", i%40), fmt.Sprint("guess", i/40), i == 130
	}}},
	{"own list for each", attack{detector: "brute_force", n: 400, pause: 500 * time.Millisecond, guess: func(i int) (string, string, bool) {
		return fmt.Sprintf("p%04d@office.test", i%20), fmt.Sprintf("p%04d-%d", i%20, i/20), i == 310
	}}},
	{"spraying", attack{detector: "password_spraying", n: 40, pause: 2 * time.Second, guess: func(i int) (string, string, bool) {
		return fmt.Sprintf("p%04d@office.test", i), "Winter2026!", i == 31
	}}},
	{"spraying of twelve", attack{detector: "password_spraying", n: 12, pause: 2 * time.Second, guess: func(i int) (string, string, bool) {
		return fmt.Sprintf("p%04d@office.test", i), "Winter2026!", false
	}}},
	{"stuffing", attack{detector: "credential_stuffing", n: 60, pause: 2 * time.Second, guess: func(i int) (string, string, bool) {
		return fmt.Sprintf("stolen%d@mail.test", i), fmt.Sprintf("leaked-%x", i*i), i == 40
	}}},
	{"stuffing twice", attack{detector: "credential_stuffing", n: 120, pause: 2 * time.Second, guess: func(i int) (string, string, bool) {
		return fmt.Sprintf("stolen%d@mail.test", i/2), fmt.Sprintf("leaked-%x", i/2*7), i == 80
	}}},
}

// marks is what came out of some runs.
type marks struct {
	runs             int
	medium, high     int // false alarms on the honest
	critical         int // and of the worst kind, with accounts that never fell
	missed, attacks  int // attacks of which nothing was said
	unlisted, fallen int // accounts that fell and are not called so for sure
	wrong            int // accounts that are, and did not
}

func (m *marks) add(o marks) {
	m.runs += o.runs
	m.medium += o.medium
	m.high += o.high
	m.critical += o.critical
	m.missed += o.missed
	m.attacks += o.attacks
	m.unlisted += o.unlisted
	m.fallen += o.fallen
	m.wrong += o.wrong
}

func (m marks) String() string {
	return fmt.Sprintf("runs %d: false medium %d high %d critical %d, missed %d of %d, not listed %d of %d, wrongly listed %d",
		m.runs, m.medium, m.high, m.critical, m.missed, m.attacks, m.unlisted, m.fallen, m.wrong)
}

var attackers = []string{"brute_force", "brute_force_distributed", "password_spraying", "credential_stuffing", "compromised_after_attack"}

// judge runs the attempts and compares what is found with what was done.
func judge(t testing.TB, all []attempt, detector string) marks {
	slices.SortStableFunc(all, func(a, b attempt) int { return int(a.at - b.at) })
	last := map[string]detect.Finding{}
	o := detect.Options{Key: credential.Key{1}, Emit: func(f detect.Finding) { last[f.ID] = f }}
	for _, name := range attackers {
		d, ok := rules.Find(name)
		if !ok {
			t.Fatal(name)
		}
		o.Detectors = append(o.Detectors, d)
	}
	engine, err := detect.NewEngine(o)
	if err != nil {
		t.Fatal(err)
	}
	inspector := detect.NewInspector(o)
	const begin = capture.Time(1767323045e9)
	clock := begin
	for i := range all {
		a := &all[i]
		at := begin.Add(a.at)
		for ; clock.Add(time.Minute) < at; clock = clock.Add(time.Minute) {
			engine.Mark(clock)
		}
		x := loginExchange(a, i, at)
		engine.Exchange(inspector.Inspect(x))
	}
	engine.Close()

	m := marks{runs: 1}
	fell, attacked := map[string]bool{}, detector != ""
	for _, a := range all {
		if a.fell {
			fell[a.account] = true
		}
	}
	found, listed := false, map[string]bool{}
	for _, f := range last {
		if strings.HasSuffix(f.DedupeKey, "misconfigured") {
			continue
		}
		if f.Detector == "compromised_after_attack" && f.Severity == detect.Critical {
			for _, fact := range f.Evidence {
				if fact.Name == "accounts" {
					for _, name := range strings.Split(fact.Value.String(), ", ") {
						listed[name] = true
					}
				}
			}
		}
		switch {
		case attacked:
			found = found || f.Detector == detector || detector == "any"
		case f.Severity == detect.Critical:
			m.critical++
		case f.Severity == detect.High:
			m.high++
		case f.Severity == detect.Medium:
			m.medium++
		}
	}
	if attacked {
		m.attacks = 1
		if !found {
			m.missed = 1
		}
	}
	m.fallen = len(fell)
	for name := range fell {
		if !listed[name] {
			m.unlisted++
		}
	}
	for name := range listed {
		if !fell[name] {
			m.wrong++
		}
	}
	return m
}

func loginExchange(a *attempt, n int, at capture.Time) *exchange.Exchange {
	x := &exchange.Exchange{
		Client: netip.AddrPortFrom(netip.MustParseAddr(a.client), uint16(20000+n%40000)), Server: netip.MustParseAddrPort("198.51.100.1:80"),
		End: at.Add(20 * time.Millisecond),
	}
	x.Origin.Time, x.Origin.Number, x.Origin.Order = at, uint64(n+1), uint64(n+1)
	x.Order.Packet = uint64(n + 1)
	body := func(s string) exchange.Body { return exchange.Body{Bytes: []byte(s), Length: int64(len(s))} }
	x.Request = exchange.Message{
		Present: true, Method: "POST", Target: "/login", Start: at,
		Header: exchange.Header{{Name: "Host", Value: "api.test"}, {Name: "Content-Type", Value: "application/json"}, {Name: "User-Agent", Value: a.agent}},
		Body:   body(fmt.Sprintf(`{"username":%q,"password":%q}`, a.account, a.password)),
	}
	x.Response = exchange.Message{Present: true, Status: 401, Start: at, Header: exchange.Header{{Name: "Content-Type", Value: "application/json"}},
		Body: body(`{"error":"wrong user name or password"}`)}
	if a.right {
		x.Response.Status, x.Response.Body = 200, body(fmt.Sprintf(`{"token":"6d1b0e4f9a8c7d2e%04x"}`, n))
	}
	return x
}

// The bounds are a little above what was measured (decision 0039).
func TestCrowds(t *testing.T) {
	t.Parallel()
	var honest, midway, alone, amid marks
	for seed := range *crowdSeeds {
		r := func() *rand.Rand { return rand.New(rand.NewPCG(seed, 39)) }
		for _, k := range troubles {
			for _, c := range []crowd{
				{people: 50, within: time.Minute, agents: 4}, {people: 50, within: 5 * time.Minute, gaveUp: 20, agents: 1},
				{people: 200, within: time.Minute, gaveUp: 20, agents: 1}, {people: 200, within: 5 * time.Minute, agents: 4},
				{people: 100, within: 5 * time.Minute, unseen: 3 * time.Minute, agents: 4},
			} {
				c.trouble = k.trouble
				m := judge(t, c.attempts(r()), "")
				t.Logf("%s, %d within %v from %v on: %v", k.name, c.people, c.within, c.unseen, m)
				if c.unseen > 0 {
					midway.add(m)
				} else {
					honest.add(m)
				}
			}
		}
		for _, k := range guessers {
			for _, ownAt := range []int{0, 5} {
				k.client, k.ownAt = "192.0.2.7", ownAt
				m := judge(t, k.attempts(r()), "any")
				t.Logf("%s, alone, own accounts each %d: %v", k.name, ownAt, m)
				alone.add(m)
			}
			for _, h := range []int{0, 2} {
				k.client, k.ownAt, k.begin = office, 0, 2*time.Minute
				all := crowd{people: 60, within: 4 * time.Minute, agents: 4, trouble: troubles[h].trouble}.attempts(r())
				m := judge(t, append(all, k.attempts(r())...), k.detector)
				t.Logf("%s, amid %s: %v", k.name, troubles[h].name, m)
				amid.add(m)
			}
		}
	}
	for _, c := range []struct {
		name       string
		got, bound marks
	}{
		{"honest", honest, marks{medium: 20, high: 5}},
		{"honest, seen from the middle on", midway, marks{medium: 4, high: 3, critical: 3, wrong: 10}},
		{"attacks alone", alone, marks{unlisted: 1, wrong: 20}},
		{"attacks amid a crowd", amid, marks{missed: 8, unlisted: 10, wrong: 32}},
	} {
		t.Logf("%s: %v", c.name, c.got)
		n := int(*crowdSeeds)
		if g, b := c.got, c.bound; g.medium > n*b.medium || g.high > n*b.high || g.critical > n*b.critical || g.missed > n*b.missed ||
			g.unlisted > n*b.unlisted || g.wrong > n*b.wrong {
			t.Errorf("%s: %v, more than %v a seed", c.name, g, b)
		}
	}
}
