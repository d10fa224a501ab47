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
	fieldNot                 // explicitly none: csrf, cursor
)

// fields are the names in lower case without separators. The sources: RFC 6749,
// 6750, 7521 and 9126 for OAuth, else custom.
var fields = func() map[string]field {
	m := map[string]field{}
	for f, names := range map[field]string{
		fieldUser: `user username userid userlogin useremail login loginid loginname logonname logonid uname usr
			email emailaddress mail identifier jusername principal identity emailorusername usernameoremail`,
		fieldAccount:  `account accountname accountid phone phonenumber mobile mobilenumber msisdn`,
		fieldClientID: `clientid`,
		fieldGrant:    `granttype`,
		fieldPassword: `pass password passwd pwd passwrd psw passphrase jpassword userpassword userpass userpwd loginpassword
			loginpass passwort kennwort motdepasse senha contrasena currentpassword oldpassword`,
		fieldNewPassword: `newpassword newpass newpwd newpasswd passwordconfirmation passwordconfirm confirmpassword
			confirmpwd password1 password2 repeatpassword passwordrepeat passwordagain retypepassword verifypassword
			newpassword1 newpassword2 newpasswordconfirmation`,
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
		fieldNot: `csrf csrftoken xcsrftoken xsrftoken xxsrftoken csrfmiddlewaretoken authenticitytoken antiforgerytoken
			requestverificationtoken nexttoken prevtoken previoustoken pagetoken nextpagetoken continuationtoken
			continuetoken cursortoken synctoken nextsynctoken idempotencykey idempotencytoken cancellationtoken
			canceltoken devicetoken pushtoken fcmtoken apnstoken registrationtoken captchatoken recaptchatoken
			turnstiletoken hcaptchatoken clienttoken requesttoken publickey sitekey xidempotencykey secwebsocketkey
			xrequesttoken cachekey primarykey foreignkey sortkey partitionkey surrogatekey tokentype formtoken
			paymenttoken cardtoken tracetoken`,
	} {
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
	"public", "count", "publishable",
}

// Names are tried in two steps, the first of which is one load: which letters
// begin and end the names of the table. Most names fail it.
var (
	exactGate  [1 << 15]bool // first, second, last letter
	suffixGate [1 << 10]bool // last but one, last letter
)

func init() {
	for n := range fields {
		c := [3]byte{n[0], n[1], n[len(n)-1]}
		exactGate[gate3(c[0], c[1], c[2])] = true
		// A separator may follow the first letter: x-api-key, j_username.
		exactGate[gate3(c[0], '-', c[2])] = true
		exactGate[gate3(c[0], '_', c[2])] = true
	}
	for _, s := range suffixes {
		suffixGate[gate2(s.end[len(s.end)-2], s.end[len(s.end)-1])] = true
	}
}

// The low five bits of an ASCII letter are the same in both cases.
func gate3(a, b, c byte) int { return int(a&31)<<10 | int(b&31)<<5 | int(c&31) }
func gate2(a, b byte) int    { return int(a&31)<<5 | int(b&31) }

// gated reports whether a name may have a meaning.
func gated(name string) bool {
	n := len(name)
	if n < 3 || n > 96 {
		return false
	}
	z := name[n-1]
	return exactGate[gate3(name[0], name[1], z)] || suffixGate[gate2(name[n-2], z)] || z == ']'
}

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
		switch c := name[i]; c {
		case '-', '_', ' ':
		case '.', '[', ':', '$', ']':
			n = 0
		default:
			if c >= 'A' && c <= 'Z' {
				c |= 0x20
			}
			buf[n] = c
			n++
		}
	}
	if name[0] == '_' && string(buf[:n]) == "token" {
		return fieldNot // Laravel's CSRF field
	}
	if f, ok := fields[string(buf[:n])]; ok {
		if f == fieldNot {
			return noField
		}
		return f
	}
	if n < 5 || !suffixGate[gate2(buf[n-2], buf[n-1])] {
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
	}
	return 0
}
