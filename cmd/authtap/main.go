// Command authtap watches a copy of an API's traffic and says who attacks the
// API's authentication, and whether it worked.
//
// The commands are in files of their own; what they do is in the packages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"golang.org/x/term"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
)

func main() { os.Exit(Main()) }

// Main runs the program on the process's own arguments and gives its exit code.
func Main() int {
	// Writing to a pipe that nobody reads is to be an error (EPIPE), so that a
	// store is still flushed, and not the end of the process.
	signal.Ignore(syscall.SIGPIPE)
	// Little survives on any of the program's paths, so that the collector may
	// wait for long.
	debug.SetGCPercent(400)
	p := &program{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.LookupEnv,
		stdoutWidth: width(os.Stdout), stderrWidth: width(os.Stderr),
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel() // stop reading, take what was read to its end
		<-signals
		os.Exit(exitError)
	}()
	return p.run(ctx, os.Args[1:])
}

// width gives the number of columns of a terminal, 0 where f is none.
func width(f *os.File) int {
	if !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		return w
	}
	return 80
}

// Exit codes.
const (
	exitDone  = 0
	exitError = 1
	exitUsage = 2
	exitFound = 3 // --fail-on is met
)

// program is what the commands see of the world.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        func(string) (string, bool)
	// Columns of the terminals; 0 where there is none.
	stdoutWidth, stderrWidth int

	logFormat config.LogFormat // as the settings have it, once they are known
	known     sync.Once
	logs      sync.Once
	log       *slog.Logger // logger gives it
}

// run runs a command line and gives the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil || errors.Is(err, syscall.EPIPE):
		return exitDone
	case errors.Is(err, errFound):
		return exitFound
	case errors.Is(err, errTold):
		return exitError
	case errors.As(err, &usage):
		p.fail("%v", err)
		if usage.command != "" && p.logFormat != config.LogJSON {
			fmt.Fprintf(p.stderr, "See %s --help.\n", usage.command)
		}
		return exitUsage
	}
	p.fail("%v", err)
	return exitError
}

var (
	// errFound ends a run whose findings are as severe as --fail-on.
	errFound = errors.New("findings as severe as --fail-on")
	// errTold ends a run of which everything was told already.
	errTold = errors.New("told already")
)

// usageError is a mistake on the command line or in the configuration.
type usageError struct {
	error
	command string // whose help says more
}
