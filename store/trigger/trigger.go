// Package trigger does something about findings: it tells them to a webhook or
// to a program, or puts who attacks on a block list.
//
// Contract: Triggers are a sink like any other. Write decides which findings
// are acted upon, and never waits: each rule has a bounded queue of its own and
// a goroutine that works on it, until Close. An action that fails is counted
// and told, and the next is tried; nothing is kept over a restart but the block
// list. Cool-downs are of packet time, as findings are; a block's time and the
// time an action may take are the clock's.
//
// authtap sends nothing to what it watches. Where a webhook goes is for whoever
// configures it to say.
package trigger

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/store"
)

// Match chooses findings; what is set must all hold.
type Match struct {
	// Severity is the lowest, Count the smallest.
	Severity detect.Severity
	Count    uint64
	// One of Detectors, Verdicts and Hosts, these with or without port, or as
	// *.example.com.
	Detectors, Hosts []string
	Verdicts         []detect.Verdict
}

func (m *Match) holds(f *detect.Finding) bool {
	return f.Severity >= m.Severity && f.Count >= m.Count &&
		(len(m.Detectors) == 0 || slices.Contains(m.Detectors, f.Detector)) &&
		endpoint.HostMatches(m.Hosts, f.Host) &&
		(len(m.Verdicts) == 0 || slices.Contains(m.Verdicts, f.Verdict))
}

// Per says what a cool-down is for.
type Per string

// A cool-down is for each attack (its dedupe key), client, account or host, or
// for all that one detector finds. What has no client or account is taken by its
// attack.
const (
	PerAttack    Per = "attack"
	PerClient    Per = "client"
	PerPrincipal Per = "principal"
	PerHost      Per = "host"
	PerDetector  Per = "detector"
)

// Pers are all of them.
var Pers = []Per{PerAttack, PerClient, PerPrincipal, PerHost, PerDetector}

func (p Per) key(f *detect.Finding) string {
	switch {
	case p == PerClient && f.Client != nil:
		return f.Client.IP.String()
	case p == PerPrincipal && f.Principal != "":
		return f.Principal
	case p == PerHost && f.Host != "":
		return f.Host
	case p == PerDetector:
		return f.Detector
	}
	return f.Detector + "\x00" + f.DedupeKey
}

// Rule says what is done about which findings: one of Webhook, Exec and Block.
type Rule struct {
	Name string
	On   Match
	// Cooldown is the packet time for which nothing more is done of a key, but
	// for what is graver, or has a worse verdict, than what was acted upon.
	Cooldown time.Duration
	Per      Per
	Webhook  *Webhook
	Exec     *Exec
	Block    *Block
}

// action is what a rule does. It belongs to the rule's goroutine.
type action interface {
	// begin makes ready.
	begin() error
	do(ctx context.Context, f *detect.Finding) error
	// expire does what is to be done by now, and says when there is more to be;
	// zero: not before the next do.
	expire(now time.Time) (next time.Time, err error)
}

// Options are of all rules.
type Options struct {
	// Version is the program's.
	Version string
	// Queue bounds the findings that wait for each rule. Default 256.
	Queue int
	// Failed, when set, is told what went wrong with a rule.
	Failed func(rule string, err error)
}

// Stats count the findings of a rule.
type Stats struct {
	// Matched are those that the rule is for; Cooled of them came within a
	// cool-down, Dropped found the queue full or were not reached before the
	// end. Done, Failed and Spared (who is never blocked) are what became of the
	// others, Retries the attempts besides the first.
	Matched, Cooled, Dropped      uint64
	Done, Failed, Spared, Retries uint64
	// Waiting are queued as of now; Blocked are on the list.
	Waiting, Blocked int
}

// errSpared says that a finding is none to be acted upon.
var errSpared = errors.New("spared")

// keys bounds the keys of a rule's cool-downs.
const keys = 10_000

// told is what was done of a key.
type told struct {
	at       capture.Time
	severity detect.Severity
	verdict  detect.Verdict
}

// running is a rule at work.
type running struct {
	Rule
	action action
	cool   *window.Cache[string, told]
	queue  chan detect.Finding
	cancel context.CancelFunc
	done   chan struct{}
	tally  *tally
}

// tally counts for all rules that had a name, one after the other.
type tally struct {
	mu sync.Mutex
	Stats
}

// Triggers are rules at work. Write and Replace belong to one goroutine; Stats
// may be called from any.
type Triggers struct {
	opt Options
	mu  sync.Mutex
	all []*running
}

// New starts rules.
func New(rules []Rule, o Options) (*Triggers, error) {
	if o.Queue <= 0 {
		o.Queue = 256
	}
	t := &Triggers{opt: o}
	return t, t.Replace(rules)
}

// Check says what is wrong with rules, as far as that can be said before they
// are in force.
func Check(rules []Rule) error {
	names, files := map[string]bool{}, map[string]bool{}
	for i := range rules {
		r := &rules[i]
		switch {
		case strings.ContainsFunc(r.Name, unicode.IsControl) || !utf8.ValidString(r.Name):
			return fmt.Errorf("trigger %q: a name is text of one line", r.Name) // it stands in a header
		case names[r.Name]:
			return fmt.Errorf("trigger %q is there twice", r.Name)
		case r.Block != nil && files[r.Block.File]:
			return fmt.Errorf("trigger %s: another has the same block list", r.Name)
		}
		names[r.Name] = true
		if r.Block != nil {
			files[r.Block.File] = true
		}
		if _, err := (&running{Rule: *r}).newAction(""); err != nil {
			return fmt.Errorf("trigger %s: %w", r.Name, err)
		}
	}
	return nil
}

// Replace puts other rules into force. Those that are the same go on; the others
// end what is queued, behind the caller's back, and then those of the same name
// begin, whose counts go on. On an error nothing has changed.
func (t *Triggers) Replace(rules []Rule) error {
	if err := Check(rules); err != nil {
		return err
	}
	var next, begun []*running
	for _, r := range rules {
		var before <-chan struct{}
		counted := new(tally)
		if i := slices.IndexFunc(t.all, func(old *running) bool { return old.Name == r.Name }); i >= 0 {
			counted = t.all[i].tally
		}
		if i := slices.IndexFunc(t.all, func(old *running) bool { return old.Name == r.Name || old.shares(&r) }); i >= 0 {
			if reflect.DeepEqual(t.all[i].Rule, r) {
				next = append(next, t.all[i])
				continue
			}
			before = t.all[i].done
		}
		n, err := t.start(r, counted, before)
		if err != nil {
			return errors.Join(fmt.Errorf("trigger %s: %w", r.Name, err), stop(context.Background(), begun))
		}
		next, begun = append(next, n), append(begun, n)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var old []*running
	for _, r := range t.all {
		if !slices.Contains(next, r) {
			old = append(old, r)
		}
	}
	t.all = next
	go stop(context.Background(), old)
	return nil
}

// shares reports whether two rules write the same file.
func (r *Rule) shares(o *Rule) bool {
	return r.Block != nil && o.Block != nil && r.Block.File == o.Block.File
}

// start starts a rule: at once, or when before is closed.
func (t *Triggers) start(r Rule, counted *tally, before <-chan struct{}) (*running, error) {
	n := &running{
		Rule: r, cool: window.NewCache[string, told](keys, 0),
		queue: make(chan detect.Finding, t.opt.Queue), done: make(chan struct{}), tally: counted,
	}
	var err error
	if n.action, err = n.newAction(t.opt.Version); err != nil {
		return nil, err
	}
	if before == nil {
		if err := n.action.begin(); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	go func() {
		defer close(n.done)
		if before != nil {
			<-before
			if err := n.action.begin(); err != nil {
				n.failed(err, t.opt.Failed)
			}
		}
		n.run(ctx, t.opt.Failed)
	}()
	return n, nil
}

func (r *running) newAction(version string) (action, error) {
	retried := func() { r.count(func(s *Stats) { s.Retries++ }) }
	switch {
	case r.Webhook != nil:
		return newWebhook(*r.Webhook, r.Name, version, retried)
	case r.Exec != nil:
		return newProgram(*r.Exec)
	case r.Block != nil:
		return newBlockList(*r.Block, func(n int) { r.count(func(s *Stats) { s.Blocked = n }) })
	}
	return nil, errors.New("it does nothing")
}

// Write implements store.Sink.
func (t *Triggers) Write(ctx context.Context, b *store.Block) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range b.Findings {
		for _, r := range t.all {
			r.take(&b.Findings[i])
		}
	}
	return nil
}

func (r *running) take(f *detect.Finding) {
	if !r.On.holds(f) {
		return
	}
	now := capture.Time(f.LastSeen)
	last, first := r.cool.At(r.Per.key(f), now)
	cooled := !first && now.Sub(last.at) < r.Cooldown && f.Severity <= last.severity && f.Verdict <= last.verdict
	queued := false
	if !cooled {
		select {
		case r.queue <- *f:
			queued = true
			*last = told{now, f.Severity, f.Verdict}
		default:
			if first {
				last.at = now - capture.Time(r.Cooldown) // nothing was done
			}
		}
	}
	r.count(func(s *Stats) {
		s.Matched++
		switch {
		case cooled:
			s.Cooled++
		case !queued:
			s.Dropped++
		}
	})
}

func (r *running) count(f func(*Stats)) {
	r.tally.mu.Lock()
	defer r.tally.mu.Unlock()
	f(&r.tally.Stats)
}

// run acts until the queue is closed and empty, or ctx is done.
func (r *running) run(ctx context.Context, tell func(string, error)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case f, ok := <-r.queue:
			switch {
			case !ok:
				return
			case ctx.Err() != nil:
				r.count(func(s *Stats) { s.Dropped++ })
				continue
			}
			switch err := r.action.do(ctx, &f); err {
			case nil:
				r.count(func(s *Stats) { s.Done++ })
			case errSpared:
				r.count(func(s *Stats) { s.Spared++ })
			default:
				r.failed(err, tell)
			}
		case <-timer.C:
		}
		next, err := r.action.expire(time.Now())
		if err != nil {
			r.failed(err, tell)
			next = time.Now().Add(time.Minute)
		}
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(max(time.Until(next), 0))
		}
	}
}

// failed counts what went wrong, and tells it.
func (r *running) failed(err error, tell func(string, error)) {
	r.count(func(s *Stats) { s.Failed++ })
	if tell != nil {
		tell(r.Name, err)
	}
}

// Close works off what is queued until ctx is done, and ends the rules.
func (t *Triggers) Close(ctx context.Context) error {
	t.mu.Lock()
	all := t.all
	t.mu.Unlock()
	return stop(ctx, all)
}

func stop(ctx context.Context, all []*running) error {
	for _, r := range all {
		close(r.queue)
	}
	var left []error
	for _, r := range all {
		select {
		case <-r.done:
		case <-ctx.Done():
			r.cancel()
			<-r.done
			if n := r.now().Dropped; n > 0 {
				left = append(left, fmt.Errorf("trigger %s: %d findings were not acted upon", r.Name, n))
			}
		}
		r.cancel()
	}
	return errors.Join(left...)
}

// Stats gives the counts of each rule by its name.
func (t *Triggers) Stats() map[string]Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[string]Stats, len(t.all))
	for _, r := range t.all {
		all[r.Name] = r.now()
	}
	return all
}

func (r *running) now() (s Stats) {
	r.count(func(now *Stats) { s = *now })
	s.Waiting = len(r.queue)
	return s
}
