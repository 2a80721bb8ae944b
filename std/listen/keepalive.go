package listen

import (
	"net"
	"time"
)

// KeepAlive is TCP's keepalive for applications and targets, on from the start of
// a connection: an end that is gone answers with a reset, or not at all, and the
// stream ends. A relay of which one direction has ended depends on it.
var KeepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}
