package endpoint

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Of a gRPC call nothing but grpc-status says what came of it, and where that
// is missing nobody knows.
func TestGRPC(t *testing.T) {
	header := func(pairs ...string) (h exchange.Header) {
		for i := 0; i+1 < len(pairs); i += 2 {
			h = append(h, exchange.Field{Name: pairs[i], Value: pairs[i+1]})
		}
		return h
	}
	body := func(s string) exchange.Body { return exchange.Body{Bytes: []byte(s), Length: int64(len(s))} }
	message := "\x00\x00\x00\x00\x03abc"
	trailer := "\x80\x00\x00\x00\x10GRPC-status: 16\n"
	b64 := base64.StdEncoding.EncodeToString
	grpc := header("content-type", "application/grpc+proto")
	web := header("Content-Type", "application/grpc-web+proto")
	for name, c := range map[string]struct {
		request, response exchange.Message
		want              Outcome
	}{
		"ok":                    {exchange.Message{}, exchange.Message{Header: grpc, Trailer: header("grpc-status", "0")}, Success},
		"permission denied":     {exchange.Message{}, exchange.Message{Header: grpc, Trailer: header("grpc-status", "7")}, Refusal},
		"trailers only":         {exchange.Message{}, exchange.Message{Header: header("content-type", "application/grpc", "grpc-status", "16")}, Refusal},
		"another error":         {exchange.Message{}, exchange.Message{Header: grpc, Trailer: header("grpc-status", "5")}, Unclear},
		"no status":             {exchange.Message{}, exchange.Message{Header: grpc, Body: body(message)}, Unclear},
		"no status of an empty": {exchange.Message{}, exchange.Message{Header: header("content-type", "application/grpc; x=y")}, Unclear},
		"a page in its place":   {exchange.Message{Header: grpc}, exchange.Message{Header: header("content-type", "text/html"), Body: body("<p>x")}, Unclear},
		"no call":               {exchange.Message{}, exchange.Message{Header: header("content-type", "application/grpcish")}, Success},
		"web":                   {exchange.Message{}, exchange.Message{Header: web, Body: body(message + trailer)}, Refusal},
		"web, well":             {exchange.Message{}, exchange.Message{Header: web, Body: body(message + "\x80\x00\x00\x00\x0dgrpc-status:0")}, Success},
		"web, cut":              {exchange.Message{}, exchange.Message{Header: web, Body: body(message + trailer[:20])}, Unclear},
		"web, no trailer":       {exchange.Message{}, exchange.Message{Header: web, Body: body(message)}, Unclear},
		"web, not all is kept":  {exchange.Message{}, exchange.Message{Header: web, Body: exchange.Body{Bytes: []byte(message), Length: 100}}, Unclear},
		"web, compressed":       {exchange.Message{}, exchange.Message{Header: web, Body: body("\x81\x00\x00\x00\x01x")}, Unclear},
		"web, in the header":    {exchange.Message{}, exchange.Message{Header: header("Content-Type", "application/grpc-web", "grpc-status", "16")}, Refusal},
		"web as text": {exchange.Message{}, exchange.Message{Header: header("Content-Type", "application/grpc-web-text"),
			Body: body(b64([]byte(message)) + b64([]byte(trailer)))}, Refusal},
		"web as broken text": {exchange.Message{}, exchange.Message{Header: header("Content-Type", "application/grpc-web-text"), Body: body("!!!!")}, Unclear},
	} {
		x := &exchange.Exchange{Protocol: exchange.HTTP2, Request: c.request, Response: c.response}
		x.Request.Present, x.Request.Method, x.Request.Target = true, "POST", "/s/M"
		x.Response.Present, x.Response.Status = true, 200
		a := NewExaminer().Examine(x, "/s/M", &credential.Found{})
		if got := new(Endpoint).Outcome(&a, capture.Time(time.Hour)); got != c.want {
			t.Errorf("%s: outcome %v, want %v", name, got, c.want)
		}
	}
}
