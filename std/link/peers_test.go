package link

import "testing"

func listening(t *testing.T) *Conn {
	opt, _ := options(Plain{})
	near, far := fakePair()
	_, server := fakeConns(t, near, far, opt)
	return server
}
