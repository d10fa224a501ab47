package trigger

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// shed has the programs that this goroutine starts begin without the
// capabilities that a service manager gave to this one. They are a thread's, so
// the goroutine keeps its own.
func shed() {
	runtime.LockOSThread()
	unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
}
