package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/endpoint"
)

// keepEvery is how much packet time passes between two states of what was
// learned that are kept: as much is lost when the process is killed.
const keepEvery = 10 * time.Minute

// knowledge keeps what the engine knows of endpoints in a file: live it is loaded
// at the start and kept while the run goes on and at its end; a replay loads it
// where --learned says so, and keeps nothing.
type knowledge struct {
	path   string
	live   bool
	warn   func(format string, args ...any)
	last   capture.Time // of the state kept last
	clock  capture.Time
	writer chan []byte // to a goroutine, which is done when it is closed
	done   chan struct{}
}

// learnedFile gives the path of the file, "" for none.
func (p *program) learnedFile(s *config.Settings, sensor string, live bool) string {
	switch {
	case s.Learned == "none" || s.Learned == "" && !live:
		return ""
	case s.Learned != "" && s.Learned != config.LearnedDefault:
		return s.Learned
	}
	if sensor == "" {
		sensor, _ = os.Hostname()
	}
	return p.stateFile("learned-" + fileName(sensor))
}

// learn gives the engine what was kept. A file that is damaged, or of another
// version, is told of, and nothing is loaded.
func (p *program) learn(s *config.Settings, o *detect.Options, engine *detect.Engine, live bool) *knowledge {
	l := &knowledge{path: p.learnedFile(s, o.Sensor, live), live: live, warn: p.warn}
	if l.path == "" {
		return l
	}
	text, err := readBounded(l.path, endpoint.MaxEncoded)
	if err == nil {
		err = engine.Load(text)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && live: // the first start
	case err != nil:
		p.warn("nothing is known of endpoints: %s: %v", l.path, err)
		if aside := l.path + ".damaged"; live && errors.Is(err, endpoint.ErrEncoding) && os.Rename(l.path, aside) == nil {
			p.warn("it was put aside as %s", aside)
		}
	case !live || engine.Stats().Endpoints.Restored > 0:
		p.warn("%d endpoints are known of, from %s", engine.Stats().Endpoints.Restored, l.path)
	}
	if live {
		l.writer, l.done = make(chan []byte, 1), make(chan struct{})
		go l.write()
	}
	return l
}

// at keeps what is known when it is time to. It does not wait for the disk.
func (l *knowledge) at(now capture.Time, engine *detect.Engine) {
	l.clock = now
	switch {
	case l.writer == nil:
	case l.last == 0:
		l.last = now
	case now.Sub(l.last) >= keepEvery && len(l.writer) == 0:
		l.last = now
		l.writer <- engine.Save(now)
	}
}

// close keeps what is known at the end.
func (l *knowledge) close(engine *detect.Engine) {
	if l.writer == nil {
		return
	}
	l.writer <- engine.Save(l.clock)
	close(l.writer)
	<-l.done
	l.writer = nil
}

func (l *knowledge) write() {
	defer close(l.done)
	told := ""
	for text := range l.writer {
		if err := replaceFile(l.path, text); err != nil && err.Error() != told {
			told = err.Error()
			l.warn("what was learned of endpoints is not kept: %v", err)
		}
	}
}

// replaceFile puts a file in the place of another at once, so that there is
// always a whole one.
func replaceFile(path string, text []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".learned-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
