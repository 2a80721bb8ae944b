package main

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A call to the target begins with an operation and a u64, big endian.
const (
	opGet  = 'G' // send that many bytes of the pattern
	opPut  = 'P' // receive that many bytes, then answer with one byte
	opEcho = 'E' // send back what comes

	callHeader = 9
	putOK      = 'k'
	endless    = math.MaxInt64
)

// target is what the tunnel connects to.
type target struct {
	ln       net.Listener
	data     pattern
	wg       sync.WaitGroup
	received atomic.Int64 // bytes of all opPut that have arrived and were right

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

func serveTarget(ln net.Listener, data pattern) *target {
	t := &target{ln: ln, data: data, conns: make(map[net.Conn]struct{})}
	t.wg.Go(t.accept)
	return t
}

func (t *target) addr() string { return t.ln.Addr().String() }

func (t *target) accept() {
	for {
		conn, err := t.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // out of descriptors, perhaps: do not spin
			continue
		}
		t.mu.Lock()
		if t.closed {
			conn.Close()
		} else {
			t.conns[conn] = struct{}{}
			t.wg.Go(func() { t.serve(conn) })
		}
		t.mu.Unlock()
	}
}

// close ends all connections and waits for them.
func (t *target) close() {
	t.mu.Lock()
	t.closed = true
	t.ln.Close()
	for conn := range t.conns {
		conn.Close()
	}
	t.mu.Unlock()
	t.wg.Wait()
}

func (t *target) serve(conn net.Conn) {
	t.answer(conn)
	conn.Close()
	t.mu.Lock()
	delete(t.conns, conn)
	t.mu.Unlock()
}

// answer serves one call. A failure shows at the other end as an early end.
func (t *target) answer(conn net.Conn) {
	var head [callHeader]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return
	}
	n := int64(binary.BigEndian.Uint64(head[1:]))
	switch head[0] {
	case opGet:
		if send(conn, t.data, n) == nil {
			_, _ = io.Copy(io.Discard, conn) // the caller closes first
		}
	case opPut:
		if receive(conn, t.data, n, &t.received) == nil {
			_, _ = conn.Write([]byte{putOK})
			_, _ = io.Copy(io.Discard, conn)
		}
	case opEcho:
		echo(conn)
	}
}

// echo has a small buffer of its own: thousands of idle streams have one each.
func echo(conn net.Conn) {
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if err == nil {
			_, err = conn.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// send writes n bytes of the pattern.
func send(w io.Writer, data pattern, n int64) error {
	for sent := int64(0); sent < n; {
		k, err := w.Write(data.at(sent, int(min(n-sent, blockSize))))
		if err != nil {
			return err
		}
		sent += int64(k)
	}
	return nil
}

// receive reads n bytes, compares them with the pattern and adds them to moved.
func receive(r io.Reader, data pattern, n int64, moved *atomic.Int64) error {
	buf := make([]byte, min(n, blockSize))
	for got := int64(0); got < n; {
		k, err := r.Read(buf[:min(n-got, blockSize)])
		if wrong := data.check(got, buf[:k]); wrong != nil {
			return wrong
		}
		got += int64(k)
		moved.Add(int64(k))
		if err != nil && got < n {
			return err
		}
	}
	return nil
}
