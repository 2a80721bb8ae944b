package lab

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Replay sends replayBurst datagrams and then pauses, so that the receiver's socket loses
// none even on a busy machine.
const (
	replayBurst = 32
	replayPause = 2 * time.Millisecond
)

// Stranger sends datagrams that are not its own, whether recorded, forged or random, from
// an address of its own. It is safe for concurrent use.
type Stranger struct {
	conn    *net.UDPConn
	answers atomic.Int64
	wg      sync.WaitGroup
}

// NewStranger opens a socket to addr, a server or a relay. local is the host or host:port
// to send from; with "" the system chooses. Close must be called.
func NewStranger(addr, local string) (*Stranger, error) {
	remote, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("stranger: %w", err)
	}
	var from *net.UDPAddr
	if local != "" {
		if _, _, err := net.SplitHostPort(local); err != nil {
			local = net.JoinHostPort(local, "0")
		}
		if from, err = net.ResolveUDPAddr("udp", local); err != nil {
			return nil, fmt.Errorf("stranger: %w", err)
		}
	}
	conn, err := net.DialUDP(family(remote), from, remote)
	if err != nil {
		return nil, fmt.Errorf("stranger: %w", err)
	}
	s := &Stranger{conn: conn}
	s.wg.Go(s.listen)
	return s, nil
}

// Addr is the address from which the datagrams are sent.
func (s *Stranger) Addr() net.Addr { return s.conn.LocalAddr() }

// Answers is the number of datagrams received so far.
func (s *Stranger) Answers() int { return int(s.answers.Load()) }

// Send sends one datagram.
func (s *Stranger) Send(b []byte) error {
	_, err := s.conn.Write(b)
	if err != nil {
		// A connected socket reports the ICMP error of an earlier datagram once, instead of
		// sending.
		_, err = s.conn.Write(b)
	}
	return err
}

// Replay sends the datagrams of list in order, a few at a time.
func (s *Stranger) Replay(ctx context.Context, list []Datagram) error {
	for i, d := range list {
		if err := s.Send(d.Data); err != nil {
			return fmt.Errorf("replay: datagram %d of %d: %w", i+1, len(list), err)
		}
		if i%replayBurst == replayBurst-1 {
			if err := Sleep(ctx, replayPause); err != nil {
				return fmt.Errorf("replay: after %d of %d datagrams: %w", i+1, len(list), err)
			}
		}
	}
	return nil
}

// Mangle returns a copy of a datagram: unchanged, truncated, or with up to three bits
// flipped, with equal probability.
func Mangle(rng *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	switch {
	case len(b) == 0:
	case rng.IntN(3) == 0:
		b = b[:rng.IntN(len(b))]
	case rng.IntN(2) == 0:
		for range 1 + rng.IntN(3) {
			bit := rng.IntN(8 * len(b))
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
	return b
}

// Close closes the socket and waits for the goroutine.
func (s *Stranger) Close() error {
	err := s.conn.Close()
	s.wg.Wait()
	return err
}

// listen counts the datagrams received until the socket is closed.
func (s *Stranger) listen() {
	buf := make([]byte, 65536)
	for {
		if _, err := s.conn.Read(buf); err == nil {
			s.answers.Add(1)
		} else if !survives(err) {
			return
		}
	}
}
