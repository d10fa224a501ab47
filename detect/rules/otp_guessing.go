package rules

import (
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "otp_guessing",
	Title: "One-time codes are guessed",
	Doc: `More than five different codes (of a second factor, of a new password, of a voucher) were tried within ten minutes in one session, for one account or with one token of a first step, or twenty and more by one client, and refused. A success after them makes the finding accepted.

A code of six digits holds out against one try, not against a million. Where nothing counts failures, whoever has the password has the account within hours, and whoever asks for a new password has it without one.

People mistype: up to five codes are theirs. The same code sent again is one. Authorization codes of OAuth are none of these. Where neither a session nor an account stands in the request, only the client can be counted, and behind one address there may be many.

Refuse every code after five failures, the right one too, and let it live for minutes. Codes for new passwords should be long enough not to be guessed at all.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{307, 640}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.6.3"},
	Needs: detect.HasCode,
	Options: []detect.Option{
		{Name: "codes", Default: 6, Doc: "different codes in a session or for an account"},
		{Name: "client_codes", Default: 20, Doc: "different codes of a client"},
		ignoreClients,
	},
	Exchange: guessedCode,
	Windows: []detect.Window{
		{Name: "codes_by_owner", Span: attackSpan, Crossed: func(p *detect.Pass, key string, s *window.Summary) { codesGuessed(p, key, s, "codes") }},
		{Name: "codes_by_client", Span: attackSpan, Crossed: func(p *detect.Pass, key string, s *window.Summary) {
			if !p.Ongoing("otp_guessing", codeOwner(p), 0) { // that owner's finding has this event
				codesGuessed(p, key, s, "client_codes")
			}
		}},
	},
})

func guessedCode(p *detect.Pass, x *exchange.Exchange) {
	c := presentedCode(p)
	if c == nil || ignored(p) {
		return
	}
	e := window.Event{Time: p.Now(), Class: codeClass(p, x), Client: p.Client(), Label: p.Principal(), Status: uint16(x.Response.Status)}
	e.Fields[0] = c.ID.Uint64()
	if owner := codeOwner(p); owner != "" {
		p.Observe("codes_by_owner", owner, e)
	}
	p.Observe("codes_by_client", clientKey(p), e)
}

// presentedCode gives the one-time code of a request, nil where it has none.
func presentedCode(p *detect.Pass) *credential.Credential {
	if l := p.Login(); l != nil && len(l.Form) > 6 && l.Form[:6] == "oauth:" {
		return nil // RFC 6749, section 4.1.3
	}
	for i, list := 0, p.Presented(); i < len(list); i++ {
		if c := &list[i]; c.Kind == credential.Code {
			switch c.Place.Part {
			case credential.InForm, credential.InJSON, credential.InMultipart, credential.InXML:
				return c
			}
		}
	}
	return nil
}

// codeOwner names whose code is tried: the session's, the account's, or that of
// the transaction which a token in the body stands for.
func codeOwner(p *detect.Pass) string {
	for i, list := 0, p.Presented(); i < len(list); i++ {
		if c := &list[i]; isSession(c) {
			return detect.Key(hostOf(p), "session", c.ID.String())
		}
	}
	if account := accountKey(p); account != "" {
		return account
	}
	for i, list := 0, p.Presented(); i < len(list); i++ {
		c := &list[i]
		switch c.Place.Part {
		case credential.InForm, credential.InJSON, credential.InMultipart, credential.InXML:
			if c.Kind == credential.Bearer || c.Kind == credential.JWT || c.Kind == credential.Session {
				return detect.Key(hostOf(p), "transaction", c.ID.String())
			}
		}
	}
	if t := p.Ticket(); !t.IsZero() {
		return detect.Key(hostOf(p), "transaction", t.String())
	}
	return ""
}

func codeClass(p *detect.Pass, x *exchange.Exchange) window.Class {
	switch s := x.Response.Status; {
	case p.Outcome() == endpoint.Refusal, p.LoginOutcome() == endpoint.LoginFailure, p.SaysFailure():
		return window.Failure
	case x.Flags&exchange.Unpaired != 0 || !x.Response.Damage.Whole():
		return window.Unclear
	case s == 400 || s == 401 || s == 403 || s == 404 || s == 410 || s == 422 || s == 423 || s == 429:
		return window.Failure
	case p.LoginOutcome() == endpoint.LoginSuccess, p.Login() == nil && p.Outcome() == endpoint.Success:
		return window.Success
	}
	return window.Unclear
}

func codesGuessed(p *detect.Pass, key string, s *window.Summary, limit string) {
	codes := s.Distinct()[0]
	if codes < p.Options().Int(limit) || s.Latest.Class == window.Unclear {
		return
	}
	if limit == "client_codes" && s.Count[window.Success]*5 > s.Count[window.Failure] {
		return // people who mistype, behind one address
	}
	r := detect.Report{
		Key: key, Verdict: detect.Rejected, Count: s.Count[window.Failure] + s.Count[window.Success], First: s.FirstOf(window.Failure),
		Evidence: detect.Evidence{
			{Name: "target", Value: p.Target()},
			{Name: "codes", Value: credential.Number(int64(codes))},
			{Name: "failures", Value: credential.Number(int64(s.Count[window.Failure]))},
			{Name: "within", Value: credential.Span(s.Last.Sub(s.FirstOf(window.Failure)).Round(time.Second))},
		},
	}
	for i := range s.Hits {
		if h := &s.Hits[i]; h.Class == window.Success && !s.Failed(0, h.Fields[0]) && h.Time > s.FirstOf(window.Failure) {
			r.Verdict, r.Status = detect.Accepted, int(h.Status)
		}
	}
	if r.Verdict == detect.Rejected && s.Count[window.Unclear] > 0 {
		r.Verdict = detect.Unknown
	}
	p.Report(r)
}
