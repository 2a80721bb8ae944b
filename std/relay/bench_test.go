package relay

import (
	"io"
	"testing"

	"kcptun/std/testkit"
)

// BenchmarkRelay copies in one direction between two TCP connections, whose other ends are
// in this process, too.
func BenchmarkRelay(b *testing.B) {
	app, near := testkit.TCPPair(b)
	far, target := testkit.TCPPair(b)
	relayed := make(chan Result, 1)
	go func() { relayed <- Between(near, far, 0) }()
	go func() { _, _ = io.Copy(io.Discard, app) }() // the target's half-close
	const block = 64 << 10
	received := make(chan int64, 1)
	go func() {
		n, _ := io.CopyBuffer(io.Discard, struct{ io.Reader }{target}, make([]byte, block))
		target.Close()
		received <- n
	}()
	data := testkit.RandomBytes(1, block)
	b.SetBytes(block)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := app.Write(data); err != nil {
			b.Fatal(err)
		}
	}
	if err := app.CloseWrite(); err != nil {
		b.Fatal(err)
	}
	if n := <-received; n != int64(b.N)*block {
		b.Fatalf("%d of %d bytes", n, b.N*block)
	}
	b.StopTimer()
	<-relayed
}
