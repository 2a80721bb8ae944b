//go:build !linux

package udp

import "kcptun/std/carrier"

// newBatchSocket leaves the socket as it is: batching is for Linux.
func newBatchSocket(plain *socket, _ carrier.Options, _ bool) carrier.Carrier { return plain }
