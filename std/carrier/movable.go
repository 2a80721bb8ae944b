package carrier

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// Movable is a carrier whose socket can be replaced while it is in use: what is sent next
// leaves from another port. What is under way to the port before is lost, as any datagram
// may be.
type Movable struct {
	open func(context.Context) (Carrier, error)
	now  atomic.Pointer[Carrier]

	mu     sync.Mutex
	closed bool
}

// NewMovable opens the first of the sockets.
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

// Recv is that of the socket there is: the end of one before is none of the carrier's.
func (m *Movable) Recv() ([]Inbound, error) {
	for {
		sock := m.now.Load()
		in, err := (*sock).Recv()
		if err == nil || sock == m.now.Load() {
			return in, err
		}
	}
}

// Send is the same for what is sent.
func (m *Movable) Send(batches []*Batch) (refused int, err error) {
	sock := m.now.Load()
	refused, err = (*sock).Send(batches)
	if sock != m.now.Load() {
		return 0, nil
	}
	return refused, err
}

// LocalAddr is the address of the present socket.
func (m *Movable) LocalAddr() net.Addr { return (*m.now.Load()).LocalAddr() }

// Advice is the present socket's.
func (m *Movable) Advice() string { return (*m.now.Load()).Advice() }

// Close ends Recv and Send.
func (m *Movable) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return (*m.now.Load()).Close()
}
