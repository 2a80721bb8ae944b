//go:build !linux && !darwin && !freebsd

package link

import "net"

func readBuffers(*net.UDPConn, int) (recv, send int, ok bool) { return 0, 0, false }

func bufferCure(int) string { return "ask for less with --sockbuf" }
