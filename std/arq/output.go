package arq

import "time"

// Bounds of the time between two requests for a window that is shut. The first is KCP's.
const (
	firstAsk = 500 * time.Millisecond
	lastAsk  = 10 * time.Second
)

// burst is the longest time whose worth of data is sent at once after a pause, and catchUp
// the same if data was waiting for tokens and the timer came late: a busy machine may not
// run us for a time slice of others, and the pace holds on average. gather is the shortest
// time worth waking up for: a few packets in one system call.
const (
	burst   = 5 * time.Millisecond
	catchUp = 25 * time.Millisecond
	gather  = time.Millisecond
)

// Output adds to out everything that is due.
func (e *Engine) Output(now time.Duration, out *Batch) {
	e.fill(now)
	if e.lookAgain > 0 && now >= e.lookAgain {
		e.detect(now)
	}
	if at := e.loss.probe(&e.snd, &e.rtt); at > 0 && now >= at {
		e.stats.Probes++
		e.loss.fire(&e.snd, now, e.markLost)
	}
	e.control(now, out)
	for {
		sn, f, ts, ok := e.copies.due(&e.snd, now)
		if !ok {
			break
		}
		e.stats.Copies++
		e.proof.sent(ts)
		e.transmit(sn, f, ts, e.size(f, false), out)
	}
	for e.tokens > 0 && e.one(now, out) {
	}
	if e.tokens > 0 && len(e.snd.queue) == 0 && now >= e.behind {
		e.mdl.round.limited = true // the application had nothing to send
	}
	e.walled = e.tokens > 0 && len(e.snd.queue) > 0
	e.short = e.tokens <= 0 && (e.snd.hasLost() || e.snd.mayNumber() && e.snd.outstanding < e.mdl.window())
	e.complete(out)
	e.settle()
}

// A call of Output that comes too late to make up for the pace since the last call weighs
// as much as tardyCounts calls on time. At most mostTardy calls are remembered.
const tardyCounts, mostTardy = 10, 100

// fill updates the number of bytes that may be sent now. At least half of the pace is for
// data: acknowledgements that need more exceed the limit in the settings. Data waited for all
// of them, while a fast download lasted and for minutes after it.
func (e *Engine) fill(now time.Duration) {
	pace := e.pace()
	more := pace * (now - e.filled).Seconds()
	e.filled = now
	most := max(pace*burst.Seconds(), 4*mtu)
	paid := min(e.owed, more/2)
	e.owed = min(e.owed-paid, most)
	e.tokens += more - paid
	e.tardy = max(e.tardy-1, 0)
	if e.walled {
		e.parity.walled = now
	}
	if e.short && e.tokens > most {
		e.tardy = min(e.tardy+tardyCounts, mostTardy)
		e.behind = now + burst // the application needs a moment to fill the queue again
	}
	if now < e.behind {
		most = max(most, pace*catchUp.Seconds())
		if e.tokens > most {
			e.mdl.round.limited = true // too late to make up for all of it
		}
	}
	if e.tokens > most {
		e.tokens = most
		if !e.short { // otherwise we are the ones who are late
			e.parity.calm = now
		}
	}
}

// control sends what is not data: acknowledgements and windows. It is never held back, but
// if the settings have a limit, data gets less for it.
func (e *Engine) control(now time.Duration, out *Batch) {
	// As in transmit, no una leaves before the acknowledgements that wait.
	if n := len(e.rcv.acks); n > 0 && (n >= manyAcks || now >= e.answerAt() || e.rcv.tell || e.proof.due) {
		e.answer(out)
	}
	if e.snd.shut() && e.snd.outstanding == 0 {
		if e.ask == 0 {
			e.askWait = firstAsk
			e.ask = now + e.askWait
		} else if now >= e.ask {
			e.put(&segment{cmd: cmdAsk}, out)
			e.askWait = min(e.askWait*3/2, lastAsk)
			e.ask = now + e.askWait
		}
	} else {
		e.ask = 0
	}
	if e.proof.due {
		e.askProof(now, out)
	}
	if e.rcv.tell {
		e.rcv.tell = false
		e.put(&segment{cmd: cmdTell}, out)
	}
}

// manyAcks is how many acknowledgements are sent before they are due.
const manyAcks = 64

// answerAt is when the waiting acknowledgements are due: a sixteenth of a round trip after
// the first, so that there are few on the way back and yet the peer hears often enough.
func (e *Engine) answerAt() time.Duration {
	return e.rcv.since + min(max(e.rtt.smooth/16, time.Millisecond), 10*time.Millisecond)
}

// answer sends the waiting acknowledgements.
func (e *Engine) answer(out *Batch) {
	e.acks = e.rcv.due(e.acks[:0])
	e.putAcks(e.acks, out)
}

// one sends a data segment, a lost one before a new one. It returns false if there is none.
func (e *Engine) one(now time.Duration, out *Batch) bool {
	sn, f, ok := e.snd.nextLost()
	if ok {
		e.stats.Resent++
	} else {
		if !e.snd.mayNumber() || e.snd.outstanding >= e.mdl.window() {
			return false
		}
		sn, f = e.snd.number()
		e.stats.Sent++
	}
	f.ts = e.snd.clock(f, now)
	f.phase = e.mdl.phase
	e.proof.sent(f.ts)
	size := e.size(f, f.sends == 0)
	if e.snd.outstanding == 0 {
		e.loss.since = now
	}
	if e.begun == 0 {
		e.begun = now
	}
	e.sent += int64(size)
	thin := e.tokens > 2*mtu && e.snd.outstanding < thinFlow && len(e.snd.queue) == 0
	protect := false
	if f.sends == 0 && (!thin || e.parity.given) {
		e.parity.packets++
		protect = e.parity.on(now)
	}
	e.snd.sent(sn, f, now, size)
	e.transmit(sn, f, f.ts, size, out)
	e.first = e.first || protect
	e.copies.add(sn, f, now, e.copies.wanted(f, thin, &e.parity.misses))
	return true
}

// transmit sends a data segment, with the waiting acknowledgements if there is room for
// them: its una would tell the peer that their segments have arrived, but not which
// transmissions of them.
func (e *Engine) transmit(sn uint32, f *flight, ts uint32, size int, out *Batch) {
	if n := len(e.rcv.acks); n > 0 && len(f.buf.data())+(n+1)*headerBytes <= e.largest {
		e.answer(out)
	}
	e.tokens -= float64(size)
	e.put(&segment{cmd: cmdPush, sn: sn, ts: ts, data: f.buf.data()}, out)
}

// size is what a data segment takes on the wire, with its share of the parity if the code was
// given. Parity is as long as the longest packet of its group, mostly a full one. What a code
// of ours adds is so little that complete counts it where it occurs.
func (e *Engine) size(f *flight, first bool) int {
	n := headerBytes + len(f.buf.data()) + e.cfg.Overhead
	if c := e.parity.code; first && e.parity.given && c.Parity > 0 {
		n += CodeHeader + (e.cfg.MTU+e.cfg.Overhead)*c.Parity/c.Data
	}
	return n
}

// put adds a segment to the packet, or to another one if there is no room.
func (e *Engine) put(s *segment, out *Batch) {
	if out.size()+headerBytes+len(s.data) > e.largest {
		e.complete(out)
	}
	if e.cfg.Limit > 0 && s.cmd != cmdPush {
		n := headerBytes
		if out.size() == 0 {
			n += e.cfg.Overhead
		}
		e.owed += float64(n)
	}
	s.conv, s.wnd, s.una = e.cfg.Conv, e.rcv.telling(), e.rcv.next
	out.put(s)
}

// complete ends the packet, if one has begun.
func (e *Engine) complete(out *Batch) {
	if n := out.size(); n > 0 {
		var code Code
		if e.first && n <= e.largest-CodeHeader {
			if code = e.parity.code; !e.parity.given { // otherwise size has counted it
				e.tokens -= CodeHeader + float64((n+e.cfg.Overhead)*code.Parity/max(code.Data, 1))
			}
		}
		e.first = false
		out.complete(code)
	}
}

// Next is when to call Output even if nothing arrives or is written. ok is false if nothing
// is due.
func (e *Engine) Next() (at time.Duration, ok bool) {
	earlier := func(t time.Duration) {
		if t > 0 && (!ok || t < at) {
			at, ok = t, true
		}
	}
	earlier(e.lookAgain)
	earlier(e.ask)
	if len(e.copies.waiting) > 0 {
		earlier(e.copies.waiting[0].at)
	}
	earlier(e.loss.probe(&e.snd, &e.rtt))
	if e.snd.hasLost() || e.snd.mayNumber() && e.snd.outstanding < e.mdl.window() {
		earlier(max(e.ready(), 1))
	}
	if len(e.rcv.acks) > 0 {
		earlier(e.answerAt())
	}
	if e.snd.shut() && e.snd.outstanding == 0 && e.ask == 0 || len(e.rcv.acks) >= manyAcks || e.rcv.tell || e.proof.due {
		earlier(max(e.filled, 1))
	}
	return at, ok
}

// ready is when there will be enough tokens for a few packets.
func (e *Engine) ready() time.Duration {
	if e.tokens > 0 {
		return e.filled
	}
	pace := e.pace()
	wanted := min(pace*gather.Seconds(), 8*mtu) - e.tokens
	return e.filled + seconds((wanted+min(e.owed, wanted))/pace)
}
