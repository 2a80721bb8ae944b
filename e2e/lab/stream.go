package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// opSlow sends 1 KiB every 10 ms, about 100 KB/s. The tunnel carries far more, so the
// length of the transfer determines how long the stream is open.
const (
	slowChunk = 1 << 10
	slowPause = 10 * time.Millisecond
)

// copyBlocks copies until EOF in pieces of blockSize. It hides the other methods of both
// arguments, with which io.Copy would choose smaller pieces.
func copyBlocks(w io.Writer, r io.Reader) (int64, error) {
	return io.CopyBuffer(plainWriter{w}, plainReader{r}, make([]byte, blockSize))
}

type plainWriter struct{ w io.Writer }

func (p plainWriter) Write(b []byte) (int, error) { return p.w.Write(b) }

type plainReader struct{ r io.Reader }

func (p plainReader) Read(b []byte) (int, error) { return p.r.Read(b) }

// send writes the n bytes of a transfer of length n.
func send(w io.Writer, n int64, progress io.Writer) error {
	d := newData(uint64(n))
	for sent := int64(0); sent < n; {
		b := d.next(int(min(n-sent, blockSize)))
		if _, err := w.Write(b); err != nil {
			return err
		}
		_, _ = progress.Write(b) // never fails
		sent += int64(len(b))
	}
	return nil
}

// receive reads the n bytes of a transfer of length n and checks each of them. That is
// cheaper than a hash at both ends, and shows where the first wrong byte is.
func receive(r io.Reader, n int64, progress io.Writer) error {
	d := newData(uint64(n))
	buf := make([]byte, min(n, blockSize))
	for got := int64(0); got < n; {
		k, err := r.Read(buf[:min(n-got, blockSize)])
		if wrong := d.check(buf[:k], got); wrong != nil {
			return fmt.Errorf("%w of %d", wrong, n)
		}
		got += int64(k)
		_, _ = progress.Write(buf[:k]) // never fails
		if err != nil && got < n {
			return fmt.Errorf("after %d of %d bytes: %w", got, n, noEOF(err))
		}
	}
	return nil
}

// echo uses a small buffer, because thousands of idle streams have one each.
func echo(conn net.Conn) error {
	_, err := io.CopyBuffer(plainWriter{conn}, plainReader{conn}, make([]byte, 2<<10))
	return err
}

// adder is a writer that counts bytes.
type adder struct{ sum *atomic.Int64 }

func (a adder) Write(b []byte) (int, error) {
	a.sum.Add(int64(len(b)))
	return len(b), nil
}

// slowly is a reader that returns slowChunk bytes every slowPause until ctx ends.
type slowly struct {
	ctx context.Context
	r   io.Reader
}

func (s *slowly) Read(b []byte) (int, error) {
	select {
	case <-s.ctx.Done():
		return 0, context.Cause(s.ctx)
	case <-time.After(slowPause):
		return s.r.Read(b[:min(len(b), slowChunk)])
	}
}

// held is a reader that waits for Release in the middle.
type held struct {
	t          *Target
	r          io.Reader
	first, all uint64 // bytes left until the wait, and in all
}

func (h *held) Read(b []byte) (int, error) {
	switch {
	case h.all == 0:
		return 0, io.EOF
	case h.first == 0:
		select {
		case <-h.t.release:
		case <-h.t.ctx.Done():
			return 0, context.Cause(h.t.ctx)
		}
		h.first = h.all
	}
	n, err := h.r.Read(b[:min(uint64(len(b)), h.first)])
	h.first -= uint64(n)
	h.all -= uint64(n)
	return n, err
}

// closeWrite sends EOF and keeps the other direction open.
func closeWrite(conn net.Conn) error {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("a %T cannot be closed one way", conn)
	}
	return half.CloseWrite()
}
