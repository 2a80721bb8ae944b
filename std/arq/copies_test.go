package arq

import "testing"

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
