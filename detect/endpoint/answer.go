package endpoint

import (
	"bytes"
	"math/bits"
	"strconv"
	"strings"

	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/memo"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Answer is what a response says by itself: status, marks and hashes, no text.
// Two answers that are equal lead to the same judgement, so a finding keeps
// only the different ones.
type Answer struct {
	// Status is 0 where there is no answer that is provably the request's, or
	// where its head is damaged.
	Status uint16
	Marks  Marks
	// Shape is a hash of how the content is built: the JSON key set, or media
	// type and size class.
	Shape uint64
	// Type is a hash of the media type, 0 without content.
	Type uint32
	// Code is a hash of a code, status or errcode member, 0 without one; with
	// numericCode where it is a number by which APIs tell what came of a request.
	Code uint32
	// Location is a hash of a redirect's path, 0 without one.
	Location uint32
	// Cookies are hashes of the session cookies that the answer sets.
	Cookies [2]uint32
}

// Marks of an Answer.
type Marks uint32

// The marks.
const (
	// Soft: an error within a 200, or grpc-status 7 or 16.
	Soft Marks = 1 << iota
	// Damaged: request or response has a gap or is cut.
	Damaged
	// Cached: the answer is from a cache.
	Cached
	// ToLogin: a redirect to where people log in.
	ToLogin
	// ToItself: a redirect to the request's own path, or back to the form.
	ToItself
	// Probe: the request was HEAD or OPTIONS.
	Probe
	// IssuesToken: a token in the content or in a redirect.
	IssuesToken
	// AsksSecondFactor: the password was right, another factor is asked for.
	AsksSecondFactor
	// LoginForm: HTML with a password field.
	LoginForm
	// SaysFailure: the content has words of a failed login, of a lockout or
	// of a captcha.
	SaysFailure
	// Connected: the request was CONNECT or an upgrade.
	Connected
	// Midstream: the beginning of the connection was not captured. What was sent
	// before may have made the answer another request's.
	Midstream
	// Stale: the password was right, but too old a nonce was used (RFC 7616,
	// section 3.3).
	Stale
	// Uncertain: a gRPC call that ended neither well nor with a refusal, or nobody
	// saw how.
	Uncertain
	// BackToLogin: a redirect that ends where people log in, or names a failure.
	BackToLogin
	// PinnedSuccess and PinnedFailure: what the configuration says of the
	// endpoint's answers is true of this one (Pin).
	PinnedSuccess
	PinnedFailure
	// SaysSuccess: the content says that what was asked for was done. By itself
	// it shows nothing; of a login whose failures are known, it does.
	SaysSuccess
	// Partly: of several calls in one request some failed, and some did not.
	Partly
)

// How much of a body is looked at; a longer one is judged by its beginning
// (docs/verdicts.md, e). What a page says to people stands further behind than
// what an API says to programs.
const (
	shapeBytes = 1 << 10
	pageBytes  = 32 << 10
)

// Examiner reads answers. It belongs to one goroutine.
type Examiner struct {
	json  *memo.Table[jsonSeen]
	calls *memo.Table[string] // operations
}

// NewExaminer makes an Examiner.
func NewExaminer() *Examiner { return &Examiner{memo.New[jsonSeen](), memo.New[string]()} }

// Examine reads the answer of an exchange. path is the request's path.
func (e *Examiner) Examine(x *exchange.Exchange, path string, found *credential.Found) Answer {
	var a Answer
	r := &x.Response
	if !x.Request.Damage.Whole() || !r.Damage.Whole() {
		a.Marks |= Damaged
	}
	if !r.Present || !x.Request.Present || x.Flags&exchange.Unpaired != 0 || r.Damage&(exchange.HeadGap|exchange.Malformed) != 0 ||
		r.Status < 100 || r.Status > 599 || x.Request.Damage&exchange.HeadGap != 0 && x.Request.Target == "" {
		return a
	}
	a.Status = uint16(r.Status)
	if x.Flags&exchange.Midstream != 0 {
		a.Marks |= Midstream
	}
	switch x.Request.Method {
	case "HEAD", "OPTIONS":
		a.Marks |= Probe
	case "CONNECT":
		a.Marks |= Connected
	}
	if r.Status == 101 {
		a.Marks |= Connected
	}
	a.headers(r, x, path)
	for i := range found.Response {
		c := &found.Response[i]
		switch c.Kind {
		case credential.Session:
			a.addCookie(hash32(c.Place.Name))
		case credential.JWT, credential.Bearer, credential.RefreshToken, credential.APIKey:
			if c.Place.Part == credential.InCookie {
				a.addCookie(hash32(c.Place.Name))
			}
			a.Marks |= IssuesToken
		}
	}
	if x.Request.Method != "HEAD" {
		e.content(&a, r, found.ResponseSum)
	}
	return a
}

func (a *Answer) addCookie(name uint32) {
	for i, n := range a.Cookies {
		if n == name {
			return
		}
		if n == 0 {
			a.Cookies[i] = name
			return
		}
	}
}

// headers reads what matters of the response's header, in one pass.
func (a *Answer) headers(r *exchange.Message, x *exchange.Exchange, path string) {
	kind, status := "", "" // of the content, of a gRPC call
	for _, f := range r.Header {
		n := len(f.Name)
		switch n {
		case 3:
			if strings.EqualFold(f.Name, "Age") { // RFC 9111, section 5.1
				if n, err := strconv.Atoi(strings.TrimSpace(f.Value)); err == nil && n > 0 {
					a.Marks |= Cached
				}
			}
		case 8:
			if strings.EqualFold(f.Name, "Location") && r.Status >= 300 && r.Status < 400 {
				a.location(f.Value, x, path)
			}
		case 11:
			if strings.EqualFold(f.Name, "grpc-status") {
				status = f.Value
			}
		case 12:
			if strings.EqualFold(f.Name, "Content-Type") {
				kind = f.Value
				a.Type = hash32(mediaType(f.Value))
			}
		case 16:
			if r.Status == 401 && strings.EqualFold(f.Name, "WWW-Authenticate") &&
				containsFold(unquoted.Replace(f.Value), "stale=true") {
				a.Marks |= Stale
			}
		}
		if n >= 7 && n < len(cacheHeaders) && cacheHeaders[n] != nil && f.Name[0]|0x20 <= 'x' && fromCache(f) {
			a.Marks |= Cached
		}
	}
	a.grpc(x, kind, status)
}

// fromCache reports a header line by which a cache says that it answered.
func fromCache(f exchange.Field) bool {
	for _, name := range cacheHeaders[len(f.Name)] {
		if !strings.EqualFold(f.Name, name) {
			continue
		}
		switch name {
		case "X-Cache-Hits":
			return strings.Trim(f.Value, " 0,") != ""
		case "X-Varnish": // of a hit the request that it was kept from, too
			return strings.IndexByte(strings.TrimSpace(f.Value), ' ') > 0
		}
		for _, w := range [...]string{"hit", "stale", "updating", "revalidated", "fresh"} {
			if containsFold(f.Value, w) {
				return !containsFold(f.Value, "fwd=") // Cache-Status (RFC 9211, section 2.2): asked on
			}
		}
		return false
	}
	return false
}

// cacheHeaders by the length of their names.
var cacheHeaders = func() (t [24][]string) {
	for _, name := range [...]string{
		"X-Cache", "Cache-Status", "X-Cache-Hits", "X-Cache-Status", "X-Proxy-Cache", "X-Drupal-Cache", "CF-Cache-Status", "X-Varnish",
		"X-Varnish-Cache", "X-Vercel-Cache", "X-Rack-Cache", "X-LiteSpeed-Cache", "X-Nginx-Cache", "X-Nginx-Cache-Status", "X-FastCGI-Cache",
		"X-CDN-Cache", "X-Edge-Cache", "X-Server-Cache", "X-Nextjs-Cache", "X-Kong-Cache", "X-Akamai-Cache", "Cdn-Cache",
	} {
		t[len(name)] = append(t[len(name)], name)
	}
	return t
}()

// unquoted writes parameters as they stand without quotes and blanks.
var unquoted = strings.NewReplacer(" ", "", `"`, "")

// location judges where a redirect leads.
func (a *Answer) location(loc string, x *exchange.Exchange, path string) {
	target := loc
	if _, rest, ok := strings.Cut(loc, "://"); ok {
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			target = rest[i:]
		} else {
			target = "/"
		}
	} else if strings.HasPrefix(loc, "//") {
		target = "/"
		if i := strings.IndexByte(loc[2:], '/'); i >= 0 {
			target = loc[2+i:]
		}
	}
	p, query := target, ""
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		p, query = target[:i], target[i+1:]
	}
	a.Location = hash32(p) | 1
	switch {
	case LoginPath(p):
		a.Marks |= ToLogin
	case pageOf(query, LoginPath):
		a.Marks |= ToLogin | BackToLogin
	}
	switch last := lastSegment(p); {
	case secondFactorPath(p):
		a.Marks |= AsksSecondFactor
	case loginSegment(last), containsFold(last, "fail"), containsFold(last, "error"), containsFold(last, "denied"), containsFold(last, "locked"):
		a.Marks |= BackToLogin
	}
	if containsFold(query, "error") || containsFold(query, "fehler") || containsFold(query, "erreur") || containsFold(query, "fail") || containsFold(query, "invalid") {
		a.Marks |= SaysFailure
	}
	if p == path {
		a.Marks |= ToItself
		return
	}
	// Back to the form is a failed login too. The Referer names the form.
	if ref := x.Request.Header.Get("Referer"); ref != "" && x.Request.Method == "POST" {
		if _, rest, ok := strings.Cut(ref, "://"); ok {
			if i := strings.IndexByte(rest, '/'); i >= 0 {
				rp, _, _ := strings.Cut(rest[i:], "?")
				if rp == p && p != "/" {
					a.Marks |= ToItself
				}
			}
		}
	}
}

// pageOf reports whether a parameter that names a page, as those of programs do
// that have one path for all (index.php?route=account/login), names one like
// that.
func pageOf(query string, like func(string) bool) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		switch strings.ToLower(name) {
		case "route", "page", "action", "view", "module", "mod", "controller", "do", "task", "p", "r":
			if like(strings.ReplaceAll(value, "%2F", "/")) {
				return true
			}
		}
	}
	return false
}

// lastSegment gives the last segment of a path that is not empty, without an
// extension or parameters.
func lastSegment(p string) string {
	p = strings.TrimRight(p, "/")
	p = p[strings.LastIndexByte(p, '/')+1:]
	if i := strings.IndexAny(p, ".;"); i > 0 {
		p = p[:i]
	}
	return p
}

// loginSegment reports the name of a place to log in.
func loginSegment(s string) bool { return len(s) >= 5 && len(s) <= 16 && credential.LoginPath(s) }

// secondFactorPath reports a path that names a place where another factor is
// asked for.
func secondFactorPath(p string) bool {
	for p != "" {
		var seg string
		seg, p, _ = strings.Cut(strings.TrimPrefix(p, "/"), "/")
		if i := strings.IndexAny(seg, ".;"); i > 0 {
			seg = seg[:i]
		}
		for _, w := range [...]string{"mfa", "2fa", "otp", "totp", "2sv", "webauthn", "challenge"} {
			if strings.EqualFold(seg, w) {
				return true
			}
		}
		for _, w := range [...]string{"two-factor", "two_factor", "twofactor", "second-factor", "second_factor", "multi-factor", "multifactor", "2fa", "mfa"} {
			if containsFold(seg, w) {
				return true
			}
		}
	}
	return false
}

var loginWords = []string{"authenticate", "sso", "auth"}

// LoginPath reports whether a path's segments name a place to log in.
func LoginPath(p string) bool {
	if credential.LoginPath(p) {
		return true
	}
	for p != "" {
		var seg string
		seg, p, _ = strings.Cut(strings.TrimPrefix(p, "/"), "/")
		if i := strings.LastIndexByte(seg, '.'); i > 0 { // login.php, login.aspx
			seg = seg[:i]
		}
		for _, w := range loginWords {
			if strings.EqualFold(seg, w) {
				return true
			}
		}
		if strings.EqualFold(seg, "authorize") {
			return true
		}
	}
	return false
}

// content reads shape and marks from the body.
func (e *Examiner) content(a *Answer, r *exchange.Message, sum memo.Sum) {
	page := r.Body.Bytes[:min(len(r.Body.Bytes), pageBytes)]
	b := page[:min(len(page), shapeBytes)]
	t := bytes.TrimLeft(b, " \t\r\n\xef\xbb\xbf")
	switch {
	case len(t) == 0:
		a.Type = 0
		a.Shape = 1
	case t[0] == '{' || t[0] == '[':
		j, known := e.json.Of(sum)
		if !known {
			*j = readJSON(t)
		}
		a.Shape = j.shape
		a.Code = j.code
		if a.Status >= 200 && a.Status < 300 && (j.soft || t[0] == '[' && allSoft(page[len(b)-len(t):])) {
			a.Marks |= Soft
		}
		if j.secondFactor {
			a.Marks |= AsksSecondFactor
		}
		if j.failureWords {
			a.Marks |= SaysFailure
		}
		if j.granted {
			a.Marks |= SaysSuccess
		}
		if j.partly {
			a.Marks |= Partly
		}
	case t[0] == '<':
		form := hasPasswordField(page)
		if form {
			a.Marks |= LoginForm
		}
		if failureWords.in(page) {
			a.Marks |= SaysFailure
		}
		a.procedure(page)
		a.Shape = 2 | uint64(a.Type)<<8
		if form {
			a.Shape |= 4
		}
	default:
		a.Shape = 8 | uint64(a.Type)<<8 | uint64(bits.Len64(uint64(r.Body.Length)))<<48
		if len(t) < 512 && failureWords.in(t) {
			a.Marks |= SaysFailure
		}
	}
}

// procedure reads the answer to a call of XML-RPC, or to several of which some
// failed, and the fault of SOAP, which comes with a 500 (SOAP 1.1, section 6.2).
func (a *Answer) procedure(page []byte) {
	start := page[:min(len(page), 256)]
	switch {
	case bytes.Contains(start, []byte("<methodResponse")):
		a.Marks &^= SaysFailure
		faults := bytes.Contains(page, []byte("<name>faultCode<"))
		switch {
		// Of several calls one that had success gives an array within the array.
		case faults && bytes.Count(page, []byte("<array>")) > 1 && !bytes.Contains(page, []byte("<fault>")):
			a.Marks |= Partly
		case faults:
			a.Marks |= Soft
		case a.Marks&Damaged == 0:
			a.Marks |= SaysSuccess
		}
	case a.Status == 500 && bytes.Contains(start, []byte("nvelope")) &&
		(a.Marks&SaysFailure != 0 || bytes.Contains(page, []byte("FailedAuthentication"))): // WSS, section 12
		a.Marks |= Soft
	}
}

func hasPasswordField(b []byte) bool {
	for {
		i := indexFold(b, "type=")
		if i < 0 {
			return false
		}
		b = b[i+5:]
		v := bytes.TrimLeft(b, `"' `)
		if len(v) >= 8 && bytes.EqualFold(v[:8], []byte("password")) {
			return true
		}
	}
}

func mediaType(v string) string {
	v, _, _ = strings.Cut(v, ";")
	return strings.TrimSpace(v)
}

// hash32 is FNV-1a over the lower case of s.
func hash32(s string) uint32 {
	h := uint32(2166136261)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		h = (h ^ uint32(c)) * 16777619
	}
	if h == 0 {
		return 1
	}
	return h
}

func containsFold(s, lower string) bool {
	for i := 0; i+len(lower) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(lower)], lower) {
			return true
		}
	}
	return false
}

// indexFold finds lower (ASCII, lower case) in b in any case.
func indexFold(b []byte, lower string) int {
	first, upper := lower[0], lower[0]&^0x20
	for off := 0; ; {
		rest := b[off:]
		i := bytes.IndexByte(rest, first)
		if upper != first {
			if k := bytes.IndexByte(rest[:max(i, 0)], upper); k >= 0 || i < 0 {
				if i < 0 {
					k = bytes.IndexByte(rest, upper)
				}
				i = k
			}
		}
		if i < 0 || off+i+len(lower) > len(b) {
			return -1
		}
		if strings.EqualFold(string(b[off+i:off+i+len(lower)]), lower) {
			return off + i
		}
		off += i + 1
	}
}
