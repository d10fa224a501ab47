package endpoint

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

const start = capture.Time(1767323045 * 1e9)

var (
	alice = netip.MustParseAddr("192.0.2.1")
	bob   = netip.MustParseAddr("192.0.2.2")

	token   = credential.Credential{Kind: credential.JWT, Place: credential.Place{Part: credential.InHeader, Name: "authorization"}, ID: credential.ID{1}}
	forged  = credential.Credential{Kind: credential.JWT, Place: credential.Place{Part: credential.InHeader, Name: "authorization"}, ID: credential.ID{2}}
	session = credential.Credential{Kind: credential.Session, Place: credential.Place{Part: credential.InCookie, Name: "sid"}, ID: credential.ID{3}}
	flawed  = credential.Credential{Kind: credential.Bearer, Flaw: credential.Empty, ID: credential.ID{4}}
)

func TestTemplatesByForm(t *testing.T) {
	for path, want := range map[string]string{
		"/":                   "/",
		"/users":              "/users",
		"/users/":             "/users/",
		"/users/17":           "/users/{id}",
		"/v1/users/17/orders": "/v1/users/{id}/orders",
		"/x/550e8400-e29b-41d4-a716-446655440000": "/x/{id}",
		"/x/507f1f77bcf86cd799439011":             "/x/{id}",
		"/x/deadbeef":                             "/x/deadbeef",
		"/x/a@example.test/y":                     "/x/{email}/y",
		"/x/a%40example.test":                     "/x/{email}",
		"/r/2026-01-02":                           "/r/{date}",
		"/reset/Zx81kQ0pLmN_27ahsUyTr3":           "/reset/{token}",
		"/blog/how-to-use-a-2-factor-login":       "/blog/how-to-use-a-2-factor-login",
		"/internationalization-settings":          "/internationalization-settings",
		"/a;jsessionid=5FA2/b":                    "/{token}/b",
		"*":                                       "*",
		"example.test:443":                        "example.test:443",
	} {
		if got := formTemplate(path); got != want {
			t.Errorf("%s: template %s, want %s", path, got, want)
		}
	}
}

func find(m *Map, host, method, path string, client netip.Addr, status uint16) (*Endpoint, string) {
	return m.Find(&Request{Host: host, Method: method, Path: path, Client: client, Status: status}, start)
}

func TestScanMakesNoTemplates(t *testing.T) {
	m := NewMap(Options{})
	for i := range 20000 {
		find(m, "h", "GET", fmt.Sprintf("/scan-%d-x", i), alice, 404)
	}
	if n := m.Stats().Templates; n != 0 {
		t.Errorf("one client's 404s made %d templates", n)
	}
	find(m, "h", "GET", "/secret", alice, 401)
	e, _ := find(m, "h", "GET", "/secret", bob, 401)
	if e.overflow {
		t.Error("a second client did not make a template")
	}
	if e, _ = find(m, "h", "GET", "/open", alice, 200); e.overflow {
		t.Error("a 200 did not make a template")
	}
}

func TestTemplateBounds(t *testing.T) {
	m := NewMap(Options{Hosts: 2, Templates: 10, Distinct: 1000})
	for i := range 50 {
		find(m, "h", "GET", "/p"+strings.Repeat("x", i), alice, 200)
	}
	if s := m.Stats(); s.Templates != 10 || s.TemplatesFull != 40 {
		t.Errorf("stats %+v", s)
	}
	find(m, "i", "GET", "/", alice, 200)
	e, _ := find(m, "j", "GET", "/", alice, 200)
	if !e.overflow || m.Stats().HostsFull != 1 {
		t.Errorf("a host beyond the bound was learned: %+v", m.Stats())
	}
	for i := range 30 {
		find(m, "i", fmt.Sprint("M", i), "/", alice, 200)
	}
	if s := m.Stats(); s.TemplatesFull != 40+30+1-maxMethods {
		t.Errorf("made-up methods were learned: %+v", s)
	}
}

func TestVarietyMakesATemplate(t *testing.T) {
	m := NewMap(Options{})
	a := answer(200, 7)
	for i := range 80 {
		e, _ := find(m, "h", "GET", "/shop/"+string(rune('a'+i%26))+strings.Repeat("y", i/26)+"z/price", alice, 200)
		e.Learn(&a, []credential.Credential{token}, false, start)
	}
	e, template := find(m, "h", "GET", "/shop/entirely-new/price", alice, 404)
	if template != "/shop/{any}/price" || e.overflow {
		t.Fatalf("template %s", template)
	}
	if n := e.count(Good, Success); n != 80 {
		t.Errorf("the merged endpoint knows %d answers of 80", n)
	}
	if s := m.Stats(); s.Templates != 1 || s.Endpoints != 1 || s.Collapsed != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestFamiliarNamesStay(t *testing.T) {
	m := NewMap(Options{})
	for range 100 {
		find(m, "h", "POST", "/api/login", alice, 401)
		find(m, "h", "POST", "/api/login", bob, 401)
	}
	for i := range 200 {
		find(m, "h", "GET", "/api/user-"+string(rune('a'+i%26))+strings.Repeat("y", i/26), alice, 200)
	}
	if _, template := find(m, "h", "POST", "/api/login", alice, 401); template != "/api/login" {
		t.Errorf("the login became %s", template)
	}
	if _, template := find(m, "h", "GET", "/api/someone-else", alice, 200); template != "/api/{any}" {
		t.Errorf("a user became %s", template)
	}
}

func answer(status uint16, shape uint64) Answer { return Answer{Status: status, Shape: shape, Type: 5} }

// learned makes an endpoint that has seen answers: each is presentation,
// status and shape.
type seenAnswer struct {
	creds   []credential.Credential
	answer  Answer
	cookies bool
}

func good(n int, status uint16, shape uint64) []seenAnswer {
	var s []seenAnswer
	for range n {
		s = append(s, seenAnswer{[]credential.Credential{token}, answer(status, shape), false})
	}
	return s
}

func with(answer Answer, n int, creds ...credential.Credential) []seenAnswer {
	var s []seenAnswer
	for range n {
		s = append(s, seenAnswer{creds, answer, false})
	}
	return s
}

func learned(lists ...[]seenAnswer) *Endpoint {
	e := &Endpoint{method: "GET"}
	now := start
	for _, l := range lists {
		for _, s := range l {
			e.Learn(&s.answer, s.creds, s.cookies, now)
			now = now.Add(time.Second)
		}
	}
	return e
}

func TestJudge(t *testing.T) {
	discriminating := [][]seenAnswer{good(3, 200, 7), with(answer(401, 9), 1)}
	cached, cut := answer(200, 7), answer(200, 7)
	cached.Marks, cut.Marks = Cached, Damaged
	soft, moved, movedThere := answer(200, 7), answer(302, 1), answer(302, 1)
	soft.Marks = Soft
	moved.Location, movedThere.Location = 3, 4
	filter403 := Answer{Status: 403, Shape: 2, Type: 99}
	late := answer(200, 7)
	late.Marks = Midstream
	for name, c := range map[string]struct {
		history [][]seenAnswer
		answer  Answer
		others  []credential.Credential
		want    Verdict
	}{
		"nothing known":                   {nil, answer(200, 7), nil, LikelyAccepted},
		"refused":                         {nil, answer(401, 9), nil, Rejected},
		"no answer":                       {discriminating, Answer{}, nil, Unknown},
		"server error":                    {discriminating, answer(500, 7), nil, Unknown},
		"not found":                       {discriminating, answer(404, 7), nil, Unknown},
		"too many":                        {discriminating, answer(429, 7), nil, Unknown},
		"403 where bad ones get 401":      {discriminating, answer(403, 7), nil, Unknown},
		"403 elsewhere":                   {nil, answer(403, 7), nil, Rejected},
		"discriminating":                  {discriminating, answer(200, 7), nil, Accepted},
		"two good ones are too few":       {[][]seenAnswer{good(2, 200, 7), with(answer(401, 9), 5)}, answer(200, 7), nil, LikelyAccepted},
		"nobody was refused":              {[][]seenAnswer{good(30, 200, 7)}, answer(200, 7), nil, LikelyAccepted},
		"refused by a filter in front":    {[][]seenAnswer{good(3, 200, 7), with(filter403, 3)}, answer(200, 7), nil, LikelyAccepted},
		"refused 403 by the API":          {[][]seenAnswer{good(3, 200, 7), with(answer(403, 9), 1)}, answer(200, 7), nil, Accepted},
		"good credential refused 403":     {[][]seenAnswer{good(3, 200, 7), with(answer(403, 9), 1, token)}, answer(200, 7), nil, LikelyAccepted},
		"flawed credential refused":       {[][]seenAnswer{good(3, 200, 7), with(answer(401, 9), 1, flawed)}, answer(200, 7), nil, Accepted},
		"other shape":                     {discriminating, answer(200, 8), nil, LikelyAccepted},
		"soft failure":                    {discriminating, soft, nil, Rejected},
		"from a cache":                    {discriminating, cached, nil, Unknown},
		"cut":                             {discriminating, cut, nil, Unknown},
		"answered without any, once":      {append(discriminating, with(answer(200, 7), 1)), answer(200, 7), nil, LikelyAccepted},
		"open":                            {append(discriminating, with(answer(200, 7), 3)), answer(200, 7), nil, Unknown},
		"in mid-stream":                   {discriminating, late, nil, LikelyAccepted},
		"open, nobody has credentials":    {[][]seenAnswer{with(answer(200, 7), 3)}, answer(200, 7), nil, Unknown},
		"answered without any, other":     {append(discriminating, with(answer(200, 6), 3)), answer(200, 7), nil, Accepted},
		"redirect":                        {discriminating, moved, nil, Unknown},
		"redirect as for good ones":       {append(discriminating, with(movedThere, 3, token)), movedThere, nil, Accepted},
		"other credential, never alone":   {discriminating, answer(200, 7), []credential.Credential{session}, LikelyAccepted},
		"other credential suffices":       {append(discriminating, with(answer(200, 7), 1, session)), answer(200, 7), []credential.Credential{session}, Unknown},
		"other credential does not":       {append(discriminating, with(answer(401, 9), 1, session)), answer(200, 7), []credential.Credential{session}, Accepted},
		"password field instead of a 401": {discriminating, Answer{Status: 200, Marks: LoginForm, Shape: 2}, nil, Rejected},
	} {
		e := learned(c.history...)
		at := Attempt{Answer: c.answer}
		at.Others, at.OtherKinds, at.Parts = Kinds(append([]credential.Credential{forged}, c.others...), &forged, false)
		if got := e.Judge(&at, start.Add(time.Hour)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestUnknownCookiesMaySuffice(t *testing.T) {
	discriminating := [][]seenAnswer{good(3, 200, 7), with(answer(401, 9), 1)}
	at := Attempt{Answer: answer(200, 7)}
	at.Others, at.OtherKinds, at.Parts = Kinds([]credential.Credential{forged}, &forged, true)
	if v := learned(discriminating...).Judge(&at, start.Add(time.Hour)); v != LikelyAccepted {
		t.Errorf("a cookie that was never seen alone: %v", v)
	}
	refused := append(discriminating, []seenAnswer{{nil, answer(401, 9), true}})
	if v := learned(refused...).Judge(&at, start.Add(time.Hour)); v != Accepted {
		t.Errorf("a cookie that does not suffice: %v", v)
	}
	suffices := append(discriminating, []seenAnswer{{nil, answer(200, 6), true}})
	if v := learned(suffices...).Judge(&at, start.Add(time.Hour)); v != Unknown {
		t.Errorf("a cookie that suffices: %v", v)
	}
}

func TestMemoryIsSevenDays(t *testing.T) {
	e := learned(good(3, 200, 7), with(answer(401, 9), 1))
	at := Attempt{Answer: answer(200, 7)}
	if v := e.Judge(&at, start.Add(6*24*time.Hour)); v != Accepted {
		t.Errorf("after six days: %v", v)
	}
	if v := e.Judge(&at, start.Add(9*24*time.Hour)); v != LikelyAccepted {
		t.Errorf("after nine days: %v", v)
	}
}

func TestOverflowNeverDiscriminates(t *testing.T) {
	m := NewMap(Options{})
	e := m.None()
	ok, no := answer(200, 7), answer(401, 9)
	for range 5 {
		e.Learn(&ok, []credential.Credential{token}, false, start)
		e.Learn(&no, nil, false, start)
	}
	if e.Discriminates(start) {
		t.Error("the endpoint of the unknown discriminates")
	}
}

func TestLogin(t *testing.T) {
	cookie := func(status uint16, name uint32) Answer {
		return Answer{Status: status, Shape: 1, Cookies: [2]uint32{name}}
	}
	redirect := func(place uint32, m Marks) Answer { return Answer{Status: 302, Location: place, Marks: m} }
	mark := func(status uint16, m Marks) Answer { return Answer{Status: status, Shape: 4, Marks: m} }
	form := &credential.Login{Form: "form"}
	for name, c := range map[string]struct {
		failures, successes []Answer
		answer              Answer
		want                LoginOutcome
	}{
		"no answer":                    {nil, nil, Answer{}, LoginUnclear},
		"401":                          {nil, nil, answer(401, 1), LoginFailure},
		"422":                          {nil, nil, answer(422, 1), LoginFailure},
		"429":                          {nil, nil, answer(429, 1), LoginFailure},
		"500":                          {nil, nil, answer(500, 1), LoginUnclear},
		"404":                          {nil, nil, answer(404, 1), LoginUnclear},
		"a bare 200":                   {nil, nil, answer(200, 1), LoginUnclear},
		"error in a 200":               {nil, nil, mark(200, Soft), LoginFailure},
		"the form again":               {nil, nil, mark(200, LoginForm), LoginFailure},
		"a token":                      {nil, nil, mark(200, IssuesToken), LoginSuccess},
		"a token and an error":         {nil, nil, mark(200, IssuesToken|Soft), LoginFailure},
		"second factor":                {nil, nil, mark(200, AsksSecondFactor), LoginPending},
		"second factor, refused":       {nil, nil, mark(403, AsksSecondFactor), LoginPending},
		"cookie":                       {nil, nil, cookie(200, 8), LoginSuccess},
		"cookie that failures set too": {[]Answer{cookie(401, 8)}, nil, cookie(200, 8), LoginUnclear},
		"redirect home":                {nil, nil, redirect(6, 0), LoginSuccess},
		"redirect to the login":        {nil, nil, redirect(6, ToLogin|BackToLogin), LoginFailure},
		"redirect to /auth/…":          {nil, nil, redirect(6, ToLogin), LoginUnclear},
		"redirect to /auth/…, cookie":  {nil, nil, Answer{Status: 302, Location: 6, Marks: ToLogin, Cookies: [2]uint32{8}}, LoginSuccess},
		"redirect to a second factor":  {nil, nil, redirect(6, AsksSecondFactor), LoginPending},
		"moved for good":               {nil, nil, Answer{Status: 301, Location: 6}, LoginUnclear},
		"locked":                       {nil, nil, answer(423, 1), LoginFailure},
		"captcha in a 200 and a token": {nil, nil, mark(200, SaysFailure|IssuesToken), LoginFailure},
		"second factor and a failure":  {nil, nil, mark(200, SaysFailure|AsksSecondFactor), LoginFailure},
		"cookie from a cache":          {nil, nil, Answer{Status: 200, Cookies: [2]uint32{8}, Marks: Cached}, LoginUnclear},
		"redirect to itself":           {nil, nil, redirect(6, ToItself), LoginFailure},
		"redirect where failures go":   {[]Answer{{Status: 403, Location: 6}}, nil, redirect(6, 0), LoginFailure},
		"shape of a success":           {nil, []Answer{cookie(200, 8)}, answer(200, 1), LoginSuccess},
		"shape of success and failure": {[]Answer{mark(200, Soft)}, []Answer{mark(200, IssuesToken)}, answer(200, 4), LoginUnclear},
		"cut before the end":           {nil, nil, Answer{Status: 200, Marks: Damaged | IssuesToken}, LoginUnclear},
	} {
		e := &Endpoint{}
		for _, a := range c.failures {
			e.LearnLogin(&a, form, LoginFailure, start)
		}
		for _, a := range c.successes {
			e.LearnLogin(&a, form, LoginSuccess, start)
		}
		if got := e.Login(&c.answer, form, start); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	basic := &credential.Login{Form: "basic"}
	ok, no := answer(200, 7), answer(401, 9)
	e := &Endpoint{}
	if o := e.Login(&ok, basic, start); o != LoginUnclear {
		t.Errorf("Basic where nobody was refused: %v", o)
	}
	e.Learn(&no, nil, false, start)
	if o := e.Login(&ok, basic, start); o != LoginSuccess {
		t.Errorf("Basic where others were refused: %v", o)
	}
	if o := e.Login(&no, basic, start); o != LoginFailure {
		t.Errorf("Basic refused: %v", o)
	}
	stale := Answer{Status: 401, Marks: Stale}
	if o := e.Login(&stale, &credential.Login{Form: "digest"}, start); o != LoginUnclear {
		t.Errorf("Digest with an old nonce: %v", o)
	}
}

// An endpoint that refuses first and then lets in is known to refuse.
func TestRefusedBeforeItIsKnown(t *testing.T) {
	ok, no, gone := answer(200, 7), answer(401, 9), answer(404, 9)
	for name, c := range map[string]struct {
		first  *Answer
		method string
		creds  []credential.Credential
		want   bool
	}{
		"nothing":         {nil, "GET", nil, false},
		"without":         {&no, "GET", nil, true},
		"with a bad one":  {&no, "GET", []credential.Credential{flawed}, true},
		"with a good one": {&no, "GET", []credential.Credential{token}, true},
		"not found":       {&gone, "GET", nil, false},
		"another method":  {&no, "POST", nil, false},
	} {
		m := NewMap(Options{})
		if c.first != nil {
			if e, _ := find(m, "h", c.method, "/x", alice, c.first.Status); e != m.None() {
				t.Fatalf("%s: one refusal makes an endpoint", name)
			}
			m.Remember(&Request{Host: "h", Method: c.method, Path: "/x"}, c.first, c.creds, false, start)
		}
		for range 3 {
			e, _ := find(m, "h", "GET", "/x", alice, 200)
			e.Learn(&ok, []credential.Credential{token}, false, start)
		}
		if e, _ := find(m, "h", "GET", "/x", alice, 200); e.Discriminates(start) != c.want {
			t.Errorf("%s: discriminates: %v", name, !c.want)
		}
	}
}

func TestExamine(t *testing.T) {
	x := func(status int, body string, header ...string) *exchange.Exchange {
		x := &exchange.Exchange{}
		x.Request = exchange.Message{Present: true, Method: "POST", Target: "/session", Header: exchange.Header{{Name: "Referer", Value: "https://h.test/form?x=1"}}}
		x.Response = exchange.Message{Present: true, Status: status, Body: exchange.Body{Bytes: []byte(body), Length: int64(len(body))}}
		for i := 0; i < len(header); i += 2 {
			x.Response.Header = append(x.Response.Header, exchange.Field{Name: header[i], Value: header[i+1]})
		}
		return x
	}
	unpaired := x(200, "{}")
	unpaired.Flags |= exchange.Unpaired
	for name, c := range map[string]struct {
		x    *exchange.Exchange
		want Marks
	}{
		"success true":            {x(200, `{"success":true,"data":{}}`), SaysSuccess},
		"status success":          {x(200, `{"status":"success"}`), SaysSuccess},
		"payload with errors":     {x(200, `{"data":{"tokenCreate":{"token":null,"errors":[{"code":"INVALID"}]}}}`), SaysFailure},
		"payload without":         {x(200, `{"data":{"a":1,"login":{"ok":true,"errors":[]}}}`), SaysSuccess},
		"payload, one of two":     {x(200, `{"data":{"a":{"success":false},"b":{"success":true}}}`), SaysFailure | SaysSuccess | Partly},
		"payload of a resource":   {x(200, `{"data":[{"login":{"success":false}}]}`), 0},
		"payload cut":             {x(200, `{"data":{"login":{"success":fal`), 0},
		"success false":           {x(200, ` {"success" : false}`), Soft},
		"error null":              {x(200, `{"error":null,"errors":[]}`), 0},
		"error":                   {x(200, `{"error":{"code":1}}`), Soft},
		"error deeper":            {x(200, `{"data":{"error":"x"}}`), 0},
		"status fail":             {x(200, `{"status":"FAIL"}`), Soft},
		"status ok":               {x(200, `{"status":"ok"}`), 0},
		"message":                 {x(200, `{"message":"Wrong Password."}`), SaysFailure},
		"mfa":                     {x(200, `{"mfa_required":true}`), AsksSecondFactor},
		"mfa not":                 {x(200, `{"mfa_required":false}`), 0},
		"mfa as status":           {x(200, `{"status":"MFA_REQUIRED"}`), AsksSecondFactor},
		"html":                    {x(200, `<html><body>Welcome</body></html>`, "Content-Type", "text/html"), 0},
		"html form far behind":    {x(200, "<html>"+strings.Repeat("<p>x</p>", 1000)+`<input type='password'>`), LoginForm},
		"html sorry far behind":   {x(200, "<html>"+strings.Repeat("<p>x</p>", 1000)+`Your password was incorrect.`), SaysFailure},
		"html form":               {x(200, `<html><INPUT Type = x><input name="p" type="PASSWORD"></html>`), LoginForm},
		"to login":                {x(302, "", "Location", "/account/LogIn?next=/"), ToLogin | BackToLogin},
		"to login.php":            {x(302, "", "Location", "https://h.test/login.php"), ToLogin | BackToLogin},
		"to the form":             {x(302, "", "Location", "/form"), ToItself},
		"to a page by its name":   {x(302, "", "Location", "/index.php?route=account%2Flogin&x=1"), ToLogin | BackToLogin},
		"from a login":            {x(302, "", "Location", "/home?from=login"), 0},
		"in another language":     {x(302, "", "Location", "/anmelden"), ToLogin | BackToLogin},
		"to a blog's index":       {x(302, "", "Location", "/my-blog-index"), 0},
		"to itself":               {x(303, "", "Location", "/session?x=1"), ToItself},
		"to a second factor":      {x(302, "", "Location", "/login/two-factor"), ToLogin | AsksSecondFactor},
		"below the login":         {x(302, "", "Location", "/auth/profile"), ToLogin},
		"to a failure":            {x(302, "", "Location", "/session-failed"), BackToLogin},
		"home":                    {x(302, "", "Location", "/"), 0},
		"home with error":         {x(302, "", "Location", "/?error=1"), SaysFailure},
		"age":                     {x(200, "", "Age", "12"), Cached},
		"fresh":                   {x(200, "", "Age", "0", "X-Cache", "MISS from x"), 0},
		"cache hit":               {x(200, "", "X-Cache", "Hit from cloudfront"), Cached},
		"cache status":            {x(200, "", "Cache-Status", "ExampleCache; hit"), Cached},
		"cache asked on":          {x(200, "", "Cache-Status", "ExampleCache; fwd=miss; detail=no-hit"), 0},
		"varnish hit":             {x(200, "", "X-Varnish", "32770 3"), Cached},
		"varnish miss":            {x(200, "", "X-Varnish", "32770"), 0},
		"hits":                    {x(200, "", "X-Cache-Hits", "0, 2"), Cached},
		"no hits":                 {x(200, "", "X-Cache-Hits", "0, 0"), 0},
		"stale":                   {x(200, "", "CF-Cache-Status", "STALE"), Cached},
		"dynamic":                 {x(200, "", "CF-Cache-Status", "DYNAMIC"), 0},
		"grpc unauthenticated":    {x(200, "", "grpc-status", "16"), Soft},
		"grpc ok":                 {x(200, "", "grpc-status", "0"), 0},
		"broken JSON":             {x(200, `{"success":`), 0},
		"cut JSON, mark before":   {x(200, `{"success":false,"da`), Soft},
		"deep JSON":               {x(200, strings.Repeat(`[`, 4000)), 0},
		"not provably its answer": {unpaired, 0},
	} {
		a := NewExaminer().Examine(c.x, "/session", &credential.Found{})
		if a.Marks != c.want {
			t.Errorf("%s: marks %b, want %b", name, a.Marks, c.want)
		}
	}
	if a := NewExaminer().Examine(unpaired, "/", &credential.Found{}); a.Status != 0 {
		t.Error("an unpaired answer was believed")
	}
}

func TestStaleNonce(t *testing.T) {
	x := &exchange.Exchange{Request: exchange.Message{Present: true, Method: "GET", Target: "/"}}
	for value, want := range map[string]Marks{
		`Digest realm="x", nonce="n", stale=true`:   Stale,
		`Digest realm="x", nonce="n", STALE="TRUE"`: Stale,
		`Digest realm="x", nonce="n", stale=false`:  0,
		`Digest realm="x", nonce="n"`:               0,
	} {
		x.Response = exchange.Message{Present: true, Status: 401, Header: exchange.Header{{Name: "WWW-Authenticate", Value: value}}}
		if a := NewExaminer().Examine(x, "/", &credential.Found{}); a.Marks&Stale != want {
			t.Errorf("%s: marks %b", value, a.Marks)
		}
	}
}

func TestShape(t *testing.T) {
	shape := func(s string) uint64 {
		x := &exchange.Exchange{}
		x.Request.Present = true
		x.Response = exchange.Message{Present: true, Status: 200, Body: exchange.Body{Bytes: []byte(s), Length: int64(len(s))}}
		a := NewExaminer().Examine(x, "/", &credential.Found{})
		return a.Shape
	}
	same := func(a, b string) {
		t.Helper()
		if shape(a) != shape(b) {
			t.Errorf("shapes differ: %s and %s", a, b)
		}
	}
	differ := func(a, b string) {
		t.Helper()
		if shape(a) == shape(b) {
			t.Errorf("shapes are the same: %s and %s", a, b)
		}
	}
	same(`{"id":1,"name":"x"}`, `{ "name" : "a \" b", "id" : 2.5e3 }`)
	same(`[{"id":1}]`, `[{"id":1},{"id":2}]`)
	same(`{"a":{"b":{"c":1}}}`, `{"a":{"b":{"d":1}}}`)
	differ(`{"id":1}`, `{"id":1,"name":"x"}`)
	differ(`{"a":{"b":1}}`, `{"a":{"c":1}}`)
	differ(`{}`, `[]`)
	differ(`{"id":1}`, `[{"id":1}]`)
	same("", "  ")
}

func TestWordsFit(t *testing.T) {
	for _, s := range []*wordSet{failureWords, secondFactorWords} {
		if len(s.words) > 64 {
			t.Errorf("%d words: the set holds 64", len(s.words))
		}
		for _, w := range s.words {
			if !s.in([]byte("x" + w + "y")) {
				t.Errorf("%q is not found", w)
			}
		}
	}
}

func FuzzExamine(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"error":"x"}],"code":"5"}`), "/login", 302)
	f.Add([]byte(`<input type=password>`), "//h/x#y", 200)
	f.Fuzz(func(t *testing.T, body []byte, location string, status int) {
		x := &exchange.Exchange{}
		x.Request = exchange.Message{Present: true, Method: "POST", Target: "/x"}
		x.Response = exchange.Message{Present: true, Status: status, Header: exchange.Header{{Name: "Location", Value: location}},
			Body: exchange.Body{Bytes: body, Length: int64(len(body))}}
		a := NewExaminer().Examine(x, "/x", &credential.Found{})
		b := NewExaminer().Examine(x, "/x", &credential.Found{})
		if a != b {
			t.Fatal("two readings of one answer differ")
		}
	})
}

func BenchmarkFind(b *testing.B) {
	m := NewMap(Options{})
	find(m, "api.example.test", "GET", "/api/v1/users/17/orders/99", alice, 200)
	b.ReportAllocs()
	r := Request{Host: "api.example.test", Method: "GET", Path: "/api/v1/users/18/orders/98", Client: alice, Status: 200}
	for b.Loop() {
		m.Find(&r, start)
	}
}

func BenchmarkExamine(b *testing.B) {
	body := []byte(`{"items":[` + strings.Repeat(`{"id":12345,"name":"some product","price":12.5,"tags":["a","b"]},`, 30) + `{}],"total":31}`)
	x := &exchange.Exchange{}
	x.Request = exchange.Message{Present: true, Method: "GET", Target: "/x"}
	x.Response = exchange.Message{Present: true, Status: 200, Body: exchange.Body{Bytes: body, Length: int64(len(body))},
		Header: exchange.Header{{Name: "Content-Type", Value: "application/json"}, {Name: "Date", Value: "x"}}}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		NewExaminer().Examine(x, "/x", &credential.Found{})
	}
}

// A batch is a failure where all of it is, and a long list of errors is one.
func TestSoftBatches(t *testing.T) {
	failed, long := `{"data":{"login":null},"errors":[{"message":"no"}]}`, strings.Repeat("x", 2000)
	for body, want := range map[string]bool{
		`[` + failed + `]`:                                          true,
		`[` + failed + `, ` + failed + `]`:                          true,
		`[` + failed + `,{"data":{"login":{"token":"t"}}}]`:         false,
		`[{"data":{"login":{"token":"t"}}},` + failed + `]`:         false,
		`[` + failed + `,`:                                          false,
		`[` + strings.Repeat(failed+",", 40) + failed + `]`:         true,
		`{"data":{"a":null},"errors":[{"message":"` + long + `"}]}`: true,
		`{"data":{"a":null},"errors":[]}`:                           false,
		`{"data":{"a":"` + long + `"},"errors":[{"message":"no"}]}`: false,
		`[{"error":null},{"error":null}]`:                           false,
		`[{"errors":[1]},"x"]`:                                      false,
		`[]`:                                                        false,
	} {
		x := &exchange.Exchange{}
		x.Request.Present, x.Response.Present, x.Response.Status = true, true, 200
		x.Response.Body = exchange.Body{Bytes: []byte(body), Length: int64(len(body))}
		if a := NewExaminer().Examine(x, "/graphql", &credential.Found{}); (a.Marks&Soft != 0) != want {
			t.Errorf("%.80s: soft %v", body, !want)
		}
	}
}
