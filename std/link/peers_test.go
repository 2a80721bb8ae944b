package link

import (
	"testing"

	"kcptun/std/crypt"
)

func listening(t *testing.T) *Conn {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	_, server := fakeConns(t, near, far, opt)
	return server
}
