package session

import (
	"math"
	"sync"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/clock"
	"kcptun/std/config"
	"kcptun/std/link"
)

// kcp-go's clock fires once an interval for every session, which is nearly all that an
// idle session costs. The dozer slows it down while nothing happens. kcp-go does not
// arm its pending tick anew when the interval changes, so a session that wakes up may
// have to wait for it: until it has come, the dozer ticks in its place.
//
//	          idle: slow the clock down
//	+-------+ ------------------------> +--------+
//	| awake |                           | asleep |
//	+-------+                           +--------+
//	    ^                                 |    ^
//	    |          wake: clock at its     |    |  idle: slow the
//	    | the pending     interval again  v    |  clock down
//	    | tick has come                 +-------+
//	    +------------------------------ | woken | --+ tick
//	                                    +-------+ <-+
//
//	awake   kcp-go ticks at its interval; the dozer looks each watchPeriod
//	asleep  kcp-go ticks every slowInterval; nothing of ours runs
//	woken   kcp-go's pending tick may be slowInterval away; the dozer ticks
//
// A session is idle when neither end owes the other anything that the link knows of,
// and no packet was sent or received for a time in which KCP's clock has ticked
// several times. The second part is there for what the link does not know: whatever
// came last, KCP has answered it. A session is woken by a packet in either direction,
// by a write, and by room for more that the reader has made.
type dozeState uint8

const (
	awake dozeState = iota
	asleep
	woken
)

// dozeEvent is what may change the state.
type dozeEvent uint8

const (
	onTimer dozeEvent = iota // the timer has fired
	onWake                   // there will be something to do
)

// dozeAction is what is to be done with the state that follows.
type dozeAction uint8

const (
	doNothing  dozeAction = iota
	doSlowDown            // kcp-go's clock; no timer
	doSpeedUp             // kcp-go's clock; tick after half an interval
	doTick                // and again after half an interval
	doWatch               // look again after watchPeriod
)

// on is the state machine. idle tells whether nothing is owed or happens, came whether
// kcp-go's pending tick has come since the session woke up.
func (s dozeState) on(e dozeEvent, idle, came bool) (dozeState, dozeAction) {
	switch {
	case s == asleep && e == onWake:
		return woken, doSpeedUp
	case s == asleep || e == onWake:
		return s, doNothing
	case idle:
		return asleep, doSlowDown
	case s == woken && !came:
		return woken, doTick
	}
	return awake, doWatch
}

const (
	// slowInterval is kcp-go's interval of a session that is asleep: the longest that
	// it takes.
	slowInterval = 5 * time.Second

	// watchPeriod is how often a session that is awake is looked at.
	watchPeriod = 250 * time.Millisecond

	// idleIntervals is how many intervals without a packet make a session idle, and
	// idleLeast the least time. Programs on a busy machine may stand still for tens of
	// milliseconds: a packet that the link has seen must have reached KCP, for KCP makes
	// its retransmission timeout of the interval at that time.
	idleIntervals = 3
	idleLeast     = 100 * time.Millisecond

	// briefSleep is how short a sleep says that packets come often, if one by one.
	briefSleep = time.Second
)

// dozer slows the clock of a session down while it is idle.
type dozer struct {
	kcp      *kcp.UDPSession
	peer     *link.Peer
	cfg      *config.Config
	interval time.Duration // of kcp-go's clock unless asleep

	mu      sync.Mutex
	state   dozeState
	closed  bool
	timer   *time.Timer
	seen    uint64        // the peer's activity at the last look
	changed time.Duration // when that had changed, or the session woke up, see clock.Now
	sleptAt time.Duration // when it last fell asleep
	wokeAt  time.Duration // when it last woke up
}

func newDozer(k *kcp.UDPSession, peer *link.Peer, cfg *config.Config) *dozer {
	d := &dozer{kcp: k, peer: peer, cfg: cfg, interval: time.Duration(cfg.Interval) * time.Millisecond}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer = time.AfterFunc(clock.Aligned(watchPeriod, watchPeriod), func() { d.on(onTimer) })
	return d
}

// on takes an event. A packet that wakes the session up waits for it: KCP is to have
// its interval again before it gets the packet.
func (d *dozer) on(e dozeEvent) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	now := clock.Now()
	idle := e == onTimer && d.state != asleep && d.isIdle(now)
	came := now-d.wokeAt >= slowInterval+watchPeriod
	var do dozeAction
	d.state, do = d.state.on(e, idle, came)
	d.do(do, now)
}

// isIdle installs the alarm before it looks for the last time. So a packet either is
// seen here or finds the alarm.
func (d *dozer) isIdle(now time.Duration) bool {
	if !d.isStill(now) {
		return false
	}
	d.peer.OnWake(func() { d.on(onWake) })
	return d.isStill(now)
}

func (d *dozer) isStill(now time.Duration) bool {
	if activity := d.peer.Activity(); activity != d.seen {
		d.seen, d.changed = activity, now
	}
	return now-d.changed >= max(idleIntervals*d.interval, idleLeast) && !d.peer.Busy() && !d.peer.Owes()
}

// do is what the change of the state comes to; d.mu is held.
func (d *dozer) do(a dozeAction, now time.Duration) {
	switch a {
	case doSlowDown:
		if !d.isBrief() {
			d.peer.Rest()
		}
		d.sleptAt = now
		d.setInterval(slowInterval)
	case doSpeedUp:
		d.wokeAt, d.changed = now, now
		d.setInterval(d.interval)
		d.timer.Reset(d.untilTick())
	case doTick:
		if d.flush() == nil { // else the session has ended
			d.timer.Reset(d.untilTick())
		}
	case doWatch:
		d.timer.Reset(clock.Aligned(watchPeriod, watchPeriod))
	}
}

// isBrief tells whether the last sleep was brief: packets come one by one, but often.
// Error correction keeps its groups then, until after a keepalive at the latest.
func (d *dozer) isBrief() bool { return d.wokeAt > 0 && d.wokeAt-d.sleptAt < briefSleep }

// untilTick is half an interval and what is missing to the next half of one that is
// the same for all sessions. What has woken the session up is in KCP by then, and is
// acknowledged within an interval.
func (d *dozer) untilTick() time.Duration { return clock.Aligned(d.interval/2, d.interval/2) }

func (d *dozer) setInterval(i time.Duration) {
	d.kcp.SetNoDelay(d.cfg.NoDelay, int(i/time.Millisecond), d.cfg.Resend, d.cfg.NoCongestion)
}

// flush does what kcp-go's own tick does. There is no call for it but Write, which
// waits while the window is full, even where something must be sent again for it to
// open. So for this moment the window has no end of its own. A writer that waits for
// it may get through then, with one write.
func (d *dozer) flush() error {
	d.kcp.SetWindowSize(math.MaxInt32, 0)
	defer d.kcp.SetWindowSize(d.cfg.SndWnd, 0)
	_, err := d.kcp.Write(nil)
	return err
}

// close ends it. Nothing of it runs afterwards.
func (d *dozer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.timer.Stop()
}
