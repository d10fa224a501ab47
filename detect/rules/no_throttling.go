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
	Name:  "no_throttling",
	Title: "Nobody slows down guessing at a login",
	Doc: `A hundred logins of one client, or for one account, failed within ten minutes, which is at least half of those there were, all of them reached the server that was watched, none was answered with 429, 403, 423 or 503, with Retry-After or with a captcha, and the answers did not come slower and slower.

Whoever may try as often as he likes finds every password that is not good, and the code of every second factor that is short. One client alone is easily blocked; that nothing happens to a hundred failures of one account shows that nothing counts them.

Where most logins succeed, many people share an address, or somebody tests the load. This speaks of the place in the network that was watched: something in front may throttle others, and a server may lock an account without saying so, which looks the same from outside. Answers that take three times as long as the first ones, and half a second longer, are a delay on purpose.

Count failures by account as well as by client, slow down or ask for another proof after a few, and say so in the answer. Test that it works behind the proxy, where all requests come from one address.`,
	Severity: detect.Medium, Confidence: detect.Firm,
	CWE: []int{307, 799}, OWASP: []string{"API2:2023", "API4:2023"}, ASVS: []string{"6.3.1"},
	Needs: detect.LoginAttempt,
	Options: []detect.Option{
		{Name: "failures", Default: 100, Doc: "failures within ten minutes"},
		ignoreClients,
	},
	State: func(detect.Values) any { return &throttling{window.NewCache[string, slowness](20_000, pause)} },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		t := p.State().(*throttling)
		switch x.Response.Status {
		case 403, 423, 429, 503:
			t.throttled(p)
		default:
			// RFC 9110, section 10.2.3
			if x.Response.Header.Has("Retry-After") || p.AsksCaptcha() {
				t.throttled(p)
			} else if p.LoginOutcome() == endpoint.LoginFailure && x.Response.Start > x.Request.Start {
				t.answered(p, x.Response.Start.Sub(x.Request.Start))
			}
		}
		observeLogin(p, x)
	},
	Windows: loginWindows(map[string]crossed{loginsByClient: notThrottled, loginsByAccount: notThrottled}),
})

// throttling remembers how fast clients, and accounts, were answered.
type throttling struct {
	seen *window.Cache[string, slowness]
}

// slowness is how long the first failures took, and the latest, on average.
type slowness struct {
	throttled     bool
	n             int
	first, latest time.Duration
}

// The averages are over so many answers.
const averaged = 8

func (t *throttling) each(p *detect.Pass, f func(*slowness)) {
	s, _ := t.seen.At(clientKey(p), p.Now())
	f(s)
	if account := accountKey(p); account != "" {
		s, _ := t.seen.At(account, p.Now())
		f(s)
	}
}

func (t *throttling) throttled(p *detect.Pass) { t.each(p, func(s *slowness) { s.throttled = true }) }

// answered looks whether answers come slower and slower.
func (t *throttling) answered(p *detect.Pass, after time.Duration) {
	t.each(p, func(s *slowness) {
		if s.n++; s.n <= averaged {
			s.first += (after - s.first) / time.Duration(s.n)
			s.latest = s.first
			return
		}
		s.latest += (after - s.latest) / averaged
		s.throttled = s.throttled || s.latest > 3*s.first && s.latest > s.first+500*time.Millisecond
	})
}

// Evicted counts what made room.
func (t *throttling) Evicted() uint64 { return t.seen.Evicted() }

func notThrottled(p *detect.Pass, key string, s *window.Summary) {
	counts := s.Within(10 * time.Minute)
	failures := counts[window.Failure]
	place := detect.Key(hostOf(p), p.Endpoint())
	slow := p.State().(*throttling).seen.Get(key, p.Now())
	if s.Latest.Class != window.Failure || failures < uint64(p.Options().Int("failures")) || 2*failures < counts.Total() || ignored(p) ||
		slow != nil && slow.throttled ||
		p.Ongoing("no_throttling", place, 0) { // another window has counted this one
		return
	}
	if d := s.DistinctWithin(10 * time.Minute); d[password] > 0 && uint64(2*max(d[pair], d[password])) < failures {
		return // a program that repeats an old password guesses nothing
	}
	p.Report(detect.Report{
		Key: place, Count: failures, First: s.FirstOf(window.Failure), Principals: true,
		Evidence: detect.Evidence{
			{Name: "target", Value: p.Target()},
			{Name: "failures", Value: credential.Number(int64(failures))},
		},
	})
}
