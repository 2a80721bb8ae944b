package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
)

// stopLimit is how long the programs of a network may take to end by themselves. Ours let
// open streams finish for up to 5 s.
const stopLimit = 10 * time.Second

// NetworkConfig describes a Network.
type NetworkConfig struct {
	Programs       Programs
	Server, Client []string // flags of each program, besides its addresses
	Env            []string // of both programs, besides the key
	Fault          Fault    // of both directions, at first
	Seed           uint64   // of the relay
	MaxClients     int      // of the relay
}

// Network is a complete tunnel on 127.0.0.1: target, server, relay and client.
type Network struct {
	Target         *Target
	Relay          *Relay
	Server, Client *Process
	Dial           Dial // to the target, through the client

	cfg    NetworkConfig
	env    []string
	listen string
}

// StartNetwork starts all parts, or none. The programs get a random key. They do not end
// with ctx, so that Close can stop them gently.
func StartNetwork(ctx context.Context, cfg NetworkConfig) (*Network, error) {
	// The key is passed in the environment, because everyone can see command lines.
	n := &Network{cfg: cfg, env: append([]string{"KCPTUN_KEY=" + rand.Text()}, cfg.Env...)}
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Network) start(ctx context.Context) (err error) {
	if n.Target, err = StartTarget("127.0.0.1:0"); err != nil {
		return err
	}
	if n.listen, err = FreeAddr(); err != nil {
		return err
	}
	n.Relay, err = NewRelay(RelayConfig{Server: n.listen, Up: n.cfg.Fault, Down: n.cfg.Fault, Seed: n.cfg.Seed, MaxClients: n.cfg.MaxClients})
	if err != nil {
		return err
	}
	n.Server, err = StartServer(ctx, n.cfg.Programs.Server, n.env, n.listen, n.Target.Addr(), n.cfg.Server...)
	if err != nil {
		return err
	}
	n.Client, n.Dial, err = n.StartClient(ctx, n.cfg.Client...)
	return err
}

// StartClient starts another client, which the caller must end.
func (n *Network) StartClient(ctx context.Context, flags ...string) (*Process, Dial, error) {
	p, addr, err := StartClient(ctx, n.cfg.Programs.Client, n.env, "127.0.0.1:0", n.Relay.Addr(), flags...)
	if err != nil && p != nil {
		err = errors.Join(err, p.Kill())
	}
	if err != nil {
		return nil, nil, err
	}
	return p, DialTo(addr), nil
}

// Close ends everything; the programs end concurrently. A program that has to be killed is
// an error.
func (n *Network) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	ends := make(chan error, 2)
	for _, p := range []*Process{n.Client, n.Server} {
		go func() {
			if p == nil {
				ends <- nil
				return
			}
			ends <- p.Stop(ctx)
		}()
	}
	errs := []error{<-ends, <-ends}
	if n.Relay != nil {
		errs = append(errs, n.Relay.Close())
	}
	if n.Target != nil {
		errs = append(errs, n.Target.Close())
	}
	return errors.Join(errs...)
}

// ServerAddr is the address of the server itself, behind the relay.
func (n *Network) ServerAddr() string { return n.listen }

// Wire is the number of bytes that the programs have sent in both directions.
func (n *Network) Wire() uint64 {
	return n.Relay.Counters(Up).BytesIn + n.Relay.Counters(Down).BytesIn
}

// Explain adds the last lines of the programs' logs to an error.
func (n *Network) Explain(err error) error {
	return fmt.Errorf("%w\nthe client's log ends:\n%s\nthe server's log ends:\n%s", err, indentTail(n.Client), indentTail(n.Server))
}

func indentTail(p *Process) string {
	return "  " + strings.ReplaceAll(p.log.tail(), "\n", "\n  ")
}
