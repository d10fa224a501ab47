package trigger

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/authtap/authtap/detect"
)

// Webhook is a server that findings are sent to: each in a POST of its own, as
// docs/finding.schema.json says. The request is signed where there is a secret:
//
//	Authtap-Signature: t=SECONDS,v1=HEX
//
// HEX is the HMAC-SHA256, by the secret, of SECONDS, a full stop and the body.
// Authtap-Delivery names what is told, the same in each attempt.
type Webhook struct {
	URL string
	// SecretFile holds the secret that requests are signed with; white space
	// around it does not count. Empty: they are not signed.
	SecretFile string
	// Timeout bounds an attempt (default 10 seconds), Attempts how many there
	// are (default 5), the second a second after the first, and each other after
	// twice the time.
	Timeout  time.Duration
	Attempts int
}

// longestPause is how long an attempt waits at most, whatever a server asks.
const longestPause = time.Minute

type webhook struct {
	Webhook
	name, agent string
	secret      []byte
	client      http.Client
	retried     func()
	firstPause  time.Duration
}

// CheckURL says what is wrong with a webhook's URL.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("that is no URL such as https://host/path") // it may hold a secret: it is not told
	}
	return nil
}

func newWebhook(w Webhook, name, version string, retried func()) (*webhook, error) {
	if err := CheckURL(w.URL); err != nil {
		return nil, err
	}
	if w.Timeout <= 0 {
		w.Timeout = 10 * time.Second
	}
	if w.Attempts <= 0 {
		w.Attempts = 5
	}
	h := &webhook{Webhook: w, name: name, agent: "authtap/" + version, retried: retried, firstPause: time.Second}
	h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // what is signed goes where the user says
	if w.SecretFile != "" {
		text, err := os.ReadFile(w.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read the secret: %w", err)
		}
		if h.secret = bytes.TrimSpace(text); len(h.secret) < 16 {
			return nil, fmt.Errorf("the secret in %s is shorter than 16 bytes", w.SecretFile)
		}
	}
	return h, nil
}

func (h *webhook) begin() error { return nil }

func (h *webhook) expire(time.Time) (next time.Time, err error) { return next, nil }

func (h *webhook) do(ctx context.Context, f *detect.Finding) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	delivery := fmt.Sprintf("%s-%d-%s", f.ID, f.Version, h.name)
	for attempt, pause := 1, h.firstPause; ; attempt, pause = attempt+1, min(2*pause, longestPause) {
		asked, again, err := h.send(ctx, body, delivery)
		switch {
		case err == nil:
			return nil
		case !again || ctx.Err() != nil:
			return err
		case attempt == h.Attempts:
			return fmt.Errorf("after %d attempts: %w", attempt, err)
		}
		select {
		case <-time.After(max(pause, min(asked, longestPause))):
		case <-ctx.Done():
			return err
		}
		h.retried()
	}
}

// send makes one attempt. It says whether another may succeed, and how long the
// server asks to wait before.
func (h *webhook) send(ctx context.Context, body []byte, delivery string) (pause time.Duration, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return 0, false, errors.New("the request cannot be made")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", h.agent)
	r.Header.Set("Authtap-Delivery", delivery)
	if h.secret != nil {
		r.Header.Set("Authtap-Signature", h.signature(time.Now(), body))
	}
	answer, err := h.client.Do(r)
	if err != nil {
		// Its text has the URL, which may hold a secret.
		if inner := (*url.Error)(nil); errors.As(err, &inner) {
			err = inner.Err
		}
		return 0, true, err
	}
	io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection is used again
	answer.Body.Close()
	if answer.StatusCode/100 == 2 {
		return 0, false, nil
	}
	if seconds, err := strconv.ParseUint(answer.Header.Get("Retry-After"), 10, 16); err == nil {
		pause = time.Duration(seconds) * time.Second
	}
	again = answer.StatusCode/100 == 5 || answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusRequestTimeout
	return pause, again, fmt.Errorf("the server answers %d", answer.StatusCode)
}

func (h *webhook) signature(now time.Time, body []byte) string {
	seconds := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, h.secret)
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
