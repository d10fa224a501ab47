package api

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// Device gives a machine a key, in place of the one that it has.
func (a *API) Device(name string) string {
	for key, of := range a.devices {
		if of == name {
			delete(a.devices, key)
		}
	}
	key := "dk_" + a.next()
	a.devices[key] = name
	return key
}

// Sealed gives an encrypted token for an account (RFC 7516, section 7.1). What
// is in it nobody else can read.
func (a *API) Sealed(name string) string {
	part := base64.RawURLEncoding.EncodeToString
	token := strings.Join([]string{
		part([]byte(`{"alg":"dir","enc":"A256GCM","kid":"s1"}`)), "", part([]byte(a.next()[:12])), part([]byte(a.next() + a.next())), part([]byte(a.next()[:16])),
	}, ".")
	a.sealed[token] = name
	return token
}

func (a *API) machines() {
	keyed := func(pattern string, f func(w http.ResponseWriter, r *http.Request, name string)) {
		a.handle(pattern, func(w http.ResponseWriter, r *http.Request) {
			name, ok := a.devices[r.Header.Get("X-API-Key")]
			if !ok {
				w.Header().Set("WWW-Authenticate", "ApiKey")
				refuse(w, http.StatusUnauthorized, "unknown_key")
				return
			}
			a.admit(name)
			f(w, r, name)
		})
	}
	keyed("POST /telemetry/{id}", func(w http.ResponseWriter, r *http.Request, name string) {
		read(r)
		answer(w, http.StatusAccepted, object{"queued": true})
	})
	keyed("GET /telemetry/config", func(w http.ResponseWriter, r *http.Request, name string) {
		answer(w, http.StatusOK, object{"interval": 60, "device": name})
	})
}
