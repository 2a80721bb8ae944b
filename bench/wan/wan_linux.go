package wan

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"kcptun/e2e/lab"
)

// Addresses of the two ends, from a network reserved for examples.
const (
	nearHost = "192.0.2.1"
	farHost  = "192.0.2.2"
)

// firstPort is the first port used at each end; in a namespace all are free.
const firstPort = 29900

// Link is an emulated link between two namespaces.
type Link struct {
	Near, Far Place
	Up, Down  *lab.Pipe // from the near end to the far end, and back

	cell   Cell
	spaces []*namespace
	files  []*os.File
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

// Open creates a link. The same seed and packets give the same losses. Close must be
// called.
func Open(c Cell, seed uint64) (l *Link, err error) {
	l = &Link{cell: c, stop: func() {}}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	for i, host := range []string{nearHost, farHost} {
		n, err := newNamespace()
		if err != nil {
			return l, err
		}
		l.spaces = append(l.spaces, n)
		file, err := n.device([]string{"kcptun-near", "kcptun-far"}[i], host+"/24")
		if err != nil {
			return l, err
		}
		l.files = append(l.files, file)
	}
	l.Near, l.Far = l.spaces[0].place(nearHost), l.spaces[1].place(farHost)
	up, down := c.ways(1)
	if l.Up, err = lab.NewPipe(l.files[0], l.files[1], lab.Up, seed, up); err != nil {
		return l, err
	}
	l.Down, err = lab.NewPipe(l.files[1], l.files[0], lab.Down, seed, down)
	return l, err
}

// Begin starts the clock of a cell whose rate changes over time.
func (l *Link) Begin() {
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	l.wg.Go(func() { l.change(ctx) })
}

// change sets the rate over time until ctx ends.
func (l *Link) change(ctx context.Context) {
	begin := time.Now()
	for {
		_, next := l.cell.share(time.Since(begin))
		if next == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(next - time.Since(begin)):
		}
		share, _ := l.cell.share(max(next, time.Since(begin)))
		up, down := l.cell.ways(share)
		if err := errors.Join(l.Up.SetFault(up), l.Down.SetFault(down)); err != nil {
			panic(err) // a share of a valid fault is valid
		}
	}
}

// Close removes the link. Everything that uses it must have ended.
func (l *Link) Close() {
	l.stop()
	l.wg.Wait()
	for _, f := range l.files {
		f.Close()
	}
	for _, p := range []*lab.Pipe{l.Up, l.Down} {
		if p != nil {
			p.Close()
		}
	}
	for _, n := range l.spaces {
		n.close()
	}
}

func (n *namespace) place(host string) Place {
	var used atomic.Int64
	return Place{Host: host, Do: n.do, Port: func() (int, error) { return firstPort + int(used.Add(1)) - 1, nil }}
}

// HasCongestion reports whether the kernel has a congestion control. It loads the module if
// necessary.
func HasCongestion(name string) bool {
	available := func() bool {
		text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
		return err == nil && slices.Contains(strings.Fields(string(text)), name)
	}
	if !available() {
		_ = exec.Command("modprobe", "tcp_"+name).Run() // failure shows below
	}
	return available()
}

// Target serves at the far end without a tunnel, with a congestion control of the kernel in
// both directions. It returns the function that dials it from the near end.
func (l *Link) Target(ctx context.Context, congestion string) (*lab.Target, lab.Dial, error) {
	control := func(_, _ string, raw syscall.RawConn) error {
		var set error
		err := raw.Control(func(fd uintptr) {
			set = syscall.SetsockoptString(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, congestion)
		})
		return errors.Join(err, set)
	}
	// Accepted connections inherit the listener's congestion control.
	ln, err := l.Far.Listen(ctx, net.ListenConfig{Control: control}, farHost+":0")
	if err != nil {
		return nil, nil, err
	}
	t := lab.ServeTarget(ln)
	dial := func(ctx context.Context) (conn net.Conn, err error) {
		d := net.Dialer{Control: control}
		err = l.Near.Do(func() error { conn, err = d.DialContext(ctx, "tcp", t.Addr()); return err })
		return conn, err
	}
	return t, dial, nil
}
