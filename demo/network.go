package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kcptun/e2e/lab"
)

// stopLimit is how long the programs get to end by themselves.
const stopLimit = 3 * time.Second

// relaySeed makes the network lose the same datagrams of the same traffic.
const relaySeed = 1

// network is everything that runs: target, server, relay and client.
type network struct {
	dir            string
	target         *lab.Target
	relay          *lab.Relay
	server, client *lab.Process
	addr           string // where the client accepts
}

// openNetwork starts all of it, or nothing.
func openNetwork(ctx context.Context, opts options, dir string, load payload) (*network, error) {
	n := &network{dir: dir}
	if err := n.start(ctx, opts, load); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *network) start(ctx context.Context, opts options, load payload) (err error) {
	if n.target, err = lab.StartTarget("127.0.0.1:0"); err != nil {
		return err
	}
	n.target.ServeFile(load.path)
	listen, err := lab.FreeAddr()
	if err != nil {
		return err
	}
	n.relay, err = lab.NewRelay(lab.RelayConfig{Server: listen, Up: opts.fault(), Down: opts.fault(), Seed: relaySeed})
	if err != nil {
		return err
	}
	// The key goes through the environment: a command line is for all to see.
	// The programs outlive ctx, so that close can stop them gently.
	env := []string{"KCPTUN_KEY=" + rand.Text()}
	alive := context.WithoutCancel(ctx)
	args := append([]string{"-l", listen, "-t", n.target.Addr()}, opts.flags(serverLog(n.dir))...)
	if n.server, err = lab.Start(alive, opts.programs.Server, env, args...); err != nil {
		return err
	}
	if _, err = n.server.ListenAddr(ctx); err != nil {
		return err
	}
	args = append([]string{"-l", "127.0.0.1:0", "-r", n.relay.Addr(), "--conn", strconv.Itoa(opts.conn)}, opts.flags(clientLog(n.dir))...)
	if n.client, err = lab.Start(alive, opts.programs.Client, env, args...); err != nil {
		return err
	}
	n.addr, err = n.client.ListenAddr(ctx)
	return err
}

// close ends what has been started, the programs side by side.
func (n *network) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	ends := make(chan error, 2)
	for _, p := range []*lab.Process{n.client, n.server} {
		go func() {
			if p == nil {
				ends <- nil
				return
			}
			ends <- p.Stop(ctx)
		}()
	}
	errs := []error{<-ends, <-ends}
	if n.relay != nil {
		errs = append(errs, n.relay.Close())
	}
	if n.target != nil {
		errs = append(errs, n.target.Close())
	}
	return errors.Join(errs...)
}

// wire is the number of bytes that the programs have sent, both ways.
func (n *network) wire() uint64 {
	return n.relay.Counters(lab.Up).BytesIn + n.relay.Counters(lab.Down).BytesIn
}

// count reads the counters of the relay and of the programs, after close.
func (n *network) count(rep *report) error {
	rep.up.net, rep.down.net = n.relay.Counters(lab.Up), n.relay.Counters(lab.Down)
	client, err := readCounters(clientLog(n.dir))
	if err != nil {
		return err
	}
	server, err := readCounters(serverLog(n.dir))
	if err != nil {
		return err
	}
	// The sender retransmits, the receiver rebuilds.
	rep.up.resent, rep.up.rebuilt = client["RetransSegs"], server["FECRecovered"]
	rep.down.resent, rep.down.rebuilt = server["RetransSegs"], client["FECRecovered"]
	return nil
}

// explain adds what the programs said last.
func (n *network) explain(err error) error {
	return fmt.Errorf("%w\nthe client's log ends:\n%s\nthe server's log ends:\n%s", err, tail(n.client), tail(n.server))
}

func tail(p *lab.Process) string {
	lines := strings.Split(p.Log(), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-5):], "\n  ")
}
