package carrier

import (
	"log/slog"
	"sync"
)

// Notices are lines about what the system lacks. Each is logged only once in the life of a
// program: a client opens a socket for every session, and a server one for every port.
type Notices struct {
	calls, segments sync.Once
}

// MissingCall logs that the system cannot move several messages in one call.
func (n *Notices) MissingCall(log *slog.Logger, missing error) {
	n.calls.Do(func() {
		log.Info("the system does not move several messages in one call, moving them one by one", "err", missing)
	})
}

// MissingSegments logs that the system cannot segment datagrams.
func (n *Notices) MissingSegments(log *slog.Logger, err error) {
	n.segments.Do(func() {
		log.Info("the system does not segment datagrams here, sending them one by one", "err", err)
	})
}
