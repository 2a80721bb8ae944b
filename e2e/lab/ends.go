package lab

import (
	"context"
	"slices"
)

// StartServer starts a server program of any release, and waits until it listens. If it does
// not, the process is returned together with the error, because its log says why. The
// program itself does not end with ctx.
func StartServer(ctx context.Context, path string, env []string, listen, target string, flags ...string) (*Process, error) {
	p, err := Start(context.WithoutCancel(ctx), path, env, slices.Concat([]string{"--listen", listen, "--target", target}, flags)...)
	if err != nil {
		return nil, err
	}
	_, err = p.ListenAddr(ctx)
	return p, err
}

// StartClient does the same with a client. It also returns the address at which it listens
// for applications.
func StartClient(ctx context.Context, path string, env []string, local, remote string, flags ...string) (p *Process, addr string, err error) {
	p, err = Start(context.WithoutCancel(ctx), path, env, slices.Concat([]string{"--localaddr", local, "--remoteaddr", remote}, flags)...)
	if err != nil {
		return nil, "", err
	}
	addr, err = p.ListenAddr(ctx)
	return p, addr, err
}
