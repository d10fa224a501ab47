package pcapfile

const Readable = readable

// OpenFiles is how many regular files are open.
func (s *Source) OpenFiles() int {
	s.files.mu.Lock()
	defer s.files.mu.Unlock()
	return len(s.files.open)
}

// Memory is the size of all buffers, in use and spare.
func (s *Source) Memory() int {
	n := 0
	for _, b := range s.spare {
		n += cap(b)
	}
	for _, h := range s.heads {
		n += cap(h.in.window.buf)
	}
	return n
}

// MaxWindow is the most that the buffer of one input may take.
const MaxWindow = maxWindow
