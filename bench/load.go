package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"kcptun/e2e/lab"
)

// messageSize is the payload of an echo and of a request.
const messageSize = 64

// load calls the target, through a tunnel or without one.
type load struct {
	dial lab.Dial
	data pattern
}

// open begins a call. The end of ctx closes it.
func (l load) open(ctx context.Context, op byte, n int64, more ...byte) (net.Conn, error) {
	conn, err := l.dial(ctx)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	head := binary.BigEndian.AppendUint64([]byte{op}, uint64(n))
	if _, err := conn.Write(append(head, more...)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// cause prefers the reason why ctx ended to the closed connection it leads to.
func cause(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// pull receives n bytes. What has arrived is added to moved.
func (l load) pull(ctx context.Context, n int64, moved *atomic.Int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := l.open(ctx, opGet, n)
	if err == nil {
		err = receive(conn, l.data, n, moved)
	}
	return cause(ctx, "pull", err)
}

// push sends n bytes and waits for the word that they have arrived.
func (l load) push(ctx context.Context, n int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := l.open(ctx, opPut, n)
	if err == nil {
		err = send(conn, l.data, n)
	}
	if err == nil {
		var answer [1]byte
		_, err = io.ReadFull(conn, answer[:])
	}
	return cause(ctx, "push", err)
}

// echoes returns how long each of up to count messages took there and back, one
// after the other on one stream. The first, which opens the stream, is left
// out. The end of ctx ends them early, which is no error once there are some.
func (l load) echoes(ctx context.Context, count int) ([]time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := l.open(ctx, opEcho, 0)
	if err != nil {
		return nil, cause(ctx, "echo", err)
	}
	var times []time.Duration // grows as needed: count may only be a bound
	var begin time.Time
	for len(times) <= count && err == nil {
		begin = time.Now()
		if err = l.ping(conn); err == nil {
			times = append(times, time.Since(begin))
		}
	}
	if err != nil && ctx.Err() != nil && len(times) > 1 {
		err = nil
		// The one that is still under way has taken at least so long. Left out, the
		// worst would be those that never count.
		if waited := time.Since(begin); waited > slices.Max(times[1:]) {
			times = append(times, waited)
		}
	}
	if len(times) > 0 {
		times = times[1:]
	}
	return times, cause(ctx, "echo", err)
}

// ping sends one message and waits for it to come back.
func (l load) ping(conn net.Conn) error {
	message := l.data.at(0, messageSize)
	var back [messageSize]byte
	if _, err := conn.Write(message); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, back[:]); err != nil {
		return err
	}
	if !bytes.Equal(back[:], message) {
		return errors.New("the message came back changed")
	}
	return nil
}

// idle opens a stream, sees that it works, and leaves it open until ctx ends.
func (l load) idle(ctx context.Context) (net.Conn, error) {
	conn, err := l.open(ctx, opEcho, 0)
	if err == nil {
		err = l.ping(conn)
	}
	return conn, cause(ctx, "open a stream", err)
}

// request opens a stream, asks, gets the answer and closes.
func (l load) request(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	message := l.data.at(0, messageSize)
	var back [messageSize]byte
	conn, err := l.open(ctx, opEcho, 0, message...)
	if err == nil {
		_, err = io.ReadFull(conn, back[:])
	}
	if err == nil && !bytes.Equal(back[:], message) {
		err = errors.New("wrong answer")
	}
	return cause(ctx, "request", err)
}

// ready waits until the target answers.
func (l load) ready(ctx context.Context) error {
	for {
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := l.echoes(once, 1)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the tunnel does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
