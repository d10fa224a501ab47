package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/reassembly/tlswire/decrypt"
	"github.com/authtap/authtap/reassembly/tlswire/secret"
)

// files are capture files, with the secrets of TLS that are in them.
type files struct {
	*pcapfile.Source
	secrets *secret.Store
}

// openFiles opens capture files, and says what it passed over.
func (p *program) openFiles(s *config.Settings, args []string) (*files, error) {
	f := &files{secrets: newSecrets(s, false)}
	source, err := pcapfile.Open(args, pcapfile.Options{Stdin: p.stdin, TLSKeys: func(lines []byte) {
		// They are known to the packets behind them.
		var read uint64
		if f.Source != nil {
			read = f.Source.Stats().Packets
		}
		f.secrets.AddLines(lines, read)
	}})
	if err != nil {
		return nil, err
	}
	f.Source = source
	if others := source.Others(); len(others) > 0 {
		p.warn("passed over %d files that are no captures, such as %s", len(others), others[0])
	}
	return f, nil
}

// newSecrets makes the store of the secrets of TLS. In a replay with several
// shards it is forgetful, so that each run gives the same.
func newSecrets(s *config.Settings, live bool) *secret.Store {
	return secret.NewStore(secret.Limits{
		Entries:   s.Limit("tls-secrets", budget(s, live)),
		Forgetful: !live && shards(s, live) > 1,
	})
}

// opensTLS reports whether the user named secrets.
func opensTLS(s *config.Settings) bool { return len(s.TLSKeyLogs)+len(s.TLSKeys) > 0 }

// tlsSecrets gives the secrets of a run: those in the captures, and those that
// the user names, which are read here; live, key logs are read on until stop is
// called. nil: there are none and will be none.
func (p *program) tlsSecrets(t *task) (store *secret.Store, stop func(), err error) {
	s, live := &t.settings, t.taps != nil
	stop = func() {}
	if f, ok := t.sources[0].(*files); ok {
		store = f.secrets
	}
	if !opensTLS(s) {
		return store, stop, nil
	}
	if store == nil {
		store = newSecrets(s, live)
	}
	for _, path := range s.TLSKeys {
		if err := p.addKeys(store, path); err != nil {
			return nil, stop, err
		}
	}
	if len(s.TLSKeyLogs) == 0 {
		return store, stop, nil
	}
	logs := secret.NewFiles(store, s.TLSKeyLogs)
	if !live {
		defer logs.Close()
		if err := logs.Read(true); err != nil {
			return nil, stop, fmt.Errorf("cannot read the key log: %w", err)
		}
		p.loose(logs)
		return store, stop, nil
	}
	store.Expect()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer logs.Close()
		p.readOn(ctx, logs)
	}()
	return store, func() { cancel(); <-ended }, nil
}

// readEvery is how often key logs are looked at, live. What waits for a secret
// waits for longer.
const readEvery = 500 * time.Millisecond

// readOn reads key logs as they grow. What goes wrong is told once, until
// something else does.
func (p *program) readOn(ctx context.Context, logs *secret.Files) {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	told := ""
	for {
		say := ""
		if err := logs.Read(false); err != nil {
			say = err.Error()
		}
		if say != told && say != "" {
			p.warn("cannot read the key log: %s", say)
		}
		told = say
		p.loose(logs)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// loose warns of key logs that others may read.
func (p *program) loose(logs *secret.Files) {
	for _, path := range logs.Loose() {
		p.warn("others may read the key log %s: chmod 600 %s", path, path)
	}
}

// keyFileMost is the size of the largest file of keys.
const keyFileMost = 1 << 20

// addKeys reads a file of private keys.
func (p *program) addKeys(store *secret.Store, path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Size() > keyFileMost {
		err = errors.New("it is too large")
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return fmt.Errorf("cannot read the TLS key: %w", err)
	}
	defer clear(text)
	keys, err := secret.ParseKeys(text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		p.warn("others may read the TLS key in %s: chmod 600 %s", path, path)
	}
	for _, k := range keys {
		store.AddKey(k)
	}
	return nil
}

// decryption adds what became of TLS connections, and of their secrets.
func (c *counts) decryption(d *decrypt.Stats) {
	c.some(d.Decrypted, "TLS connections decrypted")
	c.some(d.Secretless, "TLS connections without a secret")
	c.some(d.Failed, "TLS connections that their secret does not open")
	c.some(d.Unsupported, "TLS connections with a version or cipher that is not decrypted")
	c.some(d.Damaged, "TLS connections of which the beginning is missing")
	c.some(d.Renegotiated, "TLS connections decrypted up to a renegotiation")
	c.some(d.Bridged, "TLS records missing that were stepped over")
	c.some(d.Unopened, "TLS records that do not authenticate")
	c.some(d.Crowded, "TLS connections too many to be decrypted at a time")
	c.some(d.FlowOver+d.TotalOver, "TLS connections given up for want of memory before their secret came")
}

// secrets adds what became of the secrets.
func (c *counts) secrets(s *secret.Stats) {
	c.some(s.Evicted, "TLS secrets forgotten for want of room")
	c.some(s.Malformed, "lines that are none of a TLS key log")
}
