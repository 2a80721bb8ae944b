//go:build !noqpp

package relay

import (
	"io"
	"net"

	"github.com/xtaci/qpp"

	"kcptun/std/mux"
)

// QPPPort encrypts a stream with a quantum permutation pad, in addition to the packet
// cipher.
type QPPPort struct {
	under io.ReadWriteCloser
	pad   *qpp.QuantumPermutationPad
	in    *qpp.Rand
	out   *qpp.Rand
}

// NewQPPPort wraps under. seed is the pre-shared key; it seeds both directions.
func NewQPPPort(under io.ReadWriteCloser, pad *qpp.QuantumPermutationPad, seed []byte) *QPPPort {
	return &QPPPort{under: under, pad: pad, in: qpp.CreatePRNG(seed), out: qpp.CreatePRNG(seed)}
}

// Read reads and decrypts.
func (p *QPPPort) Read(b []byte) (int, error) {
	n, err := p.under.Read(b)
	p.pad.DecryptWithPRNG(b[:n], p.in)
	return n, err
}

// WriteTo decrypts everything that the peer sends and writes it to w. It holds no buffer
// while no data arrives.
func (p *QPPPort) WriteTo(w io.Writer) (int64, error) {
	st, ok := p.under.(*mux.Stream)
	if !ok { // under may not allow changing its bytes in place
		return Copy(w, struct{ io.Reader }{p})
	}
	return st.WriteTo(&decrypter{p, w})
}

// decrypter decrypts in place what is written to it, and writes that to dst.
type decrypter struct {
	port *QPPPort
	dst  io.Writer
}

func (d *decrypter) Write(b []byte) (int, error) {
	d.port.pad.DecryptWithPRNG(b, d.port.in)
	return d.dst.Write(b)
}

func (d *decrypter) WriteBuffers(v [][]byte) (int, error) {
	for _, b := range v {
		d.port.pad.DecryptWithPRNG(b, d.port.in)
	}
	if many, ok := d.dst.(mux.BuffersWriter); ok {
		return many.WriteBuffers(v)
	}
	bufs := net.Buffers(v)
	n, err := bufs.WriteTo(d.dst)
	return int(n), err
}

// Write encrypts a copy of b, because a Writer must not change b, and writes that.
func (p *QPPPort) Write(b []byte) (int, error) { return p.encrypt(b, p.under.Write) }

// WriteCorked does the same, but under may hold the data back until Flush.
func (p *QPPPort) WriteCorked(b []byte) (int, error) {
	if c, ok := p.under.(corker); ok {
		return p.encrypt(b, c.WriteCorked)
	}
	return p.Write(b)
}

// Flush makes under send what it holds back.
func (p *QPPPort) Flush() error {
	if c, ok := p.under.(corker); ok {
		return c.Flush()
	}
	return nil
}

// Room is how many bytes may be read ahead for under.
func (p *QPPPort) Room() int {
	if r, ok := p.under.(roomer); ok {
		return r.Room()
	}
	return copyBuffer
}

// AwaitRoom waits for room in under.
func (p *QPPPort) AwaitRoom(size int) (int, error) {
	if r, ok := p.under.(roomer); ok {
		return r.AwaitRoom(size)
	}
	return size, nil
}

func (p *QPPPort) encrypt(b []byte, write func([]byte) (int, error)) (int, error) {
	buf := getBuffer(min(len(b), copyBuffer))
	defer buf.free()
	written := 0
	for len(b) > 0 {
		part := buf.bytes()[:copy(buf.bytes(), b)]
		p.pad.EncryptWithPRNG(part, p.out)
		n, err := write(part)
		written += n
		if err != nil {
			return written, err
		}
		b = b[len(part):]
	}
	return written, nil
}

// stream is the stream below; nil: it is none of the mux.
func (p *QPPPort) stream() *mux.Stream { return streamOf(p.under) }

// Close closes under.
func (p *QPPPort) Close() error { return p.under.Close() }

// CloseWrite ends the outgoing direction, if under can.
func (p *QPPPort) CloseWrite() error {
	if hc, ok := p.under.(halfCloser); ok {
		return hc.CloseWrite()
	}
	return errNoHalfClose
}

// Pad encrypts the streams of a program; nil leaves them as they are.
type Pad struct {
	pad  *qpp.QuantumPermutationPad
	seed []byte
}

// NewPad makes the pad for all streams. It takes milliseconds.
func NewPad(count int, key string) *Pad {
	return &Pad{pad: qpp.NewQPP([]byte(key), uint16(count)), seed: []byte(key)}
}

// Wrap returns the stream as the applications at both ends see it.
func (p *Pad) Wrap(stream io.ReadWriteCloser) io.ReadWriteCloser {
	if p == nil {
		return stream
	}
	return NewQPPPort(stream, p.pad, p.seed)
}
