package main

import (
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/http2"
	"github.com/authtap/authtap/reassembly/tlswire"
	"github.com/authtap/authtap/reassembly/tlswire/decrypt"
)

// limits gives the limits of one of n shards. Where nobody looks at bodies
// none is kept.
func limits(s *config.Settings, memory config.Size, bodies bool, n int) pipeline.Limits {
	body := 1
	if bodies {
		body = s.Limit("body-bytes", memory)
	}
	return pipeline.Limits{
		Reassembly: reassembly.Limits{
			Flows:       max(1, s.Limit("conversations", memory)/n),
			StreamBytes: s.Limit("stream-bytes", memory),
			TotalBytes:  max(1, s.Limit("reassembly-bytes", memory)/n),
		},
		HTTP1: http1.Limits{
			HeaderBytes:  s.Limit("head-bytes", memory),
			BodyBytes:    body,
			EncodedBytes: s.Limit("encoded-bytes", memory),
			DecodedBytes: s.Limit("decoded-bytes", memory),
			HeldBytes:    max(1, s.Limit("message-bytes", memory)/n),
		},
		HTTP2: http2.Limits{
			HeaderBytes:  s.Limit("head-bytes", memory),
			BodyBytes:    body,
			EncodedBytes: s.Limit("encoded-bytes", memory),
			DecodedBytes: s.Limit("decoded-bytes", memory),
			HeldBytes:    max(1, s.Limit("http2-bytes", memory)/n),
		},
		TLS: tlswire.Limits{
			HandshakeBytes: s.Limit("handshake-bytes", memory),
			HeldBytes:      max(1, s.Limit("tls-bytes", memory)/n),
		},
		Decrypt: decrypt.Limits{
			Connections: max(1, s.Limit("tls-connections", memory)/n),
			FlowBytes:   s.Limit("tls-waiting-stream", memory),
			TotalBytes:  max(1, s.Limit("tls-waiting", memory)/n),
		},
	}
}
