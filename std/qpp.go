//go:build !noqpp

package std

import (
	"io"

	"github.com/xtaci/qpp"

	"kcptun/std/relay"
)

// QPPPort encrypts a stream with a quantum permutation pad.
type QPPPort = relay.QPPPort

// NewQPPPort wraps under. seed is the pre-shared key and starts both directions.
func NewQPPPort(under io.ReadWriteCloser, pad *qpp.QuantumPermutationPad, seed []byte) *QPPPort {
	return relay.NewQPPPort(under, pad, seed)
}
