package relay

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"kcptun/std/hangup"
	"kcptun/std/mux"
)

// alarm watches the connection that a direction reads from, while the direction waits for
// room in its stream instead. Otherwise nobody would notice a reset, and a dead connection
// would keep its stream for as long as the other end accepts nothing.
type alarm struct {
	conn  net.Conn
	dst   *mux.Stream
	timer *time.Timer // fires when a wait has lasted long enough for a watch; nil: there was none

	mu   sync.Mutex
	busy bool   // a write waits, or goes on after it has waited
	end  func() // stops the watch; nil: there is none
	why  error  // why conn has failed
}

// newAlarm returns nil if it cannot watch src, or dst is no stream.
func newAlarm(src io.Reader, dst io.Closer) *alarm {
	conn, _ := src.(net.Conn)
	st := streamOf(dst)
	if conn == nil || st == nil || !hangup.CanWatch(conn) {
		return nil
	}
	a := &alarm{conn: conn, dst: st}
	st.OnWait(a.start)
	return a
}

// start is called when a write begins to wait, with locks of the stream held. Most streams
// never wait, and cost no timer.
func (a *alarm) start() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy {
		return // the write waits for the second time
	}
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
	if !a.busy {
		a.mu.Unlock()
		return
	}
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

// watch runs when a wait has lasted for resetLook.
func (a *alarm) watch() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.busy || a.end != nil {
		return
	}
	a.end = hangup.WatchReset(a.conn, func(why error) {
		if errors.Is(why, syscall.EPIPE) {
			return // it had finished before, and what is unread is whole; see noteLoss
		}
		a.mu.Lock()
		a.why = why
		a.mu.Unlock()
		a.dst.Cancel()
	})
}
