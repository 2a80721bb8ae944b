package udp

import (
	"context"
	"net"
	"time"

	"kcptun/std/carrier"
)

// refusedWait is how long word from the other machine is waited for.
const refusedWait = time.Second

// Refused tells whether the machine at a host:port says that nobody listens there: it sends
// one byte, which servers of all ages drop, and looks for the answer of ICMP that the
// system reports on a connected socket alone. Anybody can forge that, so it is a hint
// for a line in the log, on which nothing else may depend. False says nothing: firewalls
// drop in silence.
func Refused(ctx context.Context, hostport string) bool {
	ctx, cancel := context.WithTimeout(ctx, refusedWait)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", hostport)
	if err != nil {
		return false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := conn.Write([]byte{0}); err != nil {
		return false
	}
	_, err = conn.Read(make([]byte, 1))
	return carrier.Refusal(err)
}
