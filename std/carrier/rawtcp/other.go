//go:build !linux

package rawtcp

import (
	"context"
	"errors"
	"net/netip"

	"kcptun/std/carrier"
)

var errLinuxOnly = errors.New("--tcp works on Linux only")

// Conn is for Linux only.
type Conn struct{ carrier.Carrier }

// Dial is for Linux only.
func Dial(context.Context, carrier.Options, netip.AddrPort) (*Conn, error) {
	return nil, errLinuxOnly
}

// Listen is for Linux only.
func Listen(context.Context, carrier.Options, string) (*Conn, error) { return nil, errLinuxOnly }

// Check is for Linux only.
func Check() ([]string, error) { return nil, errLinuxOnly }
