package lab

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Target is the server that the tunnel connects to. It answers the calls of Pull, Push and
// the others. It is safe for concurrent use.
type Target struct {
	ln       net.Listener
	ctx      context.Context // ended by Close
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	accepted atomic.Int64
	received atomic.Int64
	file     atomic.Pointer[string]
	release  chan struct{} // one token for each second half that opHeld may send

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// StartTarget listens on addr, a host:port or the path of a unix socket. Close must be
// called.
func StartTarget(addr string) (*Target, error) {
	ln, err := net.Listen(network(addr), addr)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	return ServeTarget(ln), nil
}

// ServeTarget does the same with the caller's listener, which Close closes.
func ServeTarget(ln net.Listener) *Target {
	t := &Target{ln: ln, conns: make(map[net.Conn]struct{}), release: make(chan struct{}, 1)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.wg.Go(t.accept)
	return t
}

// network follows the tunnel's own rule: an address without a port is a path.
func network(addr string) string {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return "unix"
	}
	return "tcp"
}

// Addr is the address in the form that StartTarget takes.
func (t *Target) Addr() string { return t.ln.Addr().String() }

// Open is the number of open connections.
func (t *Target) Open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

// Accepted is the number of connections accepted so far.
func (t *Target) Accepted() int64 { return t.accepted.Load() }

// Received is the number of bytes received from Push, over all connections. It shows the
// progress of a transfer, which the sender cannot know because buffers on the way accept
// some data at once.
func (t *Target) Received() int64 { return t.received.Load() }

// WaitIdle waits until no connection is open.
func (t *Target) WaitIdle(ctx context.Context) error {
	err := WaitFor(ctx, "the target's connections to end", func() bool { return t.Open() == 0 })
	if err != nil {
		return fmt.Errorf("%w, %d are open", err, t.Open())
	}
	return nil
}

// Release lets one PullHeld continue.
func (t *Target) Release() {
	select {
	case t.release <- struct{}{}:
	case <-t.ctx.Done():
	}
}

// ServeFile sets the file that Fetch receives.
func (t *Target) ServeFile(path string) { t.file.Store(&path) }

// Close closes all connections and waits for them. It may be called again.
func (t *Target) Close() error {
	t.mu.Lock()
	t.cancel()
	t.ln.Close()
	for conn := range t.conns {
		conn.Close()
	}
	t.mu.Unlock()
	t.wg.Wait()
	return nil
}

func (t *Target) accept() {
	for {
		conn, err := t.ln.Accept()
		if err != nil {
			if t.ctx.Err() != nil {
				return
			}
			time.Sleep(time.Millisecond) // perhaps out of descriptors: do not spin
			continue
		}
		t.mu.Lock()
		if t.ctx.Err() != nil {
			t.mu.Unlock()
			conn.Close()
			return
		}
		t.accepted.Add(1)
		t.conns[conn] = struct{}{}
		t.wg.Go(func() { t.serve(conn) })
		t.mu.Unlock()
	}
}

func (t *Target) serve(conn net.Conn) {
	// The other end notices a failed call as a wrong answer or an early end.
	_ = t.answer(conn)
	conn.Close()
	t.mu.Lock()
	delete(t.conns, conn)
	t.mu.Unlock()
}

func (t *Target) answer(conn net.Conn) error {
	var head [headerSize]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint64(head[1:])
	switch head[0] {
	case opGet:
		if err := send(conn, int64(n), io.Discard); err != nil {
			return err
		}
		return end(conn)
	case opSlow:
		return finish(conn, &slowly{t.ctx, io.LimitReader(newData(n), int64(n))})
	case opHeld:
		return finish(conn, &held{t, newData(n), n / 2, n})
	case opFile:
		return t.sendFile(conn)
	case opPut:
		return t.put(conn, n)
	case opSum:
		return t.digest(conn, n)
	case opEcho:
		return echo(conn)
	case opReply:
		sum := sha256.New()
		if _, err := copyBlocks(sum, conn); err != nil {
			return err
		}
		if _, err := conn.Write(sum.Sum(nil)); err != nil {
			return err
		}
		return finish(conn, io.LimitReader(newData(n), int64(n)))
	}
	return fmt.Errorf("unknown call %q", head[0])
}

func (t *Target) sendFile(conn net.Conn) error {
	path := t.file.Load()
	if path == nil {
		return errors.New("no file to serve")
	}
	f, err := os.Open(*path)
	if err != nil {
		return err
	}
	defer f.Close()
	return finish(conn, f)
}

// put answers whether the n bytes were right.
func (t *Target) put(conn net.Conn, n uint64) error {
	answer := byte(putRight)
	if err := receive(conn, int64(n), adder{&t.received}); errors.Is(err, ErrWrongData) {
		answer = putWrong
	} else if err != nil {
		return err
	}
	if _, err := conn.Write([]byte{answer}); err != nil {
		return err
	}
	return end(conn)
}

// digest answers with the SHA-256 of n bytes.
func (t *Target) digest(conn net.Conn, n uint64) error {
	var r io.Reader = conn
	if n != untilEOF {
		r = io.LimitReader(conn, int64(n))
	}
	sum := sha256.New()
	got, err := copyBlocks(io.MultiWriter(sum, adder{&t.received}), r)
	if err != nil {
		return err
	}
	if n != untilEOF && uint64(got) < n {
		return io.ErrUnexpectedEOF
	}
	_, err = conn.Write(sum.Sum(nil))
	return err
}

// finish sends everything of r and ends the connection.
func finish(conn net.Conn, r io.Reader) error {
	if _, err := copyBlocks(conn, r); err != nil {
		return err
	}
	return end(conn)
}

// end sends EOF and waits for that of the other end, so that the connection is not reset
// while data is still on its way.
func end(conn net.Conn) error {
	if err := closeWrite(conn); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, conn)
	return err
}
