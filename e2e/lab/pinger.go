package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"
)

// Pinger is a stream whose data the target sends back. It is not safe for concurrent use.
type Pinger struct {
	c    *call
	head []byte // sent with the first message
	back []byte
	data *data
}

// OpenPinger opens a stream for messages of size bytes. They must fit the buffers on the
// way (64 KiB always does), because Ping writes a whole message before it reads. The stream
// is closed when ctx ends.
func OpenPinger(ctx context.Context, dial Dial, size int) (*Pinger, error) {
	if size < 1 || size > blockSize {
		return nil, fmt.Errorf("echo: messages of %d bytes, want 1 to %d", size, blockSize)
	}
	c, err := open(ctx, dial)
	if err != nil {
		return nil, fmt.Errorf("echo: %w", err)
	}
	return &Pinger{c: c, head: header(opEcho, 0), back: make([]byte, size), data: newData(uint64(size))}, nil
}

// Ping sends a message, waits until all of it has come back, and returns how long that
// took. The first Ping also opens the stream.
func (p *Pinger) Ping() (time.Duration, error) {
	message := p.data.next(len(p.back))
	begin := time.Now()
	err := p.roundTrip(message)
	return time.Since(begin), p.c.explain("echo", err)
}

func (p *Pinger) roundTrip(message []byte) error {
	out := message
	if p.head != nil {
		out, p.head = append(p.head, message...), nil
	}
	if _, err := p.c.conn.Write(out); err != nil {
		return err
	}
	if _, err := io.ReadFull(p.c.conn, p.back); err != nil {
		return err
	}
	if !bytes.Equal(message, p.back) {
		return fmt.Errorf("%w: the message came back changed", ErrWrongData)
	}
	return nil
}

// Close closes the stream.
func (p *Pinger) Close() { p.c.close() }

// Echo sends count messages of size bytes over one connection, each after the one before
// has come back, and returns the round-trip times. The first includes opening the stream.
func Echo(ctx context.Context, dial Dial, count, size int) ([]time.Duration, error) {
	p, err := OpenPinger(ctx, dial, size)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	times := make([]time.Duration, 0, count)
	for range count {
		took, err := p.Ping()
		if err != nil {
			return times, err
		}
		times = append(times, took)
	}
	return times, nil
}
