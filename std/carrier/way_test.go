package carrier

import (
	"net/netip"
	"testing"
)

// A way that was made while fragments were on kept them on for good if they were turned off
// at the former way meanwhile.
func TestFragmentsOfFormerWay(t *testing.T) {
	former := NewWay(netip.MustParseAddrPort("192.0.2.1:1"))
	former.Fragment(true)
	present := former.To(netip.MustParseAddrPort("192.0.2.1:2")).From(netip.MustParseAddr("192.0.2.3"))
	if !present.Fragments() {
		t.Error("fragments are off after a move")
	}
	if former.Fragment(false); present.Fragments() {
		t.Error("fragments stay on")
	}
}
