package udp

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// rawLinkLocal is the source of a datagram that came in by way of an interface.
func rawLinkLocal(scope uint32) *unix.RawSockaddrInet6 {
	sa := new(unix.RawSockaddrInet6)
	toRaw(sa, netip.MustParseAddrPort("[fe80::1]:4001"), scope, true)
	return sa
}

// Datagrams from link-local peers on several interfaces cost no allocation.
func TestZonesAllocateNothing(t *testing.T) {
	lo, gone := rawLinkLocal(1), rawLinkLocal(4_000_000)
	var z zones
	for sa, want := range map[*unix.RawSockaddrInet6]string{lo: "[fe80::1%lo]:4001", gone: "[fe80::1%4000000]:4001"} {
		if got := fromRaw(sa, &z).String(); got != want {
			t.Errorf("%s instead of %s", got, want)
		}
	}
	if n := testkit.Allocations(func() { fromRaw(lo, &z); fromRaw(gone, &z) }); n != 0 {
		t.Errorf("%v allocations for two datagrams", n)
	}
}

// A renamed interface and a removed one are both noticed when the names are next looked up,
// which is soon.
func TestZonesFollowTheInterface(t *testing.T) {
	l := netns.New(t)
	err := l.In(l.Server, func() error {
		wire, err := net.InterfaceByName("w0")
		if err != nil {
			return err
		}
		var z zones
		for _, c := range []struct{ change, want string }{
			{"set w0 down", "w0"},
			{"set w0 name w7", "w7"},
			{"del w7", strconv.Itoa(wire.Index)},
		} {
			before := z.name(uint32(wire.Index))
			l.Run("ip -n " + l.Server + " link " + c.change)
			if again := z.name(uint32(wire.Index)); again != before && again != c.want {
				t.Errorf("%s: %s, and was %s", c.change, again, before)
			}
			if wait := time.Until(z.until); wait > zoneKept {
				t.Errorf("looked up again in %v only", wait)
			}
			z.until = time.Now()
			if got := z.name(uint32(wire.Index)); got != c.want {
				t.Errorf("%s: %s instead of %s", c.change, got, c.want)
			}
			if len(z.names) != 1 {
				t.Errorf("%s: kept %v", c.change, z.names)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestZoneOfUnknownInterface(t *testing.T) {
	if got := zoneName(4_000_000); got != "4000000" {
		t.Errorf("an unknown interface is called %q", got)
	}
}

func BenchmarkFromLinkLocal(b *testing.B) {
	sa := rawLinkLocal(1)
	var z zones
	b.ReportAllocs()
	for b.Loop() {
		fromRaw(sa, &z)
	}
}
