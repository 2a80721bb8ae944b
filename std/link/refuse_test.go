package link

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// refusals are datagrams that a dialled link refuses, each counted in one place.
func refusals(seal crypt.Sealer) []refusal {
	long := seg(1, 81, 0, 0, strings.Repeat("x", MaxDatagram))
	return []refusal{
		{"short", make([]byte, seal.Overhead()+minPacket-1), fakeServerAddr, "LinkShort"},
		{"foreign address", seal.Seal(nil, seg(1, 81, 0, 0, "data")), netip.MustParseAddrPort("192.0.2.9:29900"), "LinkForeign"},
		{"foreign port", seal.Seal(nil, seg(1, 81, 0, 0, "data")), netip.MustParseAddrPort("192.0.2.2:29901"), "LinkForeign"},
		{"noise", testkit.RandomBytes(1, 500), fakeServerAddr, "LinkSealFailures"},
		{"shape", seal.Seal(nil, seg(1, 99, 0, 0, "data")), fakeServerAddr, "LinkBadShape"},
		{"shape of the least size", seal.Seal(nil, make([]byte, minPacket)), fakeServerAddr, "LinkBadShape"},
		{"longer than any", append(seal.Seal(nil, nil), long...), fakeServerAddr, "LinkBadShape"},
	}
}

type refusal struct {
	name     string
	datagram []byte
	from     netip.AddrPort
	counter  string
}

func TestRefusedDatagramsAreCounted(t *testing.T) {
	for _, seal := range []crypt.Sealer{newAES(), newGCM(testkit.RandomBytes(3, 32)), crypt.Plain{}} {
		for _, r := range refusals(seal) {
			t.Run(fmt.Sprintf("%T/%s", seal, r.name), func(t *testing.T) {
				counter := r.counter
				if _, plain := seal.(crypt.Plain); plain && counter == "LinkSealFailures" {
					counter = "LinkBadShape"
				}
				opt, book := options(seal)
				client := newFake(fakeClientAddr)
				c := newConn(client, opt, fakeServerAddr)
				defer c.Close()
				beginAt(c, 1)
				before := atomic.LoadUint64(&kcp.DefaultSnmp.InCsumErrors)
				good := seg(1, 81, 0, 0, "good")
				for range 3 {
					client.deliver(r.datagram, r.from)
				}
				client.deliver(seal.Seal(nil, good), fakeServerAddr)
				b := make([]byte, MaxDatagram)
				n, from, err := c.ReadFrom(b)
				if err != nil || string(b[:n]) != string(good) || from != net.Addr(c.Peer()) {
					t.Fatalf("the good one behind them: %q %v %v", b[:n], from, err)
				}
				if got := opt.Stats.String(); !strings.Contains(got, counter+":3") || strings.Count(got, ":0") != 10 {
					t.Errorf("want %s:3 in %s", counter, got)
				}
				sum := atomic.LoadUint64(&kcp.DefaultSnmp.InCsumErrors) - before
				lines := book.with("do not open")
				if counter == "LinkSealFailures" {
					if sum != 3 || len(lines) != 1 || !strings.Contains(lines[0], "from=192.0.2.2:29900 times=1") {
						t.Errorf("InCsumErrors went up by %d; logged %q", sum, lines)
					}
				} else if sum != 0 || len(lines) != 0 {
					t.Errorf("InCsumErrors went up by %d; logged %q", sum, lines)
				}
			})
		}
	}
}

// Anybody can send such datagrams: they must cost no memory.
func TestRefusedDatagramsAllocateNothing(t *testing.T) {
	for _, f := range sealForms() {
		seal := f.make(testkit.RandomBytes(3, 32))
		opt, _ := options(seal)
		client, server := fakePair()
		dialled, listening := fakeConns(t, client, server, opt)
		beginAt(dialled, 1)
		for _, r := range refusals(seal) {
			for _, c := range []*Conn{dialled, listening} {
				if c == listening && r.counter == "LinkForeign" {
					continue
				}
				admitted := admit(c, r.datagram, r.from)
				allocs := testkit.Allocations(func() {
					if admitted() {
						t.Fatalf("%s, %s: admitted", f.name, r.name)
					}
				})
				if allocs != 0 {
					t.Errorf("%s, %s: %v allocations", f.name, r.name, allocs)
				}
			}
		}
		if len(listening.peers.table) != 0 {
			t.Errorf("%s: %d peers of refused datagrams", f.name, len(listening.peers.table))
		}
	}
}

// Nor does a good one of a known peer cost any.
func TestAdmittedDatagramAllocatesNothing(t *testing.T) {
	for _, f := range sealForms() {
		seal := f.make(testkit.RandomBytes(3, 32))
		opt, _ := options(seal)
		client, server := fakePair()
		dialled, listening := fakeConns(t, client, server, opt)
		beginAt(dialled, 1)
		for _, c := range []*Conn{dialled, listening} {
			admitted := admit(c, seal.Seal(nil, seg(1, 81, 0, 0, "data")), fakeServerAddr)
			allocs := testkit.Allocations(func() {
				if !admitted() {
					t.Fatal("refused")
				}
			})
			if allocs != 0 {
				t.Errorf("%s: %v allocations", f.name, allocs)
			}
		}
	}
}
