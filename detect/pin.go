package detect

import (
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/expression"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Pin is an endpoint that the configuration describes. It does not change once
// an engine has it.
type Pin struct {
	// Hosts, Method and Path as in endpoint.Declared.
	Hosts        []string
	Method, Path string
	// Login says that the endpoint is a login, and which fields it has.
	Login *credential.LoginFields
	// Requires says what the endpoint asks for.
	Requires endpoint.Need
	// Success and Failure say what an answer means, nil where that is learned.
	Success, Failure *Answers
}

// Answers is an expression that is true of some answers.
type Answers = expression.Program[expression.Exchange, bool]

func (p *Pin) declared() *endpoint.Declared {
	return &endpoint.Declared{
		Hosts: p.Hosts, Method: p.Method, Path: p.Path,
		Pin: &endpoint.Pin{Requires: p.Requires, Success: p.Success != nil, Failure: p.Failure != nil},
	}
}

// declared gives what is told of endpoints before they are seen: what the
// configuration says stands before what documents do.
func (o *Options) declared() []*endpoint.Declared {
	var list []*endpoint.Declared
	for i := range o.Pins {
		list = append(list, o.Pins[i].declared())
	}
	return append(list, o.Declared...)
}

// pins finds the pin of an exchange, for a shard.
type pins struct {
	tree *endpoint.Declarations
	pins map[*endpoint.Declared]*Pin
	env  expression.Exchange
}

// newPins gives nil where there are none.
func newPins(list []Pin) *pins {
	if len(list) == 0 {
		return nil
	}
	p := &pins{pins: make(map[*endpoint.Declared]*Pin)}
	var declared []*endpoint.Declared
	for i := range list {
		d := list[i].declared()
		p.pins[d] = &list[i]
		declared = append(declared, d)
	}
	p.tree = endpoint.Declare(declared)
	return p
}

func (p *pins) of(x *exchange.Exchange) *Pin {
	if !x.Request.Present {
		return nil
	}
	path, _ := x.PathQuery()
	return p.pins[p.tree.Find(hostOf(x), x.Request.Method, path)]
}

// judge marks an answer by what its pin says.
func (p *pins) judge(pin *Pin, ins *Inspection) {
	if ins.Answer.Status == 0 {
		return
	}
	s := ins.Subject()
	for _, ask := range [...]struct {
		answers *Answers
		mark    endpoint.Marks
	}{{pin.Success, endpoint.PinnedSuccess}, {pin.Failure, endpoint.PinnedFailure}} {
		if ask.answers == nil {
			continue
		}
		p.env.Set(&s, ask.answers.Used())
		// What cannot be asked of this answer is not true of it.
		if yes, err := ask.answers.Run(&p.env); err == nil && yes {
			ins.Answer.Marks |= ask.mark
		}
	}
}

// Spec is what a document says of the exchange's endpoint; nil where none
// describes it.
func (p *Pass) Spec() *endpoint.Spec { return p.endpoint.Spec() }

// Covered gives the document that describes where the request's path is, though
// it may say nothing of the path itself.
func (p *Pass) Covered() (document string, ok bool) {
	return p.engine.endpoints.Covered(p.Host(), p.ins.Path)
}
