package custom

import (
	"hash/fnv"
	"strings"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
)

// Fields of the events in a rule's window. All events are of the same class,
// since a window tells the different values of one class only: what came of
// them is a field.
const (
	counted   = iota // what is counted, of Distinct
	result           // accepted, refused or unclear
	client           //
	principal        //
)

const (
	accepted = iota + 1
	refused
	unclear
)

// pause is how long what crossed a window may rest and still be the same.
const pause = 30 * time.Minute

func (r *rule) windowName() string { return "rule " + r.Name.Text }

// observe adds a match to its window.
func (r *rule) observe(p *detect.Pass, env *Env, key string, about *credential.Credential) {
	e := window.Event{Time: p.Now(), Class: window.Failure, Client: p.Client(), Label: p.Principal()}
	e.Fields[result] = resultOf(p, about)
	address := p.Client().As16()
	e.Fields[client] = hash(string(address[:]))
	e.Fields[principal] = hash(p.Principal())
	if r.distinct != nil {
		text, err := r.distinct.run(env)
		if err != nil {
			r.failed(err)
			return
		}
		if text == "" {
			return // there is nothing to count
		}
		e.Fields[counted] = hash(text)
	}
	p.Observe(r.windowName(), key, e)
}

func resultOf(p *detect.Pass, about *credential.Credential) uint64 {
	if byLogin(p, about) {
		switch p.LoginOutcome() {
		case endpoint.LoginSuccess:
			return accepted
		case endpoint.LoginFailure:
			return refused
		}
		return unclear
	}
	switch p.Outcome() {
	case endpoint.Success:
		return accepted
	case endpoint.Refusal:
		return refused
	}
	return unclear
}

func hash(s string) uint64 {
	if s == "" {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64() | 1
}

// crossed is asked after each match with what the window then holds.
func (r *rule) crossed(p *detect.Pass, key string, s *window.Summary) {
	events, d := int(s.Count[window.Failure]), s.Distinct()
	n := events
	if r.distinct != nil {
		n = d[counted]
	}
	above := n >= r.Window.Threshold
	if above {
		r.stats.Crossed++
	}
	if !above && !p.Ongoing(r.Name.Text, key, max(pause, r.Window.Span)) {
		return
	}
	report := detect.Report{
		Key: key, Count: uint64(events), First: s.FirstOf(window.Failure),
		Clients: d[client] > 1, Principals: d[principal] > 1,
		Evidence: r.explainWindow(p, events, d[counted], s),
	}
	if r.Attempt {
		switch {
		case s.Failed(result, accepted):
			report.Verdict = detect.Accepted
		case s.Failed(result, unclear):
			report.Verdict = detect.Unknown
		default:
			report.Verdict = detect.Rejected
		}
	}
	p.Report(report)
}

func (r *rule) explainWindow(p *detect.Pass, events, different int, s *window.Summary) detect.Evidence {
	list := detect.Evidence{{Name: "events", Value: credential.Number(int64(events))}}
	if r.distinct != nil {
		list = append(list, detect.Fact{Name: "different", Value: credential.Number(int64(different))})
	}
	if names := s.Labels(); len(names) > 1 {
		list = append(list, detect.Fact{Name: "names", Value: p.Accounts(names)})
	}
	if clients := s.Clients(); len(clients) > 1 {
		var b strings.Builder
		for i, c := range clients {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(c.String())
		}
		list = append(list, detect.Fact{Name: "clients", Value: p.Redact(b.String())})
	}
	return append(list, r.explain(p)...)
}
