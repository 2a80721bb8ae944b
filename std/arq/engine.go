// Package arq is the engine of a conversation in mode auto: numbering, windows,
// retransmission and pacing in KCP's wire format, to any peer that speaks it.
//
// An Engine is a state machine. It owns no socket, no goroutine and no clock: it is told
// what arrives and what time it is, and says what to send and when to call it again. loss
// decides which segments are lost, and model how fast to send.
package arq

import (
	"errors"
	"time"

	"kcptun/std/quota"
	"kcptun/std/rescue"
)

// ErrSegment is returned for a packet that does not belong to the conversation.
var ErrSegment = errors.New("not a packet of this conversation")

// Config holds the settings of an engine.
type Config struct {
	Conv     uint32 // conversation
	MTU      int    // the longest packet, in bytes; see also SetMTU
	Overhead int    // further bytes of each packet on the wire, which the pace includes
	Code     Code   // of the groups in which all data travels for the first time; none: the engine chooses. See Engine.Protect
	Send     int    // the most segments in flight
	Receive  int    // the most segments that wait for the application
	Grow     bool   // the window announced to the peer starts small, and follows what arrives
	Limit    int    // bytes per second on the wire, acknowledgements included; 0: no limit
	Clock    uint32 // the clock value on the wire at time 0, unknown to anyone who does not hear us

	Memory *quota.Bound // what this engine holds together with others; nil: no bound

	Count func(Stats) // told from time to time what has happened since the last call; may be nil

	Panics *rescue.Net // a panic in the goroutine of a Conn's timer ends that Conn; nil: the program
}

// Engine is one conversation. It must be used by one goroutine at a time. All times are on
// one clock whose origin the caller chooses. It must lie before the conversation, so that
// they are above 0.
type Engine struct {
	cfg    Config
	snd    sender
	rcv    receiver
	rtt    rtt
	loss   loss
	mdl    model
	copies copies
	proof  proof
	held   held
	parity parity

	tokens    float64       // bytes that may be sent now
	owed      float64       // bytes sent that were not data, which count towards the limit; see fill
	filled    time.Duration // when tokens was last updated
	begun     time.Duration // when the first segment was first sent
	short     bool          // tokens ran out, so something waits for more
	walled    bool          // a window, not the pace, makes something wait
	tardy     int           // how often recently tokens were counted far too late
	behind    time.Duration // until when to make up for the time before such a call
	lookAgain time.Duration // for losses; 0: never
	ask       time.Duration // when to ask for the window; 0: never
	askWait   time.Duration
	sent      int64 // bytes on the wire, without acknowledgements and copies
	largest   int   // the longest packet now, in bytes
	first     bool  // the packet has data sent for the first time, which needs protection
	acks      []ack // to be put into packets
	stats     Stats
	protect   bool    // see Protect
	run       [2]byte // data of an acknowledgement
}

// New makes an engine for a new conversation.
func New(cfg Config) *Engine {
	e := &Engine{cfg: cfg, largest: cfg.MTU, snd: newSender(cfg.MTU-headerBytes, cfg.Send), rtt: newRTT()}
	e.snd.clockBase = cfg.Clock
	e.rcv = newReceiver(cfg.Receive, cfg.Grow)
	e.held.bound = cfg.Memory
	e.settle()
	if cfg.Code.Parity > 0 {
		e.parity.given = true
		e.snd.spare = CodeHeader
	}
	e.mdl = newModel(&e.rtt)
	e.loss.update(&e.rtt)
	return e
}

// SetMTU makes packets of at most n bytes from now on, but not more than Config.MTU. A
// segment that has a number, or waits for one, keeps its length.
func (e *Engine) SetMTU(n int) {
	e.largest = min(n, e.cfg.MTU)
	e.snd.mss = e.largest - headerBytes
}

// Input processes a packet from the peer. If it is malformed in the middle, the part before
// counts, as in KCP.
func (e *Engine) Input(now time.Duration, packet []byte) error {
	newest := time.Duration(-1)
	before, una, heard := e.snd.deliveredBytes, e.snd.una, false
	var malformed error
	for len(packet) >= headerBytes {
		s, rest, ok := parse(packet)
		if !ok || s.conv != e.cfg.Conv {
			malformed = ErrSegment
			break
		}
		packet = rest
		if after(s.una, una) {
			una = s.una
		}
		e.snd.open(s.una, s.wnd)
		switch s.cmd {
		case cmdPush:
			if newest := e.rcv.newest; e.rcv.push(&s, now) {
				e.stats.Received++
				e.loss.hurry(now, &e.rtt)
				if after(newest, s.sn) {
					e.stats.Late++
				}
			} else {
				e.stats.Repeated++
			}
		case cmdAck:
			heard = true
			e.acknowledgeRun(&s)
			if e.proof.check(s.ts) {
				e.rcv.hears()
			}
			if at, known := e.acknowledged(echo{s.sn, s.ts}); known {
				newest = max(newest, at)
			}
		case cmdAsk:
			e.rcv.tell = true
		}
	}
	if e.advance(una); e.snd.una > 0 && e.rtt.first == 0 {
		e.rtt.first = min(now-e.begun, lastProbe)
	}
	e.seekProof(now)
	if e.cfg.Grow {
		e.rcv.follow(now, e.rtt.smooth)
	}
	e.settle()
	if e.protect && e.parity.decide(now, &e.rtt) {
		e.snd.spare = CodeHeader
	}
	if e.snd.deliveredBytes != before {
		e.loss.progress(now)
	} else if !heard {
		return malformed
	}
	if newest >= 0 {
		e.rtt.sample(now, max(now-newest, 0))
	}
	e.detect(now)
	if e.mdl.feed(e.sample(now)) {
		e.loss.decay(&e.rtt)
	}
	return malformed
}

// acknowledged processes an acknowledgement, and tells when its segment was sent, if that
// is known.
func (e *Engine) acknowledged(a echo) (at time.Duration, known bool) {
	of := e.snd.find(a.sn)
	if of == nil || of.state == delivered {
		return 0, false
	}
	f := *of // as it was before acknowledge
	at, known, late := e.snd.acknowledge(a)
	e.arrived(&f, isCopy(&f, a.ts) || e.parity.restored(late))
	if late > 0 {
		e.loss.learn(late, &e.rtt)
	}
	if f.sends > 1 && after(f.ts, a.ts) {
		e.stats.Spurious++
	}
	return at, known
}

// arrived tells the model that a segment has arrived; replaced means that a copy or parity
// replaced it.
func (e *Engine) arrived(f *flight, replaced bool) {
	if f.state == lost {
		e.mdl.losses.mistaken(f.phase, f.tx)
		return
	}
	e.mdl.losses.note(f.phase, f.tx, true)
	e.parity.misses.note(f.tx, replaced)
}

func (e *Engine) advance(una uint32) {
	if after(una, e.snd.next) {
		return
	}
	for sn := e.snd.una; after(una, sn); sn++ {
		if f := e.snd.flight(sn); f.state != delivered {
			e.arrived(f, false)
		}
	}
	e.snd.advance(una)
}

func (e *Engine) detect(now time.Duration) {
	e.lookAgain = e.loss.detect(&e.snd, &e.rtt, now, e.markLost)
}

func (e *Engine) markLost(f *flight) {
	e.stats.Lost++
	e.mdl.losses.note(f.phase, f.tx, false)
	e.parity.misses.note(f.tx, true)
}

func (e *Engine) sample(now time.Duration) sample {
	return sample{
		now: now, delivered: e.snd.deliveredBytes, sent: e.sent,
		outstanding: e.snd.outstanding, newest: e.snd.newest, next: e.snd.nextTx,
	}
}

// Room is how many bytes Write accepts now. What waits here delays everything behind it, so
// it is no more than is sent within a few milliseconds.
func (e *Engine) Room() int { return e.Limit() - e.snd.queued }

// Limit is Room when nothing waits.
func (e *Engine) Limit() int {
	return max(min(int(e.pace()*0.004), mostQueued, e.snd.fits*e.snd.mss), 8<<10)
}

// mostQueued bounds what waits at any rate: what 2 Gbit/s send in 4 ms.
const mostQueued = 1 << 20

// Write queues p. The caller must respect Room.
func (e *Engine) Write(p []byte) { e.snd.write(p) }

// Read reads bytes of the peer's stream; 0 means that there are none.
func (e *Engine) Read(p []byte) int {
	n := e.rcv.read(p)
	e.settle()
	return n
}

// Readable is how many bytes Read can return.
func (e *Engine) Readable() int { return e.rcv.bytes }

// Urgent tells whether Read has given Output something to send.
func (e *Engine) Urgent() bool { return e.rcv.tell }

// Pending is how many bytes of the stream the peer has not acknowledged.
func (e *Engine) Pending() int { return e.snd.queued + int(e.snd.next-e.snd.una)*e.snd.mss }

// Close releases all memory.
func (e *Engine) Close() {
	e.snd.free()
	e.rcv.free()
	e.settle()
}

func (e *Engine) pace() float64 {
	if e.cfg.Limit > 0 {
		return min(e.mdl.pace, float64(e.cfg.Limit))
	}
	return e.mdl.pace
}
