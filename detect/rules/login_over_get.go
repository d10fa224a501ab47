package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "login_over_get",
	Title: "A login is sent with GET",
	Doc: `A request with the method GET logs in with a user name and a password in its query. The verdict says what came of the login.

The password stands in the URL, which servers, proxies and browsers keep. GET is also repeated without asking: by prefetching, by the back button, by caches that may even keep the answer with its token.

Scanners try passwords this way on pages that do not take them: then the login fails or nothing can be said of it, and the severity is two steps lower. Answers 404 and 405 are left out.

Take logins by POST only, with the password in the body, and answer GET with 405. Remove the passwords from the logs and have them changed.`,
	Severity: detect.High, Attempt: true, Genuine: true, Confidence: detect.Certain,
	CWE: []int{598}, OWASP: []string{"API2:2023"}, ASVS: []string{"14.2.1"},
	Needs: detect.LoginAttempt,
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		if l := p.Login(); l.Form != "query" || x.Request.Method != "GET" && x.Request.Method != "HEAD" ||
			x.Response.Status == 404 || x.Response.Status == 405 {
			return
		}
		p.Report(detect.Report{
			Key: detect.Key(hostOf(p), p.Template()), ByLogin: true,
			Evidence: detect.Evidence{{Name: "target", Value: p.Target()}},
		})
	},
})
