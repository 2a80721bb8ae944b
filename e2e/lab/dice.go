package lab

import (
	"math/rand/v2"
	"slices"
	"time"
)

// The parts of a Fault that draw random numbers, each from its own sequence.
const (
	knobLoss = iota
	knobDuplicate
	knobCorrupt
	knobReorder
	knobJitter
	knobs
)

// dice draws the fate of each packet. The draws depend only on the seed, the ordinal of the
// packet and the fault. It is not safe for concurrent use.
type dice struct {
	rng   [knobs]*rand.Rand
	burst bool // in a burst of losses
}

// throw is the fate of one packet.
type throw struct {
	lost, twice, corrupt, held bool

	hold   time.Duration // how long the packet is held back, if it is
	jitter time.Duration
}

func newDice(seed uint64, dir Direction) *dice {
	d := new(dice)
	for k := range d.rng {
		d.rng[k] = rand.New(rand.NewPCG(seed, uint64(dir)*knobs+uint64(k)))
	}
	return d
}

// next draws for one packet. Everything that is on is drawn, even for a packet that is
// lost, so that the parts stay independent.
func (d *dice) next(f *Fault) throw {
	t := throw{
		lost:    d.lose(f),
		twice:   d.hit(knobDuplicate, f.Duplicate),
		corrupt: d.hit(knobCorrupt, f.Corrupt),
		held:    d.hit(knobReorder, f.Reorder),
	}
	if t.held {
		t.hold = reorderHoldMin + d.upTo(knobReorder, reorderHoldMax-reorderHoldMin)
	}
	if f.Jitter > 0 {
		t.jitter = d.upTo(knobJitter, f.Jitter)
	}
	return t
}

func (d *dice) hit(knob int, share float64) bool {
	return share > 0 && d.rng[knob].Float64() < share
}

func (d *dice) upTo(knob int, limit time.Duration) time.Duration {
	return time.Duration(d.rng[knob].Int64N(int64(limit) + 1))
}

// lose is the Gilbert model. A burst ends with probability 1/Burst. It begins with the
// probability that gives the requested mean loss: in a cycle of Burst lost and G good
// packets, Loss = Burst/(Burst+G), and bursts begin with probability 1/G.
func (d *dice) lose(f *Fault) bool {
	if f.Loss <= 0 {
		d.burst = false
		return false
	}
	if f.Burst <= 1 || f.Loss >= 1 {
		return d.hit(knobLoss, f.Loss)
	}
	draw := d.rng[knobLoss].Float64()
	if d.burst {
		d.burst = draw >= 1/f.Burst
	} else {
		d.burst = draw < f.Loss/(f.Burst*(1-f.Loss))
	}
	return d.burst
}

// flip inverts 1 to 3 different bits of b, so that the result always differs.
func (d *dice) flip(b []byte) {
	bits := len(b) * 8
	if bits == 0 {
		return
	}
	rng := d.rng[knobCorrupt]
	var done [3]int
	for i := range min(1+rng.IntN(3), bits) {
		bit := rng.IntN(bits)
		for slices.Contains(done[:i], bit) {
			bit = (bit + 1) % bits
		}
		done[i] = bit
		b[bit/8] ^= 1 << (bit % 8)
	}
}
