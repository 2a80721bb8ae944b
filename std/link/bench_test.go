package link_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/crypt"
	"kcptun/std/link"
	"kcptun/std/link/fec"
)

// benchDatagram is the default MTU: the size of a datagram of a bulk transfer.
const benchDatagram = 1350

type benchSealer struct {
	name string
	crypt.Sealer
}

// benchSealers are the ciphers that people choose for speed.
func benchSealers(tb testing.TB) []benchSealer {
	tb.Helper()
	key := make([]byte, 32)
	cfb := func(block kcp.BlockCrypt, err error) crypt.Sealer {
		if err != nil {
			tb.Fatal(err)
		}
		return crypt.NewCFB(block)
	}
	own, err := crypt.NewAESCFB(key)
	if err != nil {
		tb.Fatal(err)
	}
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		tb.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		tb.Fatal(err)
	}
	return []benchSealer{
		{"aes", own},
		{"aes-128-gcm", crypt.NewAEAD(gcm)},
		{"salsa20", cfb(kcp.NewSalsa20BlockCrypt(key))},
		{"null", crypt.Plain{}},
	}
}

// benchPacket is a data packet of KCP with FEC header, as it is before it is
// sealed to a datagram of benchDatagram bytes.
func benchPacket(s crypt.Sealer) []byte {
	const fecHeader, segmentHeader = 8, 24
	p := make([]byte, benchDatagram-s.Overhead())
	binary.LittleEndian.PutUint16(p[4:], 0xf1)
	binary.LittleEndian.PutUint16(p[6:], uint16(len(p)-fecHeader+2))
	segment := p[fecHeader:]
	binary.LittleEndian.PutUint32(segment, 7) // conversation
	segment[4] = 81                           // push
	binary.LittleEndian.PutUint32(segment[20:], uint32(len(segment)-segmentHeader))
	return p
}

func BenchmarkSeal(b *testing.B) {
	for _, s := range benchSealers(b) {
		b.Run(s.name, func(b *testing.B) {
			packet, out := benchPacket(s), make([]byte, 0, 2*benchDatagram)
			b.SetBytes(benchDatagram)
			b.ReportAllocs()
			for b.Loop() {
				s.Seal(out, packet)
			}
		})
	}
}

// BenchmarkOpen includes a copy of the datagram, which opening overwrites.
func BenchmarkOpen(b *testing.B) {
	for _, s := range benchSealers(b) {
		b.Run(s.name, func(b *testing.B) {
			datagram := s.Seal(nil, benchPacket(s))
			work := make([]byte, len(datagram))
			b.SetBytes(benchDatagram)
			b.ReportAllocs()
			for b.Loop() {
				copy(work, datagram)
				if _, ok := s.Open(work); !ok {
					b.Fatal("does not open")
				}
			}
		})
	}
}

func BenchmarkParsePacket(b *testing.B) {
	packet := benchPacket(crypt.Plain{})
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := link.ParsePacket(packet); !ok {
			b.Fatal("not a packet")
		}
	}
}

// BenchmarkConn is the whole way of a datagram, one way over loopback: sealed,
// sent, received, opened, checked. With FEC the parity is part of it.
func BenchmarkConn(b *testing.B) {
	for _, s := range benchSealers(b) {
		b.Run(s.name, func(b *testing.B) { benchConn(b, s.Sealer, 0, 0) })
		b.Run(s.name+"-fec", func(b *testing.B) { benchConn(b, s.Sealer, 10, 3) })
	}
}

func benchConn(b *testing.B, s crypt.Sealer, dataShards, parityShards int) {
	opt := link.Options{
		Sealer: s, Buffer: 4 << 20, Stats: new(link.Stats), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		DataShards: dataShards, ParityShards: parityShards,
	}
	server, err := link.Listen(b.Context(), opt, "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	client, err := link.Dial(b.Context(), opt, server.LocalAddr().String())
	if err != nil {
		b.Fatal(err)
	}
	credit, done := make(chan struct{}, 1024), make(chan struct{})
	go func() {
		defer close(done)
		benchReceive(server, credit)
	}()
	packet := benchPacket(s)[fec.Header:]
	lost := 0
	b.SetBytes(benchDatagram)
	b.ReportAllocs()
	b.ResetTimer()
	begin := time.Now()
	for i := range b.N {
		if i >= benchWindow && i%benchStep == 0 {
			lost += benchAwait(credit)
		}
		if _, err := client.WriteTo(packet, client.Peer()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "datagrams/s")
	b.ReportMetric(float64(lost)/float64(b.N), "lost/op")
	b.StopTimer()
	client.Close()
	server.Close()
	<-done
}

// The sender is at most benchWindow datagrams ahead, as KCP's window has it: a
// sender without a limit would only measure what the socket drops. The receiver
// gives credit for benchStep at a time.
const (
	benchWindow = 1024
	benchStep   = 64
)

func benchReceive(conn net.PacketConn, credit chan<- struct{}) {
	buf := make([]byte, 2*benchDatagram)
	for n := 1; ; n++ {
		if _, _, err := conn.ReadFrom(buf); err != nil {
			return
		}
		if n%benchStep == 0 {
			credit <- struct{}{}
		}
	}
}

// benchAwait waits for credit and returns how many datagrams it took for lost
// instead.
func benchAwait(credit <-chan struct{}) (lost int) {
	select {
	case <-credit:
		return 0
	case <-time.After(100 * time.Millisecond):
		return benchStep
	}
}
