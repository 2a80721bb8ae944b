// Package metrics owns what the programs count and how it is read: kcp-go's counters,
// to which the engine of mode auto and the link add what kcp-go does not see, the file of
// --snmplog, the line of SIGUSR1. The link's own counters are in package link, which hands
// them in as text; what is worth counting is decided by whoever counts it.
package metrics

import (
	"sync/atomic"

	"github.com/xtaci/kcp-go/v5"
)

// kcp-go has one set of counters for the process. It counts there what its own sessions
// do; the functions below are all that adds to it from here.

func add(counter *uint64, n int) { atomic.AddUint64(counter, uint64(n)) }

// Sent counts datagrams sent that kcp-go has not counted, and their bytes from the seal on.
func Sent(datagrams, bytes int) {
	add(&kcp.DefaultSnmp.OutPkts, datagrams)
	add(&kcp.DefaultSnmp.OutBytes, bytes)
}

// Received counts packets received that kcp-go does not count, and their bytes. It takes
// back what kcp-go will count and nobody has sent where they are negative.
func Received(packets, bytes int) {
	add(&kcp.DefaultSnmp.InPkts, packets)
	add(&kcp.DefaultSnmp.InBytes, bytes)
}

// Malformed counts a packet that the engine could not read.
func Malformed() { add(&kcp.DefaultSnmp.InErrs, 1) }

// Unsealed counts a datagram that did not open.
func Unsealed() { add(&kcp.DefaultSnmp.InCsumErrors, 1) }

// OutOfBand counts a packet of kcp-go's out-of-band kind.
func OutOfBand() { add(&kcp.DefaultSnmp.OOBPackets, 1) }

// Read counts bytes that a session has given to what is above it.
func Read(bytes int) { add(&kcp.DefaultSnmp.BytesReceived, bytes) }

// Written counts bytes that a session took from what is above it.
func Written(bytes int) { add(&kcp.DefaultSnmp.BytesSent, bytes) }

// Segments are KCP segments since the last time they were counted.
type Segments struct {
	Sent     uint64 // with those sent again
	Received uint64 // with those received again
	Resent   uint64
	Lost     uint64
	Repeated uint64 // received again
}

// Count adds them to the counters.
func (s Segments) Count() {
	snmp := kcp.DefaultSnmp
	atomic.AddUint64(&snmp.OutSegs, s.Sent)
	atomic.AddUint64(&snmp.InSegs, s.Received)
	atomic.AddUint64(&snmp.RetransSegs, s.Resent)
	atomic.AddUint64(&snmp.LostSegs, s.Lost)
	atomic.AddUint64(&snmp.RepeatSegs, s.Repeated)
}

// Opened counts a conversation that begins, as kcp-go does: one that this end begins is
// active.
func Opened(active bool) {
	kind := &kcp.DefaultSnmp.PassiveOpens
	if active {
		kind = &kcp.DefaultSnmp.ActiveOpens
	}
	atomic.AddUint64(kind, 1)
	open := atomic.AddUint64(&kcp.DefaultSnmp.CurrEstab, 1)
	for most := atomic.LoadUint64(&kcp.DefaultSnmp.MaxConn); open > most; most = atomic.LoadUint64(&kcp.DefaultSnmp.MaxConn) {
		if atomic.CompareAndSwapUint64(&kcp.DefaultSnmp.MaxConn, most, open) {
			return
		}
	}
}

// Closed counts the end of a conversation that Opened has counted.
func Closed() { add(&kcp.DefaultSnmp.CurrEstab, -1) }

// Moved is how many bytes of datagrams were received and sent since the start, and how
// many conversations are open.
func Moved() (bytes, open uint64) {
	snmp := kcp.DefaultSnmp
	bytes = atomic.LoadUint64(&snmp.InBytes) + atomic.LoadUint64(&snmp.OutBytes)
	return bytes, atomic.LoadUint64(&snmp.CurrEstab)
}
