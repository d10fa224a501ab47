package rules

import (
	"hash/fnv"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "forced_browsing",
	Title: "Somebody looks for paths that nobody told him of",
	Doc: `A client asked one host for at least thirty different paths within a minute that were answered with 404 or 403, files of pages (images, scripts, styles) apart.

That is a scanner looking for what was forgotten: backups, old versions, tools of administrators. What it found is in the exchanges with other answers.

Things of the API's own that are not there (/orders/17, /orders/18 of a known /orders/{id}) count as one path: a program with an old list asks for them, and so does a load test. A page whose files are missing asks for many at once, but everybody who opens it asks for the same: paths that five clients asked for do not count. Crawlers of search engines follow old links more slowly. Health checks ask for one path.

Look at what the client got with success, and take away what should not be there.`,
	Severity: detect.Low, Confidence: detect.Firm,
	CWE: []int{425}, OWASP: []string{"API9:2023"},
	Needs: detect.EveryExchange,
	Options: []detect.Option{
		{Name: "paths", Default: 30, Doc: "different paths within a minute"},
		ignoreClients,
	},
	State: func(detect.Values) any { return window.NewCache[pathOf, []netip.Addr](50_000, time.Hour) },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		if s := x.Response.Status; s != 404 && s != 403 || !x.Request.Present {
			return
		}
		path, _ := x.PathQuery()
		if staticFile(path) || ignored(p) {
			return
		}
		if p.Known() {
			path = p.Form() // what is not there of what the API has is one path
		}
		h := fnv.New64a()
		io.WriteString(h, path)
		e := window.Event{Time: p.Now(), Class: window.Failure, Client: p.Client(), Status: uint16(x.Response.Status)}
		e.Fields[0] = h.Sum64() | 1
		asked, _ := p.State().(*window.Cache[pathOf, []netip.Addr]).At(pathOf{p.Host(), e.Fields[0]}, p.Now())
		if len(*asked) >= 5 || slices.Contains(*asked, p.Client()) {
			return // everybody asks for it, or this client has before
		}
		if *asked = append(*asked, p.Client()); len(*asked) < 5 {
			p.Observe("paths_by_client", clientKey(p), e)
		}
	},
	Windows: []detect.Window{{Name: "paths_by_client", Span: time.Minute, Crossed: func(p *detect.Pass, key string, s *window.Summary) {
		paths := s.Distinct()[0]
		if paths < p.Options().Int("paths") {
			return
		}
		p.Report(detect.Report{
			Key: key, Verdict: detect.Rejected, Count: s.Count[window.Failure], First: s.FirstOf(window.Failure),
			Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "paths", Value: credential.Number(int64(paths))}},
		})
	}}},
})

// pathOf is a path of a host, by its hash.
type pathOf struct {
	host string
	path uint64
}

// staticFile reports a path of a file that a page loads.
func staticFile(path string) bool {
	i := strings.LastIndexByte(path, '.')
	if i < 0 || strings.IndexByte(path[i:], '/') >= 0 {
		return false
	}
	switch strings.ToLower(path[i+1:]) {
	case "png", "jpg", "jpeg", "gif", "webp", "svg", "ico", "css", "js", "mjs", "map", "woff", "woff2", "ttf", "eot", "otf", "mp4", "webm", "mp3", "avif":
		return true
	}
	return false
}
