package arq

import (
	"testing"
	"time"
)

// Nobody knows a link after a dozen packets: if none of them was lost, a thin flow still gets
// all copies. It used to get one less then, so messages were late in the first seconds. It
// gets none after a while without loss, and stays without.
func TestCopiesOfThinFlows(t *testing.T) {
	for _, c := range []struct{ seen, missed, copies int }{
		{0, 0, 2}, {15, 0, 2}, {60, 0, 2}, {60, 1, 2}, {60, 6, 2},
		{150, 0, 1}, {400, 0, 1}, {1000, 10, 1}, {1000, 30, 2}, {1000, 50, 2},
		{500, 0, 0}, {1000, 0, 0}, {1001, 0, 0}, {5000, 0, 0},
	} {
		var m misses
		for i := range c.seen {
			m.note(uint64(i+1), i < c.missed)
		}
		if n := new(copies).wanted(&flight{sends: 1, size: 100}, true, &m); n != c.copies {
			t.Errorf("after %d of %d packets were lost, a thin flow gets %d copies, want %d", c.missed, c.seen, n, c.copies)
		}
	}
}

// Ends that do not run now and then, as on a busy machine, still send each message three
// times. They used to leave out copies of a message that followed another one at once, and of
// most after a pause had been taken for the queue of a full link.
func TestPausesCostNoCopies(t *testing.T) {
	s := new(sim)
	w := wire{delay: 100 * msec, rate: 100e6 / 8, queue: 100 * msec, loss: 0.05}
	client, server := pair(s, w, w, 1)
	taken := int64(0)
	server.onRead = func() {
		n := int(server.read - taken)
		taken = server.read
		server.write(n)
		server.poll()
	}
	var message func()
	message = func() {
		client.write(72)
		client.poll()
		s.after(33*msec, message)
	}
	message()
	pauses := 0
	var halt func()
	halt = func() {
		if pauses++; pauses%3 == 0 {
			server.pause(time.Duration(50+pauses*137%400) * msec)
		} else {
			client.pause(time.Duration(50+pauses*137%400) * msec)
		}
		s.after(time.Duration(100+pauses*211%700)*msec, halt)
	}
	s.after(time.Second, halt)
	s.run(20 * time.Second)
	for _, e := range []*end{client, server} {
		if n, copies := e.stats.Sent, e.stats.Copies; copies*10 < n*19 {
			t.Errorf("%d copies of %d messages", copies, n)
		}
	}
}
