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
	"kcptun/std/shutdown"
)

// Times of a race.
const (
	// After this time without an answer, the next candidate is started, too. It is longer
	// than the round trip of most paths, because a stock server keeps each session that
	// loses a race until it has been silent for 30 s.
	raceStagger = 300 * time.Millisecond
	// The same delay before a candidate of another server: the first server in the list is
	// the preferred one.
	serverStagger = time.Second
	// An address is tried again after this time, from another local port and to another
	// port of the server's range. KCP's own retransmission timeout keeps growing, so it
	// would notice later that a path has recovered; and if one flow is blocked, another may
	// get through.
	raceAgain = time.Second
	// A race ends this long after every address was tried once. In that time KCP
	// retransmits at least four times.
	raceWait = 5 * time.Second
	// The most candidates in one race; the next race begins with the others.
	raceLimit = 8
)

var (
	errLostRace   = errors.New("another address of the server was faster")
	errUnanswered = errors.New("no answer")
)

// attempt is the outcome of trying one candidate.
type attempt struct {
	candidate
	addr netip.AddrPort
	sess *session.Session
	err  error
}

// race starts a session to each address in turn, over and over, and returns the first one
// that the server answers. The others are closed. If an address fails at once, for example
// for lack of a route, the next one is tried without delay.
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

// race holds the attempts of one dial.
type race struct {
	*dialer
	all     []candidate
	first   netip.AddrPort // the first address tried
	started int
	running int
	ended   chan attempt
	failed  []string
	won     *session.Session
}

// run returns the winning session, or nil if ctx ended first or each address failed.
func (r *race) run(ctx context.Context, cancel func()) *session.Session {
	more := time.NewTimer(0)
	defer more.Stop()
	for r.running > 0 || r.started == 0 || r.started < len(r.all) && ctx.Err() == nil {
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
				r.dismiss(a.sess)
			default:
				r.won = a.sess
				r.answered(a, r.first)
				cancel()
			}
		}
	}
	return r.won
}

// start starts the next attempt, unless ctx has ended. It returns the delay before the one
// after that.
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

// stagger is the delay between candidate i and the one after it.
func (r *race) stagger(i int) time.Duration {
	if r.all[i].server != r.all[i+1].server {
		return serverStagger
	}
	return raceStagger
}

// fail records why an attempt failed; each reason is recorded once.
func (r *race) fail(a attempt) {
	if reason := fmt.Sprintf("%s: %v", a.addr, a.err); !slices.Contains(r.failed, reason) {
		r.failed = append(r.failed, reason)
	}
}

// attempt starts a session and waits for the server's answer, until ctx ends.
func (d *dialer) attempt(ctx context.Context, c candidate, to netip.AddrPort) attempt {
	s, err := d.open(ctx, c, to)
	if err != nil {
		return attempt{candidate: c, addr: to, err: err}
	}
	// A server of any version, stock ones included, accepts a NOP as the first frame, and
	// its KCP acknowledges it.
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
			d.dismiss(s)
		} else {
			s.Close(err)
		}
		return attempt{candidate: c, addr: to, err: err}
	}
}

// dismiss says goodbye for a session that lost a race. The server may have opened it, and
// would keep it and wonder why its answers are not acknowledged.
func (d *dialer) dismiss(s *session.Session) {
	d.leaving.Go(func() {
		defer d.env.Panics.Catch(s.Close)
		ctx, cancel := context.WithTimeout(context.Background(), shutdown.DrainLimit)
		defer cancel()
		s.Leave(ctx, errLostRace)
	})
}

// answered records the address that won the race, and warns if it was not the first one
// tried.
func (d *dialer) answered(a attempt, first netip.AddrPort) {
	d.doubt.Store(false)
	d.beginWith(a.candidate)
	if a.addr != first {
		d.env.Log.Warn("an address of the server did not answer in time, taking another", "silent", first, "to", a.addr)
	}
}
