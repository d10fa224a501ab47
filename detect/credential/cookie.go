package credential

import "strings"

// sessionCookies are names in lower case, without __Host- and __Secure-, of
// cookies that hold a session in common frameworks.
var sessionCookies = func() map[string]bool {
	m := map[string]bool{}
	for _, n := range strings.Fields(`jsessionid phpsessid asp.net_sessionid connect.sid sid session sessionid session_id
		session-id laravel_session .aspnetcore.cookies .aspnetcore.session .aspnetcore.identity.application .aspxauth
		next-auth.session-token authjs.session-token better-auth.session_token koa.sess koa:sess express:sess
		rack.session sessid sess ssid connect.session keycloak_session authsession ltpatoken ltpatoken2 mysapsso2
		cfid cftoken cgisessid play_session symfony beaker.session.id zope_cookie session-token sessiontoken
		remember_token remember_user_token rememberme remember-me keycloak_remember_me grafana_session phorum_session_v5
		user_session userid_session supabase-auth-token webvpn dspreauth x-session-id xsessionid wp_session
		kc_session _session_id _shibsession sb-access-token sb-refresh-token appsession authsessionid auth_session_id`) {
		m[n] = true
	}
	return m
}()

// tokenCookies hold tokens.
var tokenCookies = func() map[string]field {
	m := map[string]field{}
	for _, n := range strings.Fields(`access-token access_token accesstoken auth-token auth_token authtoken authorization
		jwt jwt_token jwttoken keycloak_identity keycloak_identity_legacy token id_token idtoken bearer auth api_token
		x-access-token x-auth-token user_token usertoken login_token logintoken sso_token ssotoken cf_authorization`) {
		m[n] = fieldToken
	}
	for _, n := range strings.Fields(`refresh-token refresh_token refreshtoken jwt_refresh`) {
		m[n] = fieldRefresh
	}
	for _, n := range strings.Fields(`api-key api_key apikey x-api-key`) {
		m[n] = fieldAPIKey
	}
	return m
}()

// cookieGate has the first two letters and the last of the names of both tables.
var cookieGate = func() (t letterGate) {
	set := func(n string) { t.add(cookieLetters(n)) }
	for n := range sessionCookies {
		set(n)
	}
	for n := range tokenCookies {
		set(n)
	}
	return
}()

func cookieLetters(n string) uint32 {
	return uint32(n[0]&31)<<10 | uint32(n[1]&31)<<5 | uint32(n[len(n)-1]&31)
}

// cookieField gives the meaning of a cookie's name.
func cookieField(name string) field {
	if len(name) > 7 && name[0] == '_' && name[1] == '_' {
		if len(name) > 9 && strings.EqualFold(name[:9], "__secure-") {
			name = name[9:]
		} else if strings.EqualFold(name[:7], "__host-") {
			name = name[7:]
		}
	}
	n := len(name)
	if n < 3 || n > 96 {
		return noField
	}
	gate := cookieGate.has(cookieLetters(name))
	if z := name[n-1] | 0x20; !gate && z != 'n' && z != 'd' && name[0]|0x20 != 'a' && name[0]|0x20 != 's' && name[0]|0x20 != 'w' {
		return noField
	}
	var buf [96]byte
	for i := range n {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		buf[i] = c
	}
	lower := buf[:n]
	if sessionCookies[string(lower)] {
		return fieldSession
	}
	if f, ok := tokenCookies[string(lower)]; ok {
		return f
	}
	has := func(s string) bool { return n > len(s) && string(lower[:len(s)]) == s }
	ends := func(s string) bool { return n > len(s) && string(lower[n-len(s):]) == s }
	switch {
	case ends("session"), ends("_session_id"), ends("sessionid"), ends("session-token"),
		has("aspsessionid"), has("sap_sessionid_"), has("sess") && n >= 36, has("ssess") && n >= 36,
		has("wordpress_logged_in_"), has("wordpress_sec_"), has("_shibsession_"), has("mellon-"):
		return fieldSession
	case has("sb-") && ends("-auth-token"), ends("access_token"), ends("accesstoken"), ends("_jwt"):
		return fieldToken
	}
	return noField
}

// cookies reads a Cookie header (RFC 6265, section 4.2.1).
func (f *Finder) cookies(s string) {
	for s != "" {
		var pair string
		if i := strings.IndexByte(s, ';'); i >= 0 {
			pair, s = s[:i], s[i+1:]
		} else {
			pair, s = s, ""
		}
		for pair != "" && pair[0] == ' ' {
			pair = pair[1:]
		}
		if i := strings.IndexByte(pair, '='); i > 0 {
			f.cookie(pair[:i], pair[i+1:])
		}
	}
}

func (f *Finder) cookie(name, value string) {
	fd := f.cookieField(name)
	if fd == noField && (len(value) < 32 || findJWT(value) < 0) {
		return
	}
	value = strings.Trim(value, " \t\"")
	if strings.IndexByte(value, '%') >= 0 {
		value = unpercent(value, false)
	}
	if fd == noField || strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[") || strings.HasPrefix(value, "Bearer") {
		// Tokens within JSON and the like; sb-…-auth-token is a list of them.
		before := len(f.list)
		f.embedded(Place{InCookie, name}, value, false)
		if fd == noField || len(f.list) > before {
			return
		}
	}
	f.named(Place{InCookie, name}, fd, value)
}

// setCookie reads a Set-Cookie header (RFC 6265, section 4.1.1). A cookie that
// is being deleted is nothing issued.
func (f *Finder) setCookie(s string) {
	pair, attributes, _ := strings.Cut(s, ";")
	name, value, ok := strings.Cut(pair, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || name == "" || value == "" || strings.EqualFold(value, "deleted") || strings.EqualFold(value, "deleteme") {
		return
	}
	for attributes != "" {
		var a string
		a, attributes, _ = strings.Cut(attributes, ";")
		key, v, _ := strings.Cut(strings.TrimSpace(a), "=")
		if strings.EqualFold(key, "max-age") && (v == "0" || strings.HasPrefix(v, "-")) ||
			strings.EqualFold(key, "expires") && strings.Contains(v, "1970") {
			return
		}
	}
	f.cookie(name, value)
}
