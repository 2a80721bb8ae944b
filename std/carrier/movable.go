package carrier

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// Movable is a carrier whose socket can be replaced while it is in use: later datagrams
// leave from another port. Whatever is in flight to the previous port is lost, as any
// datagram may be.
type Movable struct {
	open func(context.Context) (Carrier, error)
	now  atomic.Pointer[Carrier]

	mu     sync.Mutex
	closed bool
}

// NewMovable opens the first socket.
func NewMovable(ctx context.Context, open func(context.Context) (Carrier, error)) (*Movable, error) {
	first, err := open(ctx)
	if err != nil {
		return nil, err
	}
	m := &Movable{open: open}
	m.now.Store(&first)
	return m, nil
}

// Move replaces the socket.
func (m *Movable) Move(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return net.ErrClosed
	}
	next, err := m.open(ctx)
	if err != nil {
		return err
	}
	return (*m.now.Swap(&next)).Close()
}

// Recv receives from the current socket. The end of a replaced socket is not an error of
// the carrier.
func (m *Movable) Recv() ([]Inbound, error) {
	for {
		sock := m.now.Load()
		in, err := (*sock).Recv()
		if err == nil || sock == m.now.Load() {
			return in, err
		}
	}
}

// Send likewise sends on the current socket.
func (m *Movable) Send(batches []*Batch) (refused int, err error) {
	sock := m.now.Load()
	refused, err = (*sock).Send(batches)
	if sock != m.now.Load() {
		return 0, nil
	}
	return refused, err
}

// LocalAddr is the address of the current socket.
func (m *Movable) LocalAddr() net.Addr { return (*m.now.Load()).LocalAddr() }

// Advice is that of the current socket.
func (m *Movable) Advice() string { return (*m.now.Load()).Advice() }

// Close makes Recv and Send return.
func (m *Movable) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return (*m.now.Load()).Close()
}
