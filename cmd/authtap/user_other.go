//go:build !unix

package main

import "errors"

// become is for systems that have users as Unix has.
func become(string) error { return errors.New("--user: not on this system") }
