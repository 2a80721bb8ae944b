// Package std keeps the names under which other programs know parts of this one, and nothing
// else. What is behind them is in the packages below; docs/design.md shows which is where.
package std

import (
	"io"
	"net"

	"kcptun/std/address"
	"kcptun/std/config"
	"kcptun/std/relay"
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

// Copy copies from src to dst until EOF or an error. It prefers src's WriterTo, then dst's
// ReaderFrom.
func Copy(dst io.Writer, src io.Reader) (int64, error) { return relay.Copy(dst, src) }

// Pipe copies between alice and bob until both directions have ended, and closes both. After
// one has ended, closeWait seconds of silence in the other end it, too; 0 waits for ever. errA is
// what ended the direction that reads from alice, errB the other; nil is EOF.
func Pipe(alice, bob io.ReadWriteCloser, closeWait int) (errA, errB error) {
	return relay.Pipe(alice, bob, closeWait)
}
