package link

import "log/slog"

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
