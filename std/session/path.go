package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/clock"
	"kcptun/std/link"
)

const (
	// deadAfter is how long a peer that owes an acknowledgement may be silent before its
	// path is taken for dead. KCP has sent what is missing again four times or more by then.
	deadAfter = 3 * time.Second

	// deadTimeouts is the same in retransmission timeouts, for paths with long round trips.
	deadTimeouts = 4

	// stalledShare is the share of that time after which new streams had better wait for
	// the verdict.
	stalledShare = 3

	// bulkPackets in a watchPeriod are a transfer. When it falls silent for askAfter, the peer
	// is asked once: who receives owes nothing and is owed nothing, and would not notice before
	// the next keepalive that a flow is blocked.
	bulkPackets = 16
	askAfter    = 2 * time.Second

	// lateTick is how late the watch's timer may be. Beyond that this program has stood
	// still, and the peer has had no chance to be heard.
	lateTick = time.Second
)

// pathWatch tells a dead path from plain headers: data is unacknowledged, and nothing is
// heard of the peer. It runs only while that may be; an idle session has no timer of it.
type pathWatch struct {
	peer    *link.Peer
	timeout func() time.Duration // retransmission timeout
	limit   time.Duration        // of silence, beyond which a peer forgets us
	dead    chan struct{}        // closed when the path was found dead
	slept   chan struct{}        // closed when this program has stood still for longer than limit

	watching atomic.Bool
	writes   atomic.Uint32 // to the engine
	since    atomic.Int64  // when the peer began to owe something, by std/clock, or later
	patience atomic.Int64  // nanoseconds
	ran      atomic.Int64  // when the watch last ran, by clock.WithSleep
	asked    atomic.Int64  // when doubt arose and the peer was asked for an answer; 0: never

	mu     sync.Mutex
	closed bool
	late   sync.Once
	timer  *time.Timer
	due    time.Duration // when the timer fires
	seen   uint32        // writes at the last tick
	move   func()        // to another port; nil: there is none
	ask    func()        // the peer for an answer
	bulk   bool          // a transfer was seen, and the peer not asked since
	passed uint64        // packets at the last tick
	moved  int           // how often since the peer was heard
}

func newPathWatch(peer *link.Peer, timeout func() time.Duration, limit time.Duration) *pathWatch {
	w := &pathWatch{peer: peer, timeout: timeout, limit: limit, dead: make(chan struct{}), slept: make(chan struct{})}
	w.ran.Store(int64(clock.WithSleep()))
	w.timer = time.AfterFunc(time.Hour, w.tick)
	w.timer.Stop()
	return w
}

// sending is called before something is written to the engine.
func (w *pathWatch) sending() {
	w.writes.Add(1)
	if w.watching.Load() || w.watching.Swap(true) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running()
	w.since.Store(int64(clock.Now()))
	w.seen = w.writes.Load()
	w.arm()
}

// running takes note that the program runs. It does so at each keepalive at least; so where
// it was longer ago than a peer keeps a silent session, the program was stopped or the
// system slept. It tells whether that ever was so.
func (w *pathWatch) running() bool {
	now := clock.WithSleep()
	if now-time.Duration(w.ran.Swap(int64(now))) > w.limit {
		w.late.Do(func() { close(w.slept) })
	}
	select {
	case <-w.slept:
		return true
	default:
		return false
	}
}

// arm sets the timer; w.mu is held.
func (w *pathWatch) arm() {
	if !w.closed {
		d := clock.Aligned(watchPeriod, watchPeriod)
		w.due = clock.Now() + d
		w.timer.Reset(d)
	}
}

// tick looks at the peer, and goes on doing so while it owes something or is written to.
func (w *pathWatch) tick() {
	if move := w.look(); move != nil {
		move()
	}
}

// onSilence has ask called when a transfer falls silent, and move after each third of the
// patience.
func (w *pathWatch) onSilence(ask, move func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ask, w.move = ask, move
}

// look is tick, and returns what is to be done without the lock; nil is nothing.
func (w *pathWatch) look() func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.running()
	now, writes := clock.Now(), w.writes.Load()
	owes := w.peer.OwesUs()
	passed := w.peer.Activity()
	w.bulk = w.bulk || passed-w.passed >= bulkPackets
	w.passed = passed
	switch {
	case !owes && writes == w.seen:
		return w.rest()
	case !owes || now-w.due >= lateTick:
		w.since.Store(int64(now))
	}
	w.seen = writes
	patience := max(deadAfter, deadTimeouts*w.timeout())
	w.patience.Store(int64(patience))
	silent := w.silence()
	if owes && silent >= patience {
		w.closed = true
		close(w.dead)
		return nil
	}
	w.arm()
	before := w.moved
	w.moved = int(silent * stalledShare / patience)
	if owes && w.moved > before {
		return w.move
	}
	return nil
}

// rest ends the watch where nothing is owed and nothing happens, and not in the midst of a
// transfer. It is a part of look.
func (w *pathWatch) rest() func() {
	w.moved = 0
	if !w.bulk {
		w.watching.Store(false)
		return nil
	}
	w.arm()
	if heard, _ := w.peer.Silence(); heard < askAfter {
		return nil
	}
	w.bulk = false
	return w.ask
}

// silence is how long the peer has owed something and was not heard.
func (w *pathWatch) silence() time.Duration {
	owed := clock.Now() - time.Duration(w.since.Load())
	if heard, ever := w.peer.Silence(); ever {
		return min(owed, heard)
	}
	return owed
}

// stalled tells whether the path may be dead.
func (w *pathWatch) stalled() bool {
	if asked := w.asked.Load(); asked != 0 {
		heard, ever := w.peer.Silence()
		if !ever || clock.Now()-heard < time.Duration(asked) {
			return true
		}
		w.asked.CompareAndSwap(asked, 0)
	}
	patience := max(deadAfter, time.Duration(w.patience.Load()))
	return w.watching.Load() && w.peer.OwesUs() && w.silence() >= patience/stalledShare
}

// close ends the watch. Nothing of it runs afterwards.
func (w *pathWatch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.timer.Stop()
}

// DeadPath is closed when data is unacknowledged and the peer was silent for so long that
// the path to it must be taken for dead: after 3 s, or four retransmission timeouts if
// that is longer. The session lives on, for the path may recover.
func (s *Session) DeadPath() <-chan struct{} { return s.path.dead }

// Stalled tells whether the path may be dead, so that new streams had better wait until
// the peer is heard or DeadPath is closed.
func (s *Session) Stalled() bool { return s.path.stalled() }

// Slept is closed when this program was found to have stood still for longer than a peer
// keeps a silent session: it may be gone there.
func (s *Session) Slept() <-chan struct{} { return s.path.slept }

// HasSlept looks whether that is so.
func (s *Session) HasSlept() bool { return s.path.running() }

// Doubt has the peer asked for an answer. The session is stalled until it comes, or any
// other sign of life.
func (s *Session) Doubt() {
	s.path.asked.Store(int64(clock.Now()))
	s.mux.Ask()
}

// moveWait bounds the opening of another socket.
const moveWait = time.Second

// moveOn goes on from another port with a server that follows, as a path that is silent
// may be a blocked flow: the streams go on then. The frame is for the server to hear
// something that it has not heard before, so that it knows that it is no replay.
func (f *Maker) moveOn(s *Session) {
	theirs := s.mux.Hello()
	if theirs == nil || theirs.Can&canFollow == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), moveWait)
	defer cancel()
	was, silent := s.LocalAddr(), s.path.silence()
	if s.link.Move(ctx) != nil { // over the imitation of TCP, or there is no socket to be had
		return
	}
	s.mux.Ask()
	if f.Moved != nil {
		f.Moved(s, was, silent)
	}
}

// PathView is what is known of a path that does not answer.
type PathView struct {
	Silent   time.Duration // since the peer was heard, or owes something
	Unacked  int           // segments
	Timeout  time.Duration // of retransmission, by the last round trips
	Answered bool          // ever
}

// Path is what is known of the path now.
func (s *Session) Path() PathView {
	return PathView{
		Silent: s.path.silence(), Unacked: s.peer.InFlight(), Timeout: s.path.timeout(), Answered: s.Answered(),
	}
}
