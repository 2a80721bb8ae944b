package link

import (
	"testing"

	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// Each peer of a link is sent what its own sealer makes, one by one and in batches.
func TestSealerOfAPeer(t *testing.T) {
	sealer := func(cipher, key string) crypt.Sealer {
		s, err := crypt.NewSealer(cipher, key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, c := range map[string]struct{ ofLink, ofPeer crypt.Sealer }{
		"one by one":           {sealer("aes-128-gcm", "1"), sealer("aes-128-gcm", "2")},
		"in batches":           {sealer("aes", "1"), sealer("aes", "2")},
		"a batch of the other": {sealer("aes-128-gcm", "1"), sealer("aes", "2")},
		"none":                 {sealer("aes", "1"), crypt.Plain{}},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NoLeak(t)
			opt, _ := options(c.ofLink)
			near, far := fakePair()
			client := newConn(near, opt, far.addr)
			defer client.Close()
			p := client.Peer()
			p.seal = newSealing(c.ofPeer)
			for sn := range byte(3) {
				packet := seg(7, 81, uint32(sn), 0, "x")
				if _, err := client.WriteTo(packet, p); err != nil {
					t.Fatal(err)
				}
				got, ok := c.ofPeer.Open(testkit.Within(t, "a datagram", far.inbox).Data)
				if h, parsed := ParsePacket(got); !ok || !parsed || h.Next != uint32(sn)+1 {
					t.Errorf("packet %d is not what the peer's sealer opens", sn)
				}
			}
		})
	}
}
