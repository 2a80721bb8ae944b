package lab

import (
	"net"
	"testing"
)

// Each port is handed out only once, and never while in use.
func TestFreePorts(t *testing.T) {
	seen := map[int]bool{}
	for range 50 {
		first, err := FreePorts(3)
		must(t, err)
		for port := first; port < first+3; port++ {
			if seen[port] {
				t.Errorf("port %d was handed out twice", port)
			}
			seen[port] = true
		}
	}
	first, err := FreePorts(1)
	must(t, err)
	used, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: first})
	must(t, err)
	defer used.Close()
	if areFree(first-1, 2) || areFree(first, 1) {
		t.Errorf("port %d counts as free while it is in use", first)
	}
}
