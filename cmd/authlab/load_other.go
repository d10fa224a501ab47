//go:build !linux

package main

import (
	"errors"
	"io"
	"time"
)

type load struct {
	program string
	engines []string
	rate    int
	span    time.Duration
}

func loadAll(io.Writer, string, load) error {
	return errors.New("load takes Linux, whose network namespaces it sends in")
}
