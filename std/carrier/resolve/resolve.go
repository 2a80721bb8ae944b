// Package resolve looks up the addresses of a server, in the order in which to try them. It
// opens no connections beyond those of the system's resolver.
package resolve

import (
	"context"
	"net"
	"net/netip"

	"kcptun/std/carrier"
)

// Resolver looks names up. *net.Resolver is one.
type Resolver interface {
	LookupPort(ctx context.Context, network, service string) (int, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// All returns the addresses of a host:port in the order in which to try them. IPv4 and IPv6
// alternate, so that a family without a route costs only one try (RFC 8305, section 4).
// IPv4 comes first, as in the original; within a family the order is the resolver's. If the
// error is nil, there is at least one address.
func All(ctx context.Context, r Resolver, hostport string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	port, err := r.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	if a, err := netip.ParseAddr(host); err == nil { // LookupNetIP would lose the zone
		a = a.Unmap()
		return []netip.AddrPort{netip.AddrPortFrom(a.WithZone(carrier.ZoneOf(a)), uint16(port))}, nil
	}
	found, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	addrs := interleave(found)
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	all := make([]netip.AddrPort, len(addrs))
	for i, a := range addrs {
		all[i] = netip.AddrPortFrom(a, uint16(port))
	}
	return all, nil
}

// interleave alternates IPv4 and IPv6 addresses and drops duplicates.
func interleave(found []netip.Addr) []netip.Addr {
	var four, six []netip.Addr
	seen := make(map[netip.Addr]bool, len(found))
	for _, a := range found {
		a = a.Unmap()
		if seen[a] {
			continue
		}
		seen[a] = true
		if a.Is4() {
			four = append(four, a)
		} else {
			six = append(six, a)
		}
	}
	var all []netip.Addr
	for len(four) > 0 || len(six) > 0 {
		if len(four) > 0 {
			all, four = append(all, four[0]), four[1:]
		}
		if len(six) > 0 {
			all, six = append(all, six[0]), six[1:]
		}
	}
	return all
}

// First returns the first address of hostport.
func First(ctx context.Context, hostport string) (netip.AddrPort, error) {
	all, err := All(ctx, net.DefaultResolver, hostport)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return all[0], nil
}
