package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/authtap/authtap/detect"
)

// SpoolState is what lies in the folder of a spool.
type SpoolState struct {
	Dir string
	// Segments are files that hold Waiting rows, which are not acknowledged.
	Segments int
	Waiting  uint64
	// Bytes are those of all its files, quarantine included.
	Bytes int64
	// Oldest is the time of the rows that are to be sent next, 0 where there
	// are none: that of their packets, or of a heartbeat.
	Oldest detect.Timestamp
	// Quarantined are the rows of Aside files that the store does not take.
	Aside       int
	Quarantined uint64
	// Open says that the spool is in use, or that the process that used it was
	// killed.
	Open bool
}

// ReadSpool looks into a spool's folder and changes nothing there. It may be
// called while another process uses the spool: what is written or acknowledged
// meanwhile may be in the answer or not.
func ReadSpool(dir string) (SpoolState, error) {
	st := SpoolState{Dir: dir}
	entries, err := os.ReadDir(dir) // in the order of numbers
	if err != nil {
		return st, err
	}
	var number uint64
	var done int64
	if b, err := os.ReadFile(filepath.Join(dir, "position")); err == nil {
		var closed, ok bool
		number, done, closed, ok = parsePosition(b)
		st.Open = !ok && len(b) > 0 || ok && !closed
	} else if !errors.Is(err, fs.ErrNotExist) {
		return st, err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		_, aside := strings.CutPrefix(name, quarantinePlace)
		n, err := strconv.ParseUint(name, 10, 64)
		if !aside && (err != nil || n < number) {
			continue
		}
		at := int64(-1)
		if !aside && n == number {
			at = done
		}
		err = st.add(filepath.Join(dir, e.Name()), at, aside)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it was sent meanwhile
			return st, err
		}
	}
	return st, nil
}

// add counts a segment of which so much is acknowledged.
func (st *SpoolState) add(path string, done int64, aside bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	st.Bytes += info.Size()
	var seg segment
	if err := seg.scan(f, info.Size(), done); errors.Is(err, errTorn) {
		return nil // not even a header: it is being made, or was when its process was killed
	} else if err != nil {
		return err
	}
	switch {
	case aside:
		st.Aside++
		st.Quarantined += seg.rows
	case seg.blocks > 0:
		st.Segments++
		st.Waiting += seg.rows
		if st.Oldest == 0 {
			if payload, _, _, err := readRecord(f, seg.done, seg.size); err == nil {
				rows, _ := decode(payload) // of those that are damaged there is no time
				st.Oldest = rows.newest()
			}
		}
	}
	return nil
}

// newest is the latest time that rows tell of: about when they came.
func (r *Rows) newest() detect.Timestamp {
	return max(
		latest(r.Findings, func(f *detect.Finding) detect.Timestamp { return f.LastSeen }),
		latest(r.Occurrences, func(o *detect.Occurrence) detect.Timestamp { return o.Minute }),
		latest(r.AuthEvents, func(e *detect.AuthEvent) detect.Timestamp { return e.Time }),
		latest(r.Heartbeats, func(h *Heartbeat) detect.Timestamp { return h.Time }),
		latest(r.Endpoints, func(e *detect.Endpoint) detect.Timestamp { return e.Last }),
		latest(r.Credentials, func(u *detect.Use) detect.Timestamp { return u.Last }),
		latest(r.Issuers, func(k *detect.IssuerKey) detect.Timestamp { return k.Last }),
	)
}

func latest[T any](rows []T, of func(*T) detect.Timestamp) (t detect.Timestamp) {
	for i := range rows {
		t = max(t, of(&rows[i]))
	}
	return t
}
