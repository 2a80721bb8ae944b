//go:build !unix

package listen

import "net"

// WatchHangUp does nothing here: an application that has left is noticed when its
// connection is read.
func WatchHangUp(net.Conn, func()) (stop func()) { return func() {} }
