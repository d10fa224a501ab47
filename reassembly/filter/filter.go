// Package filter says which conversations are looked at, by the innermost
// addresses and ports: a filter of the kernel's (BPF) does not see into
// tunnels, and this one does not see anything else.
//
//	host 10.0.0.1 and port 8080
//	net 10.0.0.0/8 and not (port 22 or port 3306)
//	net 2001:db8::/32
//
// host, net and port hold where either end is it. A conversation is taken
// whole or not at all, so there is no src and no dst. Where and and or are
// mixed, parentheses have to say what belongs together: tcpdump and most
// languages disagree on it.
//
// Contract: a Filter keeps nothing, allocates nothing, and may be called from
// several goroutines. Parse takes text of at most MaxLength bytes, with
// parentheses at most MaxDepth deep; its errors name the column, from 1. Names
// of hosts and services are not looked up.
package filter

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/authtap/authtap/reassembly"
)

// Bounds on what Parse takes.
const (
	MaxLength = 64 << 10
	MaxDepth  = 100
)

// Filter says whether a conversation is looked at.
type Filter func(*reassembly.FlowKey) bool

// Parse reads an expression. Without one (white space) it gives a nil Filter,
// which stands for all conversations.
func Parse(text string) (Filter, error) {
	if len(text) > MaxLength {
		return nil, fmt.Errorf("the expression is longer than %d bytes", MaxLength)
	}
	p := parser{text: text}
	p.next()
	if p.token == "" {
		return nil, nil
	}
	f, err := p.expression()
	if err == nil && p.token == ")" {
		err = p.errorf("there is no ( to this )")
	} else if err == nil && p.token != "" {
		err = p.errorf("%q: and, or, or the end is expected here", p.token)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// parser holds the token at hand; it is "" at the end.
type parser struct {
	text  string
	rest  int // where the text goes on behind the token
	at    int // where the token begins
	token string
	depth int
}

// next goes to the next token: a parenthesis, an operator, or a word.
func (p *parser) next() {
	rest := strings.TrimLeft(p.text[p.rest:], " \t\r\n")
	p.at = len(p.text) - len(rest)
	n := strings.IndexAny(rest, " \t\r\n()!&|")
	switch {
	case n < 0:
		n = len(rest)
	case n == 0 && (strings.HasPrefix(rest, "&&") || strings.HasPrefix(rest, "||")):
		n = 2
	case n == 0:
		n = 1
	}
	p.token, p.rest = rest[:n], p.at+n
}

func (p *parser) errorf(format string, args ...any) error {
	column := utf8.RuneCountInString(p.text[:p.at]) + 1
	return fmt.Errorf("column %d: %w", column, fmt.Errorf(format, args...))
}

// operators by the ways to write them.
var operators = map[string]string{"and": "and", "&&": "and", "or": "or", "||": "or"}

// expression reads terms that and, or or, connects.
func (p *parser) expression() (Filter, error) {
	first, err := p.term()
	if err != nil {
		return nil, err
	}
	terms := []Filter{first}
	connective := operators[p.token]
	for {
		switch op := operators[p.token]; {
		case op == "":
			return connect(connective, terms), nil
		case op != connective:
			return nil, p.errorf("%q: and and or are mixed; parentheses have to say what belongs together", p.token)
		}
		p.next()
		term, err := p.term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, term)
	}
}

func connect(connective string, terms []Filter) Filter {
	if len(terms) == 1 {
		return terms[0]
	}
	decides := connective == "or" // the answer of one that settles it
	return func(k *reassembly.FlowKey) bool {
		for _, t := range terms {
			if t(k) == decides {
				return decides
			}
		}
		return !decides
	}
}

// term reads a test, its negation, or an expression in parentheses.
func (p *parser) term() (Filter, error) {
	if p.depth++; p.depth > MaxDepth {
		return nil, p.errorf("parentheses and negations are nested more than %d deep", MaxDepth)
	}
	defer func() { p.depth-- }()
	switch token := p.token; token {
	case "not", "!":
		p.next()
		f, err := p.term()
		if err != nil {
			return nil, err
		}
		return func(k *reassembly.FlowKey) bool { return !f(k) }, nil
	case "(":
		p.next()
		f, err := p.expression()
		if err != nil {
			return nil, err
		}
		if p.token != ")" {
			return nil, p.errorf("%s: and, or, or ) is expected here", p.quoted())
		}
		p.next()
		return f, nil
	case "host", "net", "port":
		p.next()
		f, err := p.test(token)
		if err != nil {
			return nil, err
		}
		p.next()
		return f, nil
	case "src", "dst":
		return nil, p.errorf("%q: a conversation is taken whole: host, net and port hold for either end", token)
	}
	return nil, p.errorf("%s: host, net, port, not or ( is expected here", p.quoted())
}

func (p *parser) quoted() string {
	if p.token == "" {
		return "the end"
	}
	return strconv.Quote(p.token)
}

// test reads what a keyword compares with.
func (p *parser) test(keyword string) (Filter, error) {
	switch keyword {
	case "host":
		addr, err := netip.ParseAddr(p.token)
		if err != nil || addr.Zone() != "" {
			return nil, p.errorf("%s is not an address such as 192.0.2.1 or 2001:db8::1", p.quoted())
		}
		host := reassembly.Addr(addr.As16())
		return func(k *reassembly.FlowKey) bool { return k.AddrA == host || k.AddrB == host }, nil
	case "net":
		net, err := netip.ParsePrefix(p.token)
		if err != nil {
			return nil, p.errorf("%s is not a network such as 10.0.0.0/8 or 2001:db8::/32", p.quoted())
		}
		if net != net.Masked() {
			return nil, p.errorf("%s has bits behind its prefix; %v does not", p.token, net.Masked())
		}
		return func(k *reassembly.FlowKey) bool { return net.Contains(k.AddrA.IP()) || net.Contains(k.AddrB.IP()) }, nil
	}
	n, err := strconv.ParseUint(p.token, 10, 16)
	if err != nil {
		return nil, p.errorf("%s is not a port between 0 and 65535", p.quoted())
	}
	port := uint16(n)
	return func(k *reassembly.FlowKey) bool { return k.PortA == port || k.PortB == port }, nil
}
