package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"kcptun/std/config"
	"kcptun/std/mux"
)

// What an end of ours is able to do, as its hello says it.
const (
	canGoodbye = 1 << 0 // it ends a session of which the peer says that it is closed
	canFollow  = 1 << 1 // as a server, it goes on with a session whose client has another address
)

// The settings of a hello, from the lowest bit on: QPPCount in 16 bits, 0 without QPP; one
// for nocomp; two for smuxver.
const (
	settingNoComp  = 1 << 16
	settingSmuxVer = 17
)

// helloOf is what we say of ourselves.
func helloOf(c *config.Config) *mux.Hello {
	settings := uint32(c.SmuxVer) << settingSmuxVer
	if c.QPP {
		settings |= uint32(c.QPPCount)
	}
	if c.NoComp {
		settings |= settingNoComp
	}
	return &mux.Hello{Can: canGoodbye | canFollow, Settings: settings}
}

// Difference is a setting in which the peer differs from us.
type Difference struct {
	Setting      string
	Ours, Theirs any
}

// unreadable is a difference that leaves no stream readable: QPP. The others are seen by
// the client's first bytes, to which a server adapts. nil is none.
func unreadable(c *config.Config, theirs mux.Hello) *Difference {
	ours, count := 0, int(theirs.Settings&0xffff)
	if c.QPP {
		ours = c.QPPCount
	}
	switch {
	case count == ours:
		return nil
	case count == 0 || ours == 0:
		return &Difference{"QPP", ours != 0, count != 0}
	}
	return &Difference{"QPPCount", ours, count}
}

// greeted takes note of the hello of a session's peer.
func (f *Maker) greeted(s *Session, theirs mux.Hello) {
	if d := unreadable(f.cfg, theirs); d != nil && f.Unreadable != nil {
		f.Unreadable(s, *d)
	}
}

// Greeted tells whether the peer has said hello, as an end of ours does.
func (s *Session) Greeted() bool { return s.mux.Hello() != nil }

// Leave tells the peer that the session ends here, which a peer of ours takes for its end,
// and closes it when the peer has acknowledged that and all that was sent before. It waits
// until ctx ends, or the session does: a peer that has left, too, acknowledges nothing.
func (s *Session) Leave(ctx context.Context, reason error) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-s.mux.Ended():
			cancel()
		case <-ctx.Done():
		}
	})
	s.mux.Goodbye()
	_ = s.Drain(ctx) // what is not acknowledged by then will not be
	cancel()
	watch.Wait()
	s.Close(reason)
}

// lastAck bounds how long a session is kept for our acknowledgement of the peer's goodbye:
// longer than KCP keeps one back in every mode but manual.
const lastAck = 250 * time.Millisecond

// acknowledge sees to it that a peer which has said goodbye learns that we know: it waits
// for that, and would repeat itself to an address where nobody is.
func (s *Session) acknowledge() {
	if !errors.Is(s.mux.Err(), mux.ErrGoodbye) {
		return
	}
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	over := time.After(lastAck)
	for s.peer.Owes() {
		select {
		case <-tick.C:
		case <-over:
			return
		}
	}
}
