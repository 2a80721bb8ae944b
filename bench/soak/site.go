package soak

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"kcptun/e2e/lab"
)

// sessions of the permanent client
const sessions = 4

// expiry of a session, in steps
const expiry = 3

// relayClients is more than the number of ports from which all clients of a long run send
// between two of the faults that make the relay forget them.
const relayClients = 8192

// site is a tunnel together with the counts of its load.
type site struct {
	*lab.Network
	mode string
	step time.Duration

	streams, failed, opened atomic.Int64 // streams that ended well, streams that failed, and sessions opened by guests
}

func openSite(ctx context.Context, mode string, programs lab.Programs, step time.Duration) (*site, error) {
	flags := []string{"--mode", mode}
	client := append(flags[:len(flags):len(flags)], "--conn", strconv.Itoa(sessions),
		"--autoexpire", strconv.Itoa(int(max(expiry*step, time.Second).Seconds())))
	nw, err := lab.StartNetwork(ctx, lab.NetworkConfig{Programs: programs, Server: flags, Client: client, Seed: 1, MaxClients: relayClients})
	if err != nil {
		return nil, fmt.Errorf("mode %s: %w", mode, err)
	}
	return &site{Network: nw, mode: mode, step: step}, nil
}

// close ends the programs and checks that their logs contain nothing forbidden.
func (s *site) close() error {
	err := s.Network.Close()
	for name, p := range map[string]*lab.Process{"client": s.Client, "server": s.Server} {
		for _, bad := range []string{"panic", "DATA RACE", "fatal error"} {
			if log := p.Log(); strings.Contains(log, bad) {
				err = errors.Join(err, fmt.Errorf("the log of the %s of mode %s holds %q", name, s.mode, bad))
			}
		}
	}
	return err
}

// programs are the programs observed, in the order of Record.Programs.
func (s *site) programs() []*lab.Process { return []*lab.Process{s.Client, s.Server} }
