package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// A proxy that nobody trusts is named, once, with what to do about it.
func TestUntrustedProxyIsNamed(t *testing.T) {
	var d strings.Builder
	d.WriteString("conn proxy 10.0.0.5:40000 10.0.1.1:80\n")
	for i := range 100 {
		fmt.Fprintf(&d, "> GET /a HTTP/1.1\n> Host: api.test\n> X-Forwarded-For: 203.0.113.%d\n>\n\n< HTTP/1.1 200 OK\n<\n< ok\n\ntime +1s\n", i)
	}
	dir := t.TempDir()
	pcap := filepath.Join(dir, "proxied.pcap")
	writeDialogue(t, pcap, d.String())
	for trusted, want := range map[string]int{"10.0.0.5": 0, "10.0.0.6": 1} {
		var out, told bytes.Buffer
		p := &program{stdin: strings.NewReader(""), stdout: &out, stderr: &told, environ: func(string) (string, bool) { return "", false }}
		args := []string{"replay", "--store", "none", "--key-file", filepath.Join(dir, "key"), "--trusted-proxy", trusted, pcap}
		if got := p.run(context.Background(), args); got != exitDone {
			t.Fatalf("%q ends with %d\n%s", args, got, &told)
		}
		if got := strings.Count(told.String(), "--trusted-proxy 10.0.0.5"); got != want {
			t.Errorf("trusting %s it is named %d times, want %d\n%s", trusted, got, want, &told)
		}
	}
}
