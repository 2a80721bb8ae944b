package udp

import "time"

// An end that sends datagrams one at a time, as the original does, is slower than we are at
// receiving them. There is then rarely more than one datagram waiting, and waking up for it
// costs more than processing it. So when datagrams arrive like this and close together,
// receiving pauses for lullPause and then fetches several at once. Request-response
// traffic, or traffic at the pace of a slower network, never waits.
const (
	lullPause  = 100 * time.Microsecond // the timer slack of Linux adds about 50
	lullEach   = 32 * time.Microsecond  // the longest average interval between two datagrams over a window
	lullWindow = 4 * time.Millisecond
	lullSize   = 512 // the least average size of a datagram in a call, in bytes
)

// lull decides when to pause.
type lull struct {
	began  time.Time // start of the window
	count  int       // datagrams in it
	active bool      // the previous window met the conditions
}

// pause is how long to wait before the next receive call. The last call returned at now
// with this many messages and bytes; room is the most messages that it could have returned.
// merged is set if the system itself has merged datagrams.
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
	if !l.active || messages == room { // if the call was full, more is waiting
		return 0
	}
	return lullPause
}
