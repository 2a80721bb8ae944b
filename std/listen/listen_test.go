package listen

import (
	"net"
	"testing"
)

func TestListenStreamTCP(t *testing.T) {
	lis, err := Stream("127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	if _, err := Stream(lis.Addr().String(), 0); err == nil {
		t.Error("listens twice")
	}
}

func TestAddrText(t *testing.T) {
	for want, addr := range map[string]net.Addr{
		"1.2.3.4:5": &net.TCPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5},
		"/run/s":    &net.UnixAddr{Name: "/run/s", Net: "unix"},
	} {
		if got := AddrText(addr); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, addr := range []net.Addr{nil, &net.UnixAddr{Net: "unix"}, &net.UnixAddr{Name: "@", Net: "unix"}} {
		if got := AddrText(addr); got != "unix" {
			t.Errorf("%v is %q", addr, got)
		}
	}
}
