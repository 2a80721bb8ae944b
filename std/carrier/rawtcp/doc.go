// Package rawtcp is the carrier that imitates TCP, the same on the wire as tcpraw's: each
// datagram is the payload of a segment of a connection that the kernels have agreed on
// and that is mute and deaf since. It owns the raw sockets, the flows, the rules in the
// firewall that keep the kernel's connections silent, and their removal. It works on Linux
// alone.
package rawtcp
