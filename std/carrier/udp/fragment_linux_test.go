package udp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"kcptun/std/carrier"
	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// farLab is a lab whose server's namespace is a router. The wire behind it carries 1280
// bytes, and a firewall drops what the router reports of that.
type farLab struct {
	*netns.Lab
	far string // the namespace behind the router
}

const farAddr = "198.51.100.2"

func newFarLab(t *testing.T) *farLab {
	t.Helper()
	l := &farLab{Lab: netns.New(t, "iptables", "sysctl"), far: fmt.Sprintf("labf%d", os.Getpid())}
	l.Run("ip netns add " + l.far)
	t.Cleanup(func() { l.Run("ip netns del " + l.far) })
	l.Run("ip -n " + l.far + " link set lo up") // package net tries IPv6 there
	l.Run("ip link add w1 netns " + l.Server + " mtu 1280 type veth peer name w1 netns " + l.far)
	l.Run("ip -n " + l.far + " link set w1 mtu 1280")
	for ns, address := range map[string]string{l.Server: "198.51.100.1/24", l.far: farAddr + "/24"} {
		l.Run("ip -n " + ns + " link set w1 up")
		l.Run("ip -n " + ns + " addr add " + address + " dev w1")
	}
	l.Run("ip netns exec " + l.Server + " sysctl -qw net.ipv4.ip_forward=1")
	l.Run("ip netns exec " + l.Server + " iptables -w -A OUTPUT -p icmp -j DROP")
	l.Run("ip -n " + l.Client + " route add 198.51.100.0/24 via " + netns.Server4)
	l.Run("ip -n " + l.far + " route add default via 198.51.100.1")
	if t.Failed() {
		t.FailNow()
	}
	return l
}

// carriers are one that listens behind the router, and one that sends to it.
func (l *farLab) carriers(opt carrier.Options) (client, server carrier.Carrier, way *carrier.Way) {
	l.T.Helper()
	server = l.open(l.far, func() (carrier.Carrier, error) { return Listen(context.Background(), opt, ":0") })
	to := netip.MustParseAddrPort(net.JoinHostPort(farAddr, portOf(server)))
	client = l.open(l.Client, func() (carrier.Carrier, error) { return Dial(context.Background(), opt, to) })
	return client, server, carrier.NewWay(to)
}

func (l *farLab) open(ns string, f func() (carrier.Carrier, error)) (c carrier.Carrier) {
	l.T.Helper()
	if err := l.In(ns, func() (err error) { c, err = f(); return err }); err != nil {
		l.T.Fatal(err)
	}
	l.T.Cleanup(func() { c.Close() })
	return c
}

// A datagram that is too large for a path that says nothing gets through in fragments, and
// only then.
func TestFragments(t *testing.T) {
	l := newFarLab(t)
	large, small := strings.Repeat("large", 260), "small"
	both(t, func(t *testing.T, opt carrier.Options) {
		client, server, way := l.carriers(opt)
		for _, on := range []bool{false, true, false} {
			way.Fragment(on)
			say(t, client, way, large)
			if on {
				hear(t, server, large)
			}
			say(t, client, way, small)
			hear(t, server, small)
		}
	})
}

// Datagrams that leave together may all be split.
func TestFragmentsOfABatch(t *testing.T) {
	l := newFarLab(t)
	opt, _ := options()
	client, server, way := l.carriers(opt)
	way.Fragment(true)
	if refused, err := client.Send([]*carrier.Batch{batchOf(way, 3, 1300)}); refused != 0 || err != nil {
		t.Fatalf("%d datagrams refused: %v", refused, err)
	}
	hearAll(t, server, 3)
}

// Without that, no datagram is split, not even one of those that the system segments. They
// used to pass in fragments, and a single one of their size did not.
func TestBatchesAreSentWhole(t *testing.T) {
	l := newFarLab(t)
	both(t, func(t *testing.T, opt carrier.Options) {
		client, server, way := l.carriers(opt)
		if refused, err := client.Send([]*carrier.Batch{batchOf(way, 3, 1300)}); refused != 0 || err != nil {
			t.Fatalf("%d datagrams refused: %v", refused, err)
		}
		say(t, client, way, "small")
		hear(t, server, "small")
	})
}

// If even the first network card is too narrow, there is no smaller datagram to send, and
// the system splits them.
func TestNarrowCard(t *testing.T) {
	l := newFarLab(t)
	l.Run("ip -n " + l.Client + " link set w0 mtu 1000")
	both(t, func(t *testing.T, opt carrier.Options) {
		client, server, way := l.carriers(opt)
		for _, count := range []int{1, 3, 1} {
			if refused, err := client.Send([]*carrier.Batch{batchOf(way, count, leastWhole)}); refused != 0 || err != nil {
				t.Fatalf("%d of %d datagrams refused: %v", refused, count, err)
			}
			hearAll(t, server, count)
		}
	})
}

func batchOf(way *carrier.Way, count, size int) *carrier.Batch {
	b := new(carrier.Batch)
	b.Begin(way, nil)
	for range count {
		b.Buf = append(b.Buf, testkit.RandomBytes(1, size)...)
		b.Add(size)
	}
	return b
}

func hearAll(t *testing.T, c carrier.Carrier, count int) {
	t.Helper()
	testkit.Returns(t, "all datagrams", func() {
		for left := count; left > 0; {
			inbox, err := c.Recv()
			if err != nil {
				t.Error(err)
				return
			}
			for _, in := range inbox {
				for ; len(in.Data) > 0; left-- {
					in.Next()
				}
			}
		}
	})
}
