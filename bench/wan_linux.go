package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"

	"kcptun/e2e/lab"
)

// Addresses of the two ends, of a network that is reserved for examples.
const (
	nearHost = "192.0.2.1"
	farHost  = "192.0.2.2"
)

// linkPort is the port of both ends: in namespaces all are free.
const linkPort = 29900

// wan is an emulated link between two namespaces. It carries IP packets, so
// everything that the kernel sends: UDP and its segmentation offload, TCP.
type wan struct {
	spaces     []*namespace
	files      []*os.File
	toNear     *oneWay
	toFar      *oneWay
	near, far  place
	goroutines sync.WaitGroup
}

func openWAN(c cell, seed uint64) (w *wan, err error) {
	w = new(wan)
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	for i, host := range []string{nearHost, farHost} {
		n, err := newNamespace()
		if err != nil {
			return w, err
		}
		w.spaces = append(w.spaces, n)
		file, err := n.device([]string{"kcptun-near", "kcptun-far"}[i], host+"/24")
		if err != nil {
			return w, err
		}
		w.files = append(w.files, file)
	}
	w.near, w.far = w.spaces[0].place(nearHost), w.spaces[1].place(farHost)
	w.toFar = newOneWay(w.files[0], w.files[1], c, 2*seed)
	w.toNear = newOneWay(w.files[1], w.files[0], c, 2*seed+1)
	for _, way := range []*oneWay{w.toFar, w.toNear} {
		w.goroutines.Go(way.read)
		w.goroutines.Go(way.write)
	}
	return w, nil
}

// close removes the link. What still uses it was ended before.
func (w *wan) close() {
	for _, f := range w.files {
		f.Close()
	}
	w.goroutines.Wait()
	for _, n := range w.spaces {
		n.close()
	}
}

func (n *namespace) place(host string) place {
	return place{host: host, do: n.do, port: func() (int, error) { return linkPort, nil }}
}

// tcpVariants are the congestion controls to compare with.
var tcpVariants = []string{"cubic", "bbr"}

// hasCongestion tells whether the kernel has a congestion control, and loads it
// where it is a module.
func hasCongestion(name string) bool {
	available := func() bool {
		text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
		return err == nil && slices.Contains(strings.Fields(string(text)), name)
	}
	if !available() {
		_ = exec.Command("modprobe", "tcp_"+name).Run() // what counts is whether it is there then
	}
	return available()
}

// plainTarget serves at the far end without a tunnel: connections that it
// accepts inherit the listener's congestion control.
func (w *wan) plainTarget(ctx context.Context, congestion string) (*lab.Target, load, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var set error
		err := raw.Control(func(fd uintptr) {
			set = syscall.SetsockoptString(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, congestion)
		})
		return errors.Join(err, set)
	}}
	ln, err := w.far.listen(ctx, lc, farHost+":0")
	if err != nil {
		return nil, load{}, err
	}
	t := lab.ServeTarget(ln)
	return t, load{dial: w.near.dialTo(t.Addr())}, nil
}
