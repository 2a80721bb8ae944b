package std

import (
	"math"
	"sync"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/link"
)

// dozeInterval is kcp-go's interval of an idle session, in milliseconds: the
// longest it takes. Its clock fires once an interval for every session, which is
// what idle sessions cost.
const dozeInterval = 5000

// dozeCheck is how often a session that is awake is looked at.
const dozeCheck = 250 * time.Millisecond

// briefTalk is how many packets, both ways, a session may have woken up for to go
// back to sleep at its first chance: a keepalive and its answer are four.
const briefTalk = 8

// oftenWoken is how short a sleep is that says there is talk, if little of it.
const oftenWoken = time.Second

// dozer slows the clock of a session down while nothing happens. kcp-go does not
// arm its next tick anew when its interval changes, so after waking up the dozer
// ticks in its place, until the tick that was pending must have come.
//
// To wake an idle program up costs more than what it does then. So after waking up
// there is no tick where KCP has nothing to do, and what is due at about the same
// time in many sessions is due at the same time.
type dozer struct {
	kcp  *kcp.UDPSession
	peer *link.Peer
	cfg  *Config
	fast time.Duration // the interval in force while awake

	mu     sync.Mutex
	timer  *time.Timer
	seen   uint64    // the peer's activity at the last look
	woken  time.Time // zero: kcp-go's own clock runs
	before uint64    // the peer's activity when woken
	asleep bool
	slept  time.Time // when it last fell asleep
	talk   bool      // it was woken soon after that
	closed bool
}

func newDozer(k *kcp.UDPSession, peer *link.Peer, cfg *Config) *dozer {
	d := &dozer{kcp: k, peer: peer, cfg: cfg, fast: time.Duration(cfg.Interval) * time.Millisecond}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer = time.AfterFunc(together(dozeCheck, dozeCheck), d.look)
	return d
}

var clock = time.Now() // the origin of what is due together

// together is how long it is to the next multiple of grid that is d or more away, the
// same moment for all sessions.
func together(d, grid time.Duration) time.Duration {
	at := time.Since(clock) + d
	return d + (grid-at%grid)%grid
}

// look runs at the end of each timer.
func (d *dozer) look() {
	d.mu.Lock()
	ticking, asleep := !d.woken.IsZero(), d.asleep
	d.mu.Unlock()
	if asleep {
		return // since the timer fired
	}
	settled := time.Since(d.peer.Heard()) >= d.fast/2 // kcp-go has what came
	if ticking {
		if err := d.tick(); err != nil {
			return
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.asleep {
		return
	}
	activity := d.peer.Activity()
	idle := activity == d.seen
	if ticking && settled && activity-d.before <= briefTalk {
		idle = true // all that was to be acknowledged is, by the flush above
	}
	idle = idle && !d.peer.Busy()
	d.seen = activity
	switch {
	case idle:
		d.talk = d.talk && ticking // kcp-go's clock runs: this idleness was a long one
		d.sleep()
	case ticking && time.Since(d.woken) < dozeInterval*time.Millisecond:
		d.timer.Reset(together(d.fast/2, d.fast/2))
	default:
		d.woken = time.Time{}
		d.timer.Reset(together(dozeCheck, dozeCheck))
	}
}

// tick flushes, as kcp-go's tick would. Write does not while the window is full, not
// even to send again what was lost, so for this moment there is none of our own: what
// waits for it, not more than one write, goes out early.
func (d *dozer) tick() error {
	d.kcp.SetWindowSize(math.MaxInt32, 0)
	defer d.kcp.SetWindowSize(d.cfg.SndWnd, 0)
	_, err := d.kcp.Write(nil)
	return err
}

// sleep slows the clock down until the peer sends or is sent something.
func (d *dozer) sleep() {
	d.woken, d.asleep, d.slept = time.Time{}, true, time.Now()
	d.timer.Stop()
	if !d.talk { // else the groups of error correction go on, until a keepalive at the latest
		d.peer.Rest()
	}
	d.kcp.SetNoDelay(d.cfg.NoDelay, dozeInterval, d.cfg.Resend, d.cfg.NoCongestion)
	d.peer.OnActivity(d.wake)
	if d.peer.Activity() != d.seen { // meanwhile
		go d.peer.Rouse()
	}
}

// wake is called before the packet that wakes the session gets to kcp-go, whose
// retransmission timeout depends on the interval.
func (d *dozer) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.kcp.SetNoDelay(d.cfg.NoDelay, d.cfg.Interval, d.cfg.Resend, d.cfg.NoCongestion)
	d.woken, d.before, d.asleep = time.Now(), d.seen, false
	d.talk = d.woken.Sub(d.slept) < oftenWoken
	d.attend()
}

// attend sees to it that what comes now is acknowledged within an interval; d.mu is
// held.
func (d *dozer) attend() {
	d.timer.Reset(together(d.fast/2, d.fast/2))
	d.peer.OnAnswer(d.answered)
	d.peer.OnQuiet(d.settle)
}

// answered is called when all that the peer has sent was acknowledged with what was
// sent to it. The next thing to be done is to send that again if it is lost.
func (d *dozer) answered() {
	rto := time.Duration(d.kcp.GetRTO()) * time.Millisecond
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.woken.IsZero() {
		return
	}
	d.timer.Reset(together(rto, d.fast))
	d.peer.OnActivity(d.again)
}

// again is called when more has come after that.
func (d *dozer) again() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed && !d.woken.IsZero() {
		d.attend()
	}
}

// settle is called when kcp-go has the acknowledgement of all that was sent.
func (d *dozer) settle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	activity := d.peer.Activity()
	if d.closed || d.woken.IsZero() || activity-d.before > briefTalk || d.peer.Busy() {
		return
	}
	d.seen = activity
	d.sleep()
}

func (d *dozer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.timer.Stop()
}
