package wan

import (
	"net"
	"os"
	"testing"
)

func TestNamespaceEnds(t *testing.T) {
	if err := Possible(); err != nil {
		t.Skip(err)
	}
	n, err := newNamespace()
	if err != nil {
		t.Skip(err) // root without the right, in a container
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
