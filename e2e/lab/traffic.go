package lab

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"time"
)

// Dial opens a connection to the target, through the tunnel or directly.
type Dial func(ctx context.Context) (net.Conn, error)

// DialTo returns a Dial to addr: host:port, or the path of a unix socket.
func DialTo(addr string) Dial {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network(addr), addr)
	}
}

// Progress is told the total number of bytes moved so far, after each read or write, by the
// goroutine that moves them. It may be nil.
type Progress func(done int64)

// Result says what a transfer moved. It is valid even after an error.
type Result struct {
	Bytes    int64         // payload that has arrived (Pull, Fetch, HalfClose) or was acknowledged (Push)
	First    time.Duration // from the dial to the first byte of the answer
	Duration time.Duration // from the dial to the last byte, or to the end of the answer
	Sum      [sha256.Size]byte
}

// Rate is the throughput in bytes per second.
func (r Result) Rate() float64 {
	if r.Duration <= 0 {
		return 0
	}
	return float64(r.Bytes) / r.Duration.Seconds()
}

// Pull receives n bytes from the target, checks each of them, and then expects EOF. It does
// not set Sum.
func Pull(ctx context.Context, dial Dial, n int64, progress Progress) (Result, error) {
	return pull(ctx, dial, opGet, n, progress)
}

// PullSlow does what Pull does, at about 100 KB/s.
func PullSlow(ctx context.Context, dial Dial, n int64, progress Progress) (Result, error) {
	return pull(ctx, dial, opSlow, n, progress)
}

// PullHeld does what Pull does, but the target waits for its Release before it sends the
// second half.
func PullHeld(ctx context.Context, dial Dial, n int64, progress Progress) (Result, error) {
	return pull(ctx, dial, opHeld, n, progress)
}

func pull(ctx context.Context, dial Dial, op byte, n int64, progress Progress) (Result, error) {
	var res Result
	c, err := open(ctx, dial)
	if err != nil {
		return res, err
	}
	defer c.close()
	if _, err = c.conn.Write(header(op, uint64(n))); err == nil {
		err = c.compare(&res, n, progress)
	}
	if err == nil {
		err = c.expectEOF()
	}
	return res, c.explain("pull", err)
}

// Fetch receives the target's file into w, up to EOF, and sets Sum to its SHA-256, for the
// caller to check.
func Fetch(ctx context.Context, dial Dial, w io.Writer, progress Progress) (Result, error) {
	var res Result
	c, err := open(ctx, dial)
	if err != nil {
		return res, err
	}
	defer c.close()
	if _, err = c.conn.Write(header(opFile, 0)); err != nil {
		return res, c.explain("fetch", err)
	}
	sum := sha256.New()
	_, err = copyBlocks(io.MultiWriter(w, sum, c.meter(&res, progress)), c.conn)
	sum.Sum(res.Sum[:0])
	return res, c.explain("fetch", err)
}

// Push sends n bytes, which the target checks. It does not half-close, because older
// releases cannot carry that.
func Push(ctx context.Context, dial Dial, n int64, progress Progress) (Result, error) {
	var res Result
	c, err := open(ctx, dial)
	if err != nil {
		return res, err
	}
	defer c.close()
	if _, err = c.conn.Write(header(opPut, uint64(n))); err == nil {
		err = send(c.conn, n, &meter{progress: progress})
	}
	if err == nil {
		err = c.expectRight()
	}
	if err == nil {
		res.Bytes, res.Duration = n, time.Since(c.start)
		res.First = res.Duration
	}
	return res, c.explain("push", err)
}

// PushFrom sends n bytes of r, or everything followed by a half-close if n is negative, and
// checks the SHA-256 that the target answers with.
func PushFrom(ctx context.Context, dial Dial, r io.Reader, n int64, progress Progress) (Result, error) {
	var res Result
	c, err := open(ctx, dial)
	if err != nil {
		return res, err
	}
	defer c.close()
	return res, c.explain("push", c.push(&res, r, n, progress))
}

func (c *call) push(res *Result, r io.Reader, n int64, progress Progress) error {
	size := uint64(n)
	if n < 0 {
		size = untilEOF
	} else {
		r = io.LimitReader(r, n)
	}
	if _, err := c.conn.Write(header(opSum, size)); err != nil {
		return err
	}
	sum := sha256.New()
	sent, err := copyBlocks(io.MultiWriter(c.conn, sum, &meter{progress: progress}), r)
	if err != nil {
		return err
	}
	if n >= 0 && sent < n {
		return fmt.Errorf("the source has only %d of %d bytes", sent, n)
	}
	if n < 0 {
		if err := closeWrite(c.conn); err != nil {
			return err
		}
	}
	sum.Sum(res.Sum[:0])
	if err := c.expectSum(res.Sum); err != nil {
		return err
	}
	res.Bytes, res.Duration = sent, time.Since(c.start)
	res.First = res.Duration
	return nil
}

// HalfClose sends up bytes and EOF. Only then it receives the answer: the SHA-256 of these
// bytes, and down bytes, each of which it checks.
func HalfClose(ctx context.Context, dial Dial, up, down int64) (Result, error) {
	var res Result
	c, err := open(ctx, dial)
	if err != nil {
		return res, err
	}
	defer c.close()
	return res, c.explain("half-close", c.halfClose(&res, up, down))
}

func (c *call) halfClose(res *Result, up, down int64) error {
	if _, err := c.conn.Write(header(opReply, uint64(down))); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := copyBlocks(io.MultiWriter(c.conn, sum), io.LimitReader(newData(uint64(up)), up)); err != nil {
		return err
	}
	if err := closeWrite(c.conn); err != nil {
		return err
	}
	sum.Sum(res.Sum[:0])
	if err := c.expectSum(res.Sum); err != nil {
		return err
	}
	if err := c.compare(res, down, nil); err != nil {
		return err
	}
	return c.expectEOF()
}
