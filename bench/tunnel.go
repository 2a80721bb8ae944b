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

	"kcptun/bench/wan"
	"kcptun/e2e/lab"
)

// Time limits for starting and stopping a pair.
const (
	startLimit = 20 * time.Second
	stopLimit  = 10 * time.Second // our programs let streams finish for up to 5 s
)

// tunnelKey is the key of all tunnels.
const tunnelKey = "bench"

// offloadVariable is the only KCPTUN_ variable that programs get, as it is meant for
// comparisons. Others would change what is measured.
const offloadVariable = "KCPTUN_OFFLOAD"

func offload() []string {
	if v, ok := os.LookupEnv(offloadVariable); ok {
		return []string{offloadVariable + "=" + v}
	}
	return nil
}

// tunnel is a running pair with a target behind it, or several clients with one server.
type tunnel struct {
	load        // goes through the clients in turn
	clients     []*lab.Process
	server      *lab.Process
	target      string      // its address
	served      *lab.Target // nil: it is a process of its own
	closeTarget func() error
	near        wan.Place // where the clients are
	programs    lab.Programs
	cfg         config
	remote      string // the server's address
}

// openTunnel starts a pair, the client at the near place, the server and the target at the
// far place. It waits until the target answers.
func openTunnel(ctx context.Context, near, far wan.Place, programs lab.Programs, cfg config) (*tunnel, error) {
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

func (t *tunnel) startTarget(ctx context.Context, far wan.Place, apart bool) error {
	if apart {
		p, addr, err := startApart(ctx, far)
		if err == nil {
			t.target, t.closeTarget = addr, p.Kill
		}
		return err
	}
	ln, err := far.Listen(ctx, net.ListenConfig{}, "127.0.0.1:0")
	if err == nil {
		t.served = lab.ServeTarget(ln)
		t.target, t.closeTarget = t.served.Addr(), t.served.Close
	}
	return err
}

func (t *tunnel) startEnds(ctx context.Context, far wan.Place) error {
	udp, err := far.Port()
	if err != nil {
		return err
	}
	t.remote = net.JoinHostPort(far.Host, strconv.Itoa(udp))
	limited, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	flags := append([]string{"--key", tunnelKey}, t.cfg.serverFlags()...)
	err = far.Do(func() error {
		t.server, err = lab.StartServer(limited, t.programs.Server, offload(), t.remote, t.target, flags...)
		return err
	})
	if err != nil {
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
		cfg.pprof = "" // there is only one port for profiles: the first client has it
	}
	t.dial = inTurn(loads)
	for _, l := range loads {
		if err := awake(ctx, l, append(slices.Clone(t.clients), t.server)...); err != nil {
			return err
		}
	}
	return nil
}

// startClient starts another client of the same server. The returned load goes through that
// client only.
func (t *tunnel) startClient(ctx context.Context, cfg config) (*lab.Process, load, error) {
	tcp, err := t.near.Port()
	if err != nil {
		return nil, load{}, err
	}
	local := net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp))
	if cfg.kcpgo {
		p, err := t.startStock(ctx, local)
		return p, load{t.near.DialTo(local)}, err
	}
	limited, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var p *lab.Process
	flags := append([]string{"--key", tunnelKey}, cfg.clientFlags()...)
	err = t.near.Do(func() error {
		p, local, err = lab.StartClient(limited, t.programs.Client, offload(), local, t.remote, flags...)
		return err
	})
	if err != nil && p != nil {
		err = errors.Join(err, p.Kill())
	}
	return p, load{t.near.DialTo(local)}, err
}

// startStock starts a client of kcp-go's own.
func (t *tunnel) startStock(ctx context.Context, local string) (*lab.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return t.near.Start(ctx, self, offload(), stockCommand, local, t.remote, tunnelKey)
}

// inTurn dials through the loads in turn, so that of as many connections as there are loads
// each load gets one, even if they are made concurrently.
func inTurn(loads []load) lab.Dial {
	var next atomic.Uint64
	return func(ctx context.Context) (net.Conn, error) {
		return loads[(next.Add(1)-1)%uint64(len(loads))].dial(ctx)
	}
}

// awake waits until the target answers, but only as long as the programs run.
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

// ends are the programs of each end, in the order of endNames; none if they were not
// started.
func (t *tunnel) ends() [2][]*lab.Process {
	ends := [2][]*lab.Process{t.clients}
	if t.server != nil {
		ends[1] = []*lab.Process{t.server}
	}
	return ends
}

// endNames are the ends in the order of tunnel.ends.
var endNames = [2]string{"client", "server"}

// close ends everything: first the target, so that the programs need not wait for streams,
// then all programs at once. A program that has to be killed is an error.
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

// explain adds the last log lines to an error: those of one client and of the server, and
// of all others that have ended.
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
