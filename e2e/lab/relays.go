package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Relays is a set of relays on consecutive ports, for a server that listens on a range.
type Relays []*Relay

// NewRelays opens count relays on consecutive free ports of the host in cfg.Listen, whose
// port is ignored. The first relay forwards to the port of cfg.Server, the next one to the
// port after it, and so on.
func NewRelays(cfg RelayConfig, count int) (Relays, error) {
	host := "127.0.0.1"
	if cfg.Listen != "" {
		var err error
		if host, _, err = net.SplitHostPort(cfg.Listen); err != nil {
			return nil, fmt.Errorf("relays: listen address: %w", err)
		}
	}
	serverHost, text, err := net.SplitHostPort(cfg.Server)
	if err != nil {
		return nil, fmt.Errorf("relays: server address: %w", err)
	}
	first, err := strconv.Atoi(text)
	if err != nil || count < 1 || first < 1 || first+count-1 > 65535 {
		return nil, fmt.Errorf("relays: cannot relay %d ports from %q", count, text)
	}
	var last error
	for range 20 { // the port after a free one may be in use: then try elsewhere
		base := 20000 + rand.IntN(12000-count%12000)
		var rs Relays
		rs, last = openRelays(cfg, host, base, serverHost, first, count)
		if last == nil {
			return rs, nil
		}
	}
	return nil, last
}

func openRelays(cfg RelayConfig, host string, base int, serverHost string, first, count int) (Relays, error) {
	var rs Relays
	for i := range count {
		one := cfg
		one.Listen = net.JoinHostPort(host, strconv.Itoa(base+i))
		one.Server = net.JoinHostPort(serverHost, strconv.Itoa(first+i))
		one.Seed = cfg.Seed + uint64(i)
		r, err := NewRelay(one)
		if err != nil {
			return nil, errors.Join(err, rs.Close())
		}
		rs = append(rs, r)
	}
	return rs, nil
}

// Addr is the host:min-max to give to clients.
func (rs Relays) Addr() string {
	_, last, err := net.SplitHostPort(rs[len(rs)-1].Addr())
	if err != nil {
		return "" // impossible: a bound socket's address is valid
	}
	return rs[0].Addr() + "-" + last
}

// SetFault changes the faults of one direction on every port.
func (rs Relays) SetFault(dir Direction, f Fault) error {
	for _, r := range rs {
		if err := r.SetFault(dir, f); err != nil {
			return err
		}
	}
	return nil
}

// Cut cuts or restores all ports.
func (rs Relays) Cut(on bool) {
	for _, r := range rs {
		r.Cut(on)
	}
}

// Close closes all relays.
func (rs Relays) Close() error {
	var errs []error
	for _, r := range rs {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}
