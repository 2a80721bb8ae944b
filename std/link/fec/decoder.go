package fec

import "encoding/binary"

// keepGroups is how many groups may be incomplete at the same time: a packet that is
// older is on its way again by KCP. It is kcp-go's.
const keepGroups = 4

// strayAfter is how many packets that are too old may come one after the other before
// they are believed: the one that made them old was not of this conversation.
const strayAfter = MaxShards

// Decoder restores lost packets of one conversation. It is for one goroutine at a
// time.
type Decoder struct {
	codes *Codes
	code  *code // nil until the peer's shape is known
	doubt bool  // packets contradict the shape

	proven bool // a group has come whole, or was restored, by this shape
	look   look

	begun  bool
	newest uint32 // group
	olds   int    // packets that came last and are too old
	groups [keepGroups]group

	hasFloor bool
	floor    uint32 // the sequence number from which on packets are restored
}

// group is what has come of a group. The zero value is of none.
type group struct {
	used         bool
	id           uint32
	came         set
	slab         *slab // nil where nothing more is to be done
	data, parity int   // packets that have come
	longest      int   // shard of data
	size         int   // of the shards of parity
}

// set is some of the packets of a group.
type set [MaxShards / 64]uint64

func (s *set) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *set) has(i int) bool { return s[i/64]>>(i%64)&1 != 0 }

// Outcome is what a packet has led to.
type Outcome struct {
	Fresh    bool // neither seen before nor too old
	Began    bool // it is the first of its group
	Full     bool // with it, all packets of its group have come
	Restored int  // lost packets that were restored
	Failed   bool // a group could not be restored: what came of it does not fit together
}

// Decoder makes a decoder for a peer that probably has groups of this shape. It finds
// out when they are others.
func (c *Codes) Decoder(data, parity int) *Decoder {
	d := &Decoder{codes: c}
	d.code = c.get(shape{data, parity})
	d.doubt = d.code == nil
	return d
}

// Decode takes a packet with its header in, of data or of parity, and calls restored
// with each packet that can be restored now, which is valid for the time of the call.
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
	d.look.note(seq, isData)
	if !d.doubt && int(seq%uint32(d.code.total())) < d.code.data != isData {
		d.doubt, d.proven = true, false
		d.Rest()
	}
	if d.doubt {
		d.learn()
		return out // what has come so far cannot be sorted into groups
	}
	g, began := d.group(seq / uint32(d.code.total()))
	i := int(seq % uint32(d.code.total()))
	if g == nil || g.came.has(i) {
		return out
	}
	g.came.add(i)
	out.Fresh, out.Began = true, began
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
		d.close(g)
	}
	return out
}

// parityAhead is how many sequence numbers parity may be ahead of the newest group where
// groups are small: as many may be lost in a row.
const parityAhead = 32

// isForeign tells whether parity can hardly be of this conversation. It names none, and
// anybody may play some again: it moves on by a few packets or groups at most, and does not put a shape
// in doubt by which a group has come whole. Data, which names its conversation, does both.
func (d *Decoder) isForeign(seq uint32) bool {
	if d.doubt || !d.begun {
		return false
	}
	total := uint32(d.code.total())
	return d.ahead(seq/total, d.newest) > int32(max(keepGroups*total, parityAhead)) || d.proven && int(seq%total) < d.code.data
}

// group finds the group with this id, or begins it. It is nil for one that is too
// old.
func (d *Decoder) group(id uint32) (g *group, began bool) {
	if d.begun && d.old(id) {
		if d.olds++; d.olds < strayAfter {
			return nil, false
		}
		d.begun = false
	}
	d.olds = 0
	if !d.begun || d.ahead(id, d.newest) > 0 {
		d.begun, d.newest = true, id
		d.raise(id)
	}
	for i := range d.groups {
		other := &d.groups[i]
		if other.used && other.id == id {
			return other, false
		}
		if other.used && (d.old(other.id) || d.ahead(other.id, d.newest) > 0) {
			d.close(other)
			other.used = false
		}
		if !other.used {
			g = other // there is one: of as many as are not old, this one is missing
		}
	}
	*g = group{used: true, id: id, slab: d.code.slab()}
	return g, true
}

// floorReach is how far behind the newest group the floor stays at most, so that
// comparing with it is right where sequence numbers wrap.
const floorReach = 1 << 30

// From lets nothing be restored that has a lower sequence number than seq. What a
// receiver has missed because it was not there, as after a restart in the midst of a
// conversation, is not lost: another one had it, and has dealt with it.
func (d *Decoder) From(seq uint32) { d.hasFloor, d.floor = true, seq }

// below tells whether a sequence number is below the floor.
func (d *Decoder) below(seq uint32) bool { return d.hasFloor && int32(seq-d.floor) < 0 }

// raise keeps the floor within reach of a group that is the newest now.
func (d *Decoder) raise(id uint32) {
	first := id * uint32(d.code.total())
	if ahead := first - d.floor; d.hasFloor && ahead > floorReach && ahead < 2*floorReach {
		d.floor = first - floorReach
	}
}

// ahead is by how much a group is later than another, in sequence numbers, which wrap
// about where 32 bits do.
func (d *Decoder) ahead(id, other uint32) int32 { return int32((id - other) * uint32(d.code.total())) }

// old tells whether a group is too old.
func (d *Decoder) old(id uint32) bool {
	return d.ahead(id, d.newest) <= -int32(keepGroups*d.code.total())
}

// Groups is the number of the newest group, and how many are incomplete.
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

// restore restores the packets of a group that are missing, of which as many have come
// as the group has data.
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
			return 0, true // parity of one group has one size
		}
		at, known = append(at, byte(i)), append(known, s.shards[i])
	}
	p := newPoints(at)
	for i := range d.code.data {
		if g.came.has(i) || d.below(g.id*uint32(d.code.total())+uint32(i)) {
			continue
		}
		shard := s.packet(i)[sizeOffset:][:g.size]
		p.value(byte(i), known, shard)
		size := int(binary.LittleEndian.Uint16(shard))
		if size < Header-sizeOffset || size > len(shard) {
			failed = true
			continue
		}
		restored(shard[Header-sizeOffset : size])
		count++
	}
	return count, failed
}

// learn looks for the shape of the groups.
func (d *Decoder) learn() {
	found, ok := d.look.find()
	if !ok {
		return
	}
	if code := d.codes.get(found); code != nil {
		d.code, d.doubt = code, false
		d.begun, d.groups = false, [keepGroups]group{}
	}
}

// Restart forgets what has come, for a new conversation.
func (d *Decoder) Restart() {
	d.Rest()
	d.look, d.begun, d.groups, d.hasFloor, d.proven = look{}, false, [keepGroups]group{}, false, false
}

// Rest gives memory back while nothing comes. What is missing of the groups that have
// begun comes again by KCP.
func (d *Decoder) Rest() {
	for i := range d.groups {
		d.close(&d.groups[i])
	}
}
