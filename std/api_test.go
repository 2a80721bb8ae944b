package std_test

import (
	"io"
	"net"
	"testing"

	"kcptun/std"
	"kcptun/std/config"
)

// The names and types that other programs and their tests use.
var (
	_ func(net.Conn) *std.CompStream                             = std.NewCompStream
	_ net.Conn                                                   = (*std.CompStream)(nil)
	_ func(io.Writer, io.Reader) (int64, error)                  = std.Copy
	_ func(alice, bob io.ReadWriteCloser, wait int) (_, _ error) = std.Pipe
	_ func(string) (*std.MultiPort, error)                       = std.ParseMultiPort
	_ func(count int, key string) (warnings []string, err error) = std.ValidateQPPParams
	_                                                            = std.MultiPort{Host: "", MinPort: uint64(0), MaxPort: uint64(0)}
)

func TestDefaultKeyIsAFactOfTheWire(t *testing.T) {
	if config.DefaultKey != "it's a secrect" || config.KeyEnv != "KCPTUN_KEY" {
		t.Error(config.DefaultKey, config.KeyEnv)
	}
}
