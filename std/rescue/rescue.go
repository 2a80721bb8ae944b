// Package rescue keeps a panic in one stream or session from ending the program and all the
// other streams and sessions.
package rescue

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"kcptun/std/notice"
)

// Panic is a caught panic, given as the reason why a stream or session has ended.
type Panic struct{ Value any }

func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Net catches panics and counts them. It logs one a minute with its stack, because a
// datagram of a stranger may cause them. A nil Net catches none.
type Net struct {
	Log *slog.Logger

	caught atomic.Uint64
	lines  notice.Recurring
}

// Caught is the number of panics caught.
func (n *Net) Caught() uint64 {
	if n == nil {
		return 0
	}
	return n.caught.Load()
}

// Catch must be deferred, either at the root of a goroutine or around a call to code of
// others with no lock held. If it catches a panic, it calls end, which ends the stream or
// session. end may be nil.
func (n *Net) Catch(end func(error)) {
	if n == nil {
		return
	}
	v := recover()
	if v == nil {
		return
	}
	n.caught.Add(1)
	if times, due := n.lines.Due(); due {
		n.Log.Error("panic, its stream or session ends", "panic", fmt.Sprint(v), "times", times, "stack", string(debug.Stack()))
	}
	if end != nil {
		end(&Panic{v})
	}
}
