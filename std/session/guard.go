package session

import (
	"net"

	"kcptun/std/rescue"
)

// guarded is a link, or one of its lanes, in the hands of kcp-go. A panic in WriteTo, which
// kcp-go calls from a goroutine of its own, becomes an error, by which kcp-go ends the one
// session. The link's reader looks after itself.
type guarded struct {
	net.PacketConn
	panics *rescue.Net
}

func (g guarded) WriteTo(p []byte, addr net.Addr) (n int, err error) {
	defer g.panics.Catch(func(failure error) { err = failure })
	return g.PacketConn.WriteTo(p, addr)
}
