package credential

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/nbutton23/zxcvbn-go/data"
)

// The bounds of a list of secrets that the user gives, in bytes.
const (
	maxSecretsFile = 64 << 20
	maxSecret      = 4096
	// maxStates candidates have their HMAC states kept, for each of the three
	// hashes that a token asked for: 7 MB for SHA-256, 14 MB for SHA-384 and
	// for SHA-512. States of those beyond are made again for each token.
	maxStates = 32 << 10
)

// secretsText are secrets that documentation, examples and frameworks use.
//
//go:embed secrets.txt
var secretsText string

// Secrets are the candidates for weak signing secrets. It is immutable once
// made and safe for concurrent use; HMAC states are made when the first token
// of an algorithm asks for them.
type Secrets struct {
	// candidates in the order in which they are tried; each is tried as it is,
	// with a newline, and decoded from base64.
	candidates []byte
	ends       []int32 // where in candidates each ends
	listed     int     // those before this index are of the built-in list
	dictionary int     // those from listed to here are of the dictionary
	states     [3]hmacTable
}

// hmacTable holds the states of the first variants, in order, for one hash.
type hmacTable struct {
	once   sync.Once
	size   int // of one state
	b      []byte
	absent []uint8 // a bit a variant that a candidate has not
}

// NewSecrets reads the built-in list, the dictionary of common passwords and,
// unless it is nil, a list of the user's: a secret a line, as it is or, after
// "base64:", in base64. It is refused when it is over 64 MiB or has a line over
// 4 KiB.
func NewSecrets(file io.Reader) (*Secrets, error) {
	s := &Secrets{}
	seen := map[string]bool{"": true}
	add := func(secret string) {
		s.candidates = append(s.candidates, secret...)
		s.ends = append(s.ends, int32(len(s.candidates)))
	}
	once := func(secret string) {
		if !seen[secret] {
			seen[secret] = true
			add(secret)
		}
	}
	for line := range strings.Lines(secretsText) {
		if line = strings.TrimRight(line, "\r\n"); !strings.HasPrefix(line, "# ") {
			once(line)
		}
	}
	s.listed = len(s.ends)
	words, err := commonPasswords()
	if err != nil {
		return nil, err
	}
	for _, w := range words {
		once(w)
	}
	s.dictionary = len(s.ends)
	if file == nil {
		return s, nil
	}
	in := bufio.NewScanner(io.LimitReader(file, maxSecretsFile+1))
	in.Buffer(make([]byte, 0, 1024), maxSecret+2)
	size := 0
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		if size += len(line) + 1; size > maxSecretsFile {
			return nil, fmt.Errorf("the list of secrets is longer than %d MiB", maxSecretsFile>>20)
		}
		if rest, ok := strings.CutPrefix(line, "base64:"); ok {
			b, _, ok := decodeBase64(rest)
			if !ok {
				return nil, fmt.Errorf("the list of secrets: line %d is no base64", n)
			}
			line = string(b)
		}
		if line != "" {
			add(line)
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("the list of secrets has a line longer than %d bytes", maxSecret)
	}
	if in.Err() != nil {
		return nil, fmt.Errorf("the list of secrets: %w", in.Err())
	}
	return s, nil
}

// commonPasswords gives zxcvbn's list of them, most common first. To read it
// takes four milliseconds.
var commonPasswords = sync.OnceValues(func() ([]string, error) {
	b, err := data.Asset("data/Passwords.json")
	if err != nil {
		return nil, fmt.Errorf("the dictionary of passwords: %w", err)
	}
	var list struct{ List []string }
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("the dictionary of passwords: %w", err)
	}
	return list.List, nil
})

// Len gives the number of candidates, variants and derived ones not counted.
func (s *Secrets) Len() int { return len(s.ends) }

func (s *Secrets) candidate(i int) []byte {
	start := int32(0)
	if i > 0 {
		start = s.ends[i-1]
	}
	return s.candidates[start:s.ends[i]:s.ends[i]]
}

// Hints are names from which careless operators make secrets.
type Hints struct {
	Host  string   // the server's name
	Names []string // others: the application's name
}

// Guess is a secret that was found; it does not tell which.
type Guess struct {
	// Source is where the secret comes from: "list of well-known secrets",
	// "dictionary of common passwords", "file of secrets", "derived: …".
	Source Redacted
	// Mask is the secret's length.
	Mask string
}

// The forms that a candidate is tried in.
const (
	asItIs = iota
	withNewline
	fromBase64
	variants
)

var variantNames = [variants]string{"", ", with a newline", ", decoded from base64"}

// variant gives a form of a candidate; nil where it has none.
func variant(candidate []byte, v int) []byte {
	switch v {
	case withNewline:
		return append(slices.Clone(candidate), '\n')
	case fromBase64:
		b, _, ok := decodeBase64(text(candidate))
		if !ok || len(b) < 3 {
			return nil
		}
		return b
	}
	return candidate
}

// Guess looks for the secret of a token signed with HS256, HS384 or HS512. It
// looks at the signature only: the token may have expired. It takes some 5 to
// 10 ms with the built-in lists: it is for use off the packet path.
func (s *Secrets) Guess(t *Token, h Hints) (Guess, bool) {
	i := slices.Index([]string{"HS256", "HS384", "HS512"}, t.Alg)
	if i < 0 || t.Encrypted || t.Detached || t.AlgNone() {
		return Guess{}, false
	}
	newHash := [...]func() hash.Hash{sha256.New, sha512.New384, sha512.New}[i]
	try := newTrial(newHash(), t)
	if try.verifies(nil) {
		return guess("derived: empty", asItIs, nil), true
	}
	if g, ok := s.search(try, &s.states[i], 0, s.listed); ok {
		return g, true
	}
	if g, ok := derived(try, t, h); ok {
		return g, true
	}
	return s.search(try, &s.states[i], s.listed, len(s.ends))
}

func guess(source string, form int, secret []byte) Guess {
	return Guess{Source: Redacted{text: source + variantNames[form]}, Mask: maskOf(Password, string(secret))}
}

// search tries the candidates from one index to another.
func (s *Secrets) search(try *trial, table *hmacTable, from, to int) (Guess, bool) {
	table.once.Do(func() { s.prepare(table, try.h) })
	for i := from; i < to; i++ {
		for v := range variants {
			if at := (i*variants + v) * 2 * table.size; at < len(table.b) {
				if table.absent[i]>>v&1 == 1 || !try.states(table.b[at:at+table.size], table.b[at+table.size:at+2*table.size]) {
					continue
				}
			}
			secret := variant(s.candidate(i), v)
			if secret == nil || !try.verifies(secret) {
				continue
			}
			source := "list of well-known secrets"
			if i >= s.dictionary {
				source = "file of secrets"
			} else if i >= s.listed {
				source = "dictionary of common passwords"
			}
			return guess(source, v, secret), true
		}
	}
	return Guess{}, false
}

// prepare makes the states of the first candidates. A variant that does not
// exist has those of the candidate itself.
func (s *Secrets) prepare(table *hmacTable, h hash.Hash) {
	table.absent = make([]uint8, min(len(s.ends), maxStates/variants))
	for i := range table.absent {
		for v := range variants {
			secret := variant(s.candidate(i), v)
			if secret == nil {
				table.absent[i] |= 1 << v
				secret = s.candidate(i)
			}
			table.b = appendStates(table.b, h, secret)
			if table.size == 0 {
				table.size = len(table.b) / 2
				table.b = slices.Grow(table.b, (min(len(s.ends), maxStates/variants)*variants-1)*2*table.size)
			}
		}
	}
}

// trial tries secrets on one token. It belongs to one goroutine.
type trial struct {
	t     *Token
	h     hash.Hash
	input []byte
	sum   []byte
}

func newTrial(h hash.Hash, t *Token) *trial {
	return &trial{t: t, h: h, input: []byte(t.t.input), sum: make([]byte, 0, h.Size())}
}

// states reports whether the signature is that of a key's HMAC states.
func (y *trial) states(inner, outer []byte) bool {
	restore(y.h, inner)
	y.h.Write(y.input)
	y.sum = y.h.Sum(y.sum[:0])
	restore(y.h, outer)
	y.h.Write(y.sum)
	y.sum = y.h.Sum(y.sum[:0])
	return bytes.Equal(y.sum, y.t.t.signature)
}

// verifies asks golang-jwt, for secrets without states and to confirm.
func (y *trial) verifies(secret []byte) bool {
	if secret == nil {
		secret = []byte{}
	}
	return y.t.Verify(secret)
}

// derived tries what can be made of the token's and the host's names.
func derived(try *trial, t *Token, h Hints) (Guess, bool) {
	seen := map[string]bool{"": true}
	test := func(name, source string) (Guess, bool) {
		for _, form := range [...]string{
			name, name + "secret", name + "-secret", name + "_secret", "secret" + name, "secret-" + name,
			name + "key", name + "-key", name + "jwt", name + "-jwt", name + "123", name + "-jwt-secret", name + "_jwt_secret",
			name + "Secret", name + "-secret-key", name + "_secret_key",
		} {
			if seen[form] {
				continue
			}
			seen[form] = true
			for v := range variants {
				if secret := variant([]byte(form), v); secret != nil && try.verifies(secret) {
					return guess("derived: "+source, v, secret), true
				}
			}
		}
		return Guess{}, false
	}
	for _, n := range names(t, h) {
		for _, name := range []string{n.name, strings.ToLower(n.name), strings.ToUpper(n.name)} {
			if name == "" || len(name) > 128 || seen[name] {
				continue
			}
			if g, ok := test(name, n.source); ok {
				return g, true
			}
		}
	}
	return Guess{}, false
}

type derivedName struct{ name, source string }

// names lists what secrets may be derived from, at most 64.
func names(t *Token, h Hints) (list []derivedName) {
	add := func(source, value string) {
		if value == "" || len(value) > 256 {
			return
		}
		list = append(list, derivedName{value, source})
		// A URL or host: its name, and each label of it.
		host := value
		if i := strings.Index(host, "://"); i >= 0 {
			host = host[i+3:]
		}
		if i := strings.IndexAny(host, "/:?#"); i >= 0 {
			host = host[:i]
		}
		if host != value {
			list = append(list, derivedName{host, source})
		}
		if strings.IndexByte(host, '.') > 0 {
			for label := range strings.SplitSeq(host, ".") {
				list = append(list, derivedName{label, source})
			}
		}
	}
	add("from kid", t.Kid)
	add("from iss", t.Issuer)
	add("from the host", h.Host)
	for _, a := range t.Audience[:min(len(t.Audience), 4)] {
		add("from aud", a)
	}
	add("from the client's id", t.ClientID)
	for _, n := range h.Names {
		add("from the application's name", n)
	}
	add("from sub", t.Subject)
	return list[:min(len(list), 64)]
}
