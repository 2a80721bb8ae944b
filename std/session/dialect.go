package session

import (
	"fmt"
	"io"
	"net"

	"kcptun/std/mux"
)

// dialect is what a client speaks above KCP. Nothing on the wire announces it, but the
// client speaks first, and its first byte reveals it.
type dialect struct {
	compressed bool
	version    int // of smux
}

// snappyMagic is the first byte of snappy's framing format. smux starts with its version.
const snappyMagic = 0xff

// readDialect reads the client's first byte and, with compression, the first decompressed
// byte. It returns the connection with those bytes still to be read.
func readDialect(conn net.Conn) (dialect, net.Conn, error) {
	var d dialect
	first, conn, err := peek(conn)
	if err != nil {
		return d, nil, err
	}
	if first == snappyMagic {
		d.compressed = true
		if first, conn, err = peek(NewCompStream(conn)); err != nil {
			return d, nil, err
		}
	}
	if first != 1 && first != 2 {
		return d, nil, fmt.Errorf("the client's first byte %#02x is neither snappy's nor smux's: not a kcptun client", first)
	}
	d.version = int(first)
	return d, conn, nil
}

// peek returns the first byte of conn, and conn with that byte still to be read.
func peek(conn net.Conn) (byte, net.Conn, error) {
	var first [1]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		return 0, nil, err
	}
	return first[0], &replayed{Conn: conn, head: first[:]}, nil
}

// replayed is a connection whose first bytes have already been read.
type replayed struct {
	net.Conn
	head []byte
}

func (r *replayed) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}

// WriteBuffers writes in the best way that the connection offers.
func (r *replayed) WriteBuffers(v [][]byte) (int, error) {
	return mux.AsBuffersWriter(r.Conn).WriteBuffers(v)
}
