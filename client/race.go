package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"kcptun/std/session"
)

// Times of a race.
const (
	// A candidate that has not answered for so long gets company. It is above the round
	// trip of most paths, for a server keeps what lost a race until it is silent for 30 s.
	raceStagger = 300 * time.Millisecond
	// An address that was tried is tried again after so long, from another port of ours and
	// to another of the server's range. KCP's own pauses grow meanwhile, and a path that is
	// back would be found that much later; and where a flow was blocked, another may pass.
	raceAgain = time.Second
	// A race ends so long after each address was tried once. In that time KCP sends what is
	// not acknowledged again four times or more.
	raceWait = 5 * time.Second
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
	sess *session.Session
	err  error
}

// race starts a session to each address, one after the other and then from the beginning,
// and returns the first that the server answers. The others are closed. An address that
// fails, as one without a route, is followed by the next at once.
func (d *dialer) race(ctx context.Context, all []netip.AddrPort) (*session.Session, error) {
	r := &race{dialer: d, addrs: all[:min(len(all), raceLimit)], ended: make(chan attempt)}
	limit := raceWait + time.Duration(len(r.addrs)-1)*raceStagger
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errUnanswered)
	defer cancel()
	if s := r.run(ctx, cancel); s != nil {
		return s, nil
	}
	d.beginWith(all[len(r.addrs)%len(all)])
	return nil, fmt.Errorf("the server does not answer: %s", strings.Join(r.failed, "; "))
}

// race is the attempts of one dial.
type race struct {
	*dialer
	addrs   []netip.AddrPort
	started int
	running int
	ended   chan attempt
	failed  []string
	won     *session.Session
}

// run returns the session that has won, nil where ctx ended first.
func (r *race) run(ctx context.Context, cancel func()) *session.Session {
	more := time.NewTimer(0)
	defer more.Stop()
	for r.running > 0 || r.started == 0 {
		select {
		case <-more.C:
			more.Reset(r.start(ctx))
		case a := <-r.ended:
			r.running--
			switch {
			case a.err != nil:
				r.fail(a)
				if r.started < len(r.addrs) {
					more.Reset(0)
				}
			case r.won != nil:
				a.sess.Close(errLostRace)
			default:
				r.won = a.sess
				r.answered(a.addr, r.addrs[0])
				cancel()
			}
		}
	}
	return r.won
}

// start starts the next attempt, unless ctx has ended. It returns when the next but one is
// to follow.
func (r *race) start(ctx context.Context) time.Duration {
	if ctx.Err() != nil && r.started > 0 {
		return raceWait
	}
	addr := r.addrs[r.started%len(r.addrs)]
	if r.started >= len(r.addrs) {
		addr = netip.AddrPortFrom(addr.Addr(), r.port())
	}
	r.started++
	r.running++
	go func() { r.ended <- r.attempt(ctx, addr) }()
	if r.started < len(r.addrs) {
		return raceStagger
	}
	return raceAgain
}

// fail takes note of why an attempt has failed, once for each reason.
func (r *race) fail(a attempt) {
	if reason := fmt.Sprintf("%s: %v", a.addr, a.err); !slices.Contains(r.failed, reason) {
		r.failed = append(r.failed, reason)
	}
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
	select {
	case <-s.FirstAnswer():
		return attempt{addr: addr, sess: s}
	case <-ctx.Done():
		err := context.Cause(ctx)
		if errors.Is(err, context.Canceled) {
			err = errLostRace
		}
		s.Close(err)
		return attempt{addr: addr, err: err}
	}
}

// answered takes note of the address that won a race which began with another.
func (d *dialer) answered(addr, first netip.AddrPort) {
	d.doubt.Store(false)
	d.beginWith(addr)
	if addr != first {
		d.env.Log.Warn("an address of the server did not answer in time, taking another", "silent", first, "to", addr)
	}
}
