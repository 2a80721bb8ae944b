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

	"kcptun/std"
	"kcptun/std/address"
	"kcptun/std/carrier/resolve"
	"kcptun/std/link"
	"kcptun/std/notice"
	"kcptun/std/session"
)

// lookupWait bounds how long the name of the server is looked up: as long as a
// connection waits for its session.
const lookupWait = sessionWait

// dialer makes sessions to the server.
type dialer struct {
	cfg      *Config
	env      std.Env
	options  link.Options
	sessions *session.Maker
	remote   *address.MultiPort
	resolver resolve.Resolver
	advised  sync.Once
	trouble  notice.Recurring
	silent   notice.Recurring // the server never answered
	differ   notice.Recurring // its QPP is not ours

	doubt atomic.Bool // the last session that ended was never answered, and none was since

	mu    sync.Mutex
	begin netip.Addr // the address to begin with
}

func newDialer(cfg *Config, env std.Env) (*dialer, error) {
	options, err := session.LinkOptions(cfg, env.Log, env.Stats)
	if err != nil {
		return nil, err
	}
	remote, err := address.ParseMultiPort(cfg.RemoteAddr)
	if err != nil {
		return nil, err
	}
	d := &dialer{
		cfg: cfg, env: env, options: options, sessions: session.New(cfg), remote: remote,
		resolver: net.DefaultResolver,
	}
	d.sessions.Unreadable = d.differs
	return d, nil
}

// differs logs that the server's QPP is not ours: what it sends looks like garbage to the
// application, and nothing else in the log would say why.
func (d *dialer) differs(sess *session.Session, diff session.Difference) {
	if times, due := d.differ.Due(); due {
		d.env.Log.Warn("server differs in "+diff.Setting+", its streams cannot be read: set it alike at both ends",
			"to", sess.RemoteAddr(), "ours", diff.Ours, "theirs", diff.Theirs, "times", times)
	}
}

// dial starts a session to a random port of the server's range. UDP has no handshake:
// with one address it succeeds where that resolves and the system gives a socket. With
// several, and after a session that was never answered, it takes an answer.
func (d *dialer) dial(ctx context.Context) (*session.Session, error) {
	addrs, err := d.addresses(ctx)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 1 && !d.doubt.Load() {
		return d.open(ctx, addrs[0])
	}
	return d.race(ctx, addrs)
}

// addresses looks the server's up, in the order in which they are to be tried.
func (d *dialer) addresses(ctx context.Context) ([]netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupWait)
	defer cancel()
	addrs, err := resolve.All(ctx, d.resolver, d.remote.Pick())
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	first := slices.IndexFunc(addrs, func(a netip.AddrPort) bool { return a.Addr() == d.begin })
	if first > 0 {
		addrs = slices.Concat(addrs[first:], addrs[:first])
	}
	return addrs, nil
}

// port is a random one of the server's range.
func (d *dialer) port() uint16 {
	return uint16(d.remote.MinPort + rand.Uint64N(d.remote.MaxPort-d.remote.MinPort+1))
}

// beginWith has the next dial begin with an address.
func (d *dialer) beginWith(a netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begin = a.Addr()
}

// unanswered takes note of a session that has died without an answer. The next one
// counts when it is answered: who waits for it is not put on one that leads nowhere,
// and begins anew, without the long pauses of KCP, when the server is back.
func (d *dialer) unanswered() { d.doubt.Store(true) }

// noAnswer says that the server has never answered a session, with what can be known, once a
// minute.
func (d *dialer) noAnswer(ctx context.Context, to net.Addr, facts []any) {
	times, due := d.silent.Due()
	if !due {
		return
	}
	refused := !d.cfg.TCP && link.Refused(ctx, to.String())
	facts = append(facts, "refused", refused, "unopened", d.env.Stats.SealFailures.Load(), "times", times)
	d.env.Log.Warn("the server does not answer: it is not running, or key or crypt differ, or address, port or a firewall is in the way", facts...)
}

// failed logs a dial that has failed.
func (d *dialer) failed(err error) {
	if times, due := d.trouble.Due(); due {
		d.env.Log.Warn("no session, trying again", "to", d.cfg.RemoteAddr, "err", err, "times", times)
	}
}

// open starts a session to an address.
func (d *dialer) open(ctx context.Context, to netip.AddrPort) (*session.Session, error) {
	open := link.Dial
	if d.cfg.TCP {
		open = link.DialTCP
	}
	l, err := open(ctx, d.options, to.String())
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
