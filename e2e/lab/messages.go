package lab

import (
	"bytes"
	"context"
	"io"
	"time"
)

// Messages sends count messages of size bytes over one connection at fixed intervals,
// without waiting for the ones before, as a game or a shell does. The target sends them
// back. It returns the round-trip times in order of sending.
func Messages(ctx context.Context, dial Dial, count, size int, every time.Duration) ([]time.Duration, error) {
	c, err := open(ctx, dial)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if _, err := c.conn.Write(header(opEcho, 0)); err != nil {
		return nil, c.explain("messages", err)
	}
	sent := make(chan time.Time, count) // buffered, so that the writer never waits for the reader
	failed := make(chan error, 1)
	go func() {
		defer close(sent)
		failed <- c.sendMessages(ctx, count, size, every, sent)
	}()
	times, err := c.readMessages(size, sent)
	if err != nil {
		c.close() // the writer may be blocked in a write
	}
	if errWrite := <-failed; err == nil {
		err = errWrite
	}
	return times, c.explain("messages", err)
}

// sendMessages sends the messages, and reports the time before each.
func (c *call) sendMessages(ctx context.Context, count, size int, every time.Duration, sent chan<- time.Time) error {
	data := newData(uint64(size))
	message := make([]byte, size)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for range count {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		data.Read(message)
		sent <- time.Now()
		if _, err := c.conn.Write(message); err != nil {
			return err
		}
	}
	return nil
}

// readMessages reads one message for each time received.
func (c *call) readMessages(size int, sent <-chan time.Time) (times []time.Duration, err error) {
	data := newData(uint64(size))
	message, back := make([]byte, size), make([]byte, size)
	for at := range sent {
		data.Read(message)
		if _, err := io.ReadFull(c.conn, back); err != nil {
			return times, err
		}
		times = append(times, time.Since(at))
		if !bytes.Equal(message, back) {
			return times, ErrWrongData
		}
	}
	return times, nil
}
