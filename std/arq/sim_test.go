package arq

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// sim is a network in memory with a clock of its own: what takes seconds on a link takes
// none here, and goes the same way each time.
type sim struct {
	now    time.Duration
	events events
	n      uint64
}

type event struct {
	at time.Duration
	n  uint64
	do func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

func (s *sim) after(d time.Duration, do func()) {
	s.n++
	heap.Push(&s.events, event{s.now + d, s.n, do})
}

// run runs until a time.
func (s *sim) run(until time.Duration) {
	for len(s.events) > 0 && s.events[0].at <= until {
		e := heap.Pop(&s.events).(event)
		s.now = max(s.now, e.at)
		e.do()
	}
	s.now = until
}

// clock is what the engines are told: their times are above 0.
func (s *sim) clock() time.Duration { return s.now + time.Second }

// wire is one direction of a link: a bottleneck with a queue or a policer, then loss and
// delay.
type wire struct {
	delay, jitter time.Duration
	rate          float64 // bytes per second; 0 is no limit
	queue         time.Duration
	police        float64 // bytes that pass at once; 0 is a queue
	loss          float64
	burst         float64                               // mean length of a loss
	change        func(now time.Duration) float64       // the rate, where it changes
	route         func(now time.Duration) time.Duration // the delay, where it changes

	sim          *sim
	rnd          *rand.Rand
	free         time.Duration
	tokens       float64
	filled       time.Duration
	bad          bool
	bytes        int64
	drops, lost  int
	carried      int
	longestQueue time.Duration
}

func (w *wire) drop() bool {
	if w.burst <= 1 {
		return w.rnd.Float64() < w.loss
	}
	leave := 1 / w.burst
	switch {
	case w.bad:
		w.bad = w.rnd.Float64() >= leave
	default:
		w.bad = w.rnd.Float64() < leave*w.loss/(1-w.loss)
	}
	return w.bad
}

func (w *wire) send(p []byte, overhead int, deliver func([]byte)) {
	s := w.sim
	size := float64(len(p) + overhead)
	w.bytes += int64(size)
	at := s.now
	rate := w.rate
	if w.change != nil {
		rate = w.change(s.now)
	}
	switch {
	case rate > 0 && w.police > 0:
		w.tokens = min(w.police, w.tokens+(s.now-w.filled).Seconds()*rate)
		w.filled = s.now
		if w.tokens < size {
			w.drops++
			return
		}
		w.tokens -= size
	case rate > 0:
		w.free = max(w.free, s.now)
		if w.free-s.now > w.queue {
			w.drops++
			return
		}
		w.longestQueue = max(w.longestQueue, w.free-s.now)
		w.free += seconds(size / rate)
		at = w.free
	}
	if w.drop() {
		w.lost++
		return
	}
	if w.route != nil {
		at += w.route(s.now)
	} else {
		at += w.delay
	}
	if w.jitter > 0 {
		at += time.Duration(w.rnd.Int64N(int64(w.jitter)))
	}
	w.carried++
	b := append([]byte(nil), p...)
	s.after(at-s.now, func() { deliver(b) })
}

// end is an engine in a simulation, with an application that reads at once.
type end struct {
	*Engine
	sim   *sim
	out   *wire
	peer  *end
	timer uint64 // the pending call
	bulk  bool   // there is always something to write

	written, read int64 // bytes of the stream
	sent          int64 // bytes on the wire
	onRead        func()
	paused        bool
	late          [][]byte            // what has arrived in a pause
	lose          func(p []byte) bool // nil: only the link does
	cpuPackets    int
	coded         int // of them, with error correction
	code          func(p []byte, code Code, carry func(p []byte, deliver func([]byte)))
}

const simOverhead = 20 + 28 // cipher aes, UDP and IP

func newEnd(s *sim, out *wire, cfg Config) *end {
	if cfg.MTU == 0 {
		cfg = Config{Conv: 1, MTU: 1330, Overhead: simOverhead, Send: 32768, Receive: 32768, Grow: true}
	}
	e := &end{Engine: New(cfg), sim: s, out: out}
	e.TellRuns()
	return e
}

func (e *end) write(n int) {
	e.Write(make([]byte, n))
	e.written += int64(n)
}

// emit passes send what an engine has to send.
func emit(e *Engine, now time.Duration, send func(packet []byte, code Code)) {
	var out Batch
	e.Output(now, &out)
	out.empty(send)
}

// output sends what may be sent now.
func (e *end) output() {
	emit(e.Engine, e.sim.clock(), func(p []byte, code Code) {
		e.cpuPackets++
		if e.lose != nil && e.lose(p) {
			return
		}
		carry := func(p []byte, deliver func([]byte)) {
			e.sent += int64(len(p)) + simOverhead
			e.out.send(p, simOverhead, deliver)
		}
		if e.code != nil {
			e.code(p, code, carry)
			return
		}
		carry(p, e.peer.input)
	})
}

// poll does what is due.
func (e *end) poll() {
	if e.paused {
		return
	}
	if e.bulk {
		if room := e.Room(); room > 0 {
			e.write(room)
		}
	}
	e.output()
	for e.bulk && e.Room() > 0 { // a writer that waited carries on at once
		before := e.stats.Sent
		e.write(e.Room())
		if e.tokens <= 0 {
			break
		}
		if e.output(); e.stats.Sent == before {
			break
		}
	}
	e.timer++
	this := e.timer
	if at, ok := e.Next(); ok {
		e.sim.after(max(at-e.sim.clock(), 50*time.Microsecond), func() {
			if e.timer == this {
				e.poll()
			}
		})
	}
}

// pause keeps an end from running for a while, as a busy machine does.
func (e *end) pause(d time.Duration) {
	e.paused = true
	e.sim.after(d, func() {
		e.paused = false
		late := e.late
		e.late = nil
		for _, p := range late {
			e.input(p)
		}
		e.poll()
	})
}

// busy keeps an end from running now and then: mostly for some milliseconds, seldom longer.
func (e *end) busy(seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 3))
	var again func()
	again = func() {
		d := time.Duration(rnd.ExpFloat64() * 3 * float64(msec))
		if rnd.IntN(30) == 0 {
			d = time.Duration(rnd.Int64N(int64(60 * msec)))
		}
		e.pause(d)
		e.sim.after(d+time.Duration(rnd.ExpFloat64()*20*float64(msec)), again)
	}
	again()
}

func (e *end) input(p []byte) {
	if e.paused {
		e.late = append(e.late, p)
		return
	}
	if err := e.Input(e.sim.clock(), p); err != nil {
		panic(err)
	}
	var buf [64 << 10]byte
	for {
		n := e.Read(buf[:])
		if n == 0 {
			break
		}
		e.read += int64(n)
	}
	if e.onRead != nil {
		e.onRead()
	}
	e.poll()
}

// pair is two ends on a link.
func pair(s *sim, down, up wire, seed uint64) (client, server *end) {
	d, u := down, up
	d.sim, u.sim = s, s
	d.rnd, u.rnd = rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	client, server = newEnd(s, &u, Config{}), newEnd(s, &d, Config{})
	client.peer, server.peer = server, client
	return client, server
}

// download makes a client say its first words, and its server send without end.
func (e *end) download() {
	e.write(64)
	e.poll()
	e.peer.bulk = true
	e.peer.poll()
}

// beside is the client of another conversation on the same link.
func beside(client *end) *end {
	c, s := newEnd(client.sim, client.out, Config{}), newEnd(client.sim, client.peer.out, Config{})
	c.peer, s.peer = s, c
	return c
}
