package lab

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Datagram is a recorded datagram.
type Datagram struct {
	At     time.Duration // since the recording began
	Client netip.AddrPort
	Data   []byte
}

// Recording holds copies of what came to a relay, as somebody on the way could
// have them: before the relay's faults. It is safe for concurrent use.
type Recording struct {
	start time.Time
	limit int

	mu   sync.Mutex
	kept [2][]Datagram
}

// keep copies one datagram, unless the recording is full in this direction.
func (rec *Recording) keep(dir Direction, client netip.AddrPort, b []byte) {
	at := time.Since(rec.start)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.kept[dir]) < rec.limit {
		rec.kept[dir] = append(rec.kept[dir], Datagram{at, client, bytes.Clone(b)})
	}
}

// Datagrams are those recorded so far in one direction, in the order in which
// they came. The caller may change the list, but not the data.
func (rec *Recording) Datagrams(dir Direction) []Datagram {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return slices.Clone(rec.kept[dir])
}

// Record begins a recording of the first limit datagrams of each direction from
// now on, and ends the one before, which stays readable.
func (r *Relay) Record(limit int) *Recording {
	rec := &Recording{start: time.Now(), limit: limit}
	r.recording.Store(rec)
	return rec
}

// StopRecording ends the recording, which stays readable.
func (r *Relay) StopRecording() { r.recording.Store(nil) }
