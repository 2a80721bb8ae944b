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
	// The same before another server of the list is tried: the first is meant to be used.
	serverStagger = time.Second
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
	candidate
	addr netip.AddrPort
	sess *session.Session
	err  error
}

// race starts a session to each address, one after the other and then from the beginning,
// and returns the first that the server answers. The others are closed. An address that
// fails, as one without a route, is followed by the next at once.
func (d *dialer) race(ctx context.Context, all []candidate) (*session.Session, error) {
	r := &race{dialer: d, all: all[:min(len(all), raceLimit)], ended: make(chan attempt)}
	limit := raceWait
	for i := range len(r.all) - 1 {
		limit += r.stagger(i)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errUnanswered)
	defer cancel()
	if s := r.run(ctx, cancel); s != nil {
		return s, nil
	}
	d.beginWith(all[len(r.all)%len(all)])
	return nil, fmt.Errorf("the server does not answer: %s", strings.Join(r.failed, "; "))
}

// race is the attempts of one dial.
type race struct {
	*dialer
	all     []candidate
	first   netip.AddrPort // that was tried
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
				if r.started < len(r.all) {
					more.Reset(0)
				}
			case r.won != nil:
				a.sess.Close(errLostRace)
			default:
				r.won = a.sess
				r.answered(a, r.first)
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
	c := r.all[r.started%len(r.all)]
	to := c.to()
	if r.started == 0 {
		r.first = to
	}
	r.started++
	r.running++
	go func() { r.ended <- r.attempt(ctx, c, to) }()
	if r.started < len(r.all) {
		return r.stagger(r.started - 1)
	}
	return raceAgain
}

// stagger is how long the candidate behind the one with this number waits for it.
func (r *race) stagger(i int) time.Duration {
	if r.all[i].server != r.all[i+1].server {
		return serverStagger
	}
	return raceStagger
}

// fail takes note of why an attempt has failed, once for each reason.
func (r *race) fail(a attempt) {
	if reason := fmt.Sprintf("%s: %v", a.addr, a.err); !slices.Contains(r.failed, reason) {
		r.failed = append(r.failed, reason)
	}
}

// attempt starts a session and waits for the server's answer, until ctx ends.
func (d *dialer) attempt(ctx context.Context, c candidate, to netip.AddrPort) attempt {
	s, err := d.open(ctx, to)
	if err != nil {
		return attempt{candidate: c, addr: to, err: err}
	}
	// Servers of all ages take a frame that says nothing for the first; KCP answers it.
	if err := s.Probe(); err != nil {
		s.Close(err)
		return attempt{candidate: c, addr: to, err: err}
	}
	select {
	case <-s.FirstAnswer():
		return attempt{candidate: c, addr: to, sess: s}
	case <-ctx.Done():
		err := context.Cause(ctx)
		if errors.Is(err, context.Canceled) {
			err = errLostRace
		}
		s.Close(err)
		return attempt{candidate: c, addr: to, err: err}
	}
}

// answered takes note of the address that won a race which began with another.
func (d *dialer) answered(a attempt, first netip.AddrPort) {
	d.doubt.Store(false)
	d.beginWith(a.candidate)
	if a.addr != first {
		d.env.Log.Warn("an address of the server did not answer in time, taking another", "silent", first, "to", a.addr)
	}
}
