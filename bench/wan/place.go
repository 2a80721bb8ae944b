package wan

import (
	"context"
	"net"

	"kcptun/e2e/lab"
)

// Place is where a program runs: this machine, or one end of a link.
type Place struct {
	Host string                   // name or address by which the other end reaches it
	Do   func(func() error) error // runs a function at this place
	Port func() (int, error)      // returns a port that is free for UDP and TCP
}

// Loopback is this machine.
func Loopback() Place {
	return Place{
		Host: "127.0.0.1",
		Do:   func(f func() error) error { return f() },
		Port: func() (int, error) { return lab.FreePorts(1) },
	}
}

// Listen opens a TCP listener there.
func (p Place) Listen(ctx context.Context, lc net.ListenConfig, addr string) (ln net.Listener, err error) {
	err = p.Do(func() error { ln, err = lc.Listen(ctx, "tcp", addr); return err })
	return ln, err
}

// DialTo dials addr from there.
func (p Place) DialTo(addr string) lab.Dial {
	return func(ctx context.Context) (conn net.Conn, err error) {
		var d net.Dialer
		err = p.Do(func() error { conn, err = d.DialContext(ctx, "tcp", addr); return err })
		return conn, err
	}
}

// Start starts a program there.
func (p Place) Start(ctx context.Context, path string, env []string, args ...string) (proc *lab.Process, err error) {
	err = p.Do(func() error { proc, err = lab.Start(ctx, path, env, args...); return err })
	return proc, err
}
