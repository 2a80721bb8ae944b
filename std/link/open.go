package link

import (
	"context"
	"errors"
	"net/netip"

	"kcptun/std/carrier"
	"kcptun/std/carrier/rawtcp"
	"kcptun/std/carrier/resolve"
	"kcptun/std/carrier/udp"
)

// Dial opens a link to one peer over UDP. remote is host:port; of a name, the first
// address that resolve.All gives now.
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

// Listen opens a link for any number of peers on local, a host:port. An empty
// host and [::] take IPv4 and IPv6, 0.0.0.0 takes IPv4 alone.
func Listen(ctx context.Context, opt Options, local string) (*Conn, error) {
	sock, err := udp.Listen(ctx, opt.carrier(), local)
	if err != nil {
		return nil, err
	}
	return newConn(sock, opt, netip.AddrPort{}), nil
}

// DialTCP is Dial over an imitation of TCP. It takes root, or CAP_NET_RAW and
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

// ListenTCP is Listen over an imitation of TCP.
func ListenTCP(ctx context.Context, opt Options, local string) (*Conn, error) {
	sock, err := rawtcp.Listen(ctx, opt.carrier(), local)
	if err != nil {
		return nil, err
	}
	return newConn(sock, opt, netip.AddrPort{}), nil
}

// Refused is a hint whether nobody listens at a host:port of UDP; see udp.Refused.
func Refused(ctx context.Context, hostport string) bool { return udp.Refused(ctx, hostport) }

// Move has a dialled link go on from another port, over UDP. A server of ours follows; to
// any other the conversation is lost.
func (c *Conn) Move(ctx context.Context) error {
	m, ok := c.sock.(*carrier.Movable)
	if !ok {
		return errors.ErrUnsupported
	}
	return m.Move(ctx)
}
