// Package metrics owns the counters of kcp-go, to which the engine of mode auto and the
// link add what kcp-go does not see. It also owns the ways to read them: the file of
// --snmplog and the line on SIGUSR1. The counters of the link itself are in package link,
// which passes them on as text.
package metrics

import (
	"sync/atomic"

	"github.com/xtaci/kcp-go/v5"
)

// kcp-go has one set of counters for the whole process, which its own sessions update.
// Apart from them, only the functions below do.

func add(counter *uint64, n int) {
	if n != 0 { // all goroutines that send or receive write to these
		atomic.AddUint64(counter, uint64(n))
	}
}

// Sent counts datagrams that kcp-go has not counted, and their bytes including the seal.
func Sent(datagrams, bytes int) {
	add(&kcp.DefaultSnmp.OutPkts, datagrams)
	add(&kcp.DefaultSnmp.OutBytes, bytes)
}

// Received counts received packets that kcp-go does not count, and their bytes. Negative
// numbers compensate for what kcp-go is going to count although it was not received.
func Received(packets, bytes int) {
	add(&kcp.DefaultSnmp.InPkts, packets)
	add(&kcp.DefaultSnmp.InBytes, bytes)
}

// Malformed counts a packet that the engine could not read.
func Malformed() { add(&kcp.DefaultSnmp.InErrs, 1) }

// Unsealed counts a datagram that could not be opened.
func Unsealed() { add(&kcp.DefaultSnmp.InCsumErrors, 1) }

// OutOfBand counts a packet of kcp-go's out-of-band kind.
func OutOfBand() { add(&kcp.DefaultSnmp.OOBPackets, 1) }

// Read counts bytes that a session has delivered.
func Read(bytes int) { add(&kcp.DefaultSnmp.BytesReceived, bytes) }

// Written counts bytes that a session has accepted.
func Written(bytes int) { add(&kcp.DefaultSnmp.BytesSent, bytes) }

// Segments are counts of KCP segments since they were last counted.
type Segments struct {
	Sent     uint64 // including retransmissions
	Received uint64 // including duplicates
	Resent   uint64
	Lost     uint64
	Repeated uint64 // duplicates received
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

// Opened counts the start of a conversation, as kcp-go does. active means that this end
// started it.
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

// Closed counts the end of a conversation that Opened counted.
func Closed() { add(&kcp.DefaultSnmp.CurrEstab, -1) }

// Moved returns how many bytes of datagrams were received and sent since the start, and how
// many conversations are open.
func Moved() (bytes, open uint64) {
	snmp := kcp.DefaultSnmp
	bytes = atomic.LoadUint64(&snmp.InBytes) + atomic.LoadUint64(&snmp.OutBytes)
	return bytes, atomic.LoadUint64(&snmp.CurrEstab)
}
