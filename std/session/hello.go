package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"kcptun/std/address"
	"kcptun/std/config"
	"kcptun/std/mux"
)

// The abilities that an end of ours announces in its hello.
const (
	canGoodbye = mux.CanGoodbye // it ends a session when the peer says that the session is closed
	canFollow  = 1 << 1         // as a server, it continues a session whose client changes address
	canRuns    = 1 << 2         // it understands acknowledgements that tell of runs
	canPorts   = 1 << 3         // as a server, it continues a session at any of its ports
)

// The settings in a hello, starting at the lowest bit: QPPCount in 16 bits, 0 without QPP;
// one bit for nocomp; two for smuxver.
const (
	settingNoComp  = 1 << 16
	settingSmuxVer = 17
)

// helloOf describes this end.
func helloOf(c *config.Config) *mux.Hello {
	settings := uint32(c.SmuxVer) << settingSmuxVer
	if c.QPP {
		settings |= uint32(c.QPPCount)
	}
	if c.NoComp {
		settings |= settingNoComp
	}
	can := uint32(canGoodbye)
	if follows(c) {
		can |= canFollow
		if hasPorts(c) {
			can |= canPorts
		}
	}
	if c.Auto() {
		can |= canRuns
	}
	return &mux.Hello{Can: can, Settings: settings}
}

// follows tells whether a conversation may change address. Without a seal it may not, see
// link.Options.Settled.
func follows(c *config.Config) bool { return c.Crypt != "null" }

// hasPorts tells whether this end is a server that listens on several ports.
func hasPorts(c *config.Config) bool {
	ports, err := address.ParseMultiPort(c.Listen)
	return err == nil && ports.MaxPort > ports.MinPort
}

// Difference is a setting that differs between the peer and this end.
type Difference struct {
	Setting      string
	Ours, Theirs any
}

// unreadable returns the difference that makes all streams unreadable: QPP. Other
// differences show in the client's first bytes, and a server adapts to them. nil means
// none.
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

// greeted handles the hello of a session's peer.
func (f *Maker) greeted(s *Session, theirs mux.Hello) {
	if a, ok := s.engine.(*auto); ok {
		if f.cfg.ChoosesParity() || a.coded {
			a.Protect() // it is an end of ours, and stock ones may restore nonsense
		}
		if theirs.Can&canRuns != 0 {
			a.TellRuns()
		}
	}
	if d := unreadable(f.cfg, theirs); d != nil && f.Unreadable != nil {
		f.Unreadable(s, *d)
	}
}

// Greeted tells whether the peer has sent a hello, as an end of ours does.
func (s *Session) Greeted() bool { return s.mux.Hello() != nil }

// Leave tells the peer that the session ends here, which a peer of ours treats as its end.
// It closes the session once the peer has acknowledged that and everything sent before. It
// waits until ctx ends or the session does, because a peer that has left as well
// acknowledges nothing.
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
	_ = s.Drain(ctx) // what is not acknowledged by then never will be
	cancel()
	watch.Wait()
	s.Close(reason)
}

// lastAck bounds how long a session is kept to acknowledge the peer's goodbye. It is longer
// than KCP delays an acknowledgement in any mode but manual.
const lastAck = 250 * time.Millisecond

// acknowledge makes sure that a peer that has said goodbye gets our acknowledgement: it
// waits for it, and would otherwise retransmit to an address where nobody listens any more.
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
