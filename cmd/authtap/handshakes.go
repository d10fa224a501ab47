package main

import (
	"bufio"
	"context"
	"strconv"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/tlswire/suite"
)

// printHandshakes prints a line for each TLS handshake of a source.
func (p *program) printHandshakes(ctx context.Context, s config.Settings, source capture.Source) error {
	var line lines
	var buffer []byte
	var names inputNames
	out := bufio.NewWriterSize(p.stdout, 64<<10)
	return runPipeline(ctx, p, task{settings: s, sources: []capture.Source{source}}, pipeline.Options[*exchange.Handshake]{
		NewInspect: func() pipeline.Inspect[*exchange.Handshake] {
			return pipeline.Inspect[*exchange.Handshake]{Handshake: func(h *exchange.Handshake) *exchange.Handshake { return h }}
		},
		Take: func(h *exchange.Handshake) {
			buffer = line.appendHandshake(buffer[:0], h, names.of(source, int(h.Origin.Input)))
			out.Write(buffer) // the error stays with out until Mark
		},
		Mark: func(m pipeline.Mark) error {
			if m.Last {
				return out.Flush()
			}
			_, err := out.Write(nil)
			return err
		},
	})
}

// appendHandshake appends a handshake as a line. What is not known, or is not
// there, is null.
func (l *lines) appendHandshake(b []byte, h *exchange.Handshake, file string) []byte {
	c, s := &h.ClientHello, &h.ServerHello
	text := func(name, value string) {
		b = append(append(b, name...), ':')
		if value == "" {
			b = append(b, `null`...)
		} else {
			b = appendString(b, value)
		}
		b = append(b, ',')
	}
	boolean := func(name string, value bool) {
		b = strconv.AppendBool(append(append(b, name...), ':'), value)
		b = append(b, ',')
	}
	var version, cipher, group, alert string
	if s.Present && s.Version != 0 {
		version = s.Version.String()
	}
	if s.Suite != 0 || s.Present && !s.Cut && s.Version > exchange.SSL20 {
		cipher = suite.Name(s.Suite)
	}
	if h.Group != 0 {
		group = suite.GroupName(h.Group)
	}
	if n := len(h.Alerts); n > 0 {
		alert = h.Alerts[n-1].String()
	}
	b = append(b, `{"ts":"`...)
	b = l.appendTime(b, h.Origin.Time)
	b = append(b, `","community_id":"`...)
	b = l.appendEnds(b, h.Client, h.Server)
	b = append(b, ',')
	text(`"version"`, version)
	text(`"cipher"`, cipher)
	text(`"group"`, group)
	text(`"sni"`, c.ServerName)
	text(`"alpn"`, s.ALPN)
	b = append(b, `"alpn_offered":[`...)
	b = appendStrings(b, c.ALPN)
	b = append(b, `],`...)
	text(`"ja3"`, c.JA3)
	text(`"ja3s"`, s.JA3S)
	text(`"ja4"`, c.JA4)
	text(`"resumed"`, h.Resumption.String())
	boolean(`"retried"`, h.Retry)
	boolean(`"established"`, h.Outcome == exchange.Established)
	text(`"alert"`, alert)
	text(`"starttls"`, h.StartTLS)
	b = append(b, `"certificate":`...)
	if len(h.Certificates) == 0 {
		b = append(b, `null`...)
	} else {
		b = appendCertificate(b, h.Certificates[0], len(h.Certificates)+h.DamagedCertificates)
	}
	b = append(b, `,"tunnel":`...)
	if h.Tunnels == 0 {
		b = append(b, `null`...)
	} else {
		b = append(h.Tunnels.AppendTo(append(b, '"')), '"')
	}
	b = append(b, `,"flags":[`...)
	b = appendStrings(b, h.Names())
	b = append(b, `],"capture":{"file":`...)
	b = appendString(b, file)
	b = append(b, `,"packet":`...)
	b = strconv.AppendUint(b, h.Origin.Number, 10)
	return append(b, "}}\n"...)
}

// appendCertificate appends a certificate, the first of a chain.
func appendCertificate(b []byte, c *exchange.Certificate, chain int) []byte {
	b = append(b, `{"subject":`...)
	b = appendString(b, c.Subject)
	b = append(b, `,"issuer":`...)
	b = appendString(b, c.Issuer)
	b = append(b, `,"names":[`...)
	b = appendStrings(b, c.Names)
	b = append(b, `],"not_before":"`...)
	b = time.Unix(c.NotBefore, 0).UTC().AppendFormat(b, time.RFC3339)
	b = append(b, `","not_after":"`...)
	b = time.Unix(c.NotAfter, 0).UTC().AppendFormat(b, time.RFC3339)
	b = append(b, `","key":`...)
	b = appendString(b, c.Key)
	b = append(b, `,"bits":`...)
	b = strconv.AppendInt(b, int64(c.KeyBits), 10)
	b = append(b, `,"signature":`...)
	b = appendString(b, c.Signature)
	b = append(b, `,"self_signed":`...)
	b = strconv.AppendBool(b, c.SelfSigned)
	b = append(b, `,"chain":`...)
	b = strconv.AppendInt(b, int64(chain), 10)
	b = append(b, `,"sha256":"`...)
	b = append(b, c.FingerprintHex()...)
	return append(b, `"}`...)
}

// appendStrings appends the elements of a list.
func appendStrings(b []byte, list []string) []byte {
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return b
}
