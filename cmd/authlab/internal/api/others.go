package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
)

// HookSecret is what the senders of webhooks sign with.
const HookSecret = "whsec-9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c"

// Sign is the signature of a webhook, or of a URL.
func Sign(text string) string {
	h := hmac.New(sha256.New, []byte(HookSecret))
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

// ntlmState is where a connection is in its handshake.
type ntlmState struct{ done bool }

func (a *API) others() {
	a.handle("POST /hooks/{name}", func(w http.ResponseWriter, r *http.Request) {
		body := string(read(r))
		if r.Header.Get("X-Hub-Signature-256") != "sha256="+Sign(body) {
			refuse(w, http.StatusUnauthorized, "bad_signature")
			return
		}
		a.admit(r.PathValue("name"))
		w.WriteHeader(http.StatusNoContent)
	})
	a.handle("GET /files/{name}", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("X-Amz-Signature") != Sign(r.URL.Path+q.Get("X-Amz-Date")) {
			refuse(w, http.StatusForbidden, "SignatureDoesNotMatch")
			return
		}
		a.admit("files")
		w.Header().Set("Content-Type", "application/pdf")
		w.Write([]byte("%PDF-1.7 an invoice"))
	})
	// NTLM and Negotiate: three messages, and the connection is somebody's.
	a.handle("GET /intranet/{page}", func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		state := a.nonces[r.RemoteAddr]
		raw, _ := base64.StdEncoding.DecodeString(token)
		switch {
		case state != nil && state.done:
		case scheme == "Negotiate" && len(raw) > 0 && raw[0] == 0x60:
			a.nonces[r.RemoteAddr] = &ntlmState{true}
		case scheme == "NTLM" && strings.HasPrefix(string(raw), "NTLMSSP\x00\x01"):
			a.nonces[r.RemoteAddr] = &ntlmState{}
			challenge := "NTLMSSP\x00\x02\x00\x00\x00" + strings.Repeat("\x00", 8) + "\x05\x82\x89\xa2" + a.opaque()[:8] + strings.Repeat("\x00", 24)
			w.Header().Set("WWW-Authenticate", "NTLM "+base64.StdEncoding.EncodeToString([]byte(challenge)))
			refuse(w, http.StatusUnauthorized, "unauthorized")
			return
		case scheme == "NTLM" && state != nil && strings.HasPrefix(string(raw), "NTLMSSP\x00\x03"):
			state.done = true
		default:
			w.Header()["Www-Authenticate"] = []string{"Negotiate", "NTLM"}
			refuse(w, http.StatusUnauthorized, "unauthorized")
			return
		}
		a.admit("intranet")
		answer(w, http.StatusOK, object{"page": r.PathValue("page"), "news": "The canteen is open."})
	})
}
