package udp

import "time"

// An end that sends each datagram by itself, as the original does, is slower than we
// are at receiving them. Then hardly more than one is there at a time, and to be woken
// up for it costs more than all that is done with it. So where they come like this and
// close together, receiving pauses for lullPause and then takes several at once. What
// goes to and fro, or comes at the pace of a slower network, never waits.
const (
	lullPause  = 100 * time.Microsecond // the slack of Linux's timers adds about 50
	lullEach   = 32 * time.Microsecond  // the longest time between two, on the average over a window
	lullWindow = 4 * time.Millisecond
	lullSize   = 512 // bytes of a datagram at the least, on the average of a call
)

// lull decides when to pause.
type lull struct {
	began  time.Time // the window
	count  int       // datagrams in it
	active bool      // by the window before
}

// pause is how long to wait before the next receive call, after one that returned at
// this time with so many messages of so many bytes, out of room for more. merged is
// that the system has put datagrams together itself.
func (l *lull) pause(now time.Time, messages, bytes, room int, merged bool) time.Duration {
	if took := now.Sub(l.began); took >= lullWindow {
		l.active = time.Duration(l.count)*lullEach >= took
		l.began, l.count = now, 0
	}
	switch {
	case merged:
		l.active, l.count = false, 0
	case bytes >= messages*lullSize:
		l.count += messages
	}
	if !l.active || messages == room { // with no room for more, more is waiting
		return 0
	}
	return lullPause
}
