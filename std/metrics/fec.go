package metrics

import (
	"sync/atomic"

	"github.com/xtaci/kcp-go/v5"
)

// The counters of error correction, which the link performs instead of kcp-go.

// Parity counts a parity packet that is not a duplicate.
func Parity() { add(&kcp.DefaultSnmp.FECParityShards, 1) }

// GroupComplete counts a group of which all data packets have arrived.
func GroupComplete() { add(&kcp.DefaultSnmp.FECFullShardSet, 1) }

// Restored counts a lost packet that was restored.
func Restored() { add(&kcp.DefaultSnmp.FECRecovered, 1) }

// RestoringFailed counts a restored packet that is invalid.
func RestoringFailed() { add(&kcp.DefaultSnmp.FECErrs, 1) }

// Groups records how many groups a receiver has open, and the number of the newest.
func Groups(newest, open uint64) {
	atomic.StoreUint64(&kcp.DefaultSnmp.FECShardMin, newest)
	atomic.StoreUint64(&kcp.DefaultSnmp.FECShardSet, open)
}
