package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Huge pages are asked for and not touched: the process is no bigger for it.
func TestHugePages(t *testing.T) {
	modes, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil || strings.Contains(string(modes), "[never]") {
		t.Skipf("this kernel has no transparent huge pages (%s, %v)", bytes.TrimSpace(modes), err)
	}
	const size = 512 << 20
	before := resident(t)
	hugePages(size)
	if grown := resident(t) - before; grown > size/4 {
		t.Errorf("the process takes %d MiB more", grown>>20)
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if strings.HasPrefix(line, "VmFlags:") && strings.Contains(line, " hg") {
			return
		}
	}
	t.Error("no mapping is marked for huge pages")
}

// resident gives the bytes of the process that are in memory.
func resident(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
