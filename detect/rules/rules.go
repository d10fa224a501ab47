// Package rules holds the detectors, one file each: the file is all there is
// to a detector, and its script in testdata says what it finds and what not.
//
// Contract: the detectors are values without state of their own; what they
// keep across exchanges is made by their State functions for each engine, is
// bounded, and belongs to the engine's goroutine. A detector touches nothing
// but its Pass.
//
// They do not decide whether an attempt was accepted: the engine does.
package rules

import (
	"slices"
	"strings"

	"github.com/authtap/authtap/detect"
)

var table []detect.Detector

// register adds a detector to the table. One that lacks something, or has
// another's name, is a mistake of the program.
func register(d detect.Detector) struct{} {
	if err := d.Validate(); err != nil {
		panic(err)
	}
	i, found := slices.BinarySearchFunc(table, d.Name, byName)
	if found {
		panic("two detectors " + d.Name)
	}
	table = slices.Insert(table, i, d)
	return struct{}{}
}

func byName(d detect.Detector, name string) int { return strings.Compare(d.Name, name) }

// All gives the detectors, sorted by name.
func All() []detect.Detector { return slices.Clone(table) }

// Find gives the detector of that name.
func Find(name string) (detect.Detector, bool) {
	i, found := slices.BinarySearchFunc(table, name, byName)
	if !found {
		return detect.Detector{}, false
	}
	return table[i], true
}

// hostOf names the host of a dedupe key: by the request, or where that names
// none by the server's address.
func hostOf(p *detect.Pass) string {
	if h := p.Host(); h != "" {
		return h
	}
	return p.Exchange().Server.String()
}
