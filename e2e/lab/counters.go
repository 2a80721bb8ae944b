package lab

import "sync/atomic"

// Counters says what happened to the packets of one direction of a relay. Once nothing is
// in flight,
// PacketsIn + Duplicated = PacketsOut + Lost + Cut + TooLarge + QueueDrops + Failed.
type Counters struct {
	PacketsIn  uint64 // datagrams received
	BytesIn    uint64 // their UDP payload
	PacketsOut uint64 // datagrams sent on, copies included
	BytesOut   uint64

	Lost       uint64 // dropped by Fault.Loss
	Cut        uint64 // dropped by Cut or Block
	TooLarge   uint64 // dropped by Fault.MaxSize
	Duplicated uint64 // sent a second time
	Corrupted  uint64 // sent with flipped bits
	Reordered  uint64 // held back
	QueueDrops uint64 // dropped because a queue was full
	Failed     uint64 // refused by the system, or because the table of clients was full
}

// Sub returns the difference to an earlier reading.
func (c Counters) Sub(old Counters) Counters {
	return Counters{
		PacketsIn: c.PacketsIn - old.PacketsIn, BytesIn: c.BytesIn - old.BytesIn,
		PacketsOut: c.PacketsOut - old.PacketsOut, BytesOut: c.BytesOut - old.BytesOut,
		Lost: c.Lost - old.Lost, Cut: c.Cut - old.Cut, TooLarge: c.TooLarge - old.TooLarge,
		Duplicated: c.Duplicated - old.Duplicated, Corrupted: c.Corrupted - old.Corrupted,
		Reordered: c.Reordered - old.Reordered, QueueDrops: c.QueueDrops - old.QueueDrops,
		Failed: c.Failed - old.Failed,
	}
}

// tally holds the counters while they are counting.
type tally struct {
	packetsIn, bytesIn, packetsOut, bytesOut atomic.Uint64

	lost, cut, tooLarge, duplicated, corrupted, reordered, queueDrops, failed atomic.Uint64
}

func (t *tally) snapshot() Counters {
	return Counters{
		PacketsIn: t.packetsIn.Load(), BytesIn: t.bytesIn.Load(),
		PacketsOut: t.packetsOut.Load(), BytesOut: t.bytesOut.Load(),
		Lost: t.lost.Load(), Cut: t.cut.Load(), TooLarge: t.tooLarge.Load(),
		Duplicated: t.duplicated.Load(), Corrupted: t.corrupted.Load(),
		Reordered: t.reordered.Load(), QueueDrops: t.queueDrops.Load(),
		Failed: t.failed.Load(),
	}
}
