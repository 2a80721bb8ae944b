package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"kcptun/e2e/lab"
)

// Bounds of starting and stopping a pair.
const (
	startLimit = 20 * time.Second
	stopLimit  = 10 * time.Second // our ends let streams finish for up to 5 s
)

// place is where a program runs: this machine, or one end of an emulated link.
type place struct {
	host string                            // by which the other end reaches it
	do   func(func() error) error          // runs f there
	port func(network string) (int, error) // a free one
}

func loopback() place {
	return place{
		host: "127.0.0.1",
		do:   func(f func() error) error { return f() },
		port: func(network string) (int, error) {
			if network == "udp" {
				return lab.FreeUDPPort()
			}
			return lab.FreeTCPPort()
		},
	}
}

// listen opens a TCP listener at a place.
func (p place) listen(ctx context.Context, lc net.ListenConfig, addr string) (ln net.Listener, err error) {
	err = p.do(func() error { ln, err = lc.Listen(ctx, "tcp", addr); return err })
	return ln, err
}

// dialTo dials addr from a place.
func (p place) dialTo(addr string) lab.Dial {
	return func(ctx context.Context) (conn net.Conn, err error) {
		var d net.Dialer
		err = p.do(func() error { conn, err = d.DialContext(ctx, "tcp", addr); return err })
		return conn, err
	}
}

// start starts a program at a place.
func (p place) start(ctx context.Context, path string, args ...string) (proc *lab.Process, err error) {
	err = p.do(func() error { proc, err = lab.Start(ctx, path, nil, args...); return err })
	return proc, err
}

// tunnel is a running pair with a target behind it.
type tunnel struct {
	load
	client, server *lab.Process
	target         string // its address
	closeTarget    func() error
}

// openTunnel starts a pair, the client near and the server and the target far,
// and waits until the target answers.
func openTunnel(ctx context.Context, near, far place, programs lab.Programs, cfg config, data pattern) (*tunnel, error) {
	t := &tunnel{load: load{data: data}, closeTarget: func() error { return nil }}
	err := t.startTarget(ctx, far, cfg.apart)
	if err == nil {
		err = t.startEnds(ctx, near, far, programs, cfg)
	}
	if err != nil {
		return nil, errors.Join(t.explain(err), t.close())
	}
	return t, nil
}

func (t *tunnel) startTarget(ctx context.Context, far place, apart bool) error {
	if apart {
		p, addr, err := startApart(ctx, far)
		if err == nil {
			t.target, t.closeTarget = addr, p.Kill
		}
		return err
	}
	ln, err := far.listen(ctx, net.ListenConfig{}, "127.0.0.1:0")
	if err == nil {
		served := serveTarget(ln, t.data)
		t.target, t.closeTarget = served.addr(), func() error { served.close(); return nil }
	}
	return err
}

func (t *tunnel) startEnds(ctx context.Context, near, far place, programs lab.Programs, cfg config) error {
	udp, err := far.port("udp")
	if err != nil {
		return err
	}
	tcp, err := near.port("tcp")
	if err != nil {
		return err
	}
	remote := net.JoinHostPort(far.host, strconv.Itoa(udp))
	local := net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp))
	t.dial = near.dialTo(local)
	args := append([]string{"--listen", remote, "--target", t.target, "--key", "bench"}, cfg.serverFlags()...)
	if t.server, err = far.start(ctx, programs.Server, args...); err != nil {
		return err
	}
	args = append([]string{"--localaddr", local, "--remoteaddr", remote, "--key", "bench"}, cfg.clientFlags()...)
	if t.client, err = near.start(ctx, programs.Client, args...); err != nil {
		return err
	}
	return t.awake(ctx)
}

// awake waits until the target answers, and no longer than both programs run.
func (t *tunnel) awake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for _, p := range t.ends() {
		go func() {
			select {
			case <-p.Done():
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return t.ready(ctx)
}

func (t *tunnel) ends() []*lab.Process { return []*lab.Process{t.client, t.server} }

// close ends what runs: the target first, so that no stream is left for the ends
// to wait for, then both ends at once. A program that has to be killed is an
// error.
func (t *tunnel) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	stopped := [3]error{2: t.closeTarget()}
	var wg sync.WaitGroup
	for i, p := range t.ends() {
		if p != nil {
			wg.Go(func() { stopped[i] = p.Stop(ctx) })
		}
	}
	wg.Wait()
	return errors.Join(stopped[:]...)
}

// explain adds the ends of the logs to an error.
func (t *tunnel) explain(err error) error {
	for i, p := range t.ends() {
		if p == nil {
			continue
		}
		lines := strings.Split(p.Log(), "\n")
		lines = lines[max(0, len(lines)-4):]
		err = fmt.Errorf("%w\nthe log of the %s ends:\n  %s", err, endNames[i], strings.Join(lines, "\n  "))
	}
	return err
}

// endNames are the ends in the order of tunnel.ends.
var endNames = [2]string{"client", "server"}
