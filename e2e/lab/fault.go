package lab

import (
	"fmt"
	"time"
)

// reorderHoldMin and reorderHoldMax bound the extra time for which a packet is held back:
// long enough for several packets to overtake it at any rate worth testing, and short
// enough that no retransmission timer of ours (10 ms and more) fires.
const (
	reorderHoldMin = 2 * time.Millisecond
	reorderHoldMax = 6 * time.Millisecond
)

// defaultQueue is the longest wait for the rate limit if Fault.Queue is 0, about as in home
// routers.
const defaultQueue = 100 * time.Millisecond

// maxDelay bounds Delay and Jitter. A larger value is a mistake in a test, and the queue
// could not hold the packets.
const maxDelay = 10 * time.Second

// Fault says what a relay does to the packets of one direction. The zero value forwards all
// of them at once. The faults are independent: each has its own random sequence, so turning
// one on does not change which packets another one hits. Only Reorder and Overtake change
// the order.
type Fault struct {
	Loss      float64 // share of packets dropped, 0 to 1
	Burst     float64 // mean number of packets lost in a row (Gilbert model); 0 and 1 mean independent losses
	Duplicate float64 // share of packets sent twice, 0 to 1
	Corrupt   float64 // share of packets with 1 to 3 bits flipped, 0 to 1
	Reorder   float64 // share of packets held back for a few more milliseconds, 0 to 1

	Delay  time.Duration // one-way delay of every packet
	Jitter time.Duration // additional delay, uniform from 0 to this; the order is kept

	Overtake bool // packets may overtake each other because of Jitter

	Rate   int           // bytes per second, of UDP payload in a relay, of packets in a pipe; 0 means no limit. Lost packets use their share
	Queue  time.Duration // longest wait for Rate, beyond which packets are dropped; 0 means 100 ms
	Bucket int           // if set, packets above Rate are dropped instead of queued (policing), except for a burst of this many bytes

	MaxSize int // bytes of UDP payload, above which a packet is dropped silently (a path MTU); 0 means no limit
}

// Validate reports the first field that is out of range.
func (f Fault) Validate() error {
	shares := []struct {
		name  string
		value float64
	}{{"loss", f.Loss}, {"duplicate", f.Duplicate}, {"corrupt", f.Corrupt}, {"reorder", f.Reorder}}
	for _, s := range shares {
		if !(s.value >= 0 && s.value <= 1) { // written so that NaN fails, too
			return fmt.Errorf("fault: %s is %v, want 0 to 1", s.name, s.value)
		}
	}
	for _, d := range []time.Duration{f.Delay, f.Jitter, f.Queue} {
		if d < 0 || d > maxDelay {
			return fmt.Errorf("fault: delay, jitter and queue must be 0 to %v, got %v", maxDelay, d)
		}
	}
	if f.Rate < 0 || f.Bucket < 0 || f.Bucket > 0 && f.Rate == 0 {
		return fmt.Errorf("fault: rate is %d bytes/s and bucket %d bytes, want 0 or more, and no bucket without a rate", f.Rate, f.Bucket)
	}
	if f.MaxSize < 0 {
		return fmt.Errorf("fault: max size is %d bytes, want 0 or more", f.MaxSize)
	}
	if !(f.Burst >= 0) {
		return fmt.Errorf("fault: burst is %v, want 0 or more packets", f.Burst)
	}
	if f.Burst > 1 && f.Loss < 1 && f.Loss > f.Burst/(f.Burst+1) {
		// There is at least one good packet between two bursts.
		return fmt.Errorf("fault: loss %v cannot be reached with bursts of %v packets", f.Loss, f.Burst)
	}
	return nil
}

// queueLimit is the longest time that a packet may wait for the rate limit, or with Bucket
// how far ahead of the rate it may be.
func (f Fault) queueLimit() time.Duration {
	switch {
	case f.Bucket > 0:
		return f.takes(f.Bucket)
	case f.Queue == 0:
		return defaultQueue
	}
	return f.Queue
}

// takes is the time that this many bytes take at the rate.
func (f Fault) takes(n int) time.Duration {
	return time.Duration(float64(n) / float64(f.Rate) * float64(time.Second))
}
