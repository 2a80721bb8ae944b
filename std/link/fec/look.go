package fec

// lookBack is how many sequence numbers are examined to find the shape of the groups: twice
// the largest group, so that a whole group is among them wherever it starts.
const lookBack = 2 * MaxShards

// lookEvery is how many packets arrive between two searches.
const lookEvery = 8

// look records which of the latest sequence numbers have arrived, and whether with data or
// parity. The order of arrival does not matter.
type look struct {
	seen, data [lookBack / 64]uint64
	begun      bool
	high       uint32 // the highest
	count      int    // packets since the last search
	olds       int    // how many of the latest packets in a row were too old
}

func (l *look) has(set *[lookBack / 64]uint64, seq uint32) bool {
	return set[seq%lookBack/64]>>(seq%64)&1 != 0
}

func (l *look) note(seq uint32, data bool) {
	ahead := int32(seq - l.high)
	switch {
	case !data && (!l.begun || ahead >= lookBack || ahead <= -lookBack):
		return // it may be of another conversation, which parity does not name
	case l.begun && ahead <= -lookBack && l.olds+1 < strayAfter: // it was delayed, or is played again
		l.olds++
		return
	case !l.begun || ahead >= lookBack || ahead <= -lookBack: // start, or start over
		*l = look{begun: true, high: seq, count: l.count}
	case ahead > 0:
		for s := l.high + 1; s != seq; s++ {
			l.clear(s)
		}
		l.clear(seq)
		l.high = seq
	}
	l.olds = 0
	l.count++
	bit := uint64(1) << (seq % 64)
	l.seen[seq%lookBack/64] |= bit
	if data {
		l.data[seq%lookBack/64] |= bit
	} else {
		l.data[seq%lookBack/64] &^= bit
	}
}

func (l *look) clear(seq uint32) {
	bit := uint64(1) << (seq % 64)
	l.seen[seq%lookBack/64] &^= bit
	l.data[seq%lookBack/64] &^= bit
}

// find searches for the latest group that has arrived whole, together with the packet
// before it and the packet after it: an earlier group may have another shape. It does not
// search again soon after the last search.
func (l *look) find() (found shape, ok bool) {
	if l.count < lookEvery {
		return shape{}, false
	}
	l.count = 0
	first := l.high - lookBack + 1
	if l.high < lookBack {
		first = 0
	}
	const none = -1
	begin, parity := none, none // offsets from first: of a group and of its parity
	before := first == 0        // there is no packet before the first, which therefore starts a group
	wasData := false
	for i := 0; i <= int(l.high-first); i++ {
		seq := first + uint32(i)
		if !l.has(&l.seen, seq) {
			begin, parity, before = none, none, false
			continue
		}
		data := l.has(&l.data, seq)
		switch {
		case data && before && !wasData: // the end of the parity
			if parity != none {
				s := shape{parity - begin, i - parity}
				if s.total() <= MaxShards && (first+uint32(begin))%uint32(s.total()) == 0 {
					found, ok = s, true
				}
			}
			begin, parity = i, none
		case !data && before && wasData && begin != none:
			parity = i
		}
		before, wasData = true, data
	}
	return found, ok
}
