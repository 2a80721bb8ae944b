//go:build !unix

package std

// socketReader reads from a socket into buffers of the pool.
type socketReader struct{ sock socket }

func newSocketReader(sock socket) (*socketReader, error) { return &socketReader{sock}, nil }

// read reads into a buffer that is the caller's from then on. Without wait nothing
// is read: here only a wait tells whether something is there.
func (r *socketReader) read(wait bool) (buf *[]byte, n int, err error) {
	if !wait {
		return nil, 0, errNothingYet
	}
	buf = copyBuffers.Get().(*[]byte)
	n, err = r.sock.Read(*buf)
	return buf, n, err
}
