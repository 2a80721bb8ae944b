package std

import (
	"net"
	"time"
)

// KeepAlive is TCP's keepalive for applications and targets: one that is gone
// answers with a reset, or not at all, and the stream ends. It is set when a
// connection opens, where the system lets it be inherited or set at no cost of
// its own; a relay of which one direction has ended depends on it.
var KeepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}
