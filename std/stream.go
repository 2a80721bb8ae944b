package std

import (
	"io"

	"kcptun/std/mux"
)

// Stream is one stream of a session.
type Stream struct {
	*mux.Stream
	session *Session
}

// Wrapped is the stream as its two ends see it: with QPP where that is on.
func (st *Stream) Wrapped() io.ReadWriteCloser {
	if st.session.wrap != nil {
		return st.session.wrap(st)
	}
	return st
}
