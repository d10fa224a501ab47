package credential

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/authtap/authtap/reassembly/exchange"
)

// maxExposed bounds the secrets that are noted of a response.
const maxExposed = 16

// runLeast is the length from which a run of key characters is looked at: that
// of the shortest key but for AWS's, which have a search of their own.
const runLeast = 25

// runClass are the characters that keys are made of. Base64's + and / are not
// among them: no issuer's format has them.
var runClass = func() (t [256]bool) {
	for c := range byte(128) {
		t[c] = dotted.has(c)
	}
	return
}()

// nextRun gives the next run of at least runLeast key characters that begins at
// i or behind, 0, 0 where there is none. i must be the text's beginning or
// behind a character of no run. Every such run holds eight characters that
// begin at a multiple of 18, and the eight before or behind them: those are
// looked at, and nothing else of most texts.
func nextRun(b []byte, i int) (start, end int) {
	for ; i+8 <= len(b); i += runLeast - 7 {
		if !maybeRun(b[i:]) || !(i >= 8 && maybeRun(b[i-8:]) || i+16 <= len(b) && maybeRun(b[i+8:])) {
			continue
		}
		end = i
		for end < len(b) && runClass[b[end]] {
			end++
		}
		if end < i+8 {
			continue
		}
		start = i
		for start > 0 && runClass[b[start-1]] {
			start--
		}
		if end-start >= runLeast {
			return start, end
		}
	}
	return 0, 0
}

// maybeRun reports whether none of the first eight bytes is below '-', as most
// are that end a run.
func maybeRun(b []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	return ((binary.LittleEndian.Uint64(b)|tops)-'-'*ones)&tops == tops
}

// exposures looks for secrets in a response that look like what they are:
// issuers' keys, private keys, hashes of passwords. Those that stand under a
// password's name were found on the way. It gives the length of the longest run.
func (f *Finder) exposures(m *exchange.Message) (longest int) {
	b := m.Body.Bytes
	if len(b) < vendorLeast || m.Damage&(exchange.BodyGap|exchange.Undecoded) != 0 || b[0] != '{' && b[0] != '[' && binaryType(m.Header.Get("Content-Type")) {
		return 0
	}
	if f.body != nil && f.body.closed {
		return f.body.longest
	}
	s := text(b)
	cut := m.Damage&exchange.Cut != 0 || int64(len(b)) < m.Body.Length
	for start, end := nextRun(b, 0); end > 0; start, end = nextRun(b, end) {
		longest = max(longest, end-start)
		if cut && end == len(s) {
			f.stats.AtCutEnd++
			break
		}
		f.exposedRun(s, start, end)
	}
	for at := 0; ; at += len(longLived) {
		k := strings.Index(s[at:], longLived)
		if k < 0 {
			break
		}
		if at += k; at == 0 || !word.has(s[at-1]) || at > 1 && s[at-2] == '\\' || at > 2 && s[at-3] == '%' {
			f.exposedAt(s, at, min(len(s), at+32), cut)
		}
	}
	for i := 0; i+20 < len(s); i++ {
		k := strings.IndexByte(s[i:], '$')
		if k < 0 {
			break
		}
		if i += k; i+20 < len(s) {
			i += f.exposedHash(s, i)
		}
	}
	for at := 0; ; {
		k := strings.Index(s[at:], privateKey)
		if k < 0 {
			break
		}
		at += k + len(privateKey)
		f.exposedKey(s, at)
	}
	if f.body != nil && len(f.exposed) == 0 && !cut {
		f.body.closed, f.body.longest = true, longest
	}
	return longest
}

// exposedRun looks at one run.
func (f *Finder) exposedRun(s string, start, end int) {
	if start > 0 { // an escape's letters before it are none of it
		switch c := s[start-1]; {
		case c == '\\' && s[start] != 'u':
			start++
		case c == '%' && end-start > 2:
			start += 2
		}
	}
	run := s[start:end]
	if v, n := vendorAt(run); v != nil {
		if !v.mild {
			f.expose(Credential{Kind: APIKey, Place: placeIn(s, start), vendor: v}, run[:n])
		}
		return
	}
	switch {
	case len(run) == 35 && start > 8 && s[start-1] == ':' && strings.HasPrefix(run, "AA") && strings.Trim(s[start-9:start-1], digits) == "":
		f.expose(Credential{Kind: APIKey, Place: placeIn(s, start), vendor: &telegramBot}, run)
	case len(run) > 80 && strings.HasPrefix(run[14:], ".atlasv1."):
		f.expose(Credential{Kind: APIKey, Place: placeIn(s, start), vendor: &terraform}, run)
	case len(run) >= 40 && start > 5 && s[start-1] == '"' && strings.HasSuffix(strings.ReplaceAll(s[start-5:start-1], " ", ""), `"d":`) && strings.Contains(s, `"kty"`):
		f.expose(Credential{Kind: PrivateKey, Place: placeIn(s, start)}, run) // RFC 7517: d is the private part
	}
}

// Those whose form is more than a run of characters behind a prefix.
var (
	telegramBot = vendor{name: "Telegram bot token"}
	terraform   = vendor{name: "Terraform Cloud token"}
)

// longLived is how the names of AWS's keys begin that have no end.
const longLived = "AKIA"

// exposedAt looks at the name of a key of AWS. Within the scope of a signature
// it stands in every URL that was signed with it, and is no secret.
func (f *Finder) exposedAt(s string, start, most int, cut bool) {
	v, n := vendorAt(s[start:most])
	end := start + n
	switch {
	case v == nil:
	case cut && end == len(s):
		f.stats.AtCutEnd++
	case strings.HasPrefix(s[end:], "/2"), strings.HasPrefix(s[end:], `\/2`), strings.HasPrefix(s[end:], "%2"), strings.HasSuffix(s[:start], "AccessKeyId="):
	default:
		f.expose(Credential{Kind: APIKey, Place: placeIn(s, start), vendor: v}, s[start:end])
	}
}

// placeIn names the member of JSON that the text at i is the value of.
func placeIn(s string, i int) Place {
	if i < 4 || s[i-1] != '"' {
		return Place{Part: InBody}
	}
	end := i - 1
	for end > 0 && (s[end-1] <= ' ' || s[end-1] == ':') {
		end--
	}
	if end == i-1 || s[end-1] != '"' {
		return Place{Part: InBody}
	}
	end--
	start := end
	for start > 0 && end-start < 64 && s[start-1] != '"' {
		start--
	}
	return Place{InJSON, placeName(strings.Clone(s[start:end]))}
}

// exposedHash looks for the hash of a password at the dollar at i, in the forms
// of crypt(3) and its successors; it gives how much of the text it took.
func (f *Finder) exposedHash(s string, i int) int {
	const django = "pbkdf2_sha256" // and $600000$salt$hash
	if i > 0 && s[i-1] != '=' && s[i-1] != '6' && (s[i-1] == '$' || hashText(s[i-1:i]) > 0) {
		return 0 // in the midst of something else
	}
	n, start := hashAt(s[i:]), i
	if n == 0 && strings.HasSuffix(s[:i], django) {
		n, start = hashParts(s[i:], 3, 60), i-len(django)
	}
	if n == 0 {
		return 0
	}
	f.expose(Credential{Kind: PasswordHash, Place: placeIn(s, start)}, s[start:i+n])
	return n
}

// hashAt gives the length of the hash that text begins with, 0 where it does
// with none.
func hashAt(s string) int {
	if len(s) < 20 || s[0] != '$' {
		return 0
	}
	has := func(p string) bool { return strings.HasPrefix(s, p) }
	switch s[1] {
	case '2': // bcrypt: $2b$12$ and 53 characters
		if len(s) >= 60 && s[3] == '$' && s[6] == '$' && strings.IndexByte("abxy", s[2]) >= 0 && hashText(s[7:60]) == 53 {
			return 60
		}
	case 'a':
		if has("$argon2id$") || has("$argon2i$") || has("$argon2d$") {
			return hashParts(s, 5, 60)
		}
	case '1', '5', '6', 'y':
		if s[2] == '$' {
			return hashParts(s, 3, 34)
		}
	case 's', 'p':
		if has("$scrypt$") || has("$pbkdf2") {
			return hashParts(s, 3, 50)
		}
	case 'P', 'H': // phpass
		if s[2] == '$' && len(s) >= 34 && hashText(s[3:34]) == 31 {
			return 34
		}
	}
	return 0
}

// hashText gives the length of the text in the alphabets of hashes that s
// begins with.
func hashText(s string) int {
	n := 0
	for n < len(s) && (sextet[s[n]]&^oddChar < 64 || s[n] == '.') {
		n++
	}
	return n
}

// hashParts reads parts that are divided by dollars, of the given number and
// of some length together, the last at least 22 characters.
func hashParts(s string, least, length int) int {
	n, last, dollars := 0, 0, 0
	for n < len(s) && n < 200 {
		switch c := s[n]; {
		case c == '$':
			dollars, last = dollars+1, n
		case sextet[c]&^oddChar < 64 || c == '.' || c == ',' || c == '=':
		default:
			if dollars < least || n < length || n-last-1 < 22 {
				return 0
			}
			return n
		}
		n++
	}
	if dollars < least || n < length || n-last-1 < 22 {
		return 0
	}
	return n
}

// hashShaped reports the value of a field that is a password's hash.
func hashShaped(s string) bool {
	if hashAt(s) == len(s) && s != "" || hexHash(s) {
		return true
	}
	for _, p := range [...]string{"{SSHA", "{SHA", "{bcrypt}", "{PBKDF2", "{argon2}", "{scrypt}", "pbkdf2_sha256$", "pbkdf2:sha256:", "scrypt:"} {
		if strings.HasPrefix(s, p) && len(s) > len(p)+16 {
			return true
		}
	}
	return false
}

const privateKey = "PRIVATE KEY"

// exposedKey looks for a private key in PEM (RFC 7468) whose first line ends
// at i.
func (f *Finder) exposedKey(s string, i int) {
	start := max(0, i-40)
	k := strings.LastIndex(s[start:i], "-----BEGIN ")
	if k < 0 {
		return
	}
	start += k
	body := s[i:min(len(s), i+400)]
	body = strings.TrimPrefix(strings.TrimPrefix(body, " BLOCK"), "-----")
	n := 0
	for k := 0; k < len(body) && n < 100; k++ {
		switch c := body[k]; {
		case c == '\\': // \n within JSON
			k++
		case sextet[c]&^oddChar < 64 && c != '-':
			n++
		case c <= ' ' || c == '=':
		default:
			k = len(body)
		}
	}
	if n >= 60 {
		f.expose(Credential{Kind: PrivateKey, Place: placeIn(s, start)}, body[:min(len(body), 400)])
	}
}

// exposedPassword notes a value under a password's name in an answer. Without a
// digit or a sign, outside a record, it may be a label, or the name of a type:
// it is Guessable.
func (f *Finder) exposedPassword(p Place, fd field, value string) {
	if p.Part == InHeader || p.Part == InCookie || len(value) < 4 || len(value) > 512 || masked(value) {
		return
	}
	c := Credential{Kind: Password, Place: f.placeOf(p)}
	switch {
	case hashShaped(value):
		c.Kind = PasswordHash
	case fd == fieldHash:
		return
	case strings.ContainsAny(value, " \t\r\n<>|") || strings.Contains(value, "://") || strings.Contains(value, "{{") || strings.Contains(value, "${") || value[0] == '/':
		return // text, a rule, a link, a template
	default:
		signs := strings.Trim(strings.Map(func(r rune) rune {
			if r >= utf8.RuneSelf || r|0x20 >= 'a' && r|0x20 <= 'z' || strings.ContainsRune("-_.,:;!?()'", r) {
				return -1
			}
			return r
		}, value), " ")
		c.Guessable = signs == "" && !(p.Part == InJSON && inRecord(f.json.before)) || labelled(value, signs == "")
	}
	f.expose(c, value)
}

// labelled reports a value that is a label, or the name of something else.
func labelled(value string, letters bool) bool {
	value = strings.ToLower(value)
	for _, w := range [...]string{"passw", "kennwort", "contras", "senha", "required", "string", "reset", "change", "forgot", "min:", "example", "enter", "invalid", "optional", "confirm"} {
		if strings.HasPrefix(value, w) && (letters || len(value) > len(w)+6) {
			return true
		}
	}
	return false
}

// inRecord reports whether what stands before a member is that of a record
// about somebody: an address, or a number for an id. Texts of pages have
// neither.
func inRecord(before string) bool {
	before = before[max(0, len(before)-200):]
	if i := strings.IndexByte(before, '@'); i > 0 && i+1 < len(before) && word.has(before[i-1]) && word.has(before[i+1]) {
		return true
	}
	i := strings.LastIndex(before, `id":`)
	if i < 0 {
		return false
	}
	rest := strings.TrimLeft(before[i+len(`id":`):], " \t\r\n")
	return rest != "" && rest[0] >= '0' && rest[0] <= '9'
}

// masked reports what somebody put into the place of a value.
func masked(s string) bool {
	if strings.Contains(s, "**") || strings.Contains(s, "•") || strings.Contains(s, "…") || strings.Contains(s, "...") || strings.Contains(s, "●") {
		return true
	}
	switch first, last := s[0], s[len(s)-1]; {
	case first == '[' && last == ']', first == '<' && last == '>', first == '(' && last == ')':
		return true
	}
	switch strings.ToLower(s) {
	case "null", "none", "undefined", "true", "false", "redacted", "hidden", "filtered", "masked", "removed":
		return true
	}
	return strings.Trim(s, s[:1]) == "" // xxxxxx
}

// expose notes a secret of the response.
func (f *Finder) expose(c Credential, value string) {
	if len(f.exposed) >= maxExposed {
		f.stats.TooMany++
		return
	}
	c.ID = f.key.id(c.Kind.String(), value)
	for i := range f.exposed {
		if e := &f.exposed[i]; e.ID == c.ID && (e.Kind == c.Kind) {
			return
		}
	}
	value = strings.Clone(value)
	c.Mask, c.value = maskOf(c.Kind, value), &value
	for i := range f.list {
		if f.list[i].value != nil && *f.list[i].value == value {
			c.issued = true
		}
	}
	f.exposed = append(f.exposed, c)
}

// reflected gives the credential of the request that the response repeats, nil
// where it repeats none: at least 16 characters long, whole, in the body or in
// a header but for Set-Cookie, Location and the one that it came in: servers
// renew it there.
func (f *Finder) reflected(found *Found, m *exchange.Message, longest int) *Credential {
	request := found.Request
	if len(request) == 0 {
		return nil
	}
	header := 0
	for i := range m.Header {
		header = max(header, len(m.Header[i].Value))
	}
	for i := range request {
		c := &request[i]
		if c.value == nil || c.Flaw != 0 || c.Guessable && c.Kind != Password && c.Kind != Basic || c.Place.Part == InPath || c.Place.Name == "referer" {
			continue
		}
		switch strings.ToLower(c.Place.Name) {
		case "id_token_hint", "login_hint_token", "logout_token", "request":
			continue // pages of OpenID Connect carry them on
		}
		value, except := *c.value, ""
		if c.Place.Part == InHeader {
			except = c.Place.Name
		}
		switch c.Kind {
		case Basic:
			pair := base64.StdEncoding.EncodeToString([]byte(value))
			if _, password, _ := strings.Cut(value, ":"); repeats(pair, longestRun(pair), m, longest, header, except) || repeats(password, longestRun(password), m, longest, header, except) {
				return c
			}
			continue
		case Digest, Signature, Negotiate, NTLM, Code, SAML, PasswordHash:
			continue
		case RefreshToken:
			if found.Login != nil {
				continue // a server that does not rotate them gives the same again
			}
		}
		if repeats(value, int(c.run), m, longest, header, except) {
			return c
		}
	}
	return nil
}

// repeats reports whether a value, whose longest run of key characters is run,
// stands in a response whose longest run, and longest header, have those lengths,
// the header named except apart.
func repeats(value string, run int, m *exchange.Message, longest, header int, except string) bool {
	if len(value) < 16 {
		return false
	}
	if run < runLeast && len(m.Body.Bytes) > 0 || run >= runLeast && run <= longest {
		body := text(m.Body.Bytes)
		if strings.Contains(body, value) || strings.IndexByte(value, '/') >= 0 && strings.Contains(body, strings.ReplaceAll(value, "/", `\/`)) {
			return true
		}
	}
	if len(value) > header {
		return false
	}
	for i := range m.Header {
		h := &m.Header[i]
		if len(h.Value) >= len(value) && !special(h.Name) && !strings.EqualFold(h.Name, except) && strings.Contains(h.Value, value) {
			return true
		}
	}
	return false
}

func longestRun(s string) (longest int) {
	n := 0
	for i := range len(s) {
		if n++; !runClass[s[i]] {
			n = 0
		}
		longest = max(longest, n)
	}
	return longest
}
