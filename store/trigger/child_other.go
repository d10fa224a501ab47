//go:build !linux

package trigger

func shed() {}
