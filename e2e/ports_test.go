package e2e_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"kcptun/e2e/lab"
	"kcptun/std/crypt"
)

// With --crypt none, anybody can write a packet that begins a conversation. If each of
// thousands of ports begins one, the server keeps few of those that have acknowledged
// nothing, and a client still gets in.
func TestConversationsFromManyPorts(t *testing.T) {
	t.Parallel()
	fullOnly(t)
	const ports = 5000
	for name, p := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.both = append([]string{"--crypt", "none"}, p.both...)
			tn := start(t, p)
			tn.exchange(t, 64*kib)
			before := memory(t, tn.server)
			rng := rand.New(rand.NewPCG(1, 2))
			none, err := crypt.NewSealer("none", secret)
			must(t, err)
			most := before
			for i := range ports {
				s, err := lab.NewStranger(tn.listen, "")
				must(t, err)
				must(t, s.Replay(patient(t), []lab.Datagram{{Data: beginning(none, rng)}}))
				must(t, s.Close())
				if i%100 == 99 {
					most = max(most, memory(t, tn.server))
				}
			}
			tn.answered(t, "an answer to the client that was there before")
			_, dial := startClient(t, tn.listen, p)
			wait(t, "another client to get in", func() bool {
				_, err := lab.Echo(shortly(t), dial, 1, 100)
				return err == nil
			})
			grown := float64(max(most, memory(t, tn.server))-before) / mib
			t.Logf("the server had %.1f MiB, and grew by %.1f", float64(before)/mib, grown)
			if !raceDetector && grown > 64 {
				t.Errorf("the server grew by %.1f MiB", grown)
			}
			if n := tn.target.Accepted(); n > 4 {
				t.Errorf("the target was reached %d times", n)
			}
		})
	}
}

// beginning is a datagram of --crypt none with the first data of a conversation: the
// beginning of a compressed stream that never continues.
func beginning(none crypt.Sealer, rng *rand.Rand) []byte {
	packet := binary.LittleEndian.AppendUint32(nil, rng.Uint32()) // the number of the conversation
	packet = append(packet, 81, 0, 0xff, 0)
	for _, v := range []uint32{rng.Uint32(), 0, 0, 3} { // time, number, acknowledged, length
		packet = binary.LittleEndian.AppendUint32(packet, v)
	}
	return none.Seal(nil, append(packet, 0xff, 6, 0))
}
