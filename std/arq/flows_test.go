package arq

import (
	"testing"
	"time"

	"kcptun/std/link/fec"
)

// flow is messages that an application sends at a steady rate, over a link.
type flow struct {
	name  string
	rtt   time.Duration
	loss  float64 // per cent
	burst float64
	size  int // bytes of a message
	each  time.Duration
}

const usec = time.Microsecond

// flows are a keystroke or a game, a call, and videos.
var flows = []flow{
	{"64 bytes each 33 ms", 200 * msec, 5, 0, 64, 33 * msec},
	{"64 bytes each 33 ms", 50 * msec, 3, 0, 64, 33 * msec},
	{"0.5 Mbit/s", 200 * msec, 5, 0, 625, 10 * msec},
	{"0.5 Mbit/s", 50 * msec, 3, 0, 1200, 19 * msec},
	{"1 Mbit/s", 200 * msec, 5, 0, 1200, 10 * msec},
	{"1 Mbit/s", 100 * msec, 1, 0, 1200, 10 * msec},
	{"1 Mbit/s", 50 * msec, 3, 0, 1200, 10 * msec},
	{"3 Mbit/s", 100 * msec, 3, 0, 1200, 3200 * usec},
	{"3 Mbit/s", 200 * msec, 5, 0, 1200, 3200 * usec},
	{"3 Mbit/s, losses of 3", 100 * msec, 3, 3, 1200, 3200 * usec},
	{"3 Mbit/s in pictures", 100 * msec, 3, 0, 12500, 33 * msec},
}

type flowOutcome struct {
	late       float64 // share that takes longer than its way and 100 ms
	more       delays  // than its way
	perPayload float64 // bytes on the wire
}

// protect gives an end error correction, as a link has it.
func (e *end) protect() {
	e.Protect()
	codes := new(fec.Codes)
	enc, dec := codes.Encoder(10, 3), codes.Decoder(10, 3)
	input := func(b []byte) {
		if b[4] == 0xf1 {
			e.peer.input(b[fec.Header:])
		}
		dec.Decode(b, e.peer.input)
	}
	e.code = func(p []byte, code Code, carry func(p []byte, deliver func([]byte))) {
		if code.Parity == 0 {
			carry(p, e.peer.input)
			return
		}
		e.coded++
		enc.Change(code.Data, code.Parity)
		framed, parity := enc.Encode(p)
		carry(framed, input)
		for _, q := range parity {
			carry(q, input)
		}
	}
}

// run sends messages for 65 s, of which the first 5 do not count.
func (f flow) run(seed uint64, protected bool) (o flowOutcome) {
	s := new(sim)
	w := wire{delay: f.rtt / 2, rate: 20e6 / 8, queue: 200 * msec, loss: f.loss / 100, burst: f.burst}
	client, server := pair(s, w, w, seed)
	if protected {
		client.protect()
	}
	type message struct {
		at  time.Duration
		end int64
	}
	var open []message
	late := 0
	server.onRead = func() {
		for len(open) > 0 && server.read >= open[0].end {
			if more := s.now - open[0].at - f.rtt/2; open[0].at > 5*time.Second {
				o.more = append(o.more, more)
				if more > 100*msec {
					late++
				}
			}
			open = open[1:]
		}
	}
	var next func()
	next = func() {
		client.write(f.size)
		open = append(open, message{s.now, client.written})
		client.poll()
		s.after(f.each, next)
	}
	server.write(64)
	server.poll()
	next()
	s.run(65 * time.Second)
	o.late = float64(late) / float64(len(o.more))
	o.perPayload = float64(client.sent) / float64(client.written)
	return o
}

// BenchmarkFlows sends what is neither bulk nor little over bad links, in simulated time, with
// error correction and without:
//
//	go test -run xxx -bench Flows -benchtime 1x ./std/arq
func BenchmarkFlows(b *testing.B) {
	for _, f := range flows {
		for _, protected := range []bool{false, true} {
			name := f.name + ", " + f.rtt.String()
			if protected {
				name += ", protected"
			}
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					o := f.run(1, protected)
					b.ReportMetric(100*o.late, "%late")
					b.ReportMetric(o.more.at(50).Seconds()*1e3, "more-p50-ms")
					b.ReportMetric(o.more.at(95).Seconds()*1e3, "more-p95-ms")
					b.ReportMetric(o.more.at(99).Seconds()*1e3, "more-p99-ms")
					b.ReportMetric(o.perPayload, "wire/payload")
					b.ReportMetric(0, "ns/op")
				}
			})
		}
	}
}

// Thin flows come in time by copies, and what is between them and bulk by error correction.
func TestFlowsComeInTime(t *testing.T) {
	for _, f := range flows {
		o, most, bytes := f.run(1, true), 0.02, 2.0
		if f.size < 100 {
			most, bytes = 0.005, 7 // headers are most of it
		}
		if f.burst > 0 {
			most = 0.06
		}
		if f.rtt == 50*msec && f.size == 1200 {
			bytes = 3.5 // as thin as that
		}
		if o.late > most || o.perPayload > bytes {
			t.Errorf("%s, %v, %v %%: %.2f %% are late, %.2f bytes for each", f.name, f.rtt, f.loss, 100*o.late, o.perPayload)
		}
	}
}

// bulk is a transfer that something else than the link may hold back.
type bulk struct {
	name          string
	mbit          float64
	application   float64 // Mbit/s; 0: there is always something to write
	send, receive int     // windows
}

// run returns the share of packets that travel in groups, and the bytes on the wire above
// the ideal for each byte of payload, from second 2 to 12.
func (b bulk) run(seed uint64) (coded, over float64) {
	s := new(sim)
	w := wire{delay: 75 * msec, rate: b.mbit * 1e6 / 8, queue: 100 * msec, loss: 0.02}
	client, server := pair(s, w, w, seed)
	cfg := client.cfg
	cfg.Receive, cfg.Grow = b.receive, b.receive > 512
	client.Engine = New(cfg)
	cfg.Send = b.send
	server.Engine = New(cfg)
	server.protect()
	client.write(64)
	client.poll()
	server.bulk = b.application == 0
	server.poll()
	var next func()
	next = func() {
		if server.Room() > 0 {
			server.write(int(b.application * 1e6 / 8 / 1000))
		}
		server.poll()
		s.after(msec, next)
	}
	if !server.bulk {
		next()
	}
	s.run(2 * time.Second)
	read, sent, packets, inGroups := client.read, server.sent, server.cpuPackets, server.coded
	s.run(12 * time.Second)
	coded = float64(server.coded-inGroups) / float64(server.cpuPackets-packets)
	return coded, float64(server.sent-sent)/float64(client.read-read) - cell{loss: 2}.ideal()
}

// Bulk has no error correction, whatever it loses, and whatever keeps it from more: the link, a
// window of the peer or of its own, or the application. How soon it is recognized as bulk
// depends on what happens to be lost, so the mean of several runs counts.
func TestBulkIsNotProtected(t *testing.T) {
	for _, c := range []struct {
		bulk
		most, perPayload float64
	}{
		{bulk{"link", 20, 0, 32768, 32768}, 0.005, 0.05},
		{bulk{"peer's window", 100, 0, 32768, 512}, 0.02, 0.05},
		{bulk{"sndwnd", 20, 0, 128, 32768}, 0.12, 0.07},
		{bulk{"application", 300, 50, 32768, 32768}, 0.005, 0.05},
	} {
		const runs = 4
		share, over := 0.0, 0.0
		for seed := range uint64(runs) {
			coded, more := c.run(seed + 1)
			share += coded / runs
			over += more / runs
		}
		if share > c.most || over > c.perPayload {
			t.Errorf("%s: %.1f %% of the packets are in groups, %.3f bytes on the wire above the ideal", c.name, 100*share, over)
		}
	}
}
