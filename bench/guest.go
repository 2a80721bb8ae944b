package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kcptun/e2e/lab"
)

// guestWorkers is the number of guests, clients that come and go, at a time. Each brings 50
// sessions and stays for 10 s. The server takes up to a minute to notice that a guest is
// gone, so it has up to 700 of their sessions besides the idle ones.
const guestWorkers = 2

// deadAfter is when a server has certainly dropped the sessions of a vanished client. KCP
// does not signal the end of a session; smux checks every 30 s whether anything arrived
// since the last check, so it takes 30 to 60 s.
const deadAfter = 75 * time.Second

// collectedAfter is when Go has certainly returned unused memory: a process that allocates
// little collects its garbage every 2 minutes.
const collectedAfter = 135 * time.Second

// guests starts one guest after another.
func (t *tunnel) guests(ctx context.Context, s sizes, end time.Time, came *coming) error {
	for {
		// The last guest stays until the end; it is not cut short.
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

// guest starts a client. On each session it opens one stream that stays open and one that
// is used and closed. After life it kills the client, like a computer that is switched off:
// the server is not told.
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

// serverSessions is the number of sessions that the server counts.
func (t *tunnel) serverSessions(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	counters, err := t.server.Counters(ctx)
	return counters["CurrEstab"], err
}
