package link

import (
	"context"
	"net/netip"
)

// DialTCP opens a link to one peer over an imitation of TCP, the same on the
// wire as that of tcpraw. It takes root, or CAP_NET_RAW and CAP_NET_ADMIN.
func DialTCP(ctx context.Context, opt Options, remote string) (*Conn, error) {
	peer, err := resolve(ctx, remote)
	if err != nil {
		return nil, err
	}
	sock, err := dialRaw(ctx, opt, peer)
	if err != nil {
		return nil, err
	}
	return newConn(sock, opt, peer), nil
}

// ListenTCP opens a link for any number of peers over the imitation of TCP. An
// empty host and [::] take IPv4 and IPv6, 0.0.0.0 takes IPv4 alone.
func ListenTCP(ctx context.Context, opt Options, local string) (*Conn, error) {
	sock, err := listenRaw(ctx, opt, local)
	if err != nil {
		return nil, err
	}
	return newConn(sock, opt, netip.AddrPort{}), nil
}

// CheckTCP tells what the imitation of TCP lacks on this machine, and clears
// rules that a crashed run left behind. It is called before anything opens.
func CheckTCP() (cleared []string, err error) {
	if err := preflight(); err != nil {
		return nil, err
	}
	return clearStaleRules()
}
