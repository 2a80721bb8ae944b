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

// dozer slows the clock of a session down while nothing happens. kcp-go does not
// arm its next tick anew when its interval changes, so after waking up the dozer
// ticks in its place, until the tick that was pending must have come.
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
	closed bool
}

func newDozer(k *kcp.UDPSession, peer *link.Peer, cfg *Config) *dozer {
	d := &dozer{kcp: k, peer: peer, cfg: cfg, fast: time.Duration(cfg.Interval) * time.Millisecond}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer = time.AfterFunc(dozeCheck, d.look)
	return d
}

// look runs at the end of each timer.
func (d *dozer) look() {
	d.mu.Lock()
	ticking := !d.woken.IsZero()
	d.mu.Unlock()
	settled := time.Since(d.peer.Heard()) >= d.fast/2 // kcp-go has what came
	if ticking {
		if err := d.tick(); err != nil {
			return
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
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
		d.sleep()
	case ticking && time.Since(d.woken) < dozeInterval*time.Millisecond:
		d.timer.Reset(d.fast)
	default:
		d.woken = time.Time{}
		d.timer.Reset(dozeCheck)
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
	d.woken = time.Time{}
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
	d.woken, d.before = time.Now(), d.seen
	d.timer.Reset(d.fast)
}

func (d *dozer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.timer.Stop()
}
