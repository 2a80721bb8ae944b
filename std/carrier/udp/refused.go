package udp

import (
	"context"
	"net"
	"time"

	"kcptun/std/carrier"
)

// refusedWait is how long to wait for a report from the other machine.
const refusedWait = time.Second

// Refused tells whether the machine at a host:port reports that nobody listens there. It
// sends one byte, which servers of all versions drop, and waits for the ICMP error, which
// the system reports only on a connected socket. Anybody can forge that error, so it is no
// more than a hint for a log line; nothing else may depend on it. False means nothing,
// because firewalls drop silently.
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
