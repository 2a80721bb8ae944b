package link

import (
	"fmt"
	"sync/atomic"

	"kcptun/std/carrier"
)

// Stats are the counters of the links of a program, beside kcp-go's own.
type Stats struct {
	Short        atomic.Uint64 // datagrams too short to hold a packet
	Foreign      atomic.Uint64 // datagrams at a client from another address than its server's
	SealFailures atomic.Uint64 // datagrams that did not open; also in kcp-go's InCsumErrors
	BadShape     atomic.Uint64 // packets that opened and are not KCP; datagrams above MaxDatagram
	Strays       atomic.Uint64 // packets of no conversation that is known, and that begin none
	Crowded      atomic.Uint64 // packets that would have begun one, while too many were not confirmed
	Moved        atomic.Uint64 // times that a client went on from another address
	FlowsRefused atomic.Uint64 // connections of the imitation of TCP that were refused, or dropped for others
	RecvErrors   atomic.Uint64 // receive calls that failed and were tried again
	SendErrors   atomic.Uint64 // datagrams that the system refused to send

	notices carrier.Notices // shared, as the counters are
}

// String lists every counter as Name:value, in the style of kcp-go's Snmp.
func (s *Stats) String() string {
	return fmt.Sprintf("LinkShort:%d LinkForeign:%d LinkSealFailures:%d LinkBadShape:%d LinkStrays:%d LinkCrowded:%d LinkMoved:%d LinkFlowsRefused:%d LinkRecvErrors:%d LinkSendErrors:%d",
		s.Short.Load(), s.Foreign.Load(), s.SealFailures.Load(), s.BadShape.Load(), s.Strays.Load(), s.Crowded.Load(), s.Moved.Load(), s.FlowsRefused.Load(), s.RecvErrors.Load(), s.SendErrors.Load())
}
