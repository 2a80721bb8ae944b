package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// ErrWrongData is the error of a transfer whose data arrived changed. It is the one error
// that no network excuses.
var ErrWrongData = errors.New("wrong data")

// call is one connection to the target. It is closed when ctx ends.
type call struct {
	ctx   context.Context
	conn  net.Conn
	start time.Time // before the dial
	stop  func() bool
}

func open(ctx context.Context, dial Dial) (*call, error) {
	start := time.Now()
	conn, err := dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return &call{ctx, conn, start, context.AfterFunc(ctx, func() { conn.Close() })}, nil
}

func (c *call) close() {
	c.stop()
	c.conn.Close()
}

// explain replaces the error of a closed connection by the reason why ctx ended, if it did.
func (c *call) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	if c.ctx.Err() != nil {
		return fmt.Errorf("%s: after %v: %w", what, time.Since(c.start).Round(time.Millisecond), context.Cause(c.ctx))
	}
	return fmt.Errorf("%s: %w", what, err)
}

// compare reads n bytes and checks each of them.
func (c *call) compare(res *Result, n int64, progress Progress) error {
	return receive(c.conn, n, c.meter(res, progress))
}

// expectRight reads the target's answer to opPut.
func (c *call) expectRight() error {
	var answer [1]byte
	if _, err := io.ReadFull(c.conn, answer[:]); err != nil {
		return fmt.Errorf("reading the target's answer: %w", noEOF(err))
	}
	if answer[0] != putRight {
		return fmt.Errorf("%w at the target", ErrWrongData)
	}
	return nil
}

// expectSum reads a SHA-256 and compares it.
func (c *call) expectSum(want [sha256.Size]byte) error {
	var got [sha256.Size]byte
	if _, err := io.ReadFull(c.conn, got[:]); err != nil {
		return fmt.Errorf("reading the target's sum: %w", noEOF(err))
	}
	if got != want {
		return fmt.Errorf("%w at the target: sha256 %x, want %x", ErrWrongData, got, want)
	}
	return nil
}

func (c *call) expectEOF() error {
	var b [1]byte
	n, err := c.conn.Read(b[:])
	if n > 0 {
		return errors.New("more data than was asked for")
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("waiting for the end: %w", err)
	}
	return nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// meter is a writer that counts its bytes.
type meter struct {
	res      *Result // may be nil
	start    time.Time
	done     int64
	progress Progress
}

func (c *call) meter(res *Result, progress Progress) *meter {
	return &meter{res: res, start: c.start, progress: progress}
}

func (m *meter) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	m.done += int64(len(b))
	if m.res != nil {
		m.res.Bytes, m.res.Duration = m.done, time.Since(m.start)
		if m.res.First == 0 {
			m.res.First = m.res.Duration
		}
	}
	if m.progress != nil {
		m.progress(m.done)
	}
	return len(b), nil
}
