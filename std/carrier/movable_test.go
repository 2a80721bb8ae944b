package carrier

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// still is a carrier whose Recv waits until the carrier is closed.
type still struct {
	Carrier
	addr net.Addr
	done chan struct{}
}

func (s *still) Recv() ([]Inbound, error) {
	<-s.done
	return nil, net.ErrClosed
}

func (s *still) Send([]*Batch) (int, error) {
	select {
	case <-s.done:
		return 1, net.ErrClosed
	default:
		return 0, nil
	}
}

func (s *still) LocalAddr() net.Addr { return s.addr }

func (s *still) Close() error {
	close(s.done)
	return nil
}

// Receiving continues when a socket is replaced, and ends with the carrier.
func TestMovable(t *testing.T) {
	opened := 0
	failing := errors.New("no socket")
	m, err := NewMovable(context.Background(), func(context.Context) (Carrier, error) {
		if opened == 3 {
			return nil, failing
		}
		opened++
		return &still{addr: &net.UDPAddr{Port: opened}, done: make(chan struct{})}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := m.Recv()
		ended <- err
	}()
	for port := 2; port <= 3; port++ {
		if err := m.Move(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := m.LocalAddr().(*net.UDPAddr).Port; got != port {
			t.Errorf("at %d after moving to %d", got, port)
		}
		if refused, err := m.Send(nil); refused != 0 || err != nil {
			t.Errorf("%d refused, %v", refused, err)
		}
	}
	if err := m.Move(context.Background()); err != failing {
		t.Errorf("moved without a socket: %v", err)
	}
	select {
	case err := <-ended:
		t.Fatal("receiving has ended with a socket:", err)
	default:
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("receiving goes on after the end")
	}
	if err := m.Move(context.Background()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("moved after the end: %v", err)
	}
}
