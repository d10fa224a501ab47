// Package scenario holds what goes on in the laboratory: attacks on both
// editions of the shop, and honest traffic.
//
// A scenario is a value in the file of its family:
//
//	var _ = register(Scenario{
//		Name: "jwt_none", Title: "a token that nobody signed",
//		Run: func(s *Stage) {
//			s.Regulars(3)                          // the endpoints become known
//			eve := s.Client("192.0.2.66")
//			x := eve.Get("/api/orders/7", bearer(forged))
//			s.Attempt("jwt_alg_none", x)           // has to be found
//		},
//	})
//
// Whether the attempt was accepted is not the scenario's to say: it is what the
// server did (Exchange.Admitted).
//
// Contract: a scenario runs alone, on a server, a network and a clock of its own,
// and does the same each time; what it says must be found is checked against what
// the server admitted.
package scenario

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
	"github.com/authtap/authtap/cmd/authlab/internal/lab"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// Scenario is something that goes on.
type Scenario struct {
	// Name has letters, digits and _ only.
	Name, Title string
	// Honest: nobody attacks, there is one edition only, the hardened one.
	Honest bool
	// Long: it takes more than a second, and is none for a quick look.
	Long bool
	// Over is how the server is spoken to.
	Over lab.Kind
	// Host is the API's name where it is another one than the shop's: shown
	// together, scenarios at one name are one API.
	Host string
	Run  func(s *Stage)
}

var all []Scenario

func register(s Scenario) Scenario {
	all = append(all, s)
	return s
}

// All gives the scenarios by name.
func All() []Scenario {
	slices.SortFunc(all, func(a, b Scenario) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Verdicts, as findings have them.
const (
	Accepted = "accepted"
	Rejected = "rejected"
	Unknown  = "unknown"
	Observed = "observed"
)

// Want is a finding that there must be.
type Want struct {
	Detector string `json:"detector"`
	// Client is the address of who did it, "" where it is several or all the
	// same.
	Client  string `json:"client,omitempty"`
	Verdict string `json:"verdict"`
	// Optional: it would be true, but need not be found.
	Optional bool `json:"optional,omitempty"`
}

// Truth is what really happened.
type Truth struct {
	Scenario  string `json:"scenario"`
	Title     string `json:"title"`
	Edition   string `json:"edition"`
	Honest    bool   `json:"honest,omitempty"`
	Exchanges int    `json:"exchanges"`
	// Wants are all that may be found, but for what is of severity info.
	Wants []Want `json:"wants"`
}

// Take is what a scenario gave.
type Take struct {
	Truth   Truth
	Packets []reassemblytest.Packet
	Keys    []byte // TLS secrets
}

// Host is the shop's name.
const Host = "shop.example"

const serverAddress = "198.51.100.10"

var ports = map[lab.Kind]string{lab.Plain: ":8080", lab.H2C: ":8080", lab.TLS: ":443", lab.HTTP2: ":443"}

// Stage is where a scenario is played.
type Stage struct {
	*lab.Network
	API        *api.API
	Vulnerable bool

	kind  lab.Kind
	host  string
	wants []Want
	err   error
}

// Play plays a scenario against an edition. What looks random in it depends on
// the seed.
func Play(x Scenario, vulnerable bool, seed uint64) (*Take, error) {
	h := fnv.New64a()
	h.Write([]byte(x.Name))
	s := &Stage{Network: lab.New(h.Sum64() + seed), Vulnerable: vulnerable, kind: x.Over, host: cmp.Or(x.Host, Host)}
	s.API = api.New(x.Name, !vulnerable, s.Now)
	s.Serve(serverAddress+ports[x.Over], x.Over, s.API)
	x.Run(s)
	if err := cmp.Or(s.err, s.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", x.Name, err)
	}
	t := &Take{Packets: s.Packets(), Keys: s.Keys(), Truth: Truth{
		Scenario: x.Name, Title: x.Title, Edition: edition(vulnerable), Honest: x.Honest,
		Exchanges: s.Exchanges, Wants: s.wants,
	}}
	slices.SortFunc(t.Truth.Wants, func(a, b Want) int {
		return cmp.Or(cmp.Compare(a.Detector, b.Detector), cmp.Compare(a.Client, b.Client))
	})
	return t, nil
}

func edition(vulnerable bool) string {
	if vulnerable {
		return "vulnerable"
	}
	return "hardened"
}

// Client is somebody's program that talks to the shop.
type Client struct {
	*lab.Client
	s *Stage
}

// Client gives one at an address. Where the server is plain, a terminator of TLS
// stands before it, which keeps the addresses.
func (s *Stage) Client(address string) *Client {
	c := &Client{s.Network.Client(address, serverAddress+ports[s.kind]), s}
	if s.kind == lab.Plain || s.kind == lab.H2C {
		c.Header.Set("X-Forwarded-Proto", "https")
	}
	return c
}

// Exchange is what came of a request.
type Exchange struct {
	lab.Answer
	api.Decision
	Client string
}

// JSON reads a member of the answer.
func (x *Exchange) JSON(name string) string {
	m := map[string]any{}
	json.Unmarshal(x.Body, &m)
	v, _ := m[name].(string)
	return v
}

// Cookie gives the value of a cookie that the answer sets.
func (x *Exchange) Cookie(name string) string {
	for _, c := range (&http.Response{Header: x.Header}).Cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// An option changes a request.
type option func(r *http.Request)

func bearer(token string) option { return header("Authorization", "Bearer "+token) }

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func cookie(name, value string) option { return header("Cookie", name+"="+value) }

func basic(user, password string) option {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

// Send sends a request. target is the path and query, as it is to stand in the
// request.
func (c *Client) Send(method, target, kind string, body []byte, options ...option) *Exchange {
	x := &Exchange{Client: c.Address.String()}
	if c.s.err != nil {
		return x
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	r, err := http.NewRequest(method, "http://"+Host+"/", content)
	if err != nil {
		c.s.err = err
		return x
	}
	path, query, _ := strings.Cut(target, "?")
	r.URL = &url.URL{Scheme: "http", Host: Host, Path: path, RawPath: path, RawQuery: query}
	if plain, err := url.PathUnescape(path); err == nil {
		r.URL.Path = plain
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	r.Host = c.s.host
	for _, o := range options {
		o(r)
	}
	c.s.API.Last = api.Decision{}
	a, err := c.Do(r)
	if err != nil {
		c.s.err = err
		return x
	}
	x.Answer, x.Decision = *a, c.s.API.Last
	return x
}

// Get asks for something.
func (c *Client) Get(target string, options ...option) *Exchange {
	return c.Send("GET", target, "", nil, options...)
}

// object is one of JSON.
type object = map[string]any

// Post sends JSON.
func (c *Client) Post(target string, v any, options ...option) *Exchange {
	b, err := json.Marshal(v)
	if err != nil {
		c.s.err = err
	}
	return c.Send("POST", target, "application/json", b, options...)
}

// Form sends a form: names and values in turn.
func (c *Client) Form(target string, options []option, pairs ...string) *Exchange {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(pairs[i] + "=" + url.QueryEscape(pairs[i+1]))
	}
	return c.Send("POST", target, "application/x-www-form-urlencoded", []byte(b.String()), options...)
}

// Login logs in as a program does.
func (c *Client) Login(name, password string) *Exchange {
	return c.Post("/api/login", object{"username": name, "password": password})
}

// Attempt notes attempts that have to be found by a detector, for the client
// that made them. What the server did with them is the verdict.
func (s *Stage) Attempt(detector string, attempts ...*Exchange) {
	for _, x := range attempts {
		s.want(Want{detector, x.Client, x.verdict(), false})
	}
}

// Attack is the same for a detector that tells of many clients at once.
func (s *Stage) Attack(detector string, attempts ...*Exchange) {
	for _, x := range attempts {
		s.want(Want{detector, "", x.verdict(), false})
	}
}

// May notes what would be true, but need not be found.
func (s *Stage) May(detector string, attempts ...*Exchange) {
	for _, x := range attempts {
		s.want(Want{detector, x.Client, x.verdict(), true})
	}
}

// Posture notes what has to be found of the server.
func (s *Stage) Posture(detectors ...string) {
	for _, d := range detectors {
		s.want(Want{d, "", Observed, false})
	}
}

// MayPosture notes what would be true of the server, but need not be found.
func (s *Stage) MayPosture(detectors ...string) {
	for _, d := range detectors {
		s.want(Want{d, "", Observed, true})
	}
}

func (x *Exchange) verdict() string {
	if x.Admitted {
		return Accepted
	}
	return Rejected
}

// want adds a finding; the stronger verdict counts.
func (s *Stage) want(w Want) {
	for i := range s.wants {
		if m := &s.wants[i]; m.Detector == w.Detector && m.Client == w.Client {
			if w.Verdict == Accepted {
				m.Verdict = Accepted
			}
			m.Optional = m.Optional && w.Optional
			return
		}
	}
	s.wants = append(s.wants, w)
}

// Regulars are customers who log in and use the shop, and a program without a
// token, which is refused: what endpoints become known by.
func (s *Stage) Regulars(n int) {
	for i := range n {
		name, password := fmt.Sprintf("customer%d", i), passwordOf(i)
		s.API.Add(api.Account{Name: name, Password: password})
		c := s.Client(fmt.Sprintf("203.0.113.%d", 10+i))
		if i == 1 {
			for _, path := range shopPaths {
				c.Get(fmt.Sprintf(path, 3))
			}
		}
		token := c.Login(name, password).JSON("access_token")
		for k := range 3 {
			for _, path := range shopPaths {
				c.Get(fmt.Sprintf(path, 100+10*i+k), bearer(token))
				s.Pass(time.Duration(200+s.Rand().IntN(800)) * time.Millisecond)
			}
		}
		s.Pass(3 * time.Second)
	}
}

// shopPaths are what customers ask for.
var shopPaths = []string{"/api/me?v=%d", "/api/users/%d", "/api/orders?page=%d", "/api/orders/%d"}

// passwordOf is one that is in no list.
func passwordOf(n int) string {
	return fmt.Sprintf("%s-Vorhang-%d", []string{"Amsel", "Birke", "Cello", "Dohle"}[n%4], 7919*n+1237)
}
