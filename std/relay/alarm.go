package relay

import (
	"io"
	"net"
	"sync"
	"time"

	"kcptun/std/hangup"
)

// alarm watches the connection that a direction of a relay reads, while it does not: what
// has come waits for the other end. Nobody would learn of a reset then, and what has gone
// would keep its stream for as long as the other end takes nothing.
type alarm struct {
	conn  net.Conn
	dst   canceler
	timer *time.Timer // runs out where a wait is worth a watch

	mu   sync.Mutex
	busy bool   // dst is being written to
	end  func() // of the watch; nil: there is none
	why  error  // conn has failed
}

// newAlarm is nil where it could do nothing.
func newAlarm(src io.Reader, dst io.Writer) *alarm {
	conn, _ := src.(net.Conn)
	c, _ := dst.(canceler)
	if conn == nil || c == nil || !hangup.CanWatch(conn) {
		return nil
	}
	return &alarm{conn: conn, dst: c}
}

// start begins a wait.
func (a *alarm) start() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy = true
	if a.timer == nil {
		a.timer = time.AfterFunc(resetLook, a.watch)
		return
	}
	a.timer.Reset(resetLook)
}

// stop ends a wait. The connection may be read then.
func (a *alarm) stop() {
	if a == nil {
		return
	}
	a.mu.Lock()
	a.busy = false
	a.timer.Stop()
	end := a.end
	a.end = nil
	a.mu.Unlock()
	if end != nil {
		end()
	}
}

// off is why the connection has failed during a wait; nil: it has not.
func (a *alarm) off() error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.why
}

// watch runs when a wait has lasted for resetLook.
func (a *alarm) watch() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.busy || a.end != nil {
		return
	}
	a.end = hangup.WatchReset(a.conn, func(why error) {
		a.mu.Lock()
		a.why = why
		a.mu.Unlock()
		a.dst.Cancel()
	})
}
