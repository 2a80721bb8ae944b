package session

import (
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/clock"
	"kcptun/std/rescue"
)

const (
	// deadAfter is how long a peer that owes an acknowledgement may be silent before its
	// path is considered dead. By then KCP has retransmitted the missing segments at least
	// four times.
	deadAfter = 3 * time.Second

	// deadTimeouts is the same in retransmission timeouts, for paths with a long round
	// trip.
	deadTimeouts = 4

	// stalledShare is the fraction of that time, inverted, after which new streams had
	// better wait for the verdict.
	stalledShare = 3

	// bulkPackets is how many packets in a watchPeriod make a transfer. When a transfer
	// falls silent for askAfter, the peer is asked once: a receiver owes nothing and is
	// owed nothing, so it would not notice a blocked flow before the next keepalive.
	bulkPackets = 16
	askAfter    = time.Second

	// pokeAfter is how long a silent peer may owe something before it is asked each
	// watchPeriod. KCP sends new data at once, while the pauses between its retransmissions
	// have become long. So a network that is back is noticed soon, and a server that has to
	// follow us soon learns where we are.
	pokeAfter = time.Second

	// A session moves after a third of the patience without an answer, and then each time that
	// the silence has doubled: a network that is down makes every port look dead. movePause is
	// the longest time between two moves.
	movePause = time.Minute

	// lateTick is how late the timer of the watch may be. If it is later than that, this
	// program has been suspended, and has had no chance to hear the peer.
	lateTick = time.Second

	// sleepLook is how long an answer to whether the program has slept is good for, by
	// clock.Now. To ask is a system call, and each new stream wants to know.
	sleepLook = 10 * time.Millisecond
)

// A watchedPeer is what the watch of a path asks the link about its peer.
type watchedPeer interface {
	OwesUs() bool                   // an acknowledgement
	IsHeld() bool                   // a datagram or a write to it, by the rate limit
	Activity() uint64               // packets in both directions
	Silence() (time.Duration, bool) // since it was heard, and whether it ever was
}

// pathWatch recognizes a dead path from the headers in the clear: data is unacknowledged, and
// nothing is heard from the peer. It runs only while that is possible; an idle session has
// no timer for it.
type pathWatch struct {
	peer    watchedPeer
	timeout func() time.Duration // retransmission timeout
	limit   time.Duration        // of silence, after which a peer forgets us
	dead    chan struct{}        // closed when the path was found to be dead
	slept   chan struct{}        // closed when this program has been suspended for longer than limit
	panics  *rescue.Net
	end     func(error) // ends the session after a panic

	watching atomic.Bool
	writes   atomic.Uint32 // to the engine
	since    atomic.Int64  // when the peer began to owe something, on std/clock, or later
	patience atomic.Int64  // nanoseconds
	ran      atomic.Int64  // when the watch last ran, by clock.WithSleep
	checked  atomic.Int64  // when hasSlept last ran the watch, by clock.Now
	asked    atomic.Int64  // when doubt arose and the peer was asked for an answer; 0: never

	mu     sync.Mutex
	closed bool
	once   sync.Once // closes slept
	timer  *time.Timer
	due    time.Duration // when the timer fires
	seen   uint32        // writes at the last tick
	move   func()        // to another port; nil if there is none
	ask    func()        // the peer for an answer
	bulk   bool          // a transfer was seen, and the peer has not been asked since
	passed uint64        // packets at the last tick
	moved  time.Duration // the silence at the last move; 0: the peer was heard since
	left   bool          // dead is closed
}

func newPathWatch(peer watchedPeer, timeout func() time.Duration, limit time.Duration) *pathWatch {
	w := &pathWatch{peer: peer, timeout: timeout, limit: limit, dead: make(chan struct{}), slept: make(chan struct{})}
	w.ran.Store(int64(clock.WithSleep()))
	w.timer = time.AfterFunc(time.Hour, w.tick)
	w.timer.Stop()
	return w
}

// sending is called before each write to the engine.
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

// running records that the program is running. It is called at every keepalive, whether one
// can be sent or not, and more often. If the last call is longer ago than a peer keeps a
// silent session, the program was suspended or the system slept. It tells whether that has
// ever happened.
func (w *pathWatch) running() bool {
	now := clock.WithSleep()
	if now-time.Duration(w.ran.Swap(int64(now))) > w.limit {
		w.once.Do(func() { close(w.slept) })
	}
	return isClosed(w.slept)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// hasSlept is running for those who ask often.
func (w *pathWatch) hasSlept() bool {
	now := clock.Now()
	if now-time.Duration(w.checked.Load()) >= sleepLook {
		w.checked.Store(int64(now))
		return w.running()
	}
	return isClosed(w.slept)
}

// arm sets the timer. The caller holds w.mu.
func (w *pathWatch) arm() {
	if !w.closed {
		d := clock.Aligned(watchPeriod, watchPeriod)
		w.due = clock.Now() + d
		w.timer.Reset(d)
	}
}

// tick checks the peer, and keeps doing so while the peer owes something or is written to.
func (w *pathWatch) tick() {
	defer w.panics.Catch(w.end)
	if move := w.look(); move != nil {
		move()
	}
}

// onSilence sets what to call: ask when a transfer falls silent or a silent peer owes
// something, and move when another port may help.
func (w *pathWatch) onSilence(ask, move func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ask, w.move = ask, move
}

// look is the body of tick. It returns what to do once the lock is released; nil means
// nothing.
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
	case !owes && !w.peer.IsHeld() && writes == w.seen: // what is held will be owed, and is written to the engine no more
		return w.pause()
	case !owes || now-w.due >= lateTick:
		w.since.Store(int64(now))
	}
	w.seen = writes
	patience := max(deadAfter, deadTimeouts*w.timeout())
	w.patience.Store(int64(patience))
	silent := w.silence()
	if owes && silent >= patience && !w.left {
		w.left = true
		close(w.dead)
	}
	w.arm()
	switch {
	case owes && w.mayMove(silent, patience):
		return w.move
	case owes && silent >= pokeAfter:
		return w.ask
	}
	return nil
}

// mayMove tells whether the peer has been silent for so long that it is time for another
// port. It is part of look.
func (w *pathWatch) mayMove(silent, patience time.Duration) bool {
	if silent < w.moved {
		w.moved = 0
	}
	if silent < max(patience/stalledShare, w.moved+min(w.moved, movePause)) {
		return false
	}
	w.moved = silent
	return true
}

// pause stops the timer if nothing is owed and nothing happens, but not in the middle of a
// transfer. It is part of look.
func (w *pathWatch) pause() func() {
	w.moved = 0
	if !w.bulk {
		w.watching.Store(false)
		// A writer since writes was read saw that the watch was awake, and left this to it.
		if w.writes.Load() != w.seen && !w.watching.Swap(true) {
			w.since.Store(int64(clock.Now()))
			w.arm()
		}
		return nil
	}
	w.arm()
	if heard, _ := w.peer.Silence(); heard < askAfter {
		return nil
	}
	w.bulk = false
	w.since.Store(int64(clock.Now())) // what was owed has been answered: the peer owes from here on
	return w.ask
}

// silence is how long the peer has both owed something and been silent.
func (w *pathWatch) silence() time.Duration {
	owed := clock.Now() - time.Duration(w.since.Load())
	if heard, ever := w.peer.Silence(); ever {
		return min(owed, heard)
	}
	return owed
}

// stalled tells whether the path may be dead.
func (w *pathWatch) stalled() bool {
	if w.inDoubt() {
		return true
	}
	patience := max(deadAfter, time.Duration(w.patience.Load()))
	return w.watching.Load() && w.peer.OwesUs() && w.silence() >= patience/stalledShare
}

// inDoubt tells whether the peer was asked for an answer and has not been heard since.
func (w *pathWatch) inDoubt() bool {
	asked := w.asked.Load()
	if asked == 0 {
		return false
	}
	heard, ever := w.peer.Silence()
	if !ever || clock.Now()-heard < time.Duration(asked) {
		return true
	}
	w.asked.CompareAndSwap(asked, 0)
	return false
}

// close ends the watch. Nothing of it runs afterwards.
func (w *pathWatch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.timer.Stop()
}

// DeadPath is closed when data is unacknowledged and the peer has been silent for so long
// that the path to it must be considered dead: 3 s, or four retransmission timeouts if that
// is longer. The session lives on, because the path may recover.
func (s *Session) DeadPath() <-chan struct{} { return s.path.dead }

// Stalled tells whether the path may be dead, so that new streams had better wait until the
// peer is heard or DeadPath is closed.
func (s *Session) Stalled() bool { return s.path.stalled() }

// Slept is closed when this program turns out to have been suspended for longer than a peer
// keeps a silent session: the peer may have dropped the session.
func (s *Session) Slept() <-chan struct{} { return s.path.slept }

// HasSlept checks for that now, or has done so within sleepLook.
func (s *Session) HasSlept() bool { return s.path.hasSlept() }

// Doubt asks the peer for an answer. The session counts as stalled until it arrives, or any
// other sign of life. Each of a thousand sessions that end together makes the others
// doubted, so a peer that was asked within the last watchPeriod is not asked again before it
// has answered.
func (s *Session) Doubt() {
	now := clock.Now()
	if s.path.inDoubt() && now-time.Duration(s.path.asked.Load()) < watchPeriod {
		return
	}
	s.path.asked.Store(int64(now))
	s.mux.Ask()
}

// PathView is what is known about a path that does not answer.
type PathView struct {
	Silent   time.Duration // time since the peer was heard or began to owe something
	Unacked  int           // segments
	Timeout  time.Duration // the retransmission timeout, from recent round trips
	Answered bool          // ever
}

// Path returns what is known about the path now.
func (s *Session) Path() PathView {
	return PathView{
		Silent: s.path.silence(), Unacked: s.peer.InFlight(), Timeout: s.path.timeout(), Answered: s.Answered(),
	}
}
