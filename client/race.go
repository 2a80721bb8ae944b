package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"kcptun/std"
)

// Times of a race.
const (
	// A candidate that has not answered for so long gets company. It is above the round
	// trip of most paths, for a server keeps what lost a race until it is silent for 30 s.
	raceStagger = 300 * time.Millisecond
	// A race ends so long after its last candidate was started. In that time KCP sends
	// what is not acknowledged again four times or more.
	raceWait = 5 * time.Second
	// How often a candidate is asked whether it has an answer.
	racePoll = 5 * time.Millisecond
	// Candidates of one race; the next begins with the others.
	raceLimit = 8
)

var (
	errLostRace   = errors.New("another address of the server was faster")
	errUnanswered = errors.New("no answer")
)

// attempt is how a candidate has fared.
type attempt struct {
	addr netip.AddrPort
	sess *std.Session
	err  error
}

// race starts a session to each address, one after the other, and returns the first
// that the server answers. The others are closed. An address that fails, as one without
// a route, is followed by the next at once.
func (d *dialer) race(ctx context.Context, addrs []netip.AddrPort) (*std.Session, error) {
	all := addrs
	addrs = addrs[:min(len(addrs), raceLimit)]
	limit := raceWait + time.Duration(len(addrs)-1)*raceStagger
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errUnanswered)
	defer cancel()
	ended := make(chan attempt)
	running, next := 0, 0
	start := func() {
		if ctx.Err() == nil && next < len(addrs) {
			addr := addrs[next]
			next++
			running++
			go func() { ended <- d.attempt(ctx, addr) }()
		}
	}
	stagger := time.NewTicker(raceStagger)
	defer stagger.Stop()
	start()
	var won *std.Session
	var failed []string
	for running > 0 {
		select {
		case <-stagger.C:
			start()
			continue
		case a := <-ended:
			running--
			switch {
			case a.err != nil:
				failed = append(failed, fmt.Sprintf("%s: %v", a.addr, a.err))
				start()
			case won != nil:
				a.sess.Close(errLostRace)
			default:
				won = a.sess
				d.answered(a.addr, all[0])
				cancel()
			}
		}
	}
	if won != nil {
		return won, nil
	}
	d.beginWith(all[len(addrs)%len(all)])
	return nil, fmt.Errorf("the server does not answer: %s", strings.Join(failed, "; "))
}

// attempt starts a session and waits for the server's answer, until ctx ends.
func (d *dialer) attempt(ctx context.Context, addr netip.AddrPort) attempt {
	s, err := d.open(ctx, addr)
	if err != nil {
		return attempt{addr: addr, err: err}
	}
	// Servers of all ages take a frame that says nothing for the first; KCP answers it.
	if err := s.Probe(); err != nil {
		s.Close(err)
		return attempt{addr: addr, err: err}
	}
	poll := time.NewTicker(racePoll)
	defer poll.Stop()
	for !s.Answered() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			err := context.Cause(ctx)
			if errors.Is(err, context.Canceled) {
				err = errLostRace
			}
			s.Close(err)
			return attempt{addr: addr, err: err}
		}
	}
	return attempt{addr: addr, sess: s}
}

// answered takes note of the address that won a race which began with another.
func (d *dialer) answered(addr, first netip.AddrPort) {
	d.doubt.Store(false)
	d.beginWith(addr)
	if addr != first {
		d.env.Log.Warn("an address of the server did not answer in time, taking another", "silent", first, "to", addr)
	}
}
