package e2e_test

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"kcptun/e2e/lab"
)

// How much an attack sends, and from how many ports.
const (
	hostileDatagrams = 200_000
	hostilePorts     = 20
	hostileRecorded  = 2000
)

// Strangers send anything: noise, and recorded datagrams, unchanged, truncated or with bits
// flipped. They send it to the server and, with the server's address, to the client.
// Neither end panics, grows or stops serving.
func TestHostileDatagrams(t *testing.T) {
	t.Parallel()
	fullOnly(t)
	for name, c := range map[string]struct {
		flags  []string
		growth int64 // MB, at most
	}{
		"aes":                {[]string{"--mode", "fast3"}, 8},
		"aes-128-gcm, auto":  {[]string{"--mode", "auto", "--crypt", "aes-128-gcm"}, 8},
		"no crypto, no snap": {[]string{"--mode", "fast3", "--crypt", "null", "--nocomp"}, 32}, // here strangers get as far as KCP
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attack(t, c.flags, c.growth<<20)
		})
	}
}

func attack(t *testing.T, flags []string, growth int64) {
	tn := start(t, plan{both: flags, relay: new(lab.Fault)})
	rec := tn.relay.Record(hostileRecorded)
	tn.exchange(t, 4*mib)
	tn.pulls(t, 8, 64*kib)
	tn.relay.StopRecording()
	before := [2]int64{memory(t, tn.server), memory(t, tn.client)}

	reached := tn.target.Accepted()
	bulk := tn.slowPull(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for port := range hostilePorts {
		list := hostile(rng, rec.Datagrams(lab.Up), hostileDatagrams/hostilePorts)
		s, err := lab.NewStranger(tn.server.addr(t), "")
		must(t, err)
		must(t, s.Replay(patient(t), list))
		must(t, s.Close())
		for _, d := range hostile(rng, rec.Datagrams(lab.Down), 100) {
			_ = tn.relay.Inject(lab.Down, tn.relay.Clients()[0], d.Data) // datagrams that the system refuses do not matter
		}
		if port%5 == 0 {
			tn.exchange(t, 64*kib)
		}
	}
	select {
	case err := <-bulk:
		t.Errorf("the open download ended: %v", err)
	default:
	}
	tn.exchange(t, mib)
	if n := tn.target.Accepted() - reached - 1 - 2*(hostilePorts/5+1); n != 0 { // except for the download and the exchanges
		t.Errorf("strangers reached the target %d times", n)
	}
	for i, p := range []*program{tn.server, tn.client} {
		after := memory(t, p)
		t.Logf("the %s has %.1f MiB, had %.1f", p.name, float64(after)/mib, float64(before[i])/mib)
		if !raceDetector && after > before[i]+growth {
			t.Errorf("the %s grew by %d MiB", p.name, (after-before[i])/mib)
		}
	}
	tn.target.Close() // ends the open download
	<-bulk
}

// hostile returns n datagrams: a fifth of them noise, the rest recorded and mangled.
func hostile(rng *rand.Rand, recorded []lab.Datagram, n int) []lab.Datagram {
	list := make([]lab.Datagram, n)
	for i := range list {
		if i%5 == 0 {
			list[i].Data = noise(rng, rng.IntN(1500)+1)
			continue
		}
		list[i].Data = lab.Mangle(rng, recorded[rng.IntN(len(recorded))].Data)
	}
	return list
}

func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// memory is the resident memory of a program; 0 if it cannot be known.
func memory(t *testing.T, p *program) int64 {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	n, err := p.RSS()
	must(t, err)
	return n
}

// addr is the address on which a program listens.
func (p *program) addr(t *testing.T) string {
	t.Helper()
	addr, err := p.ListenAddr(patient(t))
	must(t, err)
	return addr
}
