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
	At     time.Duration // since the start of the recording
	Client netip.AddrPort
	Data   []byte
}

// Recording holds copies of the datagrams that reached a relay, before its faults, as an
// eavesdropper on the path could have them. It is safe for concurrent use.
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

// Datagrams returns the datagrams recorded so far in one direction, in order of arrival.
// The caller may change the list, but not the data.
func (rec *Recording) Datagrams(dir Direction) []Datagram {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return slices.Clone(rec.kept[dir])
}

// Record starts to record the first limit datagrams of each direction from now on. A
// recording in progress ends and stays readable.
func (r *Relay) Record(limit int) *Recording {
	rec := &Recording{start: time.Now(), limit: limit}
	r.recording.Store(rec)
	return rec
}

// StopRecording ends the recording. It stays readable.
func (r *Relay) StopRecording() { r.recording.Store(nil) }
