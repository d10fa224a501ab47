package credential

import "strings"

// field is what a name promises of its value.
type field uint8

const (
	noField            field = iota
	fieldUser                // an identifier that logs in
	fieldAccount             // an identifier that may: account, phone
	fieldClientID            // OAuth client_id
	fieldGrant               // OAuth grant_type
	fieldVerifier            // the code_verifier of PKCE
	fieldQuery               // a GraphQL document
	fieldPassword            // a password that proves an identity
	fieldNewPassword         // one that is being set: no login
	fieldSecret              // "secret": a password beside an identifier, else a key
	fieldCode                // one-time code, PIN, reset code
	fieldCodeWeak            // "code": an OAuth code, a one-time code, or a colour
	fieldAccess              // access_token (RFC 6750, sections 2.2 and 2.3)
	fieldToken               // a token by a name that promises no more
	fieldLooseToken          // ends in "token" or "secret": its shape must say so too
	fieldLooseKey            // "key", or ends in it: its shape must say so too
	fieldRefresh             // OAuth refresh token
	fieldAPIKey              // API key
	fieldClientSecret        // OAuth client secret
	fieldAssertion           // a JWT that is exchanged or proves: assertion, request
	fieldSession             // session id
	fieldSignature           // signature of a request or URL
	fieldAuthorization       // scheme and credentials, as in the header
	fieldHash                // the hash of a password
	fieldParams              // the parameters of JSON-RPC
	fieldNot                 // explicitly none: csrf, cursor
)

// fieldNames are the names in lower case without separators. The sources: RFC
// 6749, 6750, 7521 and 9126 for OAuth, else custom.
var fieldNames = map[field]string{
	fieldUser: `user username userid userlogin useremail login loginid loginname logonname logonid uname usr
			email emailaddress mail identifier jusername principal identity emailorusername usernameoremail
			osusername pmausername wpname vbloginusername emailid useremailaddress loginuser loginuserid loginemail
			signinemail customeremail
			benutzername benutzer nutzername nutzer anmeldename mailadresse identifiant utilisateur nomutilisateur
			nomdutilisateur courriel adresseemail usuario nombreusuario nombredeusuario correo correoelectronico
			utilizador nomeusuario nomedeusuario utente nomeutente gebruikersnaam gebruiker uzytkownik anvandarnamn
			brukernavn brugernavn kayttajatunnus uzivatel felhasznalonev kullaniciadi kullanici utilizator`,
	fieldAccount: `account accountname accountid phone phonenumber mobile mobilenumber msisdn
			konto kontoname compte nomducompte cuenta rekening telefon telefonnummer handynummer`,
	fieldClientID: `clientid`,
	fieldGrant:    `granttype`,
	fieldVerifier: `codeverifier`,
	fieldQuery:    `query`,
	fieldPassword: `pass password passwd pwd passwrd psw passphrase jpassword userpassword userpass userpwd loginpassword
			loginpass upw userpw loginpw ospassword pmapassword wppassword currentpassword oldpassword
			passwort kennwort altespasswort aktuellespasswort alteskennwort ancienmotdepasse motdepasseactuel contrasenaactual
			senhaatual oudwachtwoord motdepasse motpasse mdp senha contrasena contrasenia palavrapasse wachtwoord
			haslo losenord passord adgangskode kodeord salasana heslo jelszo sifre parola`,
	fieldNewPassword: `newpassword newpass newpwd newpasswd passwordconfirmation passwordconfirm confirmpassword
			confirmpwd password1 password2 repeatpassword passwordrepeat passwordagain retypepassword verifypassword
			newpassword1 newpassword2 newpasswordconfirmation neuespasswort passwortneu passwortwiederholung
			passwortwiederholen passwortbestaetigung passwort2 neueskennwort kennwortwiederholung nouveaumotdepasse
			confirmermotdepasse nuevacontrasena confirmarcontrasena novasenha confirmarsenha nieuwwachtwoord nowehaslo`,
	fieldSecret: `secret`,
	fieldCode: `pin pincode otp otpcode totp totpcode mfacode tfacode twofactorcode 2facode verificationcode
			securitycode smscode onetimepassword onetimecode passcode resetcode activationcode recoverycode backupcode
			resettoken verificationtoken verifytoken confirmationtoken confirmtoken activationtoken invitetoken
			invitationtoken magictoken passwordresettoken resetpasswordtoken otptoken xotp xtotp xgithubotp xotpcode`,
	fieldCodeWeak: `code authorizationcode authcode`,
	fieldAccess:   `accesstoken oauthaccesstoken`,
	fieldToken: `token authtoken authenticationtoken authorizationtoken bearer bearertoken oauthtoken usertoken
			logintoken jwt jwttoken accessjwt xtoken xauthtoken xaccesstoken xjwttoken xusertoken ssotoken securitytoken
			mfatoken idtoken xidtoken apijwt webtoken`,
	fieldRefresh: `refreshtoken xrefreshtoken refreshjwt oauthrefreshtoken`,
	fieldAPIKey: `apikey xapikey apitoken xapitoken apisecret apikeysecret appkey applicationkey
			secretkey secretaccesskey subscriptionkey ocpapimsubscriptionkey xauthkey licensekey masterkey
			functionskey xfunctionskey xgoogapikey xrapidapikey xmashapekey privatetoken personalaccesstoken deploytoken
			jobtoken servicetoken xsecret xsecretkey xapisecret xappkey awssecretaccesskey`,
	fieldLooseKey:     `key accesskey authkey`,
	fieldClientSecret: `clientsecret xclientsecret oauthclientsecret consumersecret appsecret applicationsecret`,
	fieldAssertion: `assertion clientassertion request idtokenhint loginhinttoken logouttoken subjecttoken actortoken
			vptoken dpop presentation samlresponse`,
	fieldSession: `session sessionid sessiontoken sessionkey sid ssid jsessionid phpsessid aspnetsessionid xsessionid
			xsessiontoken connectsid sessid`,
	fieldSignature: `sig signature xsignature xamzsignature xgoogsignature xamzsecuritytoken xosssignature
			xcossignature hmac xhmac xhubsignature xhubsignature256 sign`,
	fieldAuthorization: `authorization xauthorization proxyauthorization xforwardedauthorization
			xoriginalauthorization auth xauth httpauthorization`,
	fieldHash: `passwordhash passwordhashed passwordhashes hashedpassword pwdhash pwhash passhash hashpassword passworddigest
			encryptedpassword passwordmd5 passwordsha1 userpasswordhash`,
	fieldParams: `params`,
	fieldNot: `csrf csrftoken xcsrftoken xsrftoken xxsrftoken csrfmiddlewaretoken authenticitytoken antiforgerytoken
			requestverificationtoken nexttoken prevtoken previoustoken pagetoken nextpagetoken continuationtoken
			continuetoken cursortoken synctoken nextsynctoken idempotencykey idempotencytoken cancellationtoken
			canceltoken devicetoken pushtoken fcmtoken apnstoken registrationtoken captchatoken recaptchatoken
			turnstiletoken hcaptchatoken clienttoken requesttoken publickey sitekey xidempotencykey secwebsocketkey
			xrequesttoken cachekey primarykey foreignkey sortkey partitionkey surrogatekey tokentype formtoken
			paymenttoken cardtoken tracetoken`,
}

var fields = func() map[string]field {
	m := map[string]field{}
	for f, names := range fieldNames {
		for _, n := range strings.Fields(names) {
			m[n] = f
		}
	}
	return m
}()

// suffixes give a name of several words its meaning by the last of them, the
// more special first.
var suffixes = []struct {
	end string
	f   field
}{
	{"passwordhash", fieldHash}, {"passworddigest", fieldHash},
	{"password", fieldPassword}, {"passwd", fieldPassword}, {"passphrase", fieldPassword},
	{"clientsecret", fieldClientSecret}, {"refreshtoken", fieldRefresh},
	{"accesstoken", fieldAccess}, {"authtoken", fieldToken}, {"idtoken", fieldToken},
	{"sessiontoken", fieldSession}, {"sessionid", fieldSession}, {"apikey", fieldAPIKey}, {"apitoken", fieldAPIKey},
	{"subscriptionkey", fieldAPIKey}, {"secretkey", fieldAPIKey}, {"accesskey", fieldLooseKey}, {"authkey", fieldLooseKey},
	{"jwt", fieldLooseToken}, {"token", fieldLooseToken}, {"secret", fieldLooseToken}, {"signature", fieldSignature},
}

// notWithin are words that make a name of a token none: what it names is no
// secret, or not one that authenticates.
var notWithin = []string{
	"csrf", "xsrf", "idempoten", "captcha", "cursor", "nextpage", "page", "continu", "device", "push", "verification",
	"public", "count", "publishable", "stream", "analytics", "tracking", "telemetry", "playback",
}

// Names are tried in steps, the first of which looks at their last three
// letters. Most names fail it.
var (
	lastGate   letterGate // the last three letters of all names and suffixes, as they are written
	secretGate letterGate // those of fields that hold secrets
	issuedGate letterGate // those of fields that answers give them in
	exactGate  letterGate // first and last four letters of names, hashed
	partGate   letterGate // last four letters of names, hashed
	suffixGate letterGate // last four letters of suffixes, hashed
)

// letterGate is a set of 15-bit numbers.
type letterGate [1 << 15 / 64]uint64

func (g *letterGate) add(n uint32)      { g[n/64%512] |= 1 << (n % 64) }
func (g *letterGate) has(n uint32) bool { return g[n/64%512]>>(n%64)&1 != 0 }

// mixed makes a 15-bit number of letters.
func mixed(v uint32) uint32 { return v * 0x9e3779b1 >> 17 }

// lastLetters gives the last four letters of a name, or of its last part, in
// five bits each, case and separators apart: the last one lowest.
func lastLetters(name string) (v uint32) {
	k := 0
	for i := len(name) - 1; i >= 0 && k < 20; i-- {
		switch c := name[i]; c {
		case '-', '_', ' ', ']':
		case '.', '[', ':', '$':
			return v
		default:
			v |= uint32(c&31) << k
			k += 5
		}
	}
	return v
}

const threeLetters = 1<<15 - 1

// threeOf takes the letters of the first three of four bytes of text.
func threeOf(b uint32) uint32 { return b&31<<10 | b>>8&31<<5 | b>>16&31 }

// addSpelled adds the last three letters of a name as they may be written: with
// a separator between them too, or a bracket behind them.
func (g *letterGate) addSpelled(v uint32) {
	x, y, z := v>>10&31, v>>5&31, v&31
	g.add(x<<10 | y<<5 | z)
	for _, c := range []byte("-_ ]") {
		s := uint32(c & 31)
		g.add(s<<10 | y<<5 | z)
		g.add(y<<10 | s<<5 | z)
		g.add(y<<10 | z<<5 | s)
		g.add(z<<10 | s<<5 | s)
	}
}

func init() {
	for n, f := range fields {
		v := lastLetters(n)
		lastGate.addSpelled(v)
		exactGate.add(mixed(v | uint32(n[0]&31)<<20))
		partGate.add(mixed(v))
		if f.secret() {
			secretGate.addSpelled(v)
		}
		if f.issued() {
			issuedGate.addSpelled(v)
		}
	}
	for _, s := range suffixes {
		v := lastLetters(s.end)
		lastGate.addSpelled(v)
		secretGate.addSpelled(v)
		if s.f.issued() {
			issuedGate.addSpelled(v)
		}
		suffixGate.add(mixed(v))
	}
}

// gated reports whether a name may have a meaning.
func gated(name string) bool {
	n := len(name)
	if n < 3 || n > 96 || !lastGate.has(uint32(name[n-3]&31)<<10|uint32(name[n-2]&31)<<5|uint32(name[n-1]&31)) {
		return false
	}
	v := lastLetters(name)
	return exactGate.has(mixed(v|uint32(name[0]&31)<<20)) || suffixGate.has(mixed(v)) || v&threeLetters == jwtLetters ||
		partGate.has(mixed(v)) && strings.ContainsAny(name, ".[:$]")
}

// jwtLetters are those of the one suffix that has but three, before which any
// letter may stand.
var jwtLetters = lastLetters("jwt")

// secret reports whether the values of such a field are, or may be, credentials
// or say what a login is.
func (f field) secret() bool {
	return f.kind() != 0 || f == fieldGrant || f == fieldAuthorization || f == fieldQuery || f == fieldCodeWeak || f == fieldParams
}

// issued reports whether an answer may give something under such a name:
// passwords, grants and what only its shape makes a key are none of it.
func (f field) issued() bool {
	switch f {
	case fieldNewPassword, fieldSecret, fieldGrant, fieldQuery, fieldParams, fieldVerifier, fieldLooseToken, fieldLooseKey, fieldSignature:
		return false
	}
	return f.secret()
}

// nameByte gives a letter in lower case; 0 for separators, 1 for what divides
// the parts of a name.
var nameByte = func() (t [256]byte) {
	for i := range t {
		t[i] = max(byte(i), 2)
		if i >= 'A' && i <= 'Z' {
			t[i] |= 0x20
		}
	}
	t['-'], t['_'], t[' '] = 0, 0, 0
	t['.'], t['['], t[':'], t['$'], t[']'] = 1, 1, 1, 1, 1
	return
}()

// fieldOf gives the meaning of a field's, parameter's or header's name: of the
// last part of it, where it has parts (user[password], login:password).
func fieldOf(name string) field {
	if !gated(name) {
		return noField
	}
	return ungated(name)
}

func ungated(name string) field {
	for name[len(name)-1] == ']' && len(name) > 1 {
		name = name[:len(name)-1]
	}
	var buf [96]byte
	n := 0
	for i := range len(name) {
		switch c := nameByte[name[i]]; c {
		case 0:
		case 1:
			n = 0
		default:
			buf[n] = c
			n++
		}
	}
	if name[0] == '_' && string(buf[:n]) == "token" {
		return noField // Laravel's CSRF field
	}
	if f, ok := fields[string(buf[:n])]; ok {
		if f == fieldNot {
			return noField
		}
		return f
	}
	if n < 4 {
		return noField
	}
	for _, s := range suffixes {
		if n > len(s.end) && string(buf[n-len(s.end):n]) == s.end {
			for _, w := range notWithin {
				if strings.Contains(string(buf[:n]), w) {
					return noField
				}
			}
			return s.f
		}
	}
	return noField
}

// kindOf gives the kind of a value that stands under a name with that meaning
// and is no JWT.
func (f field) kind() Kind {
	switch f {
	case fieldPassword, fieldNewPassword:
		return Password
	case fieldCode, fieldCodeWeak:
		return Code
	case fieldAccess, fieldToken, fieldLooseToken:
		return Bearer
	case fieldRefresh:
		return RefreshToken
	case fieldAPIKey, fieldSecret, fieldLooseKey:
		return APIKey
	case fieldClientSecret:
		return ClientSecret
	case fieldSession:
		return Session
	case fieldSignature:
		return Signature
	case fieldHash:
		return PasswordHash
	}
	return 0
}
