package relay

import (
	"io"
	"net"
	"sync"
	"time"

	"kcptun/std/hangup"
)

// alarm watches the connection that a direction reads from, while the direction is busy
// writing instead. Otherwise nobody would notice a reset, and a dead connection would keep
// its stream for as long as the other end accepts nothing.
type alarm struct {
	conn  net.Conn
	dst   canceler
	timer *time.Timer // fires when a write has lasted long enough for a watch

	mu   sync.Mutex
	busy bool   // a write to dst is in progress
	end  func() // stops the watch; nil: there is none
	why  error  // why conn has failed
}

// newAlarm returns nil if it cannot watch src or cannot cancel writes to dst.
func newAlarm(src io.Reader, dst io.Writer) *alarm {
	conn, _ := src.(net.Conn)
	c, _ := dst.(canceler)
	if conn == nil || c == nil || !hangup.CanWatch(conn) {
		return nil
	}
	return &alarm{conn: conn, dst: c}
}

// start is called before a write.
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

// stop is called after a write, before conn is read again.
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

// off returns why the connection has failed during a write, or nil.
func (a *alarm) off() error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.why
}

// watch runs when a write has lasted for resetLook.
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
