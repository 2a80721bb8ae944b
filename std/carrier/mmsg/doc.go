// Package mmsg is the system calls of Linux that move several messages at once, for the
// carriers, and what takes their place where the system does not have them. It knows
// nothing of sockets but their numbers.
package mmsg
