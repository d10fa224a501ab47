package main

import (
	"strings"
	"syscall"
	"unsafe"
)

// hugePages asks the kernel for huge pages for the next bytes of the heap: what
// is allocated here is free again when it returns, and its addresses are among
// the first that the runtime gives out. Nothing is lost where the kernel says no.
func hugePages(bytes int) {
	var b strings.Builder // of all that allocates it alone does not touch the memory
	b.Grow(bytes)
	b.WriteByte(0)
	syscall.Madvise(unsafe.Slice(unsafe.StringData(b.String()), bytes), syscall.MADV_HUGEPAGE)
}
