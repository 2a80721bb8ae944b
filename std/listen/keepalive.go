package listen

import (
	"net"
	"time"
)

// KeepAlive is the TCP keepalive of connections to applications and targets, from the
// start. An end that is gone answers with a reset or not at all, and the stream ends. A
// relay of which one direction has ended depends on that.
var KeepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}
