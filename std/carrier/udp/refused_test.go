package udp

import (
	"context"
	"net"
	"testing"
)

// A closed port is distinguished from one where somebody listens silently.
func TestRefused(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := conn.LocalAddr().String()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // as soon as the byte has come there is nothing to wait for
		_, _, _ = conn.ReadFrom(make([]byte, 10))
		cancel()
	}()
	if Refused(ctx, addr) {
		t.Error("refused where somebody listens")
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if !Refused(context.Background(), addr) {
		t.Skip("this system does not tell of closed ports")
	}
	if Refused(context.Background(), "no port") {
		t.Error("an address without a port is refused")
	}
}
