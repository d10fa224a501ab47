package endpoint

import "math/bits"

// wordSet is a list of at most 64 words, in lower case, and where each begins:
// a text without any of them costs one pass.
type wordSet struct {
	words  []string
	starts [256]uint64
}

func newWordSet(words ...string) *wordSet {
	s := &wordSet{words: words}
	for i, w := range words {
		s.starts[w[0]] |= 1 << i
	}
	return s
}

// in reports whether b holds one of the words, in any case (ASCII).
func (s *wordSet) in(b []byte) bool {
	for i, c := range b {
		for set := s.starts[lower(c)]; set != 0; set &= set - 1 {
			w := s.words[bits.TrailingZeros64(set)]
			if len(b)-i >= len(w) && equalLower(b[i:i+len(w)], w) {
				return true
			}
		}
	}
	return false
}

// Words that a failed login, a locked account or a captcha is announced with.
// They are looked for in short texts and in the first part of a page, in any
// case. Each must be so particular that a successful answer does not have it.
var failureWords = newWordSet(
	"invalid password", "invalid username", "invalid user", "invalid credential", "invalid login", "invalid email or",
	"incorrect password", "incorrect username", "incorrect login", "incorrect email", "incorrect credential",
	"password was incorrect", "password is incorrect", "password is invalid", "is not correct", "wrong password", "wrong username", "wrong credential", "login failed", "authentication failed", "failed to log",
	"bad credentials", "not authorized", "unauthorized", "access denied", "does not match our records", "do not match our records",
	"account locked", "account is locked", "account has been locked", "too many attempts", "too many failed", "too many login",
	"invalid code", "incorrect code", "wrong code", "code is invalid", "code is incorrect", "code has expired", "code expired", "invalid otp", "incorrect otp",
	"recaptcha", "hcaptcha", "captcha required",
	"falsches passwort", "passwort falsch", "ungültig", "anmeldung fehlgeschlagen",
	"mot de passe incorrect", "identifiants incorrects", "identifiants invalides",
	"contraseña incorrecta", "credenciales inválidas", "credenciales incorrectas",
	"senha incorreta", "credenciais inválidas", "password errata", "credenziali non valide",
	"onjuist wachtwoord", "неверный пароль", "密码错误", "パスワードが", "비밀번호가",
)

// Words by which a server asks for another factor, or says which.
var secondFactorWords = newWordSet(
	"mfa_required", "mfarequired", "mfa_token", "mfatoken", "two_factor", "twofactor", "two-factor", "2fa_required", "requires_2fa",
	"otp_required", "otprequired", "second_factor", "second factor", "totp_required", "mfa_enroll", "mfa_challenge", "challenge_required",
)

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func equalLower(b []byte, w string) bool {
	for i := range b {
		if lower(b[i]) != w[i] {
			return false
		}
	}
	return true
}
