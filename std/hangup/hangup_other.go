//go:build !unix

// Package hangup notices that the other end of a connection is gone while nobody is reading
// from the connection.
package hangup

import "net"

// WatchLeft does nothing here: an application that has left is noticed when its connection
// is next read.
func WatchLeft(net.Conn, func()) (stop func()) { return func() {} }

// CanWatch tells whether WatchReset works on a connection.
func CanWatch(net.Conn) bool { return false }

// WatchReset does nothing here either.
func WatchReset(net.Conn, func(why error)) (stop func()) { return func() {} }
