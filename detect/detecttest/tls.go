package detecttest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/reassemblytest"
	"github.com/authtap/authtap/reassembly/tlswire/suite"
)

// shortKey protects nothing, and could not.
//
//go:embed rsa1024.pem
var shortKey []byte

// tls gives the lines of a handshake, with some data of both sides behind it:
// tls "version" "TLS 1.0" "cipher" "TLS_RSA_WITH_RC4_128_SHA" "sni" "api.test".
// Besides those there are
//
//	"offers" (list NAME…)       suites that the client offers before that one
//	"certificate" (certificate …)
//	"alert" "server NAME"       instead of a ServerHello; "client NAME": instead
//	                            of what the client sends to finish
//	"resumed" true              by session id
//	"etm" true                  encrypt-then-MAC is agreed on
//	"drop" "1 3"                these segments of the server's first message are
//	                            not captured
//
// What is encrypted is made up: the bytes mean nothing.
func tls(pairs ...any) (string, error) {
	o, err := dict(pairs...)
	if err != nil {
		return "", err
	}
	h := hello{
		version: exchange.TLS12, cipher: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
		certificate: madeCertificate("CN=api.test", "CN=authority.test", nil),
	}
	for name, value := range o {
		ok := true
		switch name {
		case "version":
			h.version, ok = versionOf(value)
		case "cipher":
			h.cipher, ok = value.(string)
		case "sni":
			h.sni, ok = value.(string)
		case "offers":
			list, _ := value.([]any)
			for _, v := range list {
				h.offers = append(h.offers, fmt.Sprint(v))
			}
		case "certificate":
			h.certificate, ok = value.(string)
		case "alert":
			h.alert, ok = value.(string)
		case "resumed":
			h.resumed, ok = value.(bool)
		case "etm":
			h.etm, ok = value.(bool)
		case "drop":
			h.drop, ok = value.(string)
		default:
			ok = false
		}
		if !ok {
			return "", fmt.Errorf("tls: %s: %v?", name, value)
		}
	}
	return h.lines()
}

func versionOf(v any) (exchange.Version, bool) {
	for _, known := range []exchange.Version{exchange.SSL30, exchange.TLS10, exchange.TLS11, exchange.TLS12, exchange.TLS13} {
		if known.String() == v {
			return known, true
		}
	}
	return 0, false
}

type hello struct {
	version                  exchange.Version
	cipher, sni, alert, drop string
	offers                   []string
	certificate              string
	resumed, etm             bool
}

// The types of records and messages, as in package tlswire.
const (
	changeCipherSpec, alert, handshake, applicationData = 20, 21, 22, 23

	clientHello, serverHello, certificateMessage, serverHelloDone, clientKeyExchange = 1, 2, 11, 14, 16
)

func (h *hello) lines() (string, error) {
	var b strings.Builder
	say := func(mark string, records ...[]byte) {
		fmt.Fprintf(&b, "%s %s\n", mark, strconv.Quote(string(slices.Concat(records...))))
	}
	id, err := suiteOf(h.cipher)
	if err != nil {
		return "", err
	}
	legacy := min(h.version, exchange.TLS12)
	first, err := h.client(legacy, id)
	if err != nil {
		return "", err
	}
	say(">>", record(min(legacy, exchange.TLS10), handshake, first))
	if h.drop != "" {
		fmt.Fprintf(&b, "drop %s\n", h.drop)
	}
	who, name, _ := strings.Cut(h.alert, " ")
	var refusal []byte
	if h.alert != "" {
		n, err := alertOf(name)
		if err != nil {
			return "", err
		}
		refusal = record(legacy, alert, []byte{2, n})
	}
	if who == "server" {
		say("<<", refusal)
		return b.String(), nil
	}
	answer := record(legacy, handshake, h.server(legacy, id))
	switched := record(legacy, changeCipherSpec, []byte{1})
	sealed := func(kind byte, n int) []byte { return record(legacy, kind, madeUp(n)) }
	switch {
	case h.version == exchange.TLS13:
		say("<<", answer, switched, sealed(applicationData, 900))
		if who == "client" {
			say(">>", switched, sealed(applicationData, 19))
			return b.String(), nil
		}
		say(">>", switched, sealed(applicationData, 53))
	case h.resumed:
		say("<<", answer, switched, sealed(handshake, 40))
		say(">>", switched, sealed(handshake, 40))
	default:
		flight := answer
		if h.certificate != "" {
			list := vector(3, vector(3, []byte(h.certificate)))
			flight = append(flight, record(legacy, handshake, message(certificateMessage, list))...)
		}
		say("<<", flight, record(legacy, handshake, message(serverHelloDone, nil)))
		if who == "client" {
			say(">>", refusal)
			return b.String(), nil
		}
		say(">>", record(legacy, handshake, message(clientKeyExchange, madeUp(66))), switched, sealed(handshake, 40))
		say("<<", switched, sealed(handshake, 40))
	}
	say(">>", sealed(applicationData, 200))
	say("<<", sealed(applicationData, 300))
	return b.String(), nil
}

// client gives a ClientHello (RFC 5246, section 7.4.1.2).
func (h *hello) client(legacy exchange.Version, id uint16) ([]byte, error) {
	var suites []byte
	for _, name := range h.offers {
		n, err := suiteOf(name)
		if err != nil {
			return nil, err
		}
		suites = binary.BigEndian.AppendUint16(suites, n)
	}
	suites = binary.BigEndian.AppendUint16(suites, id)
	b := binary.BigEndian.AppendUint16(nil, uint16(legacy))
	b = append(b, madeUp(32)...)
	b = append(b, vector(1, h.session())...)
	b = append(b, vector(2, suites)...)
	b = append(b, 1, 0) // no compression
	if legacy == exchange.SSL30 {
		return message(clientHello, b), nil
	}
	var e []byte
	if h.sni != "" {
		e = append(e, extension(0, vector(2, append([]byte{0}, vector(2, []byte(h.sni))...)))...)
	}
	e = append(e, extension(10, vector(2, []byte{0, 29, 0, 23}))...)
	e = append(e, extension(11, vector(1, []byte{0}))...)
	e = append(e, extension(13, vector(2, []byte{4, 3, 8, 4, 4, 1}))...)
	e = append(e, extension(16, vector(2, vector(1, []byte("http/1.1"))))...)
	if h.etm {
		e = append(e, extension(22, nil)...)
	}
	if h.version == exchange.TLS13 {
		e = append(e, extension(43, vector(1, []byte{3, 4, 3, 3}))...)
		e = append(e, extension(51, vector(2, slices.Concat([]byte{0, 29}, vector(2, madeUp(32)))))...)
	}
	return message(clientHello, append(b, vector(2, e)...)), nil
}

// server gives a ServerHello (RFC 5246, section 7.4.1.3).
func (h *hello) server(legacy exchange.Version, id uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(legacy))
	b = append(b, madeUp(32)...)
	b = append(b, vector(1, h.session())...)
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 0)
	var e []byte
	if h.etm {
		e = append(e, extension(22, nil)...)
	}
	if h.version == exchange.TLS13 {
		e = append(e, extension(43, []byte{3, 4})...)
		e = append(e, extension(51, slices.Concat([]byte{0, 29}, vector(2, madeUp(32))))...)
	}
	if len(e) > 0 {
		b = append(b, vector(2, e)...)
	}
	return message(serverHello, b)
}

func (h *hello) session() []byte {
	if h.resumed {
		return madeUp(32)
	}
	return nil
}

func suiteOf(name string) (id uint16, err error) {
	err = fmt.Errorf("tls: no suite %q", name)
	suite.All(func(s suite.Suite) {
		if s.Name == name {
			id, err = s.ID, nil
		}
	})
	return id, err
}

func alertOf(name string) (byte, error) {
	for n := range 256 {
		if a := (exchange.Alert{Description: uint8(n)}); a.String() == name {
			return byte(n), nil
		}
	}
	return 0, fmt.Errorf("tls: no alert %q", name)
}

func record(v exchange.Version, kind byte, body []byte) []byte {
	return append([]byte{kind, byte(v >> 8), byte(v)}, vector(2, body)...)
}

func message(kind byte, body []byte) []byte { return append([]byte{kind}, vector(3, body)...) }

func extension(kind uint16, body []byte) []byte {
	return append([]byte{byte(kind >> 8), byte(kind)}, vector(2, body)...)
}

// vector puts the length of b before it, in that many bytes.
func vector(lengthBytes int, b []byte) []byte {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(b)))
	return append(slices.Clone(n[8-lengthBytes:]), b...)
}

// madeUp gives bytes that look like nothing, the same ones each time.
func madeUp(n int) []byte {
	b, x := make([]byte, n), uint32(2463534242)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x >> 24)
	}
	return b
}

// tlsCertificate gives a certificate: certificate "names" (list "api.test")
// "subject" NAME "issuer" NAME "bits" 1024 "sha1" true "from" "-24h" "until"
// "+24h" "uri" "spiffe://mesh/api". Subject and issuer are common names; when
// they are the same it is self-signed. By default it is good.
func tlsCertificate(pairs ...any) (string, error) {
	o, err := dict(pairs...)
	if err != nil {
		return "", err
	}
	text := func(name, otherwise string) string {
		if v, ok := o[name]; ok {
			return fmt.Sprint(v)
		}
		return otherwise
	}
	var made error
	der := madeCertificate("CN="+text("subject", "api.test"), "CN="+text("issuer", "authority.test"), func(c *x509.Certificate) *rsa.PrivateKey {
		if names, ok := o["names"].([]any); ok {
			c.DNSNames = nil
			for _, n := range names {
				c.DNSNames = append(c.DNSNames, fmt.Sprint(n))
			}
		}
		if uri := text("uri", ""); uri != "" {
			u, err := url.Parse(uri)
			made = err
			c.URIs = []*url.URL{u}
		}
		for name, t := range map[string]func(string) error{
			"from":  func(s string) (err error) { c.NotBefore, err = moment(s); return err },
			"until": func(s string) (err error) { c.NotAfter, err = moment(s); return err },
		} {
			if s := text(name, ""); s != "" && made == nil {
				made = t(s)
			}
		}
		if o["sha1"] == true {
			c.SignatureAlgorithm = x509.SHA1WithRSA
		}
		if o["bits"] == 1024 {
			return rsaKeyOf(shortKey)
		}
		return rsaKeyOf(rsaKey)
	})
	return der, made
}

// madeCertificate makes a certificate; change may change it and say which key is
// in it.
func madeCertificate(subject, issuer string, change func(*x509.Certificate) *rsa.PrivateKey) string {
	start := reassemblytest.Start.Time()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: strings.TrimPrefix(subject, "CN=")},
		DNSNames:  []string{"api.test"},
		NotBefore: start.AddDate(0, -1, 0), NotAfter: start.AddDate(0, 2, 0),
	}
	key := rsaKeyOf(rsaKey)
	if change != nil {
		key = change(c)
	}
	parent := &x509.Certificate{Subject: pkix.Name{CommonName: strings.TrimPrefix(issuer, "CN=")}}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), key)
	if err != nil {
		panic(err) // what scripts may say makes certificates
	}
	return string(der)
}

func rsaKeyOf(text []byte) *rsa.PrivateKey {
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	return key.(*rsa.PrivateKey)
}
