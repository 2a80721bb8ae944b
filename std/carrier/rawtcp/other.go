//go:build !linux

package rawtcp

import (
	"context"
	"errors"
	"net/netip"

	"kcptun/std/carrier"
)

var errLinuxOnly = errors.New("--tcp works on Linux only")

// Conn exists only on Linux.
type Conn struct{ carrier.Carrier }

// Dial works only on Linux.
func Dial(context.Context, carrier.Options, netip.AddrPort) (*Conn, error) {
	return nil, errLinuxOnly
}

// Listen works only on Linux.
func Listen(context.Context, carrier.Options, string) (*Conn, error) { return nil, errLinuxOnly }

// Check works only on Linux.
func Check(context.Context) ([]string, error) { return nil, errLinuxOnly }
