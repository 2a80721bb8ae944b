package carrier

import (
	"net/netip"
	"testing"
)

func TestUnmap(t *testing.T) {
	for from, want := range map[string]string{
		"[::ffff:192.0.2.7]:80": "192.0.2.7:80",
		"192.0.2.7:80":          "192.0.2.7:80",
		"[2001:db8::1]:80":      "[2001:db8::1]:80",
		"[fe80::1%lo]:80":       "[fe80::1%lo]:80",
	} {
		if got := Unmap(netip.MustParseAddrPort(from)).String(); got != want {
			t.Errorf("%s: %s", from, got)
		}
	}
}
