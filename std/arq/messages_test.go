package arq

import (
	"testing"
	"time"
)

// echoMessages sends small messages at a steady rate, each of which the server returns, and
// returns how long each took.
func echoMessages(rtt time.Duration, loss float64, seed uint64) (took delays) {
	const count, size, each, answer = 360, 72, 33 * msec, 300 * usec
	s := new(sim)
	w := wire{delay: rtt / 2, rate: 100e6 / 8, queue: 100 * msec, loss: loss / 100}
	client, server := pair(s, w, w, seed)
	var begun []time.Duration
	client.onRead = func() {
		for client.read >= int64(len(took)+1)*size {
			took = append(took, s.now-begun[len(took)])
		}
	}
	taken := int64(0)
	server.onRead = func() {
		n := int(server.read - taken)
		taken = server.read
		s.after(answer, func() {
			server.write(n)
			server.poll()
		})
	}
	var next func()
	next = func() {
		begun = append(begun, s.now)
		client.write(size)
		if client.poll(); len(begun) < count {
			s.after(each, next)
		}
	}
	next()
	s.run(count*each + 3*time.Second)
	return took
}

// Messages of both directions come in time. Those that came back did not: the una of the next
// message, or of its copy, overtook the acknowledgement which would have told that a copy had
// replaced what was lost, so a tenth of the losses was known, and there were too few copies.
// And what was lost so far may say too little by chance.
func TestMessagesComeInTime(t *testing.T) {
	for _, c := range []struct {
		rtt  time.Duration
		loss float64 // per cent
		most float64 // share that takes 100 ms longer than the round trip
		p95  time.Duration
	}{{200 * msec, 5, 0.003, 203 * msec}, {50 * msec, 3, 0.0005, 53 * msec}, {100 * msec, 1, 0.001, 101 * msec}} {
		var all delays
		for seed := range uint64(40) {
			all = append(all, echoMessages(c.rtt, c.loss, seed)...)
		}
		late := 0
		for _, d := range all {
			if d > c.rtt+100*msec {
				late++
			}
		}
		share, p95 := float64(late)/float64(len(all)), all.at(95)
		t.Logf("%v, %v %%: %.3f %% are late, p95 %v, p99 %v", c.rtt, c.loss, 100*share, p95, all.at(99))
		if share > c.most || p95 > c.p95 {
			t.Errorf("%v, %v %%: %.2f %% of %d messages are late, p95 is %v", c.rtt, c.loss, 100*share, len(all), p95)
		}
	}
}
