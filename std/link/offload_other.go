//go:build !linux

package link

// newBatchSocket leaves the socket as it is: batching is for Linux.
func newBatchSocket(plain *udpSocket, _ Options, _ bool) carrier { return plain }
