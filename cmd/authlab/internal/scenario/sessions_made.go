package scenario

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
)

// How identifiers are made: of sessions, and of what sets a new password.

// bytesOf are 32 bytes that look random.
func bytesOf(n int) []byte {
	sum := sha256.Sum256([]byte(opaqueOf(n)))
	return sum[:]
}

// cookies lets n people log in, whom weak gives their sessions in the vulnerable
// edition, and good in the other.
func (s *Stage) cookies(n int, name string, weak, good func(n int) string) {
	count := 0
	s.API.Handle("POST /account/login", func(w http.ResponseWriter, r *http.Request) {
		count++
		id := good(count)
		if s.Vulnerable {
			id = weak(count)
		}
		http.SetCookie(w, &http.Cookie{Name: name, Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		w.Header().Set("Location", "/dashboard")
		w.WriteHeader(302)
	})
	s.each(n, func(i int, c *Client) {
		c.Form("/account/login", nil, "email", account(i), "password", passwordOf(i))
	})
}

func (s *Stage) uuid1(int) string {
	t := s.Now().UnixNano()/100 + 0x01b21dd213814000 // RFC 9562, section 5.1
	return fmt.Sprintf("%08x-%04x-1%03x-b42e-0242ac120002", uint32(t), uint16(t>>32), uint16(t>>48)&0xfff)
}

func uuid4(n int) string {
	b := bytesOf(n)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

var signature = base64.RawURLEncoding.EncodeToString

// frameworks are the sessions of frameworks, as they make them.
var frameworks = []struct {
	name string
	make func(n int) string
}{
	{"connect.sid", func(n int) string {
		return "s%3A" + signature(bytesOf(n)[:24]) + "." + url.QueryEscape(base64.RawStdEncoding.EncodeToString(bytesOf(-n)))
	}},
	{"session", func(n int) string {
		return signature([]byte(fmt.Sprintf(`{"_user_id":"%d"}`, 40+n))) + ".aRk" + signature([]byte{byte(n), 7})[:3] + "." + signature(bytesOf(n)[:20])
	}},
	{"PHPSESSID", func(n int) string { return strings.ToLower(hex.EncodeToString(bytesOf(n)))[:26] }},
	{"JSESSIONID", func(n int) string { return strings.ToUpper(hex.EncodeToString(bytesOf(n)[:16])) + ".node1" }},
	{"ASP.NET_SessionId", func(n int) string {
		return strings.ToLower(strings.NewReplacer("-", "a", "_", "5").Replace(signature(bytesOf(n))))[:24]
	}},
	{"sessionid", func(n int) string {
		return "." + signature([]byte(fmt.Sprintf("user=%d", 100+n))) + ":1vQ" + signature(bytesOf(n)[:2]) + ":" + signature(bytesOf(n))
	}},
}

// resets lets people set new passwords with tokens from their mail.
func (s *Stage) resets(n int, token func(i int) string, again bool) {
	s.MayPosture("credential_in_url")
	used := map[string]bool{}
	s.API.Handle("POST /account/password/reset", func(w http.ResponseWriter, r *http.Request) {
		body := object{}
		decode(r, &body)
		t, _ := body["token"].(string)
		if used[t] && !s.Vulnerable {
			reply(w, 410, object{"message": "This link was used before."})
			return
		}
		used[t] = true
		reply(w, 200, object{"message": "Your password was changed."})
	})
	s.each(n, func(i int, c *Client) {
		c.Get("/account/password/reset?token=" + token(i))
		s.Pass(30 * time.Second)
		c.Post("/account/password/reset", object{"token": token(i), "email": account(i), "password": passwordOf(i), "password_confirmation": passwordOf(i)})
		if again {
			s.Pass(20 * time.Minute)
			s.Client(attacker).Post("/account/password/reset", object{"token": token(i), "email": account(i), "password": passwordOf(700 + i), "password_confirmation": passwordOf(700 + i)})
		}
	})
}

// mails answers requests for a new password. The hardened edition serves the
// shop's own hosts only.
func (s *Stage) mails() {
	s.API.Handle("POST /account/password/forgot", func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := strings.Cut(r.Host, ":")
		if !s.Vulnerable && host != Host && !strings.HasSuffix(host, "."+Host) {
			http.Error(w, "Bad Request", 400) // as Django does it
			return
		}
		page(w, "<p>If we know the address, a mail is on its way.</p>")
	})
}

func page(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html><title>Shop</title>%s", body)
}

func toHost(host string) option { return func(r *http.Request) { r.Host = host } }

var (
	_ = posture("sessions_of_time", "sessions made of the time and two bytes", "session_predictable", func(s *Stage) {
		s.cookies(45, "SESSID", func(n int) string { return fmt.Sprintf("%08x%s", s.Now().Unix(), hex.EncodeToString(bytesOf(n)[:2])) },
			func(n int) string { return hex.EncodeToString(bytesOf(n)[:16]) })
	})
	_ = posture("sessions_of_uuid1", "sessions that are UUIDs of version 1", "session_predictable", func(s *Stage) {
		s.cookies(45, "session_id", s.uuid1, uuid4)
	})
	_ = posture("sessions_of_numbers", "sessions that are numbers, in base64", "session_predictable", func(s *Stage) {
		s.cookies(45, "auth_session", func(n int) string {
			return base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("uid=%d;role=user", 104200+n)))
		},
			func(n int) string { return base64.StdEncoding.EncodeToString(bytesOf(n)) })
	})
	_ = posture("sessions_in_answers", "such UUIDs in the answers to logins", "session_predictable", func(s *Stage) {
		n := 0
		s.API.Handle("POST /rest/login", func(w http.ResponseWriter, r *http.Request) {
			n++
			id := uuid4(n)
			if s.Vulnerable {
				id = s.uuid1(n)
			}
			w.Header().Set("Cache-Control", "no-store")
			reply(w, 200, object{"sessionId": id, "userId": n})
		})
		s.each(45, func(i int, c *Client) { c.Post("/rest/login", object{"login": account(i), "password": passwordOf(i)}) })
	})
	_ = register(Scenario{Name: "honest_sessions", Title: "sessions as six frameworks make them", Honest: true, Run: func(s *Stage) {
		s.API.Handle("POST /account/login/{kind}", func(w http.ResponseWriter, r *http.Request) {
			body := object{}
			decode(r, &body)
			n, _ := body["n"].(float64)
			f := frameworks[int(n)%len(frameworks)]
			w.Header().Add("Set-Cookie", f.name+"="+f.make(int(n))+"; Path=/; Secure; HttpOnly; SameSite=Lax")
			w.Header().Add("Set-Cookie", "AWSALB="+base64.StdEncoding.EncodeToString(append(bytesOf(1), byte(int(n)%3)))+"; Path=/; Secure; HttpOnly; SameSite=Lax")
			w.Header().Add("Set-Cookie", fmt.Sprintf("ab_session=%d; Path=/; Secure; HttpOnly; SameSite=Lax", int(n)%2))
			reply(w, 200, object{"ok": true})
		})
		s.each(200, func(i int, c *Client) {
			c.Post(fmt.Sprintf("/account/login/%d", i%len(frameworks)), object{"n": i, "username": account(i), "password": passwordOf(i)})
		})
	}})
	_ = register(Scenario{Name: "reset_host", Title: "a mail with a link to the attacker's host", Run: func(s *Stage) {
		s.mails()
		s.Regulars(4)
		eve := s.Client(attacker)
		verdict := Rejected
		if s.Vulnerable {
			verdict = "likely_accepted" // what is in the mail nobody sees
		}
		s.want(Want{"reset_poisoning", attacker, verdict, false})
		for _, host := range []string{"evil.example", "shop.example.evil.example", "shop.example@evil.example:80"} {
			eve.Form("/account/password/forgot", []option{toHost(host)}, "email", "victim@mail.example")
			s.Pass(20 * time.Second)
		}
	}})
	_ = posture("reset_again", "links that set a new password are good for ever", "reset_poisoning", func(s *Stage) {
		s.resets(3, func(i int) string { return hex.EncodeToString(bytesOf(i)) }, true)
	})
	_ = posture("reset_guessable", "links that are made of the time", "reset_poisoning", func(s *Stage) {
		s.resets(40, func(i int) string {
			if s.Vulnerable {
				return fmt.Sprintf("%d", 1_767_600_000+i*20)
			}
			return hex.EncodeToString(bytesOf(i))
		}, false)
	})
	_ = register(Scenario{Name: "honest_hosts", Title: "new passwords at hosts of one shop", Honest: true, Run: func(s *Stage) {
		s.mails()
		s.resets(1, func(i int) string { return hex.EncodeToString(bytesOf(i)) }, false)
		s.Regulars(4)
		for i, host := range []string{Host, "www." + Host, Host + ":443", "acme." + Host, "staging." + Host} {
			c := s.browser(fmt.Sprintf("203.0.113.%d", 50+i), i)
			c.Form("/account/password/forgot", []option{toHost(host), header("X-Forwarded-Host", host)}, "email", account(i))
			s.Pass(40 * time.Second)
			c.Get("/account/password/reset?token=" + hex.EncodeToString(bytesOf(i+60)))
			for range 2 { // pressed twice
				c.Post("/account/password/reset", object{"token": hex.EncodeToString(bytesOf(i + 60)), "password": passwordOf(i), "password_confirmation": passwordOf(i)})
				s.Pass(time.Second)
			}
			c.Post("/account/password/reset", object{"token": api.OTPOf(i), "email": account(i), "password": passwordOf(i + 40)})
		}
	}})
)
