package credential

import (
	"math"
	"strconv"
	"strings"
)

// maskOf gives the mask of a value: the first four characters and the length
// where the kind and the length allow it, else the length alone.
func maskOf(k Kind, value string) string {
	shown := ""
	switch k {
	case Basic, Digest, Password, Code, ClientSecret:
	default:
		if len(value) >= 16 && printable(value[:4]) {
			shown = value[:4]
		}
	}
	return shown + "…(" + strconv.Itoa(len(value)) + ")"
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// mLog2 holds c·log2(c).
var mLog2 = func() (t [257]float64) {
	for i := 2; i < len(t); i++ {
		t[i] = float64(i) * math.Log2(float64(i))
	}
	return
}()

// entropy gives the Shannon entropy of the first 256 bytes, in bits a byte.
func entropy(s string) float64 {
	if len(s) > 256 {
		s = s[:256]
	}
	if s == "" {
		return 0
	}
	var count [256]uint16
	sum := 0.0
	for i := range len(s) {
		c := count[s[i]]
		sum += mLog2[c+1] - mLog2[c]
		count[s[i]] = c + 1
	}
	n := float64(len(s))
	return math.Log2(n) - sum/n
}

// guessable reports a shape too weak for a key or token: shorter than 16,
// under 3 bits a byte, or words (letters of one case, no digits).
func guessable(s string) bool {
	if len(s) < 16 {
		return true
	}
	digits, upper, lower, inner := 0, 0, 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'A' && c <= 'Z':
			upper++
			// CamelCase is words too: a capital counts within a run of letters
			// only after another capital.
			inner = inner || i > 0 && s[i-1] >= 'A' && s[i-1] <= 'Z'
		case c >= 'a' && c <= 'z':
			lower++
		case c <= ' ' || c > '~':
			return true
		}
	}
	if digits == 0 && (upper == 0 || lower == 0 || !inner) {
		return true
	}
	return entropy(s) < 3
}

// vendorPrefixes are the beginnings that issuers give their keys, by first letter,
// with the least length of the whole.
var vendorPrefixes = func() (t [128][]vendorPrefix) {
	for _, v := range []vendorPrefix{
		{"AIza", 35}, {"AKIA", 20}, {"ASIA", 20}, {"EAAC", 40}, {"NRAK-", 24}, {"PMAK-", 40}, {"SG.", 40},
		{"dapi", 34}, {"dckr_pat_", 24}, {"doo_v1_", 40}, {"dop_v1_", 40}, {"figd_", 30},
		{"ghp_", 30}, {"gho_", 30}, {"ghu_", 30}, {"ghs_", 30}, {"ghr_", 30}, {"github_pat_", 40}, {"glpat-", 20},
		{"gldt-", 20}, {"glsa_", 30}, {"hf_", 30}, {"hvs.", 24}, {"hvb.", 24}, {"key-", 32}, {"lin_api_", 30}, {"npm_", 30},
		{"pypi-", 40}, {"rk_live_", 24}, {"rk_test_", 24}, {"shpat_", 32}, {"shpss_", 32}, {"shpca_", 32}, {"sk-", 32},
		{"sk_live_", 24}, {"sk_test_", 24}, {"sq0atp-", 22}, {"sq0csp-", 40}, {"whsec_", 24}, {"xapp-", 24},
		{"xoxa-", 24}, {"xoxb-", 24}, {"xoxe-", 24}, {"xoxp-", 24}, {"xoxr-", 24}, {"xoxs-", 24}, {"ya29.", 30},
	} {
		t[v.prefix[0]] = append(t[v.prefix[0]], v)
	}
	return
}()

type vendorPrefix struct {
	prefix string
	least  int
}

// vendorShaped reports a value that begins as the keys of a known issuer do.
func vendorShaped(s string) bool {
	if len(s) < 20 || s[0] >= 128 {
		return false
	}
	for _, v := range vendorPrefixes[s[0]] {
		if len(s) >= v.least && strings.HasPrefix(s, v.prefix) && !guessable(s) {
			return true
		}
	}
	return false
}
