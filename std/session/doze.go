package session

import (
	"math"
	"sync"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/clock"
	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/rescue"
)

// kcp-go's clock fires once an interval for every session, which is nearly all that an idle
// session costs. The dozer slows it down while nothing happens. When the interval changes,
// kcp-go does not reschedule the tick that is already pending, so a session that wakes up
// may have to wait for it. Until that tick fires, the dozer ticks in its place.
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
// A session is idle when, as far as the link knows, neither end owes the other anything,
// and when no packet was sent or received while KCP's clock has ticked several times. The
// second condition covers what the link does not know: by then KCP has answered whatever
// came last. A session is woken by a packet in either direction, by a write, and when a
// reader makes room for more data.
type dozeState uint8

const (
	awake dozeState = iota
	asleep
	woken
)

// dozeEvent is an event that may change the state.
type dozeEvent uint8

const (
	onTimer dozeEvent = iota // the timer has fired
	onWake                   // there is about to be something to do
)

// dozeAction is what to do after a transition.
type dozeAction uint8

const (
	doNothing  dozeAction = iota
	doSlowDown            // of kcp-go; no timer
	doSpeedUp             // of kcp-go; tick after half an interval
	doTick                // now, and again after half an interval
	doWatch               // look again after watchPeriod
)

// on is the state machine. idle tells whether the session is idle; came tells whether
// kcp-go's pending tick has fired since the session woke up.
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
	// slowInterval is kcp-go's interval for a session that is asleep. It is the longest
	// that kcp-go accepts.
	slowInterval = 5 * time.Second

	// watchPeriod is how often a session that is awake is checked.
	watchPeriod = 250 * time.Millisecond

	// idleIntervals is how many intervals without a packet make a session idle, and
	// idleLeast is the shortest such time. Programs on a busy machine may stall for tens of
	// milliseconds. A packet that the link has seen must have reached KCP by then, because
	// KCP derives its retransmission timeout from the interval at that time.
	idleIntervals = 3
	idleLeast     = 100 * time.Millisecond

	// briefSleep is the sleep below which packets are considered frequent.
	briefSleep = time.Second
)

// dozer slows down the clock of a session while it is idle.
type dozer struct {
	kcp      *kcp.UDPSession
	peer     *link.Peer
	cfg      *config.Config
	interval time.Duration // of kcp-go's clock, unless asleep

	mu      sync.Mutex
	state   dozeState
	closed  bool
	timer   *time.Timer
	seen    uint64        // the peer's activity at the last look
	changed time.Duration // when that changed or the session woke up, see clock.Now
	sleptAt time.Duration // when it last fell asleep
	wokeAt  time.Duration // when it last woke up
}

// newDozer starts the dozer. If its timer panics, end ends the session.
func newDozer(k *kcp.UDPSession, peer *link.Peer, cfg *config.Config, panics *rescue.Net, end func(error)) *dozer {
	d := &dozer{kcp: k, peer: peer, cfg: cfg, interval: time.Duration(cfg.Interval) * time.Millisecond}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer = time.AfterFunc(clock.Aligned(watchPeriod, watchPeriod), func() {
		defer panics.Catch(end)
		d.on(onTimer)
	})
	return d
}

// on handles an event. A packet that wakes the session waits for it: KCP must have its
// normal interval back before it gets the packet.
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

// isIdle installs the alarm before its last look, so that every packet is either seen here
// or triggers the alarm.
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

// do carries out the action of a transition. The caller holds d.mu.
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
		if d.flush() == nil { // otherwise the session has ended
			d.timer.Reset(d.untilTick())
		}
	case doWatch:
		d.timer.Reset(clock.Aligned(watchPeriod, watchPeriod))
	}
}

// isBrief tells whether the last sleep was brief: packets arrive one at a time, but often.
// Error correction then keeps its groups, at the latest until after a keepalive.
func (d *dozer) isBrief() bool { return d.wokeAt > 0 && d.wokeAt-d.sleptAt < briefSleep }

// untilTick is the time until the next boundary of half an interval, which is the same for
// all sessions, plus half an interval. By then, whatever woke the session has reached KCP,
// and it is acknowledged within an interval.
func (d *dozer) untilTick() time.Duration { return clock.Aligned(d.interval/2, d.interval/2) }

func (d *dozer) setInterval(i time.Duration) {
	d.kcp.SetNoDelay(d.cfg.NoDelay, int(i/time.Millisecond), d.cfg.Resend, d.cfg.NoCongestion)
}

// flush does what kcp-go's own tick does. The only call that triggers it is Write, which
// blocks while the window is full, even if a retransmission is needed to open the window.
// So the window is unlimited for this moment. A writer that waits for the window may get
// one write through meanwhile.
func (d *dozer) flush() error {
	d.kcp.SetWindowSize(math.MaxInt32, 0)
	defer d.kcp.SetWindowSize(d.cfg.SndWnd, 0)
	_, err := d.kcp.Write(nil)
	return err
}

// close ends the dozer. Nothing of it runs afterwards.
func (d *dozer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.timer.Stop()
}
