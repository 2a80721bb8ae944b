package main

import (
	"context"
	"errors"
	"strconv"

	"kcptun/e2e/lab"
)

// relaySeed makes the network lose the same datagrams if the traffic is the same.
const relaySeed = 1

// network is everything that runs. Its files are in one folder.
type network struct {
	*lab.Network
	dir string
}

// openNetwork starts everything, or nothing.
func openNetwork(ctx context.Context, opts options, dir string, load payload) (*network, error) {
	nw, err := lab.StartNetwork(ctx, lab.NetworkConfig{
		Programs: opts.programs,
		Server:   opts.flags(serverLog(dir)),
		Client:   append(opts.flags(clientLog(dir)), "--conn", strconv.Itoa(opts.conn)),
		Fault:    opts.fault(),
		Seed:     relaySeed,
	})
	if err != nil {
		return nil, err
	}
	nw.Target.ServeFile(load.path)
	return &network{nw, dir}, nil
}

// count reads the counters of the relay and the programs. It must be called after Close.
func (n *network) count(rep *report) error {
	rep.up.net, rep.down.net = n.Relay.Counters(lab.Up), n.Relay.Counters(lab.Down)
	client, errClient := readCounters(clientLog(n.dir))
	server, errServer := readCounters(serverLog(n.dir))
	if err := errors.Join(errClient, errServer); err != nil {
		return err
	}
	// The sender retransmits, the receiver rebuilds.
	rep.up.resent, rep.up.rebuilt = client["RetransSegs"], server["FECRecovered"]
	rep.down.resent, rep.down.rebuilt = server["RetransSegs"], client["FECRecovered"]
	return nil
}
