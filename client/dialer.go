package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/address"
	"kcptun/std/app"
	"kcptun/std/carrier/resolve"
	"kcptun/std/clock"
	"kcptun/std/link"
	"kcptun/std/notice"
	"kcptun/std/session"
)

// lookupWait limits the lookup of the server's name. It equals the time that a connection
// waits for a session.
const lookupWait = sessionWait

// dialer opens sessions to the server.
type dialer struct {
	cfg      *Config
	env      app.Env
	options  link.Options
	sessions *session.Maker
	remotes  []*address.MultiPort // in order of preference
	resolver resolve.Resolver
	advised  sync.Once
	trouble  notice.Recurring
	silent   notice.Recurring // reports that the server has never answered
	differ   notice.Recurring // reports that its QPP settings differ from ours
	untold   notice.Recurring // reports that its QPP settings are not known
	moves    notice.Recurring // reports sessions that moved to another port

	leaving sync.WaitGroup // sessions that lost a race and take their leave

	doubt atomic.Bool // the last session to end was never answered, nor has any been since

	mu    sync.Mutex
	begin candidate     // the candidate to try first
	until time.Duration // when begin expires, by clock.Now
}

// preferred is how long the address that answered is tried first. After that, the first
// server in the list is tried first again.
const preferred = 10 * time.Minute

// lookupGrace is how long the other servers' names may take to resolve once one is known.
const lookupGrace = time.Second

// candidate is an address to which a session may be opened.
type candidate struct {
	server *address.MultiPort
	addr   netip.Addr
}

// to returns the address with a random port of its server's range.
func (c candidate) to() netip.AddrPort {
	return netip.AddrPortFrom(c.addr, uint16(c.server.MinPort+rand.Uint64N(c.server.MaxPort-c.server.MinPort+1)))
}

func newDialer(cfg *Config, env app.Env) (*dialer, error) {
	options, err := session.LinkOptions(cfg, env.Log, env.Stats)
	if err != nil {
		return nil, err
	}
	options.Panics = env.Panics
	remotes, err := address.ParseList(cfg.RemoteAddr)
	if err != nil {
		return nil, err
	}
	d := &dialer{
		cfg: cfg, env: env, options: options, sessions: session.New(cfg), remotes: remotes,
		resolver: net.DefaultResolver,
	}
	d.sessions.Unreadable, d.sessions.Moved, d.sessions.Panics = d.differs, d.moved, env.Panics
	return d, nil
}

// differs logs that the server's QPP settings differ from ours. The application then
// receives garbage, and nothing else in the log would say why.
func (d *dialer) differs(sess *session.Session, diff session.Difference) {
	if times, due := d.differ.Due(); due {
		d.env.Log.Warn("server differs in "+diff.Setting+", its streams cannot be read: set it alike at both ends",
			"to", sess.RemoteAddr(), "ours", diff.Ours, "theirs", diff.Theirs, "times", times)
	}
}

// helloWait is how long a server that answers may take to say hello. One of ours does with
// its first bytes.
const helloWait = 4 * time.Second

// awaitHello logs, if the server of a new session does not say hello in time, that its QPP
// settings are not known, as those of an original never are. If they differ from ours,
// nothing else in the log would hint at it.
func (d *dialer) awaitHello(sess *session.Session) {
	late := time.NewTimer(helloWait)
	defer late.Stop()
	select {
	case <-late.C:
	case <-sess.Done():
		return
	}
	if sess.Greeted() {
		return
	}
	if times, due := d.untold.Due(); due {
		d.env.Log.Info("server does not tell its QPP settings, as originals do not: if its streams cannot be read, compare QPP and QPPCount",
			"to", sess.RemoteAddr(), "times", times)
	}
}

// moved logs that a session has moved to another local port.
func (d *dialer) moved(sess *session.Session, was net.Addr, silent time.Duration) {
	if times, due := d.moves.Due(); due {
		d.env.Log.Warn("the path is silent, the session goes on from another port", "from", sess.LocalAddr(), "was", was,
			"to", sess.RemoteAddr(), "conv", sess.Conv(), "silent", silent.Round(time.Millisecond), "times", times)
	}
}

// dial opens a session to a random port of the server's range. UDP has no handshake: with
// one address, dial succeeds if the name resolves and the system provides a socket. With
// several addresses, or after a session that was never answered, it waits for an answer.
func (d *dialer) dial(ctx context.Context) (*session.Session, error) {
	all, err := d.candidates(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) == 1 && !d.doubt.Load() {
		return d.open(ctx, all[0], all[0].to())
	}
	return d.race(ctx, all)
}

// candidates resolves the servers' names and returns their addresses in the order in which
// to try them. It fails if there are none.
func (d *dialer) candidates(ctx context.Context) ([]candidate, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupWait)
	defer cancel()
	found := make([][]candidate, len(d.remotes))
	errs := make([]error, len(d.remotes))
	var wg sync.WaitGroup
	for i, server := range d.remotes {
		wg.Go(func() {
			addrs, err := resolve.All(ctx, d.resolver, server.Pick())
			errs[i] = err
			for _, a := range addrs {
				found[i] = append(found[i], candidate{server, a.Addr()})
			}
			if err == nil && len(d.remotes) > 1 {
				time.AfterFunc(lookupGrace, cancel)
			}
		})
	}
	wg.Wait()
	all := slices.Concat(found...)
	if len(all) == 0 {
		return nil, errors.Join(errs...)
	}
	return d.order(all), nil
}

// order puts the address that answered last at the front, while that is still recent.
func (d *dialer) order(all []candidate) []candidate {
	d.mu.Lock()
	defer d.mu.Unlock()
	if first := slices.Index(all, d.begin); first > 0 && clock.Now() < d.until {
		return slices.Concat(all[first:], all[:first])
	}
	return all
}

// beginWith makes the next dials start with this address.
func (d *dialer) beginWith(c candidate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begin, d.until = c, clock.Now()+preferred
}

// unanswered records that a session died without an answer. The next session is used only
// once it is answered. Waiting connections are then not put on a path that leads nowhere,
// and when the server is back they start afresh instead of waiting for KCP's long timeouts.
func (d *dialer) unanswered() { d.doubt.Store(true) }

// noAnswer logs, at most once a minute, that the server has never answered a session, and
// what is known about the cause.
func (d *dialer) noAnswer(ctx context.Context, to net.Addr, facts []any) {
	times, due := d.silent.Due()
	if !due {
		return
	}
	refused := !d.cfg.TCP && link.Refused(ctx, to.String())
	facts = append(facts, "refused", refused, "unopened", d.env.Stats.SealFailures.Load(), "times", times)
	d.env.Log.Warn("the server does not answer: it is not running, or key or crypt differ, or address, port or a firewall is in the way", facts...)
}

// failed logs a failed dial.
func (d *dialer) failed(err error) {
	if times, due := d.trouble.Due(); due {
		d.env.Log.Warn("no session, trying again", "to", d.cfg.RemoteAddr, "err", err, "times", times)
	}
}

// open opens a session to one address of a candidate.
func (d *dialer) open(ctx context.Context, c candidate, to netip.AddrPort) (*session.Session, error) {
	open := link.Dial
	if d.cfg.TCP {
		open = link.DialTCP
	}
	options := d.options
	options.Range = link.PortRange{Min: uint16(c.server.MinPort), Max: uint16(c.server.MaxPort)}
	l, err := open(ctx, options, to.String())
	if err != nil {
		return nil, err
	}
	if advice := l.Advice(); advice != "" {
		d.advised.Do(func() { d.env.Log.Warn(advice) })
	}
	s, err := d.sessions.Client(l, rand.Uint32())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return s, nil
}
