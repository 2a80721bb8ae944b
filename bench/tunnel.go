package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
	host string                   // by which the other end reaches it
	do   func(func() error) error // runs f there
	port func() (int, error)      // one that is free, UDP and TCP
}

func loopback() place {
	return place{
		host: "127.0.0.1",
		do:   func(f func() error) error { return f() },
		port: func() (int, error) { return lab.FreePorts(1) },
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
	err = p.do(func() error { proc, err = lab.Start(ctx, path, offload(), args...); return err })
	return proc, err
}

// offloadVariable is the one variable of ours that programs are given: it is for
// comparing. What else begins with KCPTUN_ would change what is measured.
const offloadVariable = "KCPTUN_OFFLOAD"

func offload() []string {
	if v, ok := os.LookupEnv(offloadVariable); ok {
		return []string{offloadVariable + "=" + v}
	}
	return nil
}

// tunnel is a running pair with a target behind it, or several clients with one
// server.
type tunnel struct {
	load        // through the clients in turn
	clients     []*lab.Process
	server      *lab.Process
	target      string // its address
	closeTarget func() error
	near        place // where clients are
	programs    lab.Programs
	cfg         config
	remote      string // the server's address
}

// openTunnel starts a pair, the client near and the server and the target far,
// and waits until the target answers.
func openTunnel(ctx context.Context, near, far place, programs lab.Programs, cfg config) (*tunnel, error) {
	t := &tunnel{closeTarget: func() error { return nil }, near: near, programs: programs, cfg: cfg}
	err := t.startTarget(ctx, far, cfg.apart)
	if err == nil {
		err = t.startEnds(ctx, far)
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
		served := lab.ServeTarget(ln)
		t.target, t.closeTarget = served.Addr(), served.Close
	}
	return err
}

func (t *tunnel) startEnds(ctx context.Context, far place) error {
	udp, err := far.port()
	if err != nil {
		return err
	}
	t.remote = net.JoinHostPort(far.host, strconv.Itoa(udp))
	args := append([]string{"--listen", t.remote, "--target", t.target, "--key", "bench"}, t.cfg.serverFlags()...)
	if t.server, err = far.start(ctx, t.programs.Server, args...); err != nil {
		return err
	}
	cfg := t.cfg
	var loads []load
	for range max(1, cfg.clients) {
		p, l, err := t.startClient(ctx, cfg)
		if err != nil {
			return err
		}
		t.clients, loads = append(t.clients, p), append(loads, l)
		cfg.pprof = "" // there is one port for profiles: the first client has it
	}
	t.dial = inTurn(loads)
	for _, l := range loads {
		if err := awake(ctx, l, append(slices.Clone(t.clients), t.server)...); err != nil {
			return err
		}
	}
	return nil
}

// startClient starts one more client of the same server; the load goes through
// it alone.
func (t *tunnel) startClient(ctx context.Context, cfg config) (*lab.Process, load, error) {
	tcp, err := t.near.port()
	if err != nil {
		return nil, load{}, err
	}
	local := net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp))
	args := append([]string{"--localaddr", local, "--remoteaddr", t.remote, "--key", "bench"}, cfg.clientFlags()...)
	p, err := t.near.start(ctx, t.programs.Client, args...)
	return p, load{t.near.dialTo(local)}, err
}

// inTurn dials through one after the other: of as many connections as there are
// loads, made one after the other or at once, each load gets one.
func inTurn(loads []load) lab.Dial {
	var next atomic.Uint64
	return func(ctx context.Context) (net.Conn, error) {
		return loads[(next.Add(1)-1)%uint64(len(loads))].dial(ctx)
	}
}

// awake waits until the target answers, and no longer than the programs run.
func awake(ctx context.Context, l load, programs ...*lab.Process) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for _, p := range programs {
		go func() {
			select {
			case <-p.Done():
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return l.ready(ctx)
}

// ends are the programs of each end, in the order of endNames; none where they
// were not started.
func (t *tunnel) ends() [2][]*lab.Process {
	ends := [2][]*lab.Process{t.clients}
	if t.server != nil {
		ends[1] = []*lab.Process{t.server}
	}
	return ends
}

// endNames are the ends in the order of tunnel.ends.
var endNames = [2]string{"client", "server"}

// close ends what runs: the target first, so that no stream is left for the ends
// to wait for, then all programs at once. A program that has to be killed is an
// error.
func (t *tunnel) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	errTarget := t.closeTarget()
	programs := slices.Concat(t.clients, t.ends()[1])
	stopped := make([]error, len(programs))
	var wg sync.WaitGroup
	for i, p := range programs {
		wg.Go(func() { stopped[i] = p.Stop(ctx) })
	}
	wg.Wait()
	return errors.Join(append(stopped, errTarget)...)
}

// explain adds the ends of the logs to an error: of one client and the server,
// and of the others that ended.
func (t *tunnel) explain(err error) error {
	for i, programs := range t.ends() {
		for k, p := range programs {
			if k > 0 && !ended(p) {
				continue
			}
			lines := strings.Split(p.Log(), "\n")
			lines = lines[max(0, len(lines)-4):]
			err = fmt.Errorf("%w\nthe log of the %s ends:\n  %s", err, endNames[i], strings.Join(lines, "\n  "))
		}
	}
	return err
}

func ended(p *lab.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}
