package rules

import (
	"net/netip"
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "llm_key_exposed",
	Title: "The key of a language model is where others can read it",
	Doc: `A key of a provider of language models (by its form, or sent to a provider's host) was sent in the clear, by a browser, or by a client that is not among those that may ("egress"); or an answer gives one to whoever asked. Reported once for each key, and for each endpoint that gives one away.

Such keys are bought by volume and sold on: whoever reads one uses the models at the owner's cost, often until the limit is reached, and may read what the owner has stored with the provider.

A key that a server sends to its provider over TLS, which authtap itself decrypts, is as it should be unless "egress" says that only a proxy may send it. Requests behind something that ends TLS count as encrypted. Keys that an answer gives to who has just made them are left out, as are the placeholders and pages of documentation.

Keep the keys in a proxy that all requests pass and that nobody outside can read, list it as egress, and replace every key that was seen elsewhere.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{798, 522}, OWASP: []string{"API2:2023"},
	Needs: detect.Presented | detect.Exposes,
	Options: []detect.Option{
		{Name: "egress", Default: []string{}, Doc: "addresses or networks that may send keys to providers"},
	},
	State: func(o detect.Values) any {
		var networks []netip.Prefix
		for _, s := range o.Strings("egress") {
			if a, err := netip.ParseAddr(s); err == nil {
				networks = append(networks, netip.PrefixFrom(a, a.BitLen()))
			} else if n, err := netip.ParsePrefix(s); err == nil {
				networks = append(networks, n)
			}
		}
		return networks
	},
	Content: func(ins *detect.Inspection) bool {
		for i := range ins.Found.Exposed {
			if ins.Found.Exposed[i].OfModel() {
				return true
			}
		}
		for i := range ins.Found.Request {
			if ins.Found.Request[i].OfModel() {
				return true
			}
		}
		return len(ins.Found.Request) > 0 && modelHost(ins.Host)
	},
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		for i, list := 0, p.Exposed(); i < len(list); i++ {
			c := &list[i]
			if c.OfModel() && x.Request.Present && !givesKeys(p, x, c) && !pathHas(p.Template(), documents) && !pathHas(p.Template(), secretStores) {
				p.Report(detect.Report{
					Key: detect.Key(hostOf(p), p.Endpoint(), "answer"), Credential: c, Title: "An answer gives the key of a language model away",
					Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "form", Value: c.Form()}, {Name: "because", Value: credential.Word("an answer gives it away")}},
				})
			}
		}
		because := whySent(p, x)
		if because == (credential.Redacted{}) {
			return
		}
		for i, list := 0, p.Presented(); i < len(list); i++ {
			c := &list[i]
			if !c.OfModel() && (!modelHost(p.Host()) || c.Kind != credential.Bearer && c.Kind != credential.APIKey || c.Guessable) || c.Flaw != 0 || c.Place.Name == "referer" {
				continue
			}
			p.Report(detect.Report{
				Key: detect.Key(hostOf(p), c.ID.String()), Credential: c,
				Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "form", Value: c.Form()}, {Name: "because", Value: because}},
			})
		}
	},
})

// whySent says why a key should not have been sent so.
func whySent(p *detect.Pass, x *exchange.Exchange) credential.Redacted {
	allowed := p.State().([]netip.Prefix)
	for _, n := range allowed {
		if n.Contains(p.Client()) {
			return credential.Redacted{}
		}
	}
	switch h := x.Request.Header; {
	case strings.HasPrefix(h.Get("User-Agent"), "Mozilla/") && (h.Has("Origin") || h.Has("Sec-Fetch-Mode")):
		return credential.Word("a browser sends it")
	case x.TLS == exchange.Plain && !p.BehindTLS():
		return credential.Word("it was sent in the clear")
	case len(allowed) > 0:
		return credential.Word("the client is none that may send it")
	}
	return credential.Redacted{}
}

// modelHosts are those of providers' APIs.
var modelHosts = wordsOf(`api.openai.com api.anthropic.com generativelanguage.googleapis.com api.mistral.ai api.cohere.com api.cohere.ai
	api.groq.com openrouter.ai api.deepseek.com api.x.ai api.perplexity.ai api.together.xyz api.together.ai api.fireworks.ai
	api-inference.huggingface.co router.huggingface.co api.replicate.com api.cerebras.ai integrate.api.nvidia.com api.voyageai.com
	api.stability.ai api.ai21.com api.moonshot.ai api.moonshot.cn dashscope.aliyuncs.com codestral.mistral.ai`)

func modelHost(host string) bool {
	return modelHosts[host] || strings.HasSuffix(host, ".openai.azure.com")
}
