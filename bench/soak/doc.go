// Package soak runs tunnels for a long time, while streams, sessions and whole clients come
// and go and the network fails in every way that the relay can produce. Then it leaves them
// idle. It records the memory, goroutines, descriptors and processor time of the programs.
// It tells a leak from a cache by comparing the last quarter of the load with the first,
// and the idle time at the end with that at the start.
package soak
