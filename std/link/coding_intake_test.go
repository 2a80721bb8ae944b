package link

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/carrier"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// intakeOf is a listening link that a test feeds, and reads.
type intakeOf struct {
	t    *testing.T
	link *Conn
	far  *fakeCarrier
	from int
	buf  []byte
}

func newIntake(t *testing.T, dataShards, parityShards int) *intakeOf {
	opt, _ := options(crypt.Plain{})
	opt.DataShards, opt.ParityShards = dataShards, parityShards
	near, far := fakePair()
	near.peer = nil
	_, server := fakeConns(t, near, far, opt)
	return &intakeOf{t: t, link: server, far: far, from: 1, buf: make([]byte, MaxDatagram)}
}

// peer is that of conversation 7, which most tests are about.
func (i *intakeOf) peer() *Peer { return peerOf(i.link, addrNumber(i.from), 7) }

// marker begins a conversation of its own. Once it is returned, all that came before it has been.
var marker, markerAddr = seg(99, 81, 0, 0, "marker"), addrNumber(99)

// dialled is a link whose other end is not there.
func dialled(t *testing.T, dataShards, parityShards int) (*Conn, *fakeCarrier) {
	opt, _ := options(crypt.Plain{})
	opt.DataShards, opt.ParityShards = dataShards, parityShards
	near, far := fakePair()
	client, _ := fakeConns(t, near, nobody(far), opt)
	return client, far
}

// hear receives packets, and returns what ReadFrom returns of them and of those restored.
func (i *intakeOf) hear(packets ...[]byte) (out [][]byte) {
	i.t.Helper()
	for _, p := range packets {
		i.far.deliver(p, addrNumber(i.from))
	}
	i.far.deliver(marker, markerAddr)
	for {
		n, from, err := i.link.ReadFrom(i.buf)
		if err != nil {
			i.t.Fatal(err)
		}
		switch from.(*Peer).addr() {
		case markerAddr:
			return out
		case addrNumber(i.from):
		default:
			i.t.Fatalf("from %v", from)
		}
		out = append(out, bytes.Clone(i.buf[:n]))
	}
}

// expect fails where something else is returned.
func (i *intakeOf) expect(what string, got [][]byte, want ...[]byte) {
	i.t.Helper()
	if len(got) != len(want) {
		i.t.Errorf("%s: %d packets are returned, want %d", what, len(got), len(want))
		return
	}
	for n := range want {
		if !bytes.Equal(got[n], want[n]) {
			i.t.Errorf("%s: packet %d is\n     %x\nwant %x", what, n, got[n], want[n])
		}
	}
}

// What was lost is returned after the packet by which it was restored, parity is not
// returned, and other packets are as they came, without their header.
func TestRestoredPacketsAreReturned(t *testing.T) {
	p := pushes(7, 4)
	for _, c := range []struct {
		name  string
		order []int // of four packets of data and three of parity
		want  []int
	}{
		{"nothing is lost", []int{0, 1, 2, 3, 4, 5, 6}, []int{0, 1, 2, 3}},
		{"one is lost", []int{0, 1, 3, 4, 5, 6}, []int{0, 1, 3, 2}},
		{"three are lost", []int{3, 4, 5, 6}, []int{3, 0, 1, 2}},
		{"parity comes before the last data", []int{0, 4, 5, 3, 6}, []int{0, 3, 1, 2}},
		{"what was lost comes after all", []int{0, 1, 3, 4, 2}, []int{0, 1, 3, 2, 2}},
		{"too many are lost", []int{0, 4, 5}, []int{0}},
		{"data and no parity", []int{0, 1, 2}, []int{0, 1, 2}},
	} {
		in := newIntake(t, 4, 3)
		wire := codedGroup(3, p...)
		in.expect(c.name+", before", in.hear(wire...), p...)
		moved(wire, 1)
		var packets, want [][]byte
		for _, i := range c.order {
			packets = append(packets, wire[i])
		}
		for _, i := range c.want {
			want = append(want, p[i])
		}
		in.expect(c.name, in.hear(packets...), want...)
		// And then the next group.
		moved(wire, 2)
		in.expect(c.name+", next", in.hear(wire[1:]...), p[1], p[2], p[3], p[0])
	}
}

// kcp-go counts each packet that it is handed, without its header. With what the link
// adds to that, the counters are those of the datagrams that came.
func TestCountersOfCodedIntake(t *testing.T) {
	packets := pushes(7, 4)
	for _, c := range []struct {
		name                                string
		order                               []int
		full, parity, recovered, fecFailure int64
	}{
		{"nothing is lost", []int{0, 1, 2, 3, 4, 5, 6}, 1, 3, 0, 0},
		{"reordered", []int{4, 3, 5, 1, 0, 2}, 0, 2, 2, 0},
		{"two are lost", []int{0, 1, 4, 5, 6}, 0, 3, 2, 0},
		{"repeated", []int{0, 0, 1, 4, 4, 4, 5}, 0, 2, 2, 0},
		{"no parity", []int{0, 1, 2, 3}, 1, 0, 0, 0},
		{"too few", []int{0, 5, 6}, 0, 2, 0, 0},
	} {
		in := newIntake(t, 4, 3)
		in.hear(codedGroup(3, packets...)...) // of whom parity is, is known by that
		group := 1
		var bytesOff, packetsOff int64
		snmp := kcp.DefaultSnmp
		counts := grown(func() {
			wire := moved(codedGroup(3, packets...), group)
			group++
			var came [][]byte
			packetsOff, bytesOff = 0, 0
			for _, i := range c.order {
				came = append(came, wire[i])
				packetsOff++
				bytesOff += int64(len(wire[i]))
			}
			for _, p := range in.hear(came...) { // kcp-go counts these
				packetsOff--
				bytesOff -= int64(len(p))
			}
		}, &snmp.InPkts, &snmp.InBytes, &snmp.FECFullShardSet, &snmp.FECParityShards, &snmp.FECRecovered, &snmp.FECErrs)
		if want := []int64{packetsOff, bytesOff, c.full, c.parity, c.recovered, c.fecFailure}; !slices.Equal(counts, want) {
			t.Errorf("%s: packets, bytes, full groups, parity, recovered, errors are %v, want %v", c.name, counts, want)
		}
	}
}

// Two of kcp-go's counters tell of the groups of the session that was heard last.
func TestGroupsAreTold(t *testing.T) {
	in := newIntake(t, 3, 1)
	wire := codedGroup(1, pushes(7, 3)...)
	told := func() [2]uint64 {
		return [2]uint64{atomic.LoadUint64(&kcp.DefaultSnmp.FECShardMin), atomic.LoadUint64(&kcp.DefaultSnmp.FECShardSet)}
	}
	var got [2]uint64
	want := [2]uint64{}
	for try := range 4 { // a session of a test before may still be ending
		first := 10 * try
		in.hear(moved(wire, first)...)
		in.hear(moved(wire, first+1)[:1]...)
		in.hear(moved(wire, first+2)[:2]...)
		got, want = told(), [2]uint64{uint64(first + 2), 2}
		if got == want {
			return
		}
	}
	t.Errorf("newest group and incomplete ones are %v, want %v", got, want)
}

// Parity says not whose it is. Before anything else it is worth nothing, and does no
// harm.
func TestParityBeforeAnything(t *testing.T) {
	in := newIntake(t, 3, 1)
	packets := pushes(7, 3)
	wire := codedGroup(1, packets...)
	in.expect("parity alone", in.hear(wire[3], withFEC(0xf2, make([]byte, 4)), withFEC(0xf2, make([]byte, 1400))))
	in.expect("then a group", in.hear(wire[0], wire[2], wire[3]), packets[0], packets[2], packets[1])
}

// A peer has its own groups, whatever ours are.
func TestIntakeLearnsTheShape(t *testing.T) {
	for _, ours := range [][2]int{{0, 0}, {10, 3}, {3, 0}} {
		in := newIntake(t, ours[0], ours[1])
		packets := pushes(7, 4)
		wire := codedGroup(2, packets...)
		for group := range 4 {
			in.hear(moved(wire, group)...)
		}
		in.expect(fmt.Sprint(ours, " then"), in.hear(moved(wire, 4)[2:]...), packets[2], packets[3], packets[0], packets[1])
	}
}

// After a rest in the midst of a group it is forgotten, and the next is not.
func TestRestOfReceiver(t *testing.T) {
	in := newIntake(t, 3, 1)
	in.peer().Rest() // nothing has come yet
	packets := pushes(7, 3)
	wire := codedGroup(1, packets...)
	in.hear(wire[0])
	in.peer().Rest()
	in.expect("a group that was forgotten", in.hear(wire[2], wire[3]), packets[2])
	in.expect("the next", in.hear(moved(wire, 1)[1:]...), packets[1], packets[2], packets[0])
}

func TestCodedPacketsAllocateNothing(t *testing.T) {
	for _, seal := range []crypt.Sealer{crypt.Plain{}, sealForms()[0].make(testkit.RandomBytes(3, 32)), newGCM(testkit.RandomBytes(3, 32))} {
		opt, _ := options(seal)
		opt.DataShards, opt.ParityShards = 10, 3
		near, far := fakePair()
		near.peer = nil
		client, server := fakeConns(t, near, far, opt)
		packet := seg(7, 81, 0, 0, textOf(1, 1200))
		if n := testkit.Allocations(func() {
			if _, err := client.WriteTo(packet, client.Peer()); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%T: %v allocations for a packet that is sent", seal, n)
		}
		wire := codedGroup(3, pushes(7, 10)...)
		group := 0
		in := &carrier.Inbound{From: addrNumber(1)}
		room := make([]byte, 0, 2*MaxDatagram)
		if n := testkit.Allocations(func() {
			moved(wire, group)
			group++
			for i, w := range wire {
				if _, peer := server.in.admit(seal.Seal(room, w), in); (peer == nil) != (i >= 10) {
					t.Fatalf("packet %d is from %v", i, peer)
				}
			}
		}); n != 0 {
			t.Errorf("%T: %v allocations for a group that is received", seal, n)
		}
	}
}

// Peers in several lanes send in groups of which each loses a packet, and are answered,
// while other goroutines give their memory back. Nothing is restored but what was lost,
// and afterwards all of it is.
func TestLanesRestore(t *testing.T) {
	const sources, data, parity = 6, 4, 2
	opt, _ := options(crypt.Plain{})
	opt.DataShards, opt.ParityShards = data, parity
	near, far := fakePair()
	far.peer = nil
	_, server := fakeConns(t, near, far, opt)
	got := readLanes(server, 3)
	wires := make(map[string][][]byte)
	last := seg(0, 84, 0, 0, "") // of the source's conversation
	// pass has each source send groups, and tells how many packets were restored.
	pass := func(first, groups int) map[string]int {
		say := func(from int, w []byte) {
			w = bytes.Clone(w)
			if bytes.Equal(w, last) {
				binary.LittleEndian.PutUint32(w, uint32(100+from))
			}
			far.inbox <- carrier.Inbound{Data: bytes.Clone(w), Size: len(w), From: addrNumber(from)}
		}
		go func() {
			for group := range groups {
				for from := range sources {
					for _, w := range moved(wires[addrNumber(from).String()], first+group)[1:] {
						say(from, w)
					}
				}
			}
			for from := range sources {
				say(from, last)
			}
		}()
		came, restored := make(map[string]int), make(map[string]int)
		for ended := 0; ended < sources; {
			p := testkit.Within(t, "a packet", got)
			if p.content[4:] == string(last[4:]) {
				ended++
				continue
			}
			switch wire := wires[p.from]; p.content {
			case string(wire[0][fecHeader:]):
				restored[p.from]++
			case string(wire[1][fecHeader:]), string(wire[2][fecHeader:]), string(wire[3][fecHeader:]):
				came[p.from]++
			default:
				t.Fatalf("%s: %x", p.from, p.content)
			}
		}
		for from := range wires {
			if came[from] != groups*(data-1) || restored[from] > groups {
				t.Errorf("%s: %d packets came and %d were restored of %d groups", from, came[from], restored[from], groups)
			}
		}
		return restored
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	for from := range sources {
		conv := uint32(100 + from)
		wires[addrNumber(from).String()] = codedGroup(parity, pushes(conv, data)...)
		peer := peerOf(server, addrNumber(from), conv)
		others.Go(func() { answerAndRest(t, server, peer, conv, stop) })
	}
	pass(0, 400)
	close(stop)
	others.Wait()
	for from, n := range pass(410, 5) {
		if n != 5 {
			t.Errorf("%s: %d of 5 are restored", from, n)
		}
	}
}

// A server that was restarted hears the rest of a conversation, with parity of what it
// never heard. It restores nothing of that: another run has dealt with it.
func TestNothingIsRestoredFromBeforeTheFirstPacket(t *testing.T) {
	in := newIntake(t, 4, 3)
	wire := codedGroup(3, pushes(7, 4)...)
	in.expect("a server that was restarted", in.hear(wire[1:]...))
	if n := in.link.opt.Stats.Strays.Load(); n != 6 || len(in.link.peers.table) != 1 { // of the marker
		t.Errorf("%d of 6 strays are counted, %d conversations have begun", n, len(in.link.peers.table)-1)
	}
	client, far := dialled(t, 4, 3)
	beginAt(client, 7)
	far.peer.deliver(wire[2], fakeServerAddr)
	for _, parity := range wire[4:] {
		far.peer.deliver(parity, fakeServerAddr)
	}
	far.peer.deliver(seg(7, 84, 0, 0, ""), fakeServerAddr)
	for _, want := range [][]byte{wire[2][fecHeader:], wire[3][fecHeader:], seg(7, 84, 0, 0, "")} {
		n, _, err := client.ReadFrom(in.buf)
		if err != nil || !bytes.Equal(in.buf[4:n], want[4:]) {
			t.Errorf("a client gets %x, %v\nwant %x", in.buf[:n], err, want)
		}
	}
}

// lanePacket is a packet that a lane has passed on, and the address that it came from.
type lanePacket struct{ from, content string }

// readLanes reads what arrives on the lanes of a server until its link is closed.
func readLanes(server *Conn, lanes int) <-chan lanePacket {
	got := make(chan lanePacket)
	for _, conn := range server.Lanes(lanes) {
		go func() {
			buf := make([]byte, MaxDatagram)
			for {
				n, from, err := conn.ReadFrom(buf)
				if err != nil {
					return
				}
				select {
				case got <- lanePacket{from.(*Peer).addr().String(), string(buf[:n])}:
				case <-server.closed:
					return
				}
			}
		}()
	}
	return got
}

// answerAndRest sends to a peer, and now and then gives its memory back, until stop is closed.
func answerAndRest(t *testing.T, server *Conn, peer *Peer, conv uint32, stop <-chan struct{}) {
	for i := uint32(0); ; i++ {
		select {
		case <-stop:
			return
		case <-time.After(100 * time.Microsecond):
		}
		if i%3 == 0 {
			peer.Rest()
		}
		if _, err := server.WriteTo(seg(conv, 81, i, 0, "data"), peer); err != nil {
			t.Error(err)
			return
		}
	}
}
