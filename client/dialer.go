package main

import (
	"context"
	"math/rand/v2"
	"sync"

	"kcptun/std"
	"kcptun/std/link"
)

// dialer makes sessions to the server.
type dialer struct {
	cfg      *Config
	env      std.Env
	options  link.Options
	sessions *std.Sessions
	remote   *std.MultiPort
	advised  sync.Once
}

func newDialer(cfg *Config, env std.Env) (*dialer, error) {
	options, err := cfg.LinkOptions(env.Log, env.Stats)
	if err != nil {
		return nil, err
	}
	remote, err := std.ParseMultiPort(cfg.RemoteAddr)
	if err != nil {
		return nil, err
	}
	return &dialer{cfg: cfg, env: env, options: options, sessions: std.NewSessions(cfg), remote: remote}, nil
}

// dial starts a session to a random port of the server's range. UDP has no
// handshake: it succeeds where the name resolves and the system gives a socket.
func (d *dialer) dial(ctx context.Context) (*std.Session, error) {
	open := link.Dial
	if d.cfg.TCP {
		open = link.DialTCP
	}
	l, err := open(ctx, d.options, d.remote.Pick())
	if err != nil {
		return nil, err
	}
	if advice := l.Advice(); advice != "" {
		d.advised.Do(func() { d.env.Log.Warn(advice) })
	}
	s, err := d.sessions.Client(l, rand.Uint32())
	if err != nil {
		l.Close()
		return nil, err
	}
	d.env.Log.Info("session opened", "from", s.LocalAddr(), "to", s.RemoteAddr(), "conv", s.Conv())
	return s, nil
}
