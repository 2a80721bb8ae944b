package link

import (
	"log/slog"
	"sync"
)

// notices are lines about what the system lacks. Each is logged once in the life of a
// program: a client opens a socket for every session, and a server one for every port.
type notices struct{ calls, segments sync.Once }

func (n *notices) oneByOne(log *slog.Logger, missing error) {
	n.calls.Do(func() {
		log.Info("the system does not move several messages in one call, moving them one by one", "err", missing)
	})
}

func (n *notices) noSegments(log *slog.Logger, err error) {
	n.segments.Do(func() {
		log.Info("the system does not segment datagrams here, sending them one by one", "err", err)
	})
}
