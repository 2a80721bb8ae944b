// Package std keeps the names under which other programs know parts of this one, and nothing
// else. What is behind them is in the packages below; docs/design.md shows which is where.
package std

import (
	"net"

	"kcptun/std/address"
	"kcptun/std/config"
	"kcptun/std/session"
)

// MultiPort is a host with a range of ports.
type MultiPort = address.MultiPort

// ParseMultiPort reads host:port or host:min-max.
func ParseMultiPort(addr string) (*MultiPort, error) { return address.ParseMultiPort(addr) }

// ValidateQPPParams returns an error where QPP cannot work and warnings where it
// gives less than its authors promise.
func ValidateQPPParams(count int, key string) (warnings []string, err error) {
	return config.ValidateQPPParams(count, key)
}

// CompStream is a connection whose bytes are compressed by snappy's framing format.
type CompStream = session.CompStream

// NewCompStream wraps conn. Both ends must.
func NewCompStream(conn net.Conn) *CompStream { return session.NewCompStream(conn) }
