//go:build !noqpp

package std_test

import (
	"io"

	"github.com/xtaci/qpp"

	"kcptun/std"
)

var _ func(io.ReadWriteCloser, *qpp.QuantumPermutationPad, []byte) *std.QPPPort = std.NewQPPPort
