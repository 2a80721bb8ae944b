package relay

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"kcptun/std/shutdown"
)

// Carry describes one stream: what it connects and how it is logged.
type Carry struct {
	Log              *slog.Logger
	Quiet            bool
	From, To         string             // addresses
	FromName, ToName string             // what they are, for the logged reason
	Stream           uint32             // its id
	A, B             io.ReadWriteCloser // the ends towards From and To, one of which is the stream
	CloseWait        int                // seconds, see Between
	Group            *shutdown.Group    // owns the stream and its goroutines; may be nil
	Ends             *shutdown.Closers  // closed to cut the stream; may be nil

	// Delivered waits until the peer has acknowledged the end of the stream. Its error is
	// logged with the reason of a stream that has ended well. It may be nil.
	Delivered func() error
}

// Run relays the stream until both directions have ended, and closes both ends. Unless
// Quiet is set, it logs when the stream began, and when and why it ended.
func (c Carry) Run() {
	if c.Quiet {
		c.relay()
		return
	}
	begun := time.Now()
	log := c.Log.With("from", c.From, "to", c.To, "stream", c.Stream)
	log.Info("stream opened")
	r := c.relay()
	took := time.Since(begun).Round(time.Millisecond)
	if c.Delivered != nil && r.ErrA == nil && r.ErrB == nil {
		if err := c.Delivered(); r.FirstA {
			r.ErrB = err
		} else {
			r.ErrA = err
		}
	}
	log.Info("stream closed", "up", r.FromA, "down", r.FromB, "duration", took, "reason", c.reason(r))
}

func (c Carry) relay() Result {
	lim := limits{time.Duration(c.CloseWait) * time.Second, abandoned, lastWords}
	if c.Group == nil {
		return relay(c.A, c.B, lim, newGoroutine, nil)
	}
	w := newWork(c.A, c.B, c.Group.Panics)
	if c.Ends != nil {
		c.Ends.Add(w)
	}
	return w.run(lim, c.Group.Spawn)
}

func newGoroutine(f func()) { go f() }

const cutByShutdown = "cut by the shutdown of this end"

// wasCut reports whether err is a consequence of the shutdown of this program, which closes
// the ends of its streams.
func (c Carry) wasCut(err error) bool {
	return c.Group != nil && c.Group.Cut() && (errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe))
}

// reason says which end ended the stream, and how.
func (c Carry) reason(r Result) string {
	first, second := c.FromName, c.ToName
	err, next := r.ErrA, r.ErrB
	if !r.FirstA {
		first, second, err, next = second, first, next, err
	}
	switch {
	case c.wasCut(err):
		return cutByShutdown
	case err != nil:
		return fmt.Sprintf("%s: %v", first, err)
	case c.wasCut(next):
		return fmt.Sprintf("%s finished, then %s", first, cutByShutdown)
	case next != nil:
		return fmt.Sprintf("%s finished, then %s: %v", first, second, next)
	}
	return fmt.Sprintf("%s finished, then %s", first, second)
}
