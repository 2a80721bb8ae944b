package rawtcp

import (
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/xtaci/tcpraw"
)

const (
	benchSize   = 1350
	benchWindow = 128 // datagrams on their way
)

// BenchmarkTCP carries datagrams one way through two namespaces, with a window so
// that none is lost, over our imitation of TCP and over tcpraw.
func BenchmarkTCP(b *testing.B) {
	for _, f := range labFamilies {
		b.Run("ours "+f.name, func(b *testing.B) { benchOurs(b, net.JoinHostPort(f.server, labPort)) })
		b.Run("tcpraw "+f.name, func(b *testing.B) { benchStock(b, net.JoinHostPort(f.server, labPort)) })
	}
}

// flood sends b.N datagrams, n at a time. Any that are lost nevertheless are given up after
// a second.
func flood(b *testing.B, arrived *atomic.Int64, n int, send func(n int) error) {
	b.SetBytes(benchSize)
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	b.ResetTimer()
	for sent := 0; sent < b.N; sent += n {
		n = min(n, b.N-sent)
		for since := time.Now(); int64(sent)-arrived.Load() > benchWindow && time.Since(since) < time.Second; {
			time.Sleep(10 * time.Microsecond)
		}
		if err := send(n); err != nil {
			b.Fatal(err)
		}
	}
	for since := time.Now(); arrived.Load() < int64(b.N) && time.Since(since) < time.Second; {
		time.Sleep(10 * time.Microsecond)
	}
	b.StopTimer()
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	b.ReportMetric(float64(after.Utime.Nano()+after.Stime.Nano()-before.Utime.Nano()-before.Stime.Nano())/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)-float64(arrived.Load()), "lost")
}

func benchOurs(b *testing.B, remote string) {
	l := newLab(b)
	opt, _ := options()
	opt.Buffer = 1 << 22
	c, s := l.carriers(opt, remote)
	var arrived atomic.Int64
	go func() {
		for {
			in, err := s.Recv()
			if err != nil {
				return
			}
			arrived.Add(int64(len(in)))
		}
	}()
	buf := make([]byte, 32*benchSize)
	out := datagramTo(remote, buf)
	out[0].Size = benchSize
	flood(b, &arrived, 32, func(n int) error {
		out[0].Buf, out[0].Count = buf[:n*benchSize], n
		_, err := c.Send(out)
		return err
	})
}

func benchStock(b *testing.B, remote string) {
	l := newLab(b)
	host, _, _ := net.SplitHostPort(remote)
	open := func(ns string, f func() (*tcpraw.TCPConn, error)) (c *tcpraw.TCPConn) {
		if err := l.In(ns, func() (err error) { c, err = f(); return err }); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { l.Close(ns, c.Close) })
		return c
	}
	s := open(l.Server, func() (*tcpraw.TCPConn, error) { return tcpraw.Listen("tcp", net.JoinHostPort(host, labPort)) })
	c := open(l.Client, func() (*tcpraw.TCPConn, error) { return tcpraw.Dial("tcp", remote) })
	_, _ = s.SetReadBuffer(1<<22), c.SetWriteBuffer(1<<22)
	var arrived atomic.Int64
	go func() {
		buf := make([]byte, 2048)
		for {
			if _, _, err := s.ReadFrom(buf); err != nil {
				return
			}
			arrived.Add(1)
		}
	}()
	to, data := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(remote)), make([]byte, benchSize)
	flood(b, &arrived, 32, func(n int) error {
		for range n {
			if _, err := c.WriteTo(data, to); err != nil {
				return err
			}
		}
		return nil
	})
}
