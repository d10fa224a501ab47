package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/cmd/authlab/internal/scenario"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// takes plays the scenarios whose names begin with a prefix, each against its
// editions.
func takes(prefix string, seed uint64, each func(name string, t *scenario.Take) error) error {
	for _, s := range scenario.All() {
		if !strings.HasPrefix(s.Name, prefix) {
			continue
		}
		editions := []bool{true, false}
		if s.Honest {
			editions = editions[1:]
		}
		for _, vulnerable := range editions {
			t, err := scenario.Play(s, vulnerable, seed)
			if err != nil {
				return err
			}
			name := s.Name
			if !s.Honest {
				name += "-" + t.Truth.Edition
			}
			if err := each(name, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeLab writes the captures of all scenarios, with their TLS secrets and the
// truth, into a folder.
func writeLab(w io.Writer, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	captures, exchanges := 0, 0
	err := takes("", 0, func(name string, t *scenario.Take) error {
		captures++
		exchanges += t.Truth.Exchanges
		return writeTake(filepath.Join(folder, name), t)
	})
	if err == nil {
		fmt.Fprintf(w, "%d captures of %d exchanges in %s\n", captures, exchanges, folder)
	}
	return err
}

// writeTake writes what a scenario gave beside each other.
func writeTake(path string, t *scenario.Take) error {
	truth, err := json.MarshalIndent(t.Truth, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(path+".keys", t.Keys, 0o600), os.WriteFile(path+".truth.json", append(truth, '\n'), 0o644), writePackets(path+".pcap", t.Packets))
}

// writePackets writes a capture.
func writePackets(path string, packets []reassemblytest.Packet) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := pcapfile.NewWriter(f, capture.LinkEthernet, 0)
	if err != nil {
		return err
	}
	for i := range packets {
		packet := packets[i].Capture(uint64(i + 1))
		if err := w.Write(&packet); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
