package detect

import (
	"net/netip"

	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/expression"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Inspection is an exchange with all that it shows by itself, without knowing
// any other: what a shard makes of it before the engine sees it. It does not
// change afterwards.
//
// One of a handshake of TLS has it in Handshake, and an Exchange that says who
// spoke to whom and when, and nothing else.
type Inspection struct {
	Exchange  *exchange.Exchange
	Handshake *exchange.Handshake
	// Found holds the credentials of the request and of the response.
	Found credential.Found
	// Published are the keys that the response publishes, nil in most.
	Published *issuer.Document
	// Has is what the exchange offers to the detectors' Needs.
	Has Needs
	// OtherCookies says that the request has cookies that are not among the
	// credentials found: one of them may be one all the same.
	OtherCookies bool
	// BehindTLS says that something in front of the server ended TLS.
	BehindTLS bool
	// Host, Path and Query of the request; Host in lower case without a
	// default port.
	Host, Path, Query string
	// Operation is what the request asks of the path where many things are asked
	// of the same one: of GraphQL, JSON-RPC, SOAP.
	Operation string
	// Client is the client's address behind trusted proxies.
	Client netip.Addr
	// Principal is the account that the request acts for, "" where unknown.
	Principal string
	// Captcha says that the answer to a login has one.
	Captcha bool
	// Told is a hash of what the answer says, Pass.Told.
	Told uint64
	// Answer is what the response says by itself.
	Answer endpoint.Answer
	// forwarded is whom a proxy says that it forwards the request for.
	forwarded string
	// held says that something holds on to it: it is not used again.
	held bool
	// content holds a bit for each detector with Content, in the order of their
	// names, that wants to see the exchange.
	content uint64
}

// Subject gives what expressions are asked about.
func (ins *Inspection) Subject() expression.Subject {
	return expression.Subject{
		Exchange: ins.Exchange, Found: &ins.Found, Host: ins.Host, Path: ins.Path, Query: ins.Query,
		Operation: ins.Operation, Client: ins.Client, Principal: ins.Principal,
	}
}
