package rules

import (
	"net/netip"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "password_returned",
	Title: "The server gives a password back that was sent to it",
	Doc: `A password that somebody sent came back within a day, under a password's name, in the answer to a later request that did not hold it. At least one other request of the client came in between.

A server that can tell a password has kept it: in the clear, or so that it can be decrypted. Whoever reads the database, a backup or that answer has the accounts, here and wherever else people use the same password.

An answer that repeats what its own request held, as forms do whose input was refused, is none of this; neither is the page that the browser is sent to next. Passwords are compared by keyed hashes, which are kept in memory only, and only values of fields that are named for passwords are compared.

Keep passwords as salted hashes of a slow function (Argon2id, scrypt, bcrypt), and never read them into what is answered.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{257, 201}, OWASP: []string{"API2:2023"},
	Needs: detect.EveryExchange,
	State: func(detect.Values) any {
		return &returned{
			sent: window.NewCache[passwordAt, sentPassword](50_000, 24*time.Hour),
			last: window.NewCache[clientAt, []passwordAt](10_000, 24*time.Hour),
		}
	},
	Exchange: func(p *detect.Pass, x *exchange.Exchange) { p.State().(*returned).look(p, x) },
})

// returned is which passwords were sent, and those of each client's last
// request that held one, until it makes another.
type returned struct {
	sent *window.Cache[passwordAt, sentPassword]
	last *window.Cache[clientAt, []passwordAt]
}

// Evicted counts what made room for others.
func (r *returned) Evicted() uint64 { return r.sent.Evicted() + r.last.Evicted() }

type passwordAt struct {
	host string
	id   credential.ID
}

type clientAt struct {
	host   string
	client netip.Addr
}

type sentPassword struct {
	client netip.Addr
	at     capture.Time
	to     string
	// settled says that the client has made another request since.
	settled bool
}

func (r *returned) look(p *detect.Pass, x *exchange.Exchange) {
	list := p.Exposed()
	if len(list) == 0 && r.last.Len() == 0 && p.Login() == nil && p.Account() == nil {
		return
	}
	for i := range list {
		c := &list[i]
		if c.Kind != credential.Password || p.Presents(c.ID) {
			continue
		}
		s := r.sent.Get(passwordAt{p.Host(), c.ID}, p.Now())
		if s == nil || !s.settled && s.client == p.Client() {
			continue
		}
		p.Report(detect.Report{
			Key: detect.Key(hostOf(p), p.Endpoint()), Credential: c,
			Evidence: detect.Evidence{
				{Name: "target", Value: p.Target()}, {Name: "sent_to", Value: p.Redact(s.to)}, {Name: "sent", Value: credential.Instant(s.at)},
			},
		})
	}
	if !x.Request.Present {
		return
	}
	who := clientAt{p.Host(), p.Client()}
	if before := r.last.Get(who, p.Now()); before != nil {
		for _, at := range *before {
			if s := r.sent.Get(at, p.Now()); s != nil {
				s.settled = true
			}
		}
		r.last.Delete(who)
	}
	note := func(id credential.ID) {
		at := passwordAt{p.Host(), id}
		s, created := r.sent.At(at, p.Now())
		if created {
			*s = sentPassword{client: p.Client(), at: p.Now(), to: p.Endpoint()}
		}
		if !s.settled {
			l, _ := r.last.At(who, p.Now())
			if len(*l) < 8 {
				*l = append(*l, at)
			}
		}
	}
	for i, list := 0, p.Presented(); i < len(list); i++ {
		if list[i].Kind == credential.Password {
			note(list[i].ID)
		}
	}
	if l := p.Login(); l != nil && l.Form == "basic" && !l.Password.IsZero() {
		note(l.Password)
	}
}
