package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"kcptun/std/address"
	"kcptun/std/app"
	"kcptun/std/link"
	"kcptun/std/listen"
	"kcptun/std/relay"
	"kcptun/std/session"
)

// Time limits of the server.
const (
	dialTimeout  = 10 * time.Second // to connect to the target
	firstWords   = 30 * time.Second // for a new session's first bytes, and again for it to acknowledge ours
	unheardAfter = 4 * time.Second  // for the same, before the log warns that the client may not hear us
	helloWait    = 4 * time.Second  // for a client's hello, which ours sends with its first bytes
)

// run listens on all ports and serves sessions until ctx ends.
func run(ctx context.Context, cfg *Config, env app.Env) error {
	options, err := session.LinkOptions(cfg, env.Log, env.Stats)
	if err != nil {
		return err
	}
	options.Panics = env.Panics
	links, err := openLinks(ctx, cfg, env, options)
	if err != nil {
		return err
	}
	defer closeAll(links)
	listen.LogDescriptors(env.Log)
	srv := &server{cfg: cfg, env: env, target: target(cfg.Target), sessions: session.New(cfg), noTarget: relay.Refusals{Quiet: cfg.Quiet}}
	if cfg.QPP {
		srv.pad = relay.NewPad(cfg.QPPCount, cfg.Key)
	}
	srv.sessions.Unreadable, srv.sessions.Panics, srv.streams.Panics = srv.differs, env.Panics, env.Panics
	defer srv.sessions.Explain(env.Log)()
	return srv.serve(ctx, links)
}

// openLinks opens every port of the range: UDP, and with --tcp also the imitation of TCP.
// On an error it leaves none open.
func openLinks(ctx context.Context, cfg *Config, env app.Env, options link.Options) (links []*link.Conn, err error) {
	defer func() {
		if err != nil {
			closeAll(links)
		}
	}()
	ports, err := address.ParseMultiPort(cfg.Listen)
	if err != nil {
		return nil, err
	}
	opens := []opener{{"udp", link.Listen}}
	if cfg.TCP {
		if err := env.ReadyTCP(ctx); err != nil {
			return nil, err
		}
		opens = append(opens, opener{"tcp", link.ListenTCP})
	}
	var advised sync.Once
	all := ports.All()
	options.Ports = len(all)
	for _, addr := range all {
		for _, o := range opens {
			options := options
			options.Siblings = options.Siblings && o.name == "udp"
			l, err := o.listen(ctx, options, addr)
			if err != nil {
				return links, fmt.Errorf("--listen (JSON \"listen\"): listening on %s: %w", addr, err)
			}
			links = append(links, l)
			env.Log.Info("listening", "addr", l.LocalAddr(), "over", o.name)
			if advice := l.Advice(); advice != "" {
				advised.Do(func() { env.Log.Warn(advice) })
			}
		}
	}
	return links, nil
}

type opener struct {
	name   string
	listen func(context.Context, link.Options, string) (*link.Conn, error)
}

func closeAll(links []*link.Conn) {
	for _, l := range links {
		l.Close()
	}
}
