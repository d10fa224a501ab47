package rules

import (
	"net/netip"
	"strings"

	"github.com/authtap/authtap/detect"
)

// sensitivity says what a claim tells that it should not, and how bad that is;
// "" where it tells nothing. Names decide first, and values confirm them: most
// numbers look like some number.
func sensitivity(path, value string) (what string, severity detect.Severity) {
	var letters [32]byte
	n := 0
	for _, c := range []byte(path[strings.LastIndexByte(path, '.')+1:]) {
		switch {
		case c == '_' || c == '-' || c == ' ':
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		if n == len(letters) {
			n = 0 // no name that has a meaning is so long
			break
		}
		letters[n] = c
		n++
	}
	plain := string(letters[:n])
	switch {
	case value == "" || value == "true" || value == "false" || value == "null":
		return "", 0
	case strings.Contains(value, "PRIVATE KEY-----"):
		return "private key", detect.High
	case passwordHash(value):
		return "hash of a password", detect.High
	case secretNames[plain] && len(value) >= 4 && strings.Trim(value, "*•xX.") != "":
		return "secret", detect.High
	case cardNumber(plain, value):
		return "card number", detect.High
	case iban(value):
		return "IBAN", detect.Medium
	}
	switch kind := personalNames[plain]; kind {
	case "national number", "date of birth":
		if len(strings.Map(keepDigits, value)) >= 6 {
			return kind, detect.Medium
		}
	case "phone number":
		if n := len(strings.Map(keepDigits, value)); n >= 7 && n <= 15 {
			return kind, detect.Medium
		}
	case "name", "e-mail address":
		if len(value) >= 2 {
			return kind, detect.Info
		}
	case "":
		if strings.Contains(path, "address.") { // OpenID Connect Core 1.0, section 5.1.1
			return "address", detect.Medium
		}
		if c := value[0]; c == '1' && len(value) >= 7 && len(value) <= 15 {
			if a, err := netip.ParseAddr(value); err == nil && a.Is4() && a.IsPrivate() {
				return "internal address", detect.Low
			}
		}
	default:
		return kind, detect.Medium
	}
	return "", 0
}

var secretNames = setOf("password", "passwd", "pass", "passphrase", "pwd", "userpassword", "secret", "clientsecret", "secretkey", "apikey", "apisecret",
	"privatekey", "accesskey", "secretaccesskey", "passwordhash", "hashedpassword", "pwdhash", "passhash", "dbpassword", "connectionstring", "pin")

func setOf(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// personalNames say what stands under a name, without _ and -.
var personalNames = map[string]string{
	"ssn": "national number", "socialsecuritynumber": "national number", "socialsecurity": "national number", "nino": "national number",
	"nationalid": "national number", "nationalidnumber": "national number", "taxid": "national number", "taxnumber": "national number",
	"passportnumber": "national number", "driverslicense": "national number",
	"phone": "phone number", "phonenumber": "phone number", "mobile": "phone number", "mobilephone": "phone number", "mobilenumber": "phone number",
	"telephone": "phone number", "msisdn": "phone number",
	"birthdate": "date of birth", "dateofbirth": "date of birth", "dob": "date of birth", "birthday": "date of birth",
	"address": "address", "streetaddress": "address", "homeaddress": "address", "postaladdress": "address",
	"diagnosis": "health", "diagnoses": "health", "bloodtype": "health", "medicalrecordnumber": "health", "disability": "health", "patientid": "health",
	"email": "e-mail address", "mail": "e-mail address", "emailaddress": "e-mail address",
	"givenname": "name", "familyname": "name", "firstname": "name", "lastname": "name", "fullname": "name",
}

func keepDigits(r rune) rune {
	if r >= '0' && r <= '9' {
		return r
	}
	return -1
}

// passwordHash reports the forms in which password hashes are kept.
func passwordHash(s string) bool {
	if len(s) < 20 {
		return false
	}
	for _, p := range [...]string{"$2a$", "$2b$", "$2y$", "$argon2", "$pbkdf2", "$scrypt$", "$5$", "$6$", "{SSHA", "{bcrypt}", "{PBKDF2", "pbkdf2_sha256$"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// cardNumber reports the number of a payment card (ISO/IEC 7812): under a name
// that says so, or written in groups of four.
func cardNumber(name, s string) bool {
	if len(s) < 13 || len(s) > 23 {
		return false
	}
	grouped := len(s) <= 19 && s[0] >= '3' && s[0] <= '6' && (s[4] == ' ' || s[4] == '-') && s[4] == s[9] && s[9] == s[min(14, len(s)-1)]
	named := strings.Contains(name, "card") || name == "pan" || strings.HasPrefix(name, "ccn") || name == "cc"
	if !grouped && !named || strings.Trim(s, "0123456789 -") != "" {
		return false
	}
	digits := strings.Map(keepDigits, s)
	if len(digits) < 13 || len(digits) > 19 {
		return false
	}
	sum := 0 // ISO/IEC 7812-1, annex B
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// iban reports an account number by its check digits (ISO 13616).
func iban(s string) bool {
	if len(s) < 15 || len(s) > 42 {
		return false
	}
	if s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' || s[2] < '0' || s[2] > '9' {
		return false
	}
	s = strings.ReplaceAll(s, " ", "")
	if len(s) < 15 || len(s) > 34 {
		return false
	}
	for i := range len(s) {
		upper, digit := s[i] >= 'A' && s[i] <= 'Z', s[i] >= '0' && s[i] <= '9'
		if i < 2 && !upper || (i == 2 || i == 3) && !digit || !upper && !digit {
			return false
		}
	}
	rest := 0
	for _, c := range s[4:] + s[:4] {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest == 1
}
