package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kcptun/e2e/lab"
)

// guestWorkers is how many clients that come and go there are at a time. Each
// brings 50 sessions and stays for 10 s: with those that ended within a minute,
// which it does not know to be dead, the server has up to 700 beside the idle.
const guestWorkers = 2

// deadAfter is when a server has dropped the sessions of a client that vanished.
// KCP has no word for the end of a session: smux looks every 30 s whether
// anything came since it last did, so it takes 30 to 60 s.
const deadAfter = 75 * time.Second

// collectedAfter is when Go has given back what nobody uses: a process that
// allocates little collects its garbage every 2 minutes.
const collectedAfter = 135 * time.Second

// guests has one client after the other come and go.
func (t *tunnel) guests(ctx context.Context, s sizes, end time.Time, came *coming) error {
	for {
		// The last one goes at the end, and is not a short one.
		life := s.guestLife
		if left := time.Until(end); left < 3*life/2 {
			life = left
		}
		if err := t.guest(ctx, life, s.guests, came); err != nil {
			return fmt.Errorf("a client that comes and goes: %w", err)
		}
		if !time.Now().Before(end) {
			return nil
		}
	}
}

// guest starts a client, opens a stream on each of its sessions that stays, uses
// each for one more that does not, and when it has lived so long kills the
// client, as a computer that is switched off: the server is told nothing.
func (t *tunnel) guest(ctx context.Context, life time.Duration, sessions int, came *coming) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // closes the streams
	over := time.Now().Add(life)
	cfg := t.cfg
	cfg.conn = sessions
	p, l, err := t.startClient(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	if err := awake(ctx, l, p, t.server); err != nil {
		return err
	}
	err = parallel(sessions, openers, func(int) error { _, err := l.idle(ctx); return err })
	if err != nil {
		return err
	}
	err = parallel(sessions, streamWorkers, func(i int) error { return downOrUp(i)(ctx, l, churnBytes) })
	if err != nil {
		return err
	}
	came.sessions.Add(int64(sessions))
	came.streams.Add(2 * int64(sessions))
	_ = lab.Sleep(ctx, time.Until(over))
	return context.Cause(ctx)
}

// serverSessions is how many sessions the server has by its own count.
func (t *tunnel) serverSessions(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	counters, err := t.server.Counters(ctx)
	return counters["CurrEstab"], err
}
