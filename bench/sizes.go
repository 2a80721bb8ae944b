package main

import "time"

// sizes says how much each scenario does.
type sizes struct {
	bulk, warm int64 // bytes of a transfer, and of the uncounted one before it
	streams    int   // of the parallel bulk transfer
	clients    int   // of one server, with a bulk stream each
	echoes     int   // in an idle tunnel
	busyEchoes int   // beside a bulk stream
	busyLead   time.Duration
	busyLimit  time.Duration // ends the echoes beside a bulk stream early
	requests1  int           // one after another
	requests16 int           // 16 at a time
	sessions   []int         // numbers of idle sessions
	idle       int           // idle streams of one session
	settle     time.Duration // before idling is measured, until one-time work after opening, such as a garbage collection, is over
	window     time.Duration // how long idling is measured
	churn      time.Duration // how long streams, and clients with their sessions, come and go
	guests     int           // sessions of each such client
	guestLife  time.Duration // from a guest's start to its end
	bury       time.Duration // from the end of the last guest to the look at what it left
	rest       time.Duration // from there to the last look
	profile    time.Duration
}

func (o *options) sizes() sizes {
	s := sizes{
		bulk: 256e6, warm: 32e6, streams: 8, clients: 8,
		echoes: 2000, busyEchoes: 500, busyLead: time.Second, busyLimit: 20 * time.Second,
		requests1: 2000, requests16: 10000,
		sessions: []int{1, 100, 1000}, idle: 10000,
		settle: 22 * time.Second, window: 10 * time.Second,
		churn: 30 * time.Second, guests: 50, guestLife: 10 * time.Second, bury: deadAfter, rest: collectedAfter,
		profile: 10 * time.Second,
	}
	if o.short {
		s = sizes{
			bulk: 8e6, warm: 1e6, streams: 8, clients: 8,
			echoes: 100, busyEchoes: 20, busyLead: 200 * time.Millisecond, busyLimit: 5 * time.Second,
			requests1: 50, requests16: 200,
			sessions: []int{1, 10, 50}, idle: 200,
			settle: 200 * time.Millisecond, window: time.Second,
			churn: time.Second, guests: 5, guestLife: 500 * time.Millisecond, bury: 200 * time.Millisecond, rest: 200 * time.Millisecond,
			profile: time.Second,
		}
	}
	if o.size > 0 {
		s.bulk = int64(o.size) * 1e6
	}
	if o.churn > 0 {
		s.churn = o.churn
	}
	return s
}

// limit ends a measurement that hangs. It is far longer than the slowest one takes; a bulk
// transfer may be as slow as 2 MB/s.
func (s sizes) limit() time.Duration {
	return 3*time.Minute + s.churn + s.bury + s.rest + time.Duration((s.bulk+s.warm)/2e6)*time.Second
}

// messagesTime is how long small messages are sent.
func (o *options) messagesTime() time.Duration {
	if o.time > 0 || o.short {
		return o.linkTime()
	}
	return 12 * time.Second
}

// linkTime is how long each transfer takes.
func (o *options) linkTime() time.Duration {
	switch {
	case o.time > 0:
		return o.time
	case o.short:
		return 3 * time.Second
	}
	return 8 * time.Second
}
