// Package soak runs tunnels for a long time while streams, sessions and whole
// clients come and go and the network fails in every way that the relay knows,
// then leaves them alone, and records what memory, goroutines, descriptors and
// processor time the programs take. It tells a leak from a cache: what the last
// quarter of the load takes is compared with the first, and what is left at rest
// with what there was before.
package soak
