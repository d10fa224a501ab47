package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// listed is a capture of a folder's inventory.
type listed struct {
	name string // path within the folder
	tags []string
}

// path gives where the capture is.
func (l *listed) path(folder string) string { return filepath.Join(folder, l.name) }

// keys gives the flags for the keys that lie beside the capture.
func (l *listed) keys(folder string) (flags []string) {
	for _, key := range [...]struct{ suffix, flag string }{{".keys", "--tls-keylog"}, {".rsa.pem", "--tls-key"}} {
		file := l.path(folder) + key.suffix
		if _, err := os.Stat(file); err == nil {
			flags = append(flags, key.flag, file)
		}
	}
	return flags
}

func (l *listed) has(tag string) bool { return slices.Contains(l.tags, tag) }

// readInventory reads the list of a folder's captures: columns path and tags,
// and linktypes, which count as tags with "link " before them.
func readInventory(folder string) ([]listed, error) {
	f, err := os.Open(filepath.Join(folder, "inventory.tsv"))
	if err != nil {
		return nil, fmt.Errorf("no captures: %w", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) < 2 {
		return nil, errors.New("the inventory is empty")
	}
	path, tags, links := slices.Index(rows[0], "path"), slices.Index(rows[0], "tags"), slices.Index(rows[0], "linktypes")
	if path < 0 || tags < 0 {
		return nil, errors.New("the inventory has no columns path and tags")
	}
	var all []listed
	for _, row := range rows[1:] {
		if len(row) <= max(path, tags, links) {
			return nil, fmt.Errorf("the inventory has a row without all columns: %q", row)
		}
		l := listed{name: row[path], tags: strings.Split(row[tags], ",")}
		if links >= 0 {
			for link := range strings.SplitSeq(row[links], ",") {
				l.tags = append(l.tags, "link "+strings.TrimSpace(link))
			}
		}
		all = append(all, l)
	}
	return all, nil
}
