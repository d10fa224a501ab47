package tlswire_test

import (
	"fmt"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/identify"
	"github.com/authtap/authtap/reassembly/reassemblytest"
	"github.com/authtap/authtap/reassembly/tlswire"
)

func client(text string) reassemblytest.Turn { return reassemblytest.Turn{Text: text} }
func server(text string) reassemblytest.Turn { return reassemblytest.Turn{Server: true, Text: text} }

var (
	mysqlGreeting = "\x4a\x00\x00\x00\x0a8.0.36\x00" + string(make([]byte, 66))
	mysqlRequest  = "\x20\x00\x00\x01\x05\xae\x0b\x00" + string(make([]byte, 28))
	ldapRequest   = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
)

// What comes before TLS, by protocol.
var before = []struct {
	name  string
	turns []reassemblytest.Turn
}{
	{"smtp", []reassemblytest.Turn{server("220 mail.test ESMTP\r\n"), client("EHLO a\r\n"), server("250-mail.test\r\n250 STARTTLS\r\n"), client("starttls\r\n"), server("220 go\r\n")}},
	{"imap", []reassemblytest.Turn{server("* OK IMAP4rev1\r\n"), client("a1 STARTTLS\r\n"), server("a1 OK\r\n")}},
	{"pop3", []reassemblytest.Turn{server("+OK ready\r\n"), client("STLS\r\n"), server("+OK\r\n")}},
	{"ftp", []reassemblytest.Turn{server("220-welcome\r\n220 ready\r\n"), client("AUTH TLS\r\n"), server("234 go\r\n")}},
	{"xmpp", []reassemblytest.Turn{
		client("<?xml version='1.0'?><stream:stream to='a' version='1.0'>"), server("<?xml version='1.0'?><stream:stream from='a'><stream:features/>"),
		client("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), server("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
	}},
	{"ldap", []reassemblytest.Turn{client(ldapRequest), server("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")}},
	{"postgres", []reassemblytest.Turn{client("\x00\x00\x00\x08\x04\xd2\x16\x30"), server("N"), client("\x00\x00\x00\x08\x04\xd2\x16\x2f"), server("S")}},
	{"mysql", []reassemblytest.Turn{server(mysqlGreeting), client(mysqlRequest)}},
}

func counts(s tlswire.StartTLS) map[string]uint64 {
	return map[string]uint64{
		"smtp": s.SMTP, "imap": s.IMAP, "pop3": s.POP3, "ftp": s.FTP, "xmpp": s.XMPP, "ldap": s.LDAP, "postgres": s.Postgres, "mysql": s.MySQL,
	}
}

func TestStartTLS(t *testing.T) {
	for _, b := range before {
		t.Run(b.name, func(t *testing.T) {
			all := append(append([]reassemblytest.Turn{}, b.turns...), old(1)...)
			// Through the table of protocols, as they are met.
			k := newKeep(tlswire.Limits{}, nil)
			table := identify.New(identify.Limits{}, k.shard.Protocol(), k.shard.Plain())
			feedParser(all, func(start *reassembly.Start) reassembly.Parser { return table.New(*start) })
			if len(k.list) != 1 || k.list[0].StartTLS != b.name || k.list[0].Outcome != exchange.Established || k.list[0].Damage != 0 {
				t.Fatalf("%+v, %+v", k.list, k.shard.Stats())
			}
			for name, n := range counts(k.shard.Stats().StartTLS) {
				if n != 1 && name == b.name || n != 0 && name != b.name {
					t.Errorf("%d times %s", n, name)
				}
			}
			reassemblytest.Splits(t, all, plainFactory)
			reassemblytest.Gaps(t, all, plainFactory, []int{1, 9}, func(l reassemblytest.Lost, result string) {
				if len(result) > 3000 {
					t.Errorf("%+v: %s", l, result)
				}
			})
			// Of the beginning nobody says that it is not theirs.
			first := b.turns[0].Text
			for n := 1; n <= len(first); n++ {
				if tlswire.LikePlain([]byte(first[:n])) == identify.NotMine {
					t.Fatalf("%q is nobody's", first[:n])
				}
			}
			if tlswire.LikePlain([]byte(first)) != identify.Certain {
				t.Errorf("%q is not certain", first)
			}
		})
	}
}

func plainFactory(start reassembly.Start) (reassembly.Parser, func() string) {
	k := newKeep(tlswire.Limits{}, nil)
	return k.shard.Plain().New(&start, nil), k.String
}

// In mid-stream a body may begin like a greeting.
func TestStartTLSMidstream(t *testing.T) {
	k := newKeep(tlswire.Limits{}, nil)
	table := identify.New(identify.Limits{}, k.shard.Protocol(), k.shard.Plain())
	feedParser(append([]reassemblytest.Turn{server("220 things\n")}, old(1)...), func(start *reassembly.Start) reassembly.Parser {
		start.Handshake = false
		return table.New(*start)
	})
	if st := k.shard.Stats(); st.StartTLS.Watched != 0 || len(k.list) != 1 {
		t.Errorf("%+v, %+v", st, k.list)
	}
}

// Asked for and not given, never asked for, and what only looks alike.
func TestNoStartTLS(t *testing.T) {
	for _, text := range []string{"GET / HTTP/1.1\r\n", "{\"a\":1}", "<html>", "221 x", "\x00\x00\x00\x09", "0 is no LDAP", "\x30\x84aaaaaaaaa", "\x16\x03\x01\x00\x05"} {
		if got := tlswire.LikePlain([]byte(text)); got != identify.NotMine {
			t.Errorf("%q: %v", text, got)
		}
	}
	k := newKeep(tlswire.Limits{}, nil)
	refused := []reassemblytest.Turn{server("220 mail.test ESMTP\r\n"), client("STARTTLS\r\n"), server("454 no\r\n"), client("MAIL FROM:<a@b>\r\n"), client("\x16\x03\x01\x00\x05hello\r\n")}
	feedParser(refused, func(start *reassembly.Start) reassembly.Parser { return k.shard.Plain().New(start, nil) })
	if st := k.shard.Stats(); len(k.list) != 0 || st.StartTLS != (tlswire.StartTLS{Watched: 1}) || st.Connections != 0 {
		t.Errorf("%+v", st)
	}
	long := refused[:1]
	for i := range 2000 {
		long = append(long, client(fmt.Sprintf("NOOP %d\r\n", i)))
	}
	long = append(long, client("STARTTLS\r\n"), old(1)[0])
	feedParser(long, func(start *reassembly.Start) reassembly.Parser { return k.shard.Plain().New(start, nil) })
	if st := k.shard.Stats(); len(k.list) != 0 || st.StartTLS != (tlswire.StartTLS{Watched: 2, GivenUp: 1}) {
		t.Errorf("%+v", st)
	}
}
