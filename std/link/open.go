package link

import (
	"context"
	"net/netip"

	"kcptun/std/carrier"
	"kcptun/std/carrier/rawtcp"
	"kcptun/std/carrier/resolve"
	"kcptun/std/carrier/udp"
)

// Dial opens a link to one peer over UDP. remote is host:port. If host is a name, Dial uses
// the first address that resolve.All returns now.
func Dial(ctx context.Context, opt Options, remote string) (*Conn, error) {
	peer, err := resolve.First(ctx, remote)
	if err != nil {
		return nil, err
	}
	sock, err := carrier.NewMovable(ctx, func(ctx context.Context) (carrier.Carrier, error) {
		return udp.Dial(ctx, opt.carrier(), peer)
	})
	if err != nil {
		return nil, err
	}
	return newConn(sock, opt, peer), nil
}

// Listen opens a link for any number of peers on local, a host:port. An empty host and [::]
// accept IPv4 and IPv6, 0.0.0.0 accepts only IPv4.
func Listen(ctx context.Context, opt Options, local string) (*Conn, error) {
	sock, err := udp.Listen(ctx, opt.carrier(), local)
	if err != nil {
		return nil, err
	}
	return newConn(sock, opt, netip.AddrPort{}), nil
}

// DialTCP is Dial over an imitation of TCP. It requires root, or CAP_NET_RAW and
// CAP_NET_ADMIN.
func DialTCP(ctx context.Context, opt Options, remote string) (*Conn, error) {
	peer, err := resolve.First(ctx, remote)
	if err != nil {
		return nil, err
	}
	sock, err := rawtcp.Dial(ctx, opt.carrier(), peer)
	if err != nil {
		return nil, err
	}
	return newConn(sock, opt, peer), nil
}

// ListenTCP is Listen over an imitation of TCP. It keeps each conversation at its connection,
// which no client of ours leaves: whoever makes a connection of his own and copies packets
// would draw a session there.
func ListenTCP(ctx context.Context, opt Options, local string) (*Conn, error) {
	opt.Settled = true
	sock, err := rawtcp.Listen(ctx, opt.carrier(), local)
	if err != nil {
		return nil, err
	}
	return newConn(sock, opt, netip.AddrPort{}), nil
}

// Refused is a hint that nobody listens on a UDP host:port; see udp.Refused.
func Refused(ctx context.Context, hostport string) bool { return udp.Refused(ctx, hostport) }
