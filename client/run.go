package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"kcptun/std/app"
	"kcptun/std/listen"
)

// sessionWait is how long an accepted connection waits for a session.
const sessionWait = 10 * time.Second

// run listens for applications and carries their connections until ctx ends.
func run(ctx context.Context, cfg *Config, env app.Env) error {
	if cfg.TCP {
		if err := env.ReadyTCP(ctx); err != nil {
			return err
		}
	}
	dial, err := newDialer(cfg, env)
	if err != nil {
		return err
	}
	lis, err := listen.Stream(cfg.LocalAddr, cfg.FileMode())
	if err != nil {
		return fmt.Errorf("--localaddr (JSON \"localaddr\"): %w", err)
	}
	defer lis.Close()
	listen.LogDescriptors(env.Log)
	env.Log.Info("listening", "addr", lis.Addr())

	defer dial.sessions.Explain(env.Log)()

	pool := newPool(cfg, env, dial)
	forward := newForwarder(cfg, env, pool)
	defer context.AfterFunc(ctx, func() { lis.Close() })()
	err = listen.Accept(ctx, lis, env.Log, spareDescriptors(cfg), func(conn net.Conn) { forward.start(conn) })
	forward.open.End(pool.cancel)
	pool.close()
	if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// spareDescriptors is how many descriptors to keep free of application connections: some
// for the log and for name lookups, and two for each session that may be opened: its
// socket, and one for another address being tried. The imitation of TCP uses two sockets
// instead of one, and runs a program connected by pipes.
func spareDescriptors(cfg *Config) int {
	if cfg.TCP {
		return 16 + 4*slots(cfg)
	}
	return 8 + 2*slots(cfg)
}
