package credential

import (
	"encoding/base64"
	"hash/crc32"
	"strings"
)

// vendor is the form that an issuer gives its keys: what is published of it,
// or plain from keys that were given away on purpose.
type vendor struct {
	prefix string
	name   string
	// Lengths of what follows the prefix, and its alphabet.
	least, most int
	alphabet    alphabet
	// check sees the whole key, nil where there is nothing more to see.
	check func(key string) bool
	// model says that the key pays for a language model; mild, that it is
	// given out by design (test keys, ids, tokens of an hour): it is hidden,
	// and no finding when an answer shows it.
	model, mild bool
}

// alphabet is a set of ASCII characters.
type alphabet [2]uint64

func (a *alphabet) has(c byte) bool { return c < 128 && a[c/64]>>(c%64)&1 != 0 }

func alphabetOf(s string) (a alphabet) {
	for _, c := range []byte(s) {
		a[c/64] |= 1 << (c % 64)
	}
	return a
}

const (
	digits = "0123456789"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lower  = "abcdefghijklmnopqrstuvwxyz"
)

var (
	hexes    = alphabetOf(digits + "abcdef")
	alnum    = alphabetOf(digits + upper + lower)
	word     = alphabetOf(digits + upper + lower + "_-")
	dotted   = alphabetOf(digits + upper + lower + "_-.")
	capitals = alphabetOf(digits + upper)
	base32s  = alphabetOf(upper + "234567")
	bech32s  = alphabetOf(strings.ToUpper(bech32))
)

// vendorList has the longer prefix before those that it begins with.
var vendorList = []vendor{
	// Models of language.
	{"sk-ant-api03-", "Anthropic API key", 95, 95, word, endsIn("AA"), true, false},
	{"sk-ant-admin01-", "Anthropic admin key", 95, 95, word, endsIn("AA"), true, false},
	{"sk-ant-oat01-", "Anthropic access token", 95, 95, word, endsIn("AA"), true, false},
	{"sk-or-v1-", "OpenRouter API key", 64, 64, hexes, nil, true, false},
	{"sk-proj-", "OpenAI project key", 40, 200, word, hasMark, true, false},
	{"sk-svcacct-", "OpenAI service account key", 40, 200, word, hasMark, true, false},
	{"sk-admin-", "OpenAI admin key", 40, 200, word, hasMark, true, false},
	{"sk-lf-", "Langfuse secret key", 36, 36, word, nil, false, false},
	{"sk-", "OpenAI API key", 48, 48, alnum, hasMark, true, false},
	{"sk-", "API key of a model's provider", 32, 32, hexes, nil, true, false},
	{"hf_", "Hugging Face token", 34, 34, alnum, mixed3, true, false},
	{"gsk_", "Groq API key", 52, 52, alnum, nil, true, false},
	{"xai-", "xAI API key", 80, 80, alnum, nil, true, false},
	{"pplx-", "Perplexity API key", 40, 56, alnum, nil, true, false},
	{"r8_", "Replicate API token", 37, 37, alnum, mixed3, true, false},
	{"nvapi-", "NVIDIA API key", 64, 64, word, nil, true, false},
	{"csk-", "Cerebras API key", 48, 48, alnum, nil, true, false},
	{"tgp_v1_", "Together API key", 43, 43, word, nil, true, false},
	{"lsv2_pt_", "LangSmith API key", 43, 43, word, nil, false, false},
	{"lsv2_sk_", "LangSmith service key", 43, 43, word, nil, false, false},
	{"pcsk_", "Pinecone API key", 60, 80, word, nil, false, false},
	{"AIza", "Google API key", 35, 35, word, mixed3, false, true},

	// Code and packages.
	{"ghp_", "GitHub personal access token", 36, 36, alnum, base62CRC, false, false},
	{"gho_", "GitHub OAuth token", 36, 36, alnum, base62CRC, false, false},
	{"ghu_", "GitHub user token", 36, 36, alnum, base62CRC, false, false},
	{"ghs_", "GitHub server token", 36, 36, alnum, base62CRC, false, false},
	{"ghr_", "GitHub refresh token", 36, 76, alnum, base62CRC, false, false},
	{"github_pat_", "GitHub fine-grained token", 82, 82, word, parts('_', 22, 59), false, false},
	{"glpat-", "GitLab personal access token", 20, 310, dotted, gitlabForm, false, false},
	{"gldt-", "GitLab deploy token", 20, 310, dotted, gitlabForm, false, false},
	{"glrt-", "GitLab runner token", 20, 310, dotted, gitlabForm, false, false},
	{"glptt-", "GitLab trigger token", 40, 40, hexes, nil, false, false},
	{"gloas-", "GitLab application secret", 64, 64, hexes, nil, false, false},
	{"glsoat-", "GitLab SCIM token", 20, 310, dotted, gitlabForm, false, false},
	{"glagent-", "GitLab agent token", 50, 310, dotted, gitlabForm, false, false},
	{"npm_", "npm access token", 36, 36, alnum, base62CRC, false, false},
	{"pypi-AgEIcHlwaS5vcmc", "PyPI token", 60, 600, word, nil, false, false},
	{"rubygems_", "RubyGems API key", 48, 48, hexes, nil, false, false},
	{"dckr_pat_", "Docker access token", 27, 27, word, nil, false, false},
	{"bkua_", "Buildkite token", 40, 40, hexes, nil, false, false},
	{"sqp_", "SonarQube project token", 40, 40, hexes, nil, false, false},
	{"squ_", "SonarQube user token", 40, 40, hexes, nil, false, false},
	{"sqa_", "SonarQube global token", 40, 40, hexes, nil, false, false},
	{"AKCp", "JFrog API key", 69, 69, alnum, nil, false, false},

	// Clouds and what runs there.
	{"AKIA", "AWS access key", 16, 16, base32s, nil, false, false},
	{"ASIA", "AWS temporary access key", 16, 16, base32s, nil, false, true},
	{"GOCSPX-", "Google OAuth client secret", 28, 28, word, nil, false, false},
	{"ya29.", "Google access token", 40, 400, word, nil, false, true},
	{"dop_v1_", "DigitalOcean token", 64, 64, hexes, nil, false, false},
	{"doo_v1_", "DigitalOcean OAuth token", 64, 64, hexes, nil, false, false},
	{"dor_v1_", "DigitalOcean refresh token", 64, 64, hexes, nil, false, false},
	{"HRKU-AA", "Heroku API key", 58, 58, word, nil, false, false},
	{"nfp_", "Netlify token", 36, 36, alnum, nil, false, false},
	{"dapi", "Databricks token", 32, 32, hexes, nil, false, false},
	{"pscale_tkn_", "PlanetScale token", 32, 64, dotted, nil, false, false},
	{"pscale_pw_", "PlanetScale password", 32, 64, dotted, nil, false, false},
	{"pscale_oauth_", "PlanetScale OAuth token", 32, 64, dotted, nil, false, false},
	{"sbp_", "Supabase token", 40, 40, hexes, nil, false, false},
	{"sb_secret_", "Supabase secret key", 31, 31, word, parts('_', 22, 8), false, false},
	{"tskey-auth-", "Tailscale auth key", 30, 64, word, nil, false, false},
	{"tskey-api-", "Tailscale API key", 30, 64, word, nil, false, false},
	{"pul-", "Pulumi token", 40, 40, hexes, nil, false, false},
	{"hvs.", "Vault service token", 90, 200, word, nil, false, false},
	{"hvb.", "Vault batch token", 130, 300, word, nil, false, false},
	{"dp.pt.", "Doppler personal token", 40, 44, alnum, nil, false, false},
	{"dp.ct.", "Doppler CLI token", 40, 44, alnum, nil, false, false},
	{"dp.sa.", "Doppler service account token", 40, 44, alnum, nil, false, false},
	{"dp.st.", "Doppler service token", 40, 80, dotted, nil, false, false},
	{"dt0c01.", "Dynatrace token", 89, 89, dotted, parts('.', 24, 64), false, false},
	{"glsa_", "Grafana service account token", 41, 41, word, parts('_', 32, 8), false, false},
	{"glc_", "Grafana Cloud token", 60, 400, word, func(k string) bool { return strings.HasPrefix(k, "glc_eyJ") }, false, false},
	{"NRAK-", "New Relic user key", 27, 27, capitals, nil, false, false},
	{"sntryu_", "Sentry user token", 64, 64, hexes, nil, false, false},
	{"sntrys_", "Sentry organization token", 80, 400, word, func(k string) bool { return strings.HasPrefix(k, "sntrys_eyJ") }, false, false},
	{"ops_eyJ", "1Password service account token", 200, 1200, word, nil, false, false},
	{"AGE-SECRET-KEY-1", "age secret key", 58, 58, bech32s, ageSum, false, false},

	// Money, mail and offices.
	{"sk_live_", "Stripe secret key", 24, 247, alnum, nil, false, false},
	{"rk_live_", "Stripe restricted key", 24, 247, alnum, nil, false, false},
	{"sk_test_", "Stripe test key", 24, 247, alnum, nil, false, true},
	{"rk_test_", "Stripe test key", 24, 247, alnum, nil, false, true},
	{"whsec_", "webhook secret", 32, 64, alnum, nil, false, false},
	{"sq0atp-", "Square access token", 22, 22, word, nil, false, false},
	{"sq0csp-", "Square application secret", 43, 43, word, nil, false, false},
	{"shpat_", "Shopify access token", 32, 32, hexes, nil, false, false},
	{"shpss_", "Shopify shared secret", 32, 32, hexes, nil, false, false},
	{"shpca_", "Shopify custom app token", 32, 32, hexes, nil, false, false},
	{"shppa_", "Shopify private app token", 32, 32, hexes, nil, false, false},
	{"shippo_live_", "Shippo token", 40, 40, hexes, nil, false, false},
	{"SG.", "SendGrid API key", 66, 66, dotted, parts('.', 22, 43), false, false},
	{"key-", "Mailgun API key", 32, 32, hexes, nil, false, false},
	{"xkeysib-", "Brevo API key", 81, 81, word, parts('-', 64, 16), false, false},
	{"xoxb-", "Slack bot token", 40, 80, word, startsWithDigit, false, false},
	{"xoxp-", "Slack user token", 60, 90, word, startsWithDigit, false, false},
	{"xoxs-", "Slack session token", 60, 90, word, startsWithDigit, false, false},
	{"xoxe.xoxp-", "Slack rotating token", 100, 200, word, startsWithDigit, false, false},
	{"xoxe-", "Slack refresh token", 100, 200, word, startsWithDigit, false, false},
	{"xapp-", "Slack app token", 80, 110, word, startsWithDigit, false, false},
	{"lin_api_", "Linear API key", 40, 40, alnum, nil, false, false},
	{"lin_oauth_", "Linear OAuth token", 64, 64, hexes, nil, false, false},
	{"ntn_", "Notion token", 46, 46, alnum, startsWithDigit, false, false},
	{"secret_", "Notion integration secret", 43, 43, alnum, mixed3, false, false},
	{"figd_", "Figma token", 40, 48, word, nil, false, false},
	{"PMAK-", "Postman API key", 59, 59, word, parts('-', 24, 34), false, false},
	{"pat-na1-", "HubSpot token", 36, 36, word, nil, false, false},
	{"pat-eu1-", "HubSpot token", 36, 36, word, nil, false, false},
	{"ATATT3xFfGF0", "Atlassian API token", 100, 300, word, nil, false, false},
	{"CFPAT-", "Contentful token", 43, 43, word, nil, false, false},
	{"EAAC", "Facebook access token", 60, 400, alnum, nil, false, true},
}

// vendors are the forms by first letter.
var vendors = func() (t [128][]*vendor) {
	for i := range vendorList {
		v := &vendorList[i]
		t[v.prefix[0]] = append(t[v.prefix[0]], v)
	}
	return
}()

// vendorLeast is the length of the shortest key of all.
const vendorLeast = 20

// vendorAt gives the form of the key that text begins with, and the key's
// length; nil where it begins with none, or with one of a documentation.
func vendorAt(s string) (v *vendor, n int) {
	if len(s) < vendorLeast || s[0] >= 128 {
		return nil, 0
	}
	for _, v := range vendors[s[0]] {
		if len(s) < len(v.prefix)+v.least || !strings.HasPrefix(s, v.prefix) {
			continue
		}
		n := len(v.prefix)
		for n < len(s) && n <= len(v.prefix)+v.most && v.alphabet.has(s[n]) {
			n++
		}
		for n > 0 && s[n-1] == '.' { // of a sentence
			n--
		}
		body := n - len(v.prefix)
		if body < v.least || body > v.most || n < len(s) && word.has(s[n]) || v.check != nil && !v.check(s[:n]) || placeholder(s[:n], len(v.prefix)) {
			continue
		}
		return v, n
	}
	return nil, 0
}

// vendorOf gives the form of a key, nil where it has none of them.
func vendorOf(key string) *vendor {
	if v, n := vendorAt(key); n == len(key) {
		return v
	}
	return nil
}

// vendorShaped reports a value that begins as the keys of a known issuer do,
// and may be one, of whatever length they are today: what is hidden.
func vendorShaped(s string) bool {
	if len(s) < vendorLeast || s[0] >= 128 {
		return false
	}
	for _, v := range vendors[s[0]] {
		if len(s) >= len(v.prefix)+min(v.least, max(16, v.least*2/3)) && strings.HasPrefix(s, v.prefix) && !guessable(s) {
			return true
		}
	}
	return false
}

// placeholderWords stand in keys that documentations show.
var placeholderWords = []string{
	"xxxx", "example", "your", "placeholder", "dummy", "fake", "redacted", "changeme", "insert", "replace", "sample",
	"00000000", "1234567", "abcdefg", "deadbeef", "notareal", "secrethere",
}

// placeholder reports a key that nobody could use: one with the words of a
// documentation in it, or one that somebody typed without much thought.
func placeholder(key string, prefix int) bool {
	body := strings.ToLower(key[prefix:])
	for _, w := range placeholderWords {
		if strings.Contains(body, w) {
			return true
		}
	}
	return entropy(body) < 2.7
}

// base62CRC checks the last six characters of a token: the CRC-32 of the others
// in base 62 (https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/).
func base62CRC(key string) bool {
	body := key[strings.IndexByte(key, '_')+1:]
	random, sum := body[:len(body)-6], body[len(body)-6:]
	n := uint64(0)
	for i := range len(sum) {
		n = n*62 + uint64(strings.IndexByte(digits+upper+lower, sum[i]))
	}
	return n == uint64(crc32.ChecksumIEEE([]byte(random)))
}

// ageSum checks the sum that ends an identity of age.
func ageSum(key string) bool { return bech32Sum(key) == 1 }

// bech32Sum is the sum of Bech32 (BIP 173), 1 of a text that ends in its own.
func bech32Sum(key string) uint32 {
	key = strings.ToLower(key)
	prefix, data := key[:strings.LastIndexByte(key, '1')], key[strings.LastIndexByte(key, '1')+1:]
	sum := uint32(1)
	add := func(v byte) {
		top := sum >> 25
		sum = sum&0x1ffffff<<5 ^ uint32(v)
		for i, g := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	for i := range len(prefix) {
		add(prefix[i] >> 5)
	}
	add(0)
	for i := range len(prefix) {
		add(prefix[i] & 31)
	}
	for i := range len(data) {
		add(byte(strings.IndexByte(bech32, data[i])))
	}
	return sum
}

const bech32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

func endsIn(suffix string) func(string) bool {
	return func(key string) bool { return strings.HasSuffix(key, suffix) }
}

// hasMark reports the mark within OpenAI's keys: the name in base64.
func hasMark(key string) bool {
	return strings.Contains(key, strings.TrimRight(base64.StdEncoding.EncodeToString([]byte("OpenAI")), "="))
}

// mixed3 reports capitals and small letters: words joined by _ have only one.
func mixed3(key string) bool {
	body := key[3:]
	return strings.ContainsAny(body, upper) && strings.ContainsAny(body, lower)
}

func startsWithDigit(key string) bool {
	i := strings.LastIndexByte(key[:min(len(key), 11)], '-')
	if strings.HasPrefix(key, "ntn_") {
		i = 3
	} else if !strings.HasPrefix(key, "xoxe.") {
		i = strings.IndexByte(key, '-')
	}
	return i+1 < len(key) && key[i+1] >= '0' && key[i+1] <= '9'
}

// parts checks that what follows the prefix is two parts of those lengths.
func parts(separator byte, first, second int) func(string) bool {
	return func(key string) bool {
		n := len(key)
		return n > first+1+second && key[n-second-1] == separator && strings.IndexByte(key[n-second:], separator) < 0
	}
}

// gitlabForm: 20 characters, or a payload of at least 27 with a version of two
// digits and nine characters of length and checksum behind it
// (https://handbook.gitlab.com/handbook/engineering/architecture/design-documents/cells/routable_tokens).
func gitlabForm(key string) bool {
	body := key[strings.IndexByte(key, '-')+1:]
	payload, rest, dotted := strings.Cut(body, ".")
	if !dotted {
		return len(body) == 20 || len(body) == 50
	}
	return len(payload) >= 27 && len(rest) == 12 && rest[2] == '.' && rest[0] >= '0' && rest[0] <= '9' && strings.Trim(rest[3:], digits+lower) == ""
}
