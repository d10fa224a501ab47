package trigger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/authtap/authtap/detect"
)

// Exec is a program that is run for each finding, which it gets as JSON
// (docs/finding.schema.json) on standard input. Nothing of the finding is in its
// arguments or environment: there is no shell, and nothing to quote.
type Exec struct {
	Command []string
	// Timeout bounds a run (default 10 seconds); then the program and those that
	// it started are killed.
	Timeout time.Duration
}

type program struct {
	Exec
	path string // whole: it is run in another folder
	shed bool
}

func newProgram(e Exec) (*program, error) {
	if len(e.Command) == 0 || e.Command[0] == "" {
		return nil, errors.New("there is no command")
	}
	path, err := exec.LookPath(e.Command[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, err
	}
	if e.Timeout <= 0 {
		e.Timeout = 10 * time.Second
	}
	return &program{Exec: e, path: path}, nil
}

func (p *program) begin() error { return nil }

func (p *program) expire(time.Time) (next time.Time, err error) { return next, nil }

func (p *program) do(ctx context.Context, f *detect.Finding) error {
	if !p.shed {
		shed()
		p.shed = true
	}
	in, err := json.Marshal(f)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path, p.Command[1:]...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(append(in, '\n'))
	said := tail{most: 256}
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second // for its children to let go of the pipes
	ownGroup(cmd)
	err = cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() == context.DeadlineExceeded:
		return fmt.Errorf("%s did not end within %v", p.Command[0], p.Timeout)
	case len(said.b) > 0:
		return fmt.Errorf("%s: %w: %s", p.Command[0], err, strconv.Quote(string(said.b)))
	}
	return fmt.Errorf("%s: %w", p.Command[0], err)
}

// tail keeps the end of what is written to it.
type tail struct {
	b    []byte
	most int
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.b = append(t.b, b...)
	if n := len(t.b) - t.most; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(b), nil
}
