package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
)

// What is done to a capture: of flipped ones, one byte in a hundred has other
// bits, in the file as it is stored or in its packets alone, so that damage
// gets further than to the format's parser; of lossy ones one packet in twenty
// is missing.
const (
	flipped = 0.01
	lossy   = 0.05
)

// variant is a damaged copy of a capture.
type variant struct {
	name string
	make func(l *listed, folder, dir string, r *rand.Rand) (files []string, err error)
}

var variants = []variant{
	{"bytes of the file flipped", flipFile},
	{"bytes of the packets flipped", func(l *listed, folder, dir string, r *rand.Rand) ([]string, error) {
		return rewrite(l.path(folder), dir, func(data []byte) []byte { return flip(data, r) })
	}},
	{"packets dropped", func(l *listed, folder, dir string, r *rand.Rand) ([]string, error) {
		return rewrite(l.path(folder), dir, func(data []byte) []byte {
			if r.Float64() < lossy {
				return nil
			}
			return data
		})
	}},
}

// damageAll replays every capture of a folder, and copies of it that are
// damaged in each way and with each seed. It fails where a run crashes, hangs
// or takes too much memory, and keeps what that was with.
func damageAll(w io.Writer, folder, program string, seeds int) error {
	files, err := readInventory(folder)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "authlab")
	if err != nil {
		return err
	}
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, make([]byte, 32), 0o600); err != nil {
		return err
	}
	var (
		runs     int
		memory   int64
		worst    string
		failures []string
	)
	replay := func(what string, l *listed, captures ...string) bool {
		args := append([]string{"replay", "--store", "none", "--key-file", key}, l.keys(folder)...)
		run, err := call(program, append(args, captures...)...)
		runs++
		if run.memory > memory {
			memory, worst = run.memory, what
		}
		if err != nil {
			failures = append(failures, fmt.Sprintf("%s: %v", what, err))
		}
		return err == nil
	}
	for i := range files {
		l := &files[i]
		replay(l.name, l, l.path(folder))
		for _, v := range variants {
			for seed := range seeds {
				what := fmt.Sprintf("%s, %s, seed %d", l.name, v.name, seed)
				place := filepath.Join(dir, fmt.Sprintf("%d-%s-%d", i, strings.ReplaceAll(v.name, " ", "-"), seed))
				if err := os.Mkdir(place, 0o700); err != nil {
					return err
				}
				copies, err := v.make(l, folder, place, rand.New(rand.NewPCG(uint64(seed), uint64(i))))
				if err != nil {
					return fmt.Errorf("%s: %w", what, err)
				}
				if len(copies) == 0 || replay(what, l, copies...) {
					if err := os.RemoveAll(place); err != nil {
						return err
					}
				}
			}
		}
	}
	fmt.Fprintf(w, "%d captures, %d runs, %d failures; at most %d MB of memory (%s)\n", len(files), runs, len(failures), memory/1e6, worst)
	if len(failures) > 0 {
		return errors.New(strings.Join(append(failures, "the captures are kept in "+dir), "\n"))
	}
	return os.RemoveAll(dir)
}

// flip gives a copy of b in which a share of the bytes differ, one at least.
func flip(b []byte, r *rand.Rand) []byte {
	b = slices.Clone(b)
	for n := len(b); n > 0; {
		// From one flipped byte to the next, as if each were thrown for.
		b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
		n -= int(1 / flipped)
	}
	return b
}

// flipFile copies a file with bytes flipped.
func flipFile(l *listed, folder, dir string, r *rand.Rand) ([]string, error) {
	b, err := os.ReadFile(l.path(folder))
	if err != nil {
		return nil, err
	}
	out := filepath.Join(dir, filepath.Base(l.name))
	return []string{out}, os.WriteFile(out, flip(b, r), 0o600)
}

// rewrite copies the packets of a capture, changed by change, nil leaving one
// out: a file for each link type. What of it cannot be read is left out.
func rewrite(file, dir string, change func(data []byte) []byte) ([]string, error) {
	source, err := pcapfile.Open([]string{file}, pcapfile.Options{})
	if err != nil {
		return nil, nil // no capture: the whole file tells
	}
	defer source.Close()
	type output struct {
		file *os.File
		w    *pcapfile.Writer
	}
	outputs := map[capture.LinkType]*output{}
	var names []string
	for {
		var p capture.Packet
		err := source.Next(&p)
		if errors.Is(err, capture.ErrDamaged) {
			continue
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		out := outputs[p.Link]
		if out == nil {
			f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%d.pcap", len(names))))
			if err != nil {
				return nil, err
			}
			defer f.Close()
			out = &output{file: f}
			if out.w, err = pcapfile.NewWriter(f, p.Link, 0); err != nil {
				continue // a link type that is not written
			}
			outputs[p.Link] = out
			names = append(names, f.Name())
		}
		if p.Data = change(p.Data); p.Data == nil {
			continue
		}
		if err := out.w.Write(&p); err != nil {
			return nil, err
		}
	}
	for _, out := range outputs {
		if err := out.w.Flush(); err != nil {
			return nil, err
		}
		if err := out.file.Close(); err != nil {
			return nil, err
		}
	}
	return names, nil
}
