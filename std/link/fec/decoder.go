package fec

import "encoding/binary"

// keepGroups is how many groups may be incomplete at once: KCP has already retransmitted
// any older packet. The value is kcp-go's.
const keepGroups = 4

// strayAfter is how many consecutive packets may be too old before they are believed after
// all: the packet that made them old did not belong to this conversation.
const strayAfter = MaxShards

// Decoder restores lost packets of one conversation. It must be used by one goroutine at a
// time.
type Decoder struct {
	codes *Codes
	code  *code // nil until the peer's shape is known
	doubt bool  // packets contradict the shape

	proven bool // a group of this shape has arrived whole or was restored
	agreed int  // packets that came where this shape has them
	parity bool // one of them was parity
	look   look

	begun  bool
	newest uint32 // number of the newest group
	known  uint32 // number of the newest group that certainly belongs to this conversation
	last   uint32 // number of the group that was last restored
	olds   int    // how many of the latest packets in a row were too old
	groups [keepGroups]group

	hasFloor bool
	floor    uint32 // packets are restored from this sequence number on
}

// group is what has arrived of a group. The zero value belongs to no group.
type group struct {
	used         bool
	id           uint32
	came         set
	slab         *slab // nil if nothing more needs to be done
	data, parity int   // packets that have arrived
	longest      int   // data shard
	size         int   // of the parity shards
}

// set is a set of packets of a group.
type set [MaxShards / 64]uint64

func (s *set) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *set) has(i int) bool { return s[i/64]>>(i%64)&1 != 0 }

// Outcome is the effect of a packet.
type Outcome struct {
	Fresh    bool // neither seen before nor too old
	Began    bool // it is the first of its group
	Full     bool // it completed its group
	Restored int  // lost packets that were restored
	Failed   bool // a group could not be restored, because its packets do not match
}

// Decoder makes a decoder for a peer whose groups probably have this shape. If they do not,
// the decoder finds the actual shape.
func (c *Codes) Decoder(data, parity int) *Decoder {
	d := &Decoder{codes: c}
	d.code = c.get(shape{data, parity})
	d.doubt = d.code == nil
	return d
}

// Decode processes a data or parity packet with its header. It calls restored with each
// packet that can now be restored; the packet is valid only during the call.
func (d *Decoder) Decode(packet []byte, restored func(packet []byte)) (out Outcome) {
	if len(packet) < Header || len(packet) > MaxPacket {
		return out
	}
	seq, isData := binary.LittleEndian.Uint32(packet), binary.LittleEndian.Uint16(packet[kindOffset:]) == kindData
	if !d.doubt && seq >= d.code.end {
		return out
	}
	if !isData && d.isForeign(seq) {
		return out
	}
	var id uint32
	var i int // in its group
	if !d.doubt {
		total := uint32(d.code.total())
		id, i = seq/total, int(seq%total)
		if d.isTooOld(id) {
			return out // nor does it cast doubt on the shape, which may have been another then
		}
	}
	d.look.note(seq, isData)
	if !d.doubt && i < d.code.data != isData {
		d.doubt, d.proven, d.agreed, d.parity = true, false, 0, false
		d.Rest()
	}
	if d.doubt {
		d.learn()
		return out // packets so far cannot be sorted into groups
	}
	g, began := d.group(id)
	if isData && d.ahead(id, d.known) > 0 {
		d.known = id
	}
	if g.came.has(i) {
		return out
	}
	g.came.add(i)
	out.Fresh, out.Began = true, began
	d.agreed, d.parity = d.agreed+1, d.parity || !isData
	if g.slab == nil {
		return out
	}
	room := g.slab.packet(i)
	g.slab.shards[i] = room[sizeOffset:copy(room, packet)]
	if size := len(g.slab.shards[i]); isData {
		g.data++
		g.longest = max(g.longest, size)
	} else {
		g.parity++
		g.size = max(g.size, size)
	}
	switch {
	case g.data == d.code.data:
		out.Full, d.proven = true, true
		d.close(g)
	case g.data+g.parity >= d.code.data:
		out.Restored, out.Failed = d.restore(g, restored)
		d.proven = d.proven || out.Restored > 0 && !out.Failed
		d.last = g.id
		d.close(g)
	}
	return out
}

// IsSure tells whether the peer's groups certainly have this shape: so many packets came
// where it has them that another shape would have shown.
func (d *Decoder) IsSure(data, parity int) bool {
	return !d.doubt && d.code.shape == shape{data, parity} && d.parity && d.agreed >= 3*d.code.total()
}

// Vouch records that the group that was last restored belongs to this conversation, as the
// restored packets have shown.
func (d *Decoder) Vouch() {
	if d.begun && d.ahead(d.last, d.known) > 0 {
		d.known = d.last
	}
}

// isForeign tells whether parity is unlikely to belong to this conversation. Parity does
// not name its conversation, and anybody may replay it. So it may be ahead of what certainly
// belongs to it by so few groups that no data becomes too old, and cannot cast doubt on a
// shape that a whole group has confirmed. Data names its conversation, and may do both.
func (d *Decoder) isForeign(seq uint32) bool {
	if d.doubt || !d.begun {
		return false
	}
	total := uint32(d.code.total())
	return d.ahead(seq/total, d.known) > int32((keepGroups-1)*total) || d.proven && int(seq%total) < d.code.data
}

// isTooOld tells whether to ignore a packet because its group is too old. The first one that
// is too old and not ignored begins anew.
func (d *Decoder) isTooOld(id uint32) bool {
	if d.begun && d.old(id) {
		if d.olds++; d.olds < strayAfter {
			return true
		}
		d.begun = false
	}
	d.olds = 0
	return false
}

// group returns the group with this id, which is not too old, starting it if necessary.
func (d *Decoder) group(id uint32) (g *group, began bool) {
	if !d.begun {
		d.known = id
	}
	if !d.begun || d.ahead(id, d.newest) > 0 {
		d.begun, d.newest = true, id
		d.raise(id)
	}
	for i := range d.groups {
		if other := &d.groups[i]; other.used && other.id == id {
			return other, false
		}
	}
	for i := range d.groups {
		other := &d.groups[i]
		if other.used && (d.old(other.id) || d.ahead(other.id, d.newest) > 0) {
			d.close(other)
			other.used = false
		}
		if !other.used {
			g = other // there is one: this group is recent enough to have a slot, and has none yet
		}
	}
	*g = group{used: true, id: id, slab: d.code.slab()}
	return g, true
}

// floorReach is how far the floor may lag behind the newest group, so that comparisons with
// it remain correct when sequence numbers wrap.
const floorReach = 1 << 30

// From prevents packets with sequence numbers below seq from being restored. What a
// receiver missed because it did not exist yet, as after a restart in the middle of a
// conversation, is not lost: its predecessor received it and has dealt with it.
func (d *Decoder) From(seq uint32) { d.hasFloor, d.floor = true, seq }

// below tells whether a sequence number is below the floor.
func (d *Decoder) below(seq uint32) bool { return d.hasFloor && int32(seq-d.floor) < 0 }

// raise keeps the floor within reach of id, the newest group.
func (d *Decoder) raise(id uint32) {
	first := id * uint32(d.code.total())
	if ahead := first - d.floor; d.hasFloor && ahead > floorReach && ahead < 2*floorReach {
		d.floor = first - floorReach
	}
}

// ahead is by how much one group is later than another, in sequence numbers, which wrap
// near 2^32.
func (d *Decoder) ahead(id, other uint32) int32 { return int32((id - other) * uint32(d.code.total())) }

// old tells whether a group is too old.
func (d *Decoder) old(id uint32) bool {
	return d.ahead(id, d.newest) <= -int32(keepGroups*d.code.total())
}

// Groups returns the number of the newest group, and how many groups are incomplete.
func (d *Decoder) Groups() (newest uint32, open int) {
	for i := range d.groups {
		if d.groups[i].slab != nil {
			open++
		}
	}
	return d.newest, open
}

func (d *Decoder) close(g *group) {
	if g.slab != nil {
		d.code.free(g.slab)
		g.slab = nil
	}
}

// restore restores the missing packets of a group, of which as many packets have arrived as
// it has data packets. If one of them is impossible, none is believed: each follows from all
// that have arrived, so one of those does not belong to the group.
func (d *Decoder) restore(g *group, restored func(packet []byte)) (count int, failed bool) {
	if g.longest > g.size {
		return 0, true
	}
	s := g.slab
	at, known := make([]byte, 0, MaxShards), make([][]byte, 0, MaxShards)
	for i, shard := range s.shards {
		switch {
		case !g.came.has(i) || len(known) == d.code.data:
			continue
		case i < d.code.data:
			s.fill(i, g.size)
		case len(shard) != g.size:
			return 0, true // all parity packets of a group have the same size
		}
		at, known = append(at, byte(i)), append(known, s.shards[i])
	}
	p := newPoints(at)
	var lost set
	for i := range d.code.data {
		if g.came.has(i) || d.below(g.id*uint32(d.code.total())+uint32(i)) {
			continue
		}
		shard := s.packet(i)[sizeOffset:][:g.size]
		p.value(byte(i), known, shard)
		if size := sizeOf(shard); size < Header-sizeOffset || size > len(shard) {
			return 0, true
		}
		lost.add(i)
	}
	for i := range d.code.data {
		if shard := s.packet(i)[sizeOffset:]; lost.has(i) {
			restored(shard[Header-sizeOffset : sizeOf(shard)])
			count++
		}
	}
	return count, false
}

// sizeOf is the size field of a data shard.
func sizeOf(shard []byte) int { return int(binary.LittleEndian.Uint16(shard)) }

// learn looks for the actual shape of the groups.
func (d *Decoder) learn() {
	found, ok := d.look.find()
	if !ok {
		return
	}
	if code := d.codes.get(found); code != nil {
		d.code, d.doubt = code, false
		d.groups = [keepGroups]group{}
		d.begun, d.newest = true, d.look.high/uint32(code.total()) // what is much older stays so
		d.known = d.newest
		d.raise(d.newest)
	}
}

// Restart discards everything received, for a new conversation.
func (d *Decoder) Restart() {
	d.Rest()
	d.look, d.begun, d.groups, d.hasFloor, d.proven = look{}, false, [keepGroups]group{}, false, false
}

// Rest releases memory while nothing arrives. KCP retransmits what is missing in unfinished
// groups.
func (d *Decoder) Rest() {
	for i := range d.groups {
		d.close(&d.groups[i])
	}
}
