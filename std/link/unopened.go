package link

import "net/netip"

const (
	// suspicious is how many datagrams of one source must fail to open before the log says
	// so, if none from there has ever opened. A path that damages one datagram in a hundred
	// damages the first three of a client once in a million times.
	suspicious = 3

	// suspects is how many sources are counted at a time. A new one replaces the oldest.
	suspects = 16
)

// unopened counts datagrams that did not open, by source. It belongs to one goroutine.
// Datagrams from a source that has a conversation here were damaged on their way, and are
// not counted.
type unopened struct {
	sources [suspects]struct {
		from  netip.AddrPort
		count int
	}
	next int  // the index to be replaced next
	any  bool // at least one source is counted
}

// failed counts a datagram, and tells whether its source is suspicious now.
func (u *unopened) failed(from netip.AddrPort) bool {
	u.any = true
	for i := range u.sources {
		if s := &u.sources[i]; s.from == from {
			s.count++
			return s.count >= suspicious
		}
	}
	s := &u.sources[u.next]
	s.from, s.count = from, 1
	u.next = (u.next + 1) % suspects
	return false
}

// opened records a datagram that did open: its source has our key.
func (u *unopened) opened(from netip.AddrPort) {
	if !u.any {
		return
	}
	u.any = false
	for i := range u.sources {
		s := &u.sources[i]
		if s.from == from {
			*s = struct {
				from  netip.AddrPort
				count int
			}{}
		}
		u.any = u.any || s.count > 0
	}
}

// notOpened counts a datagram that did not open, and logs the likely reasons.
func (t *intake) notOpened(from netip.AddrPort) {
	t.opt.Stats.SealFailures.Add(1)
	if t.peers.knows(from) || !t.unopened.failed(from) {
		return
	}
	if times, due := t.sealTrouble.Due(); due {
		t.opt.Log.Warn("datagrams arrive that do not open: key or crypt differ between the ends, or they are not from a kcptun", "from", from, "times", times)
	}
}
