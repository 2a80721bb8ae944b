package carrier

// A batch goes out in one system call, which limits it: the kernel takes 64
// segments, all of one size but for a shorter last one, in one IP packet before
// it is cut up.
const (
	MaxSegments   = 64
	MaxBatchBytes = 65000
)

// Batch is datagrams that go one way, back to back.
type Batch struct {
	Way   *Way
	Buf   []byte
	Size  int // of each datagram but the last
	Count int // of datagrams

	short bool // the last is shorter: nothing can follow
}

// Begin empties a batch, whose datagrams are to go to a peer by this way and into buf.
func (b *Batch) Begin(way *Way, buf []byte) {
	*b = Batch{Way: way, Buf: buf[:0]}
}

// Fits tells whether a datagram of n bytes can be added.
func (b *Batch) Fits(n int) bool {
	return b.Count == 0 || !b.short && n <= b.Size && b.Count < MaxSegments && len(b.Buf)+n <= MaxBatchBytes
}

// Add takes note of a datagram of n bytes that was appended to Buf.
func (b *Batch) Add(n int) {
	if b.Count == 0 {
		b.Size = n
	}
	b.Count++
	b.short = n < b.Size
}

// Datagrams calls f with each datagram.
func (b *Batch) Datagrams(f func([]byte)) {
	for rest := b.Buf; len(rest) > 0; {
		n := min(b.Size, len(rest))
		f(rest[:n:n])
		rest = rest[n:]
	}
}
