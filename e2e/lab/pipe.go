package lab

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"sync"
)

// maxPacket is larger than any packet of the devices.
const maxPacket = 65536

// Pipe carries packets one way from one device to another through a relay's faults. Its
// packets are whole IP packets instead of datagrams. It is safe for concurrent use.
type Pipe struct {
	in   io.Reader
	line *line
	wg   sync.WaitGroup
}

// NewPipe starts a pipe from in, each Read of which returns one packet, to out, each Write
// of which delivers one. The same seed and packets give the same fates. Close must be
// called.
func NewPipe(in io.Reader, out io.Writer, dir Direction, seed uint64, f Fault) (*Pipe, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	send := func(_ netip.AddrPort, b []byte) error {
		_, err := out.Write(b)
		return err
	}
	p := &Pipe{in: in, line: newLine(dir, seed, f, new(barrier), send)}
	p.wg.Go(p.line.run)
	p.wg.Go(p.read)
	return p, nil
}

// read carries packets until the device is closed.
func (p *Pipe) read() {
	buf := make([]byte, maxPacket)
	for {
		n, err := p.in.Read(buf)
		switch {
		case err == nil:
			p.line.carry(netip.AddrPort{}, buf[:n])
		case errors.Is(err, io.EOF), errors.Is(err, os.ErrClosed), !survives(err):
			return
		}
	}
}

// SetFault sets the faults for packets that arrive from now on.
func (p *Pipe) SetFault(f Fault) error {
	if err := f.Validate(); err != nil {
		return err
	}
	p.line.setFault(f)
	return nil
}

// Fault returns the current faults.
func (p *Pipe) Fault() Fault {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	return p.line.fault
}

// Counters says what has happened so far. Bytes are those of whole packets.
func (p *Pipe) Counters() Counters { return p.line.snapshot() }

// Close discards what is in flight and waits for the pipe's goroutines. The caller must
// first close the device that the pipe reads from.
func (p *Pipe) Close() {
	p.line.close()
	p.wg.Wait()
}
