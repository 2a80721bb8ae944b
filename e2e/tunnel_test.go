package e2e_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"kcptun/e2e/lab"
)

// plan says how a tunnel differs from the default: a target of the lab, our server, and our
// client with the same key, all on 127.0.0.1 and free ports.
type plan struct {
	both, server, client []string // flags
	env                  []string // of both programs
	keyless              bool     // do not pass --key: the test does
	listen, local        string   // addresses of the server and the client
	target               string   // the test's own target

	relay    *lab.Fault // use a relay with this fault in both directions
	lacks    *lacking   // system calls that fail in both programs
	oldSide  string     // "server" or "client" is the older release
	noServer bool       // nobody listens at the address
	noClient bool       // the test starts its own clients
}

// tunnel consists of target, server, relay and client.
type tunnel struct {
	target *lab.Target // nil if the test has its own
	server *program
	relay  *lab.Relay // nil if there is none
	client *program
	listen string   // address on which the server listens
	remote string   // address to which clients send
	dial   lab.Dial // dials the target through the tunnel
}

// start starts a tunnel. At the end of the test it expects all connections to the target to
// be closed, and both programs to end cleanly.
func start(t *testing.T, p plan) *tunnel {
	t.Helper()
	tn := new(tunnel)
	if p.target == "" {
		tn.target = startTarget(t, "127.0.0.1:0")
		p.target = tn.target.Addr()
	}
	if p.noServer {
		p.listen = freeAddr(t)
	} else if p.listen == "" {
		tn.server = startServerAnywhere(t, &p)
	} else {
		tn.server = startServer(t, p)
	}
	tn.listen, tn.remote = p.listen, p.listen
	if p.relay != nil {
		relay, err := lab.NewRelay(lab.RelayConfig{Server: p.listen, Up: *p.relay, Down: *p.relay, Seed: 1})
		must(t, err)
		t.Cleanup(func() { relay.Close() })
		tn.relay, tn.remote = relay, relay.Addr()
	}
	if !p.noClient {
		tn.client, tn.dial = startClient(t, tn.remote, p)
	}
	if tn.target != nil {
		t.Cleanup(func() { // before the programs are stopped, which would close them anyway
			if err := tn.target.WaitIdle(patient(t)); err != nil {
				t.Error(err)
			}
		})
	}
	return tn
}

func startTarget(t *testing.T, addr string) *lab.Target {
	t.Helper()
	target, err := lab.StartTarget(addr)
	must(t, err)
	t.Cleanup(func() { target.Close() })
	return target
}

// startServerAnywhere chooses the address, and tries another one if some other program
// takes it before the server does.
func startServerAnywhere(t *testing.T, p *plan) *program {
	t.Helper()
	for {
		p.listen = freeAddr(t)
		s, err := tryServer(t, *p)
		if err == nil {
			return s
		}
		if !strings.Contains(s.Log(), "address already in use") {
			t.Fatal(err)
		}
		s.mustExit(t, 1)
	}
}

// startServer starts the server of a plan and waits until it is listening.
func startServer(t *testing.T, p plan) *program {
	t.Helper()
	s, err := tryServer(t, p)
	must(t, err)
	return s
}

func tryServer(t *testing.T, p plan) (*program, error) {
	t.Helper()
	path, old := programs.Server, p.oldSide == "server"
	if old {
		path = oldProgram(t, lab.OldServer)
	}
	path, p.env = p.lacks.under(t, path, p.env)
	proc, err := lab.StartServer(patient(t), path, p.env, p.listen, p.target, p.flags(p.server)...)
	if proc == nil {
		t.Fatal(err)
	}
	p.lacks.skipWithoutFilters(t, proc.Log())
	return watch(t, "server", proc, old), err
}

// startClient starts the client of a plan, which sends to remote. It returns the client,
// and a function that dials through it.
func startClient(t *testing.T, remote string, p plan) (*program, lab.Dial) {
	t.Helper()
	path, old := programs.Client, p.oldSide == "client"
	if old {
		path = oldProgram(t, lab.OldClient)
	}
	if p.local == "" {
		p.local = "127.0.0.1:0"
	}
	path, p.env = p.lacks.under(t, path, p.env)
	proc, addr, err := lab.StartClient(patient(t), path, p.env, p.local, remote, p.flags(p.client)...)
	if proc == nil {
		t.Fatal(err)
	}
	c := watch(t, "client", proc, old)
	must(t, err)
	return c, lab.DialTo(addr)
}

func (p plan) flags(own []string, addresses ...string) []string {
	if !p.keyless {
		addresses = append(addresses, "--key", secret)
	}
	return slices.Concat(addresses, p.both, own)
}

func oldProgram(t *testing.T, find func() (string, bool)) string {
	t.Helper()
	path, ok := find()
	if !ok {
		t.Skip("no older release here: neither KCPTUN_OLD_CLIENT and KCPTUN_OLD_SERVER nor the path has its programs")
	}
	return path
}

// exchange moves n bytes in each direction at the same time, over two streams, and checks
// every byte.
func (tn *tunnel) exchange(t *testing.T, n int64) {
	t.Helper()
	concurrently(t, []func() error{
		func() error { return tn.push(t, n) },
		func() error { return tn.pull(t, n) },
	})
}

// concurrently runs all functions at the same time and expects no errors.
func concurrently(t *testing.T, calls []func() error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, len(calls))
	for i, call := range calls {
		wg.Go(func() { errs[i] = call() })
	}
	wg.Wait()
	failed := 0
	for _, err := range errs {
		if err == nil {
			continue
		}
		if failed++; failed <= 3 {
			t.Error(err)
		}
	}
	if failed > 0 {
		t.Fatalf("%d of %d failed", failed, len(calls))
	}
}

func (tn *tunnel) push(t *testing.T, n int64) error {
	_, err := lab.Push(patient(t), tn.dial, n, nil)
	return err
}

func (tn *tunnel) pull(t *testing.T, n int64) error {
	_, err := lab.Pull(patient(t), tn.dial, n, nil)
	return err
}

// slowPull starts a download at about 100 KB/s that outlasts the test. It returns when some
// data has arrived. The channel receives the download's result.
func (tn *tunnel) slowPull(t *testing.T) <-chan error {
	t.Helper()
	return begin(t, func(ctx context.Context, progress lab.Progress) error {
		_, err := lab.PullSlow(ctx, tn.dial, 100*mib, progress)
		return err
	})
}

// heldPull starts a download of n bytes, the second half of which comes after the target's
// Release. It returns when some data has arrived. The channel receives the download's
// result.
func (tn *tunnel) heldPull(t *testing.T, n int64) <-chan error {
	t.Helper()
	return begin(t, func(ctx context.Context, progress lab.Progress) error {
		_, err := lab.PullHeld(ctx, tn.dial, n, progress)
		return err
	})
}

func begin(t *testing.T, pull func(context.Context, lab.Progress) error) <-chan error {
	t.Helper()
	begun, done := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	ctx := patient(t)
	go func() { done <- pull(ctx, func(int64) { once.Do(func() { close(begun) }) }) }()
	select {
	case <-begun:
	case err := <-done:
		t.Fatalf("the download ended at its begin: %v", err)
	}
	return done
}
