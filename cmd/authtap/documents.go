package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/openapi"
)

// documents reads OpenAPI documents: FILE, or HOST=FILE.
func documents(list []string) (all []*endpoint.Declared, err error) {
	for _, path := range list {
		var hosts []string
		if host, file, ok := strings.Cut(path, "="); ok && host != "" && !strings.ContainsAny(host, `/\`) {
			hosts, path = []string{strings.ToLower(host)}, file
		}
		text, err := readBounded(path, openapi.MaxSize)
		if err != nil {
			return nil, fmt.Errorf("cannot read the OpenAPI document: %w", err)
		}
		declared, err := openapi.Read(filepath.Base(path), text, hosts)
		var its *openapi.Error
		if errors.As(err, &its) {
			return nil, fmt.Errorf("%s:%w", path, err)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, declared...)
	}
	return all, nil
}

// readBounded reads a file, and one byte more than most where it is larger.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}
