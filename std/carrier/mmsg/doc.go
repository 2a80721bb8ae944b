// Package mmsg wraps the Linux system calls that move several messages at once, for the
// carriers, and substitutes for them on systems that lack them. It knows nothing of sockets
// but their descriptors.
package mmsg
