package mux

import (
	"fmt"
	"net"
	"testing"
)

var benchSizes = []int{64, 1 << 10, 8 << 10}

// void is a connection that accepts everything and has nothing to read.
type void struct{ *sink }

func (void) WriteBuffers(v [][]byte) (int, error) { return sizeOf(v), nil }

// fountain is a connection that repeats the same bytes for ever.
type fountain struct {
	net.Conn
	bytes []byte
	off   int
}

func (c *fountain) Read(p []byte) (int, error) {
	n := copy(p, c.bytes[c.off:])
	c.off = (c.off + n) % len(c.bytes)
	return n, nil
}

func (c *fountain) WriteBuffers(v [][]byte) (int, error) { return sizeOf(v), nil }

func (c *fountain) Write(p []byte) (int, error) { return len(p), nil }

func (c *fountain) Close() error { return nil }

// BenchmarkWrite writes frames to a connection that costs nothing.
func BenchmarkWrite(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			st, err := start(b, void{newSink()}, testConfig(1, true)).Open()
			must(b, err)
			p := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := st.Write(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWriteMany does the same with 8 concurrent streams.
func BenchmarkWriteMany(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := start(b, void{newSink()}, testConfig(1, true))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				st, err := s.Open()
				p := make([]byte, size)
				for pb.Next() && err == nil {
					_, err = st.Write(p)
				}
			})
		})
	}
}

// BenchmarkRead reads frames from a connection that costs nothing, through the receiver and
// the queue of a stream.
func BenchmarkRead(b *testing.B) {
	for _, version := range []int{1, 2} {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("v%d/%d", version, size), func(b *testing.B) {
				conn := &fountain{bytes: append(frame{cmdSYN, 3, nil}.bytes(version), frame{cmdPSH, 3, make([]byte, size)}.bytes(version)...)}
				cfg := testConfig(version, false)
				cfg.ReceiveBuffer = 256 << 10 // less than what a CPU cache holds
				st, err := start(b, conn, cfg).Accept()
				must(b, err)
				p := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					for n := 0; n < size; {
						m, err := st.Read(p[n:])
						if err != nil {
							b.Fatal(err)
						}
						n += m
					}
				}
			})
		}
	}
}

// BenchmarkFrame encodes and checks a frame header.
func BenchmarkFrame(b *testing.B) {
	for b.Loop() {
		h := newHeader(2, cmdPSH, 8192, 3)
		if h.check(2) != nil {
			b.Fatal("refused")
		}
	}
}
