//go:build unix

package listen

import (
	"context"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/testkit"
)

// While the spare descriptors are in use nothing is accepted, and within a second of their
// return the next connection is. The time is that of the test.
func TestAcceptIsPromptOnceThereIsRoom(t *testing.T) {
	const spare = 6
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	conn, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	limitDescriptors(t, 40)
	var crowd []*os.File
	leave := func() {
		for _, f := range crowd {
			f.Close()
		}
		crowd = nil
	}
	defer leave()
	for isRoom(spare) {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		crowd = append(crowd, f)
	}
	last, err := tcp.Accept() // above all of the crowd
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		lis := &shortage{found: make(chan net.Conn, 2)}
		lis.found <- last
		lis.found <- near
		close(lis.found)
		log, book := testkit.NewLog()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		accepted, done := make(chan struct{}, 2), make(chan error, 1)
		go func() {
			done <- Accept(ctx, lis, log, spare, func(net.Conn) { accepted <- struct{}{} })
		}()
		<-accepted
		time.Sleep(time.Hour)
		if len(accepted) > 0 || book.Count("accepting pauses") != 1 {
			t.Fatalf("accepted although only the spare descriptors are left:\n%s", book)
		}
		leave()
		left := time.Now()
		<-accepted
		if late := time.Since(left); late > promptly {
			t.Errorf("accepted %v after the crowd had left", late)
		}
		<-done
	})
}
