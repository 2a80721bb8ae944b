// Package rawtcp is the carrier that imitates TCP in the same wire format as tcpraw: each
// datagram is the payload of a segment of a connection that the kernels have established
// and that has been silenced since. It owns the raw sockets, the flows, and the firewall
// rules that keep the kernel's connections silent, including their removal. It works only
// on Linux.
package rawtcp
