package carrier

// A batch is sent in one system call, which limits its size: the kernel accepts 64
// segments, all of the same size except for a shorter last one, and they must fit in one
// IP packet before it splits that packet.
const (
	MaxSegments   = 64
	MaxBatchBytes = 65000
)

// Batch is a sequence of datagrams, back to back, that go the same way.
type Batch struct {
	Way   *Way
	Buf   []byte
	Size  int // of each datagram but the last
	Count int // of datagrams

	short bool // the last datagram is shorter, so nothing can follow
}

// Begin empties the batch and prepares it for datagrams that go this way and are appended
// to buf.
func (b *Batch) Begin(way *Way, buf []byte) {
	*b = Batch{Way: way, Buf: buf[:0]}
}

// Fits tells whether a datagram of n bytes can be added.
func (b *Batch) Fits(n int) bool {
	return b.Count == 0 || !b.short && n <= b.Size && b.Count < MaxSegments && len(b.Buf)+n <= MaxBatchBytes
}

// Add records a datagram of n bytes that was appended to Buf.
func (b *Batch) Add(n int) {
	if b.Count == 0 {
		b.Size = n
	}
	b.Count++
	b.short = n < b.Size
}

// Datagrams calls f for each datagram.
func (b *Batch) Datagrams(f func([]byte)) {
	for rest := b.Buf; len(rest) > 0; {
		n := min(b.Size, len(rest))
		f(rest[:n:n])
		rest = rest[n:]
	}
}
