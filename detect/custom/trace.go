package custom

import (
	"sync"
	"sync/atomic"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/expression"
)

// contentPart is a condition on the content of messages, asked by the shards.
type contentPart struct {
	text                   string
	program                *expression.Program[expression.Exchange, bool]
	reached, held, errored atomic.Uint64
}

// environments are those of the shards: how many there are the rules do not
// know.
var environments = sync.Pool{New: func() any { return new(contentEnv) }}

type contentEnv struct {
	env     expression.Exchange
	subject expression.Subject
}

// contentHolds reports whether the content of an exchange's messages is what
// the rule wants. It is called by the shards.
func (r *rule) contentHolds(ins *detect.Inspection) bool {
	at := environments.Get().(*contentEnv)
	defer environments.Put(at)
	at.subject = ins.Subject()
	if !r.set.options.Trace && (ins.Has&r.needs == 0 || !meets(r.onSubject, &at.subject)) {
		return false
	}
	for _, c := range r.content {
		c.reached.Add(1)
		at.env.Set(&at.subject, c.program.Used())
		holds, err := c.program.Run(&at.env)
		if err != nil {
			c.errored.Add(1)
			return false
		}
		if !holds {
			return false
		}
		c.held.Add(1)
	}
	return true
}

// tracedPart is a condition that is asked by itself, to be counted.
type tracedPart struct {
	text          string
	program       *program[bool]
	reached, held uint64
}

// traced asks the parts one after the other.
func (r *rule) traced(p *detect.Pass) bool {
	env := r.set.asked.at(p)
	if r.verdict {
		env.Verdict = verdict(p, r.about(p)).String()
	}
	for _, part := range r.parts {
		part.reached++
		holds, err := part.program.Run(env)
		if err != nil || !holds {
			r.failed(err)
			return false
		}
		part.held++
	}
	return true
}

// Step is a part of a rule's condition: how many exchanges came as far as it,
// and for how many of them it held.
type Step struct {
	Condition     string
	Reached, Held uint64
}

// Steps gives the parts of each rule's condition in the order in which they
// were asked, those on the content of messages first; without Trace nothing
// but these.
func (s *Set) Steps() [][]Step {
	list := make([][]Step, len(s.rules))
	for i, r := range s.rules {
		for _, c := range r.content {
			list[i] = append(list[i], Step{c.text, c.reached.Load(), c.held.Load()})
		}
		for _, p := range r.parts {
			list[i] = append(list[i], Step{p.text, p.reached, p.held})
		}
	}
	return list
}
