package wan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// The rates of both directions change when they should, and Close does not wait for changes
// still to come.
func TestRateChanges(t *testing.T) {
	if err := Possible(); err != nil {
		t.Skip(err)
	}
	for word, rates := range map[string][]int{
		"2/80/0/half=0.1":       {10e6, 5e6},
		"2/80/0/up=8/double=.1": {10e6, 20e6},
		"2/24/0/swing=0.1":      {3e6, 1e6, 3e6},
		"2/80/0/half=9000":      {10e6},
	} {
		c, err := ParseCell(word)
		must(t, err)
		w, err := Open(c, 1)
		if errors.Is(err, os.ErrPermission) {
			t.Skip(err) // root in a container may lack the right
		}
		must(t, err)
		w.Begin()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		for _, rate := range rates {
			must(t, lab.WaitFor(ctx, fmt.Sprintf("the rate %d of %s", rate, word), func() bool {
				return w.Down.Fault().Rate == rate
			}))
		}
		if up := w.Up.Fault().Rate; c.Up > 0 && up != 2e6 {
			t.Errorf("%s: %d up", word, up)
		}
		cancel()
		w.Close()
	}
}

func TestNamespaceEnds(t *testing.T) {
	if err := Possible(); err != nil {
		t.Skip(err)
	}
	n, err := newNamespace()
	if err != nil {
		t.Skip(err) // root in a container may lack the right
	}
	outside, err := os.Readlink("/proc/self/ns/net")
	must(t, err)
	var inside string
	must(t, n.do(func() (err error) {
		inside, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	}))
	n.close()
	if inside == outside {
		t.Error("it is the same network")
	}
	if _, err := Loopback().Listen(t.Context(), net.ListenConfig{}, nearHost+":0"); err == nil {
		t.Error("an address of the link outside of it")
	}
}
