package listen

import (
	"net"
	"time"
)

// KeepAlive is the TCP keepalive for connections to applications and targets, in force from
// the start. A peer that is gone answers with a reset or not at all, and the stream ends. A
// relay with one direction already ended depends on that.
var KeepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}
