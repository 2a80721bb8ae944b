package link

import (
	"fmt"
	"sync/atomic"

	"kcptun/std/carrier"
)

// Stats are the counters of the links of a program, besides those of kcp-go.
type Stats struct {
	Short        atomic.Uint64 // datagrams too short to hold a packet
	Foreign      atomic.Uint64 // datagrams that a client got from an address other than its server's
	SealFailures atomic.Uint64 // datagrams that did not open; also counted in kcp-go's InCsumErrors
	BadShape     atomic.Uint64 // packets that opened but are not KCP; datagrams above MaxDatagram
	Strays       atomic.Uint64 // packets that begin no conversation, and belong to none or cannot
	Crowded      atomic.Uint64 // packets that would have begun one while too many were not confirmed
	Moved        atomic.Uint64 // times that a client continued from another address
	FlowsRefused atomic.Uint64 // connections of the imitation of TCP that were refused, or dropped to make room
	RecvErrors   atomic.Uint64 // receive calls that failed and were retried
	SendErrors   atomic.Uint64 // datagrams that the system refused to send
	Shrunk       atomic.Uint64 // times that large packets did not pass and smaller ones were sent to a peer

	notices carrier.Notices // shared, as the counters are
}

// String lists every counter as Name:value, in the style of kcp-go's Snmp.
func (s *Stats) String() string {
	return fmt.Sprintf("LinkShort:%d LinkForeign:%d LinkSealFailures:%d LinkBadShape:%d LinkStrays:%d LinkCrowded:%d LinkMoved:%d LinkFlowsRefused:%d LinkRecvErrors:%d LinkSendErrors:%d LinkShrunk:%d",
		s.Short.Load(), s.Foreign.Load(), s.SealFailures.Load(), s.BadShape.Load(), s.Strays.Load(), s.Crowded.Load(), s.Moved.Load(), s.FlowsRefused.Load(), s.RecvErrors.Load(), s.SendErrors.Load(), s.Shrunk.Load())
}
