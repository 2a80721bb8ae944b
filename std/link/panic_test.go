package link

import (
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/crypt"
)

// trap panics, once it is set and the gate is open.
type trap struct {
	set  bool
	gate chan struct{}
}

func (t *trap) spring() {
	if t.set {
		t.set = false
		<-t.gate
		panic("injected")
	}
}

// trappedSealer seals whole batches.
type trappedSealer struct {
	crypt.Plain
	trap *trap
}

func (s trappedSealer) SealAll([]byte, int) { s.trap.spring() }

// A writer that sends in the flusher's place panics. That is the end of its session, but the
// others go on. It used to leave the socket reserved: nobody sent any more, and Close waited
// for ever.
func TestPanicOfWriterFreesSocket(t *testing.T) {
	for name, prepare := range map[string]func(tr *trap, near *fakeCarrier, opt *Options){
		"in the socket": func(tr *trap, near *fakeCarrier, _ *Options) {
			near.sendFault = func(int64) error { tr.spring(); return nil }
		},
		"in the seal of a batch": func(tr *trap, _ *fakeCarrier, opt *Options) { opt.Sealer = trappedSealer{trap: tr} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { checkFreed(t, prepare) })
		})
	}
}

func checkFreed(t *testing.T, prepare func(*trap, *fakeCarrier, *Options)) {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	tr := &trap{set: true, gate: make(chan struct{})}
	prepare(tr, near, &opt)
	sent := make(map[uint32]int) // by conversation
	near.onSend = func(d []byte) { sent[parsed(d).Conv]++ }
	_, server := fakeConns(t, far, near, opt)
	write := func(conv uint32) (panicked bool) {
		defer func() { panicked = recover() != nil }()
		if _, err := server.WriteTo(seg(conv, 81, 0, 0, "x"), peerOf(server, addrNumber(int(conv)), conv)); err != nil {
			t.Error(err)
		}
		return false
	}
	time.Sleep(time.Second) // it is alone
	first := make(chan bool, 1)
	go func() { first <- write(1) }()
	synctest.Wait()
	write(2) // waits for the socket
	close(tr.gate)
	if !<-first {
		t.Error("the writer does not get the panic")
	}
	synctest.Wait()
	if sent[2] != 1 {
		t.Error("what waited meanwhile is not sent")
	}
	time.Sleep(time.Second)
	write(3)
	write(1)
	synctest.Wait()
	if sent[3] != 1 {
		t.Error("a later writer does not get the socket")
	}
	server.Close()
	if sent[1] != 1 {
		t.Errorf("%d datagrams of the first writer were sent, one of them after its panic", sent[1])
	}
	if n := server.out.queued.Load(); n != 0 {
		t.Errorf("%d bytes count as queued", n)
	}
}
