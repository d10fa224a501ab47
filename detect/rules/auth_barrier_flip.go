package rules

import (
	"hash/fnv"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "auth_barrier_flip",
	Title: "A refusal was got around by spelling the request otherwise",
	Doc: `A client was refused (401 or 403) and within five minutes got the resource without any better credential, by another spelling of the same path (dot segments, doubled or encoded slashes, path parameters, a NUL, another case, a dot or slash or extension at its end), by another method or a header that names one, by a header that names another path or an inner address as the client's, or by another version of the API.

What checks and what serves do not read the request alike: a proxy compares the path as sent, the server as meant. Then every rule of that proxy can be got around.

The answer must have the kind of content that good credentials get from the resource that was refused; where that is not known, only a spelling that no program makes by itself is reported, as likely. A login or a new credential in between, answers to HEAD and OPTIONS, and the second step of a challenge are none. Frameworks that answer every path with the same page are told by that page.

Let one place normalise the path and refuse what is ambiguous, check where the resource is served, and strip headers such as X-Original-URL at the edge.`,
	Severity: detect.Critical, Attempt: true, Confidence: detect.Firm,
	CWE: []int{288, 289, 863, 650}, OWASP: []string{"API2:2023"},
	Needs: detect.EveryExchange,
	Options: []detect.Option{
		{Name: "within", Default: 5 * time.Minute, Doc: "time between the refusal and the way around it"},
		{Name: "clients", Default: 20_000, Doc: "clients whose last refusals are remembered"},
	},
	State: func(o detect.Values) any {
		return window.NewCache[clientOf, []refusal](o.Int("clients"), o.Duration("within"))
	},
	Exchange: barrierFlip,
})

// clientOf is a client on a host.
type clientOf struct {
	host   string
	client netip.Addr
}

// refusal is a request that was refused.
type refusal struct {
	at           capture.Time
	method, path string // as sent
	meant        string // the path as most servers read it
	headers      string // those that may change what is asked for
	credentials  []credential.ID
	cookies      uint64
	resource     detect.Resource
}

// maxRefusals of a client are remembered.
const maxRefusals = 64

func barrierFlip(p *detect.Pass, x *exchange.Exchange) {
	state := p.State().(*window.Cache[clientOf, []refusal])
	status := x.Response.Status
	if x.Request.Present && x.Flags&(exchange.Unpaired|exchange.AfterGap) != 0 && state.Len() > 0 {
		state.Delete(clientOf{p.Host(), p.Client()}) // what is lost may have been a login
	}
	refused := p.Outcome() == endpoint.Refusal && (status == 401 || status == 403)
	if !refused && (p.Outcome() != endpoint.Success || state.Len() == 0) || !x.Request.Present || x.Request.Method == "HEAD" || x.Request.Method == "OPTIONS" {
		return
	}
	key := clientOf{p.Host(), p.Client()}
	path, _ := x.PathQuery()
	if len(path) > 2048 {
		return
	}
	if refused {
		list, _ := state.At(key, p.Now())
		r := refusal{
			at: p.Now(), method: x.Request.Method, path: path, meant: meant(path), headers: steering(x.Request.Header),
			credentials: accessIDs(p), cookies: cookieHash(x.Request.Header), resource: p.Resource(),
		}
		same := func(o refusal) bool { return o.method == r.method && o.path == r.path && o.headers == r.headers }
		*list = slices.DeleteFunc(*list, same)
		if len(*list) >= maxRefusals {
			*list = slices.Delete(*list, 0, 1)
		}
		*list = append(*list, r)
		return
	}
	list := state.Get(key, p.Now())
	if list == nil {
		return
	}
	if p.LoginOutcome() == endpoint.LoginSuccess || len(p.Issued()) > 0 {
		state.Delete(key) // whoever comes back is somebody else
		return
	}
	if status >= 300 {
		return
	}
	for i := range *list {
		r := &(*list)[i]
		if p.Now().Sub(r.at) > p.Options().Duration("within") || r.at > p.Now() {
			continue
		}
		how, odd := spelledOtherwise(r, x, path)
		if how == (credential.Redacted{}) || better(p, r) {
			continue
		}
		report := detect.Report{
			Key: detect.Key(hostOf(p), r.method+" "+r.resource.Template(), p.Client().String()), Verdict: detect.Accepted,
			Evidence: detect.Evidence{
				{Name: "refused", Value: p.Redact(r.method + " " + r.path)},
				{Name: "target", Value: p.Redact(x.Request.Method + " " + x.Request.Target)},
				{Name: "by", Value: how},
			},
		}
		switch known, alike := r.resource.Like(p); {
		case known && alike:
		case !known && odd && structured(x.Response.Header.Get("Content-Type")) && x.Response.Body.Length > 2:
			report.Verdict, report.Severity = detect.LikelyAccepted, detect.High
		default:
			continue
		}
		p.Report(report)
		return
	}
}

// spelledOtherwise says how a request asks for what another one asked for, in
// another form; odd is a form that no program makes by itself.
func spelledOtherwise(r *refusal, x *exchange.Exchange, path string) (how credential.Redacted, odd bool) {
	headers := steering(x.Request.Header)
	switch {
	case path == r.path && x.Request.Method == r.method:
		if headers != "" && headers != r.headers {
			return credential.Word("a header"), true
		}
	case headers != "" && headers != r.headers && strings.Contains(headers, r.path) && len(r.path) > 1:
		return credential.Word("a header that names the path"), true
	case path == r.path:
		return credential.Word("another method"), false
	case x.Request.Method != r.method:
	case meant(path) == r.meant:
		return credential.Word("another spelling of the path"), oddPath(path)
	case unversioned(path) == unversioned(r.path) && unversioned(path) != path:
		return credential.Word("another version of the API"), false
	}
	return how, false
}

// meant gives the path as the most lenient server reads it.
func meant(path string) string {
	s := path
	for range 3 { // encoded twice, and once more
		if strings.IndexByte(s, '%') < 0 {
			break
		}
		s = unescapePath(s)
	}
	s = strings.ToLower(strings.ReplaceAll(s, `\`, "/"))
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	var segments []string
	for segment := range strings.SplitSeq(s, "/") {
		segment, _, _ = strings.Cut(segment, ";")
		switch segment = strings.TrimSpace(segment); segment {
		case "..":
			segments = segments[:max(len(segments)-1, 0)]
		default:
			if segment = strings.TrimRight(segment, "."); segment != "" {
				segments = append(segments, segment)
			}
		}
	}
	if n := len(segments) - 1; n >= 0 {
		for _, ext := range [...]string{".json", ".xml", ".html", ".css", ".js", ".png", ".ico", ".txt", ".action", ".do"} {
			segments[n] = strings.TrimSuffix(segments[n], ext)
		}
	}
	return "/" + strings.Join(segments, "/")
}

// unescapePath undoes percent-encoding where it is one.
func unescapePath(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b = append(b, hexValue(s[i+1])<<4|hexValue(s[i+2]))
			i += 2
		} else {
			b = append(b, s[i])
		}
	}
	return string(b)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// oddPath reports what no program sends by itself: other than a slash at the
// end, an extension or another case.
func oddPath(path string) bool {
	lower := strings.ToLower(path)
	for _, s := range [...]string{"//", "/./", "/../", "..;", ";", "%2f", "%5c", "%00", "%2e", "%25", `\`, "/.", "%20", "%09", "%0a"} {
		if strings.Contains(lower, s) {
			return true
		}
	}
	return strings.HasSuffix(path, ".")
}

// unversioned takes the API's version out of a path.
func unversioned(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if len(s) >= 2 && len(s) <= 4 && s[0]|0x20 == 'v' && strings.Trim(s[1:], "0123456789") == "" {
			segments[i] = "v"
			return strings.Join(segments, "/")
		}
	}
	return path
}

// steering gives the header lines that change what is asked for, or who seems
// to ask.
func steering(h exchange.Header) string {
	var b []string
	for i := range h {
		name, value := h[i].Name, strings.TrimSpace(h[i].Value)
		if n := len(name); n < 8 || n > 24 || name[0]|0x20 != 'x' && name[0]|0x20 != 'f' && name[0]|0x20 != 't' && name[0]|0x20 != 'c' {
			continue
		}
		for _, s := range steeringHeaders {
			if strings.EqualFold(name, s) {
				b = append(b, s+": "+value)
			}
		}
		for _, s := range clientHeaders {
			if a, err := netip.ParseAddr(value); strings.EqualFold(name, s) && (value == "localhost" || err == nil && a.IsLoopback()) {
				b = append(b, s+": "+value)
			}
		}
	}
	return strings.Join(b, "\n")
}

var (
	steeringHeaders = []string{"X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Override-URL", "X-Forwarded-Prefix", "X-Forwarded-Path"}
	clientHeaders   = []string{"X-Forwarded-For", "X-Real-IP", "X-Client-IP", "X-Remote-IP", "X-Remote-Addr", "X-Originating-IP", "X-Custom-IP-Authorization", "X-Forwarded-Host", "X-Host", "True-Client-IP", "Client-IP", "CF-Connecting-IP", "X-Cluster-Client-IP"}
)

// accessIDs names the credentials that a request asks for access with.
func accessIDs(p *detect.Pass) (ids []credential.ID) {
	for i, list := 0, p.Presented(); i < len(list); i++ {
		if list[i].Access() {
			ids = append(ids, list[i].ID)
		}
	}
	return ids
}

// better reports whether the request carries a credential, or a cookie that may
// be one, that the refused one did not.
func better(p *detect.Pass, before *refusal) bool {
	for i, list := 0, p.Presented(); i < len(list); i++ {
		if c := &list[i]; c.Kind != credential.Signature && !slices.Contains(before.credentials, c.ID) {
			return true
		}
	}
	return cookieHash(p.Exchange().Request.Header) != before.cookies
}

// cookieHash tells whether two requests carry the same cookies.
func cookieHash(h exchange.Header) uint64 {
	sum := fnv.New64a()
	h.Each("Cookie", func(v string) { io.WriteString(sum, v) })
	return sum.Sum64()
}

// structured reports a media type that programs read.
func structured(contentType string) bool {
	t := strings.ToLower(contentType)
	return strings.Contains(t, "json") || strings.Contains(t, "xml") && !strings.Contains(t, "xhtml") || strings.Contains(t, "csv") || strings.Contains(t, "protobuf")
}
