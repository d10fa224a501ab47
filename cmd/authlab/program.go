package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// mostMemory is the memory that a run may take, and mostTime the time.
const (
	mostMemory = 300e6
	mostTime   = 2 * time.Minute
)

// ran is what came of running authtap.
type ran struct {
	stdout []byte
	memory int64 // bytes, at most; 0: no more than authlab itself has had
}

// call runs authtap. That the input is damaged (exit code 1) is no failure, as
// long as the program says so itself.
func call(program string, args ...string) (ran, error) {
	ctx, cancel := context.WithTimeout(context.Background(), mostTime)
	defer cancel()
	var errout bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = &errout
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	r := ran{stdout: out}
	if cmd.ProcessState == nil {
		return r, err // it cannot be run
	}
	// A process begins as its parent, whose memory counts as its own (execve(2)
	// keeps the mark): what is no more than that says nothing of it.
	var own syscall.Rusage
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if ok && syscall.Getrusage(syscall.RUSAGE_SELF, &own) == nil && usage.Maxrss > own.Maxrss {
		r.memory = usage.Maxrss << 10 // Linux gives KiB
	}
	var exit *exec.ExitError
	crashed := bytes.Contains(errout.Bytes(), []byte("goroutine ")) || bytes.Contains(errout.Bytes(), []byte("fatal error: "))
	switch {
	case ctx.Err() != nil:
		return r, fmt.Errorf("not done after %v", mostTime)
	case err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 || crashed):
		return r, fmt.Errorf("%w: %.500s", err, errout.Bytes())
	case r.memory > mostMemory:
		return r, fmt.Errorf("%d MB of memory", r.memory/1e6)
	}
	return r, nil
}
