package mux

import "errors"

// A mark is a NOP whose stream id has the highest bit set: no stream of ours has such an
// id, and a stock peer ignores the id of a NOP. The bits below it are a kind (7 bits) and a
// value (24 bits). Marks of unknown kinds are ignored.
//
// The value of a hello is helloMagic, then the version of the hello (4 bits), then the
// number of marks that follow and belong to it (4 bits). Later versions may add marks.
type mark uint32

const (
	firstMark mark = 1 << 31
	kindShift      = 24
	valueMask      = 1<<kindShift - 1
)

// The kinds of marks. The others mean something only after a hello.
const (
	kindCan      = 0x01 // part of a hello: capabilities
	kindSettings = 0x02 // part of a hello: settings
	kindGoodbye  = 0x03 // the sender closes the session; the value is 0, later versions may give a reason
	kindHello    = 0x7f
)

const (
	helloMagic   = 0x4b54 // "KT"
	helloVersion = 1
)

// ErrGoodbye means that the peer has closed the session and said so.
var ErrGoodbye = errors.New("closed by the peer")

// CanGoodbye is the capability of a peer that ends a session when it receives a goodbye.
const CanGoodbye = 1 << 0

// Hello is what one of our ends tells about itself right after its first bytes. A stock
// peer sends none. The values have 24 bits.
type Hello struct {
	Version  int    // version of the hello; when sent, always that of this package
	Can      uint32 // capabilities, one bit each; unknown bits are ignored
	Settings uint32 // what should be equal at both ends
}

func newMark(kind, value uint32) mark {
	return firstMark | mark(kind)<<kindShift | mark(value&valueMask)
}

func (m mark) kind() uint32  { return uint32(m&^firstMark) >> kindShift }
func (m mark) value() uint32 { return uint32(m) & valueMask }

// frames returns the marks of a hello as NOPs.
func (h Hello) frames(version byte) []byte {
	parts := []mark{newMark(kindCan, h.Can), newMark(kindSettings, h.Settings)}
	head := newMark(kindHello, helloMagic<<8|helloVersion<<4|uint32(len(parts)))
	var all []byte
	for _, m := range append([]mark{head}, parts...) {
		f := newHeader(version, cmdNOP, 0, uint32(m))
		all = append(all, f[:]...)
	}
	return all
}

// greeting is what was received of the peer's hello.
type greeting struct {
	begun bool
	left  int // marks that are still missing
	hello Hello
}

// add processes a mark of the peer. whole reports that the hello is complete now, and bye
// that the mark is a goodbye.
func (g *greeting) add(m mark) (whole, bye bool) {
	value := m.value()
	switch {
	case !g.begun:
		if m.kind() != kindHello || value>>8 != helloMagic {
			return false, false
		}
		g.begun, g.hello.Version, g.left = true, int(value>>4&0xf), int(value&0xf)
		return g.left == 0, false
	case g.left == 0:
		return false, m.kind() == kindGoodbye
	case m.kind() == kindCan:
		g.hello.Can = value
	case m.kind() == kindSettings:
		g.hello.Settings = value
	}
	g.left--
	return g.left == 0, false
}

// receiveMark handles a mark of the peer. An error ends the session.
func (s *Session) receiveMark(m mark) error {
	whole, bye := s.greeting.add(m)
	if bye {
		return ErrGoodbye
	}
	if whole {
		hello := s.greeting.hello
		s.peer.Store(&hello)
		s.cfg.Greeted(hello)
	}
	return nil
}

// Hello is the peer's hello. It is nil until that was received; a stock peer never sends
// one.
func (s *Session) Hello() *Hello { return s.peer.Load() }

// Goodbye tells the peer that the session ends. A peer of ours then ends it, too, once it
// has received everything sent before. Goodbye does not wait; Drain does.
func (s *Session) Goodbye() { s.post(cmdNOP, uint32(newMark(kindGoodbye, 0)), false) }

// TellsEnd reports whether the peer tells when it has closed a stream whole or ends the
// session, as ours do. It is false until the peer's hello was received.
func (st *Stream) TellsEnd() bool {
	peer := st.session.Hello()
	return peer != nil && peer.Can&CanGoodbye != 0
}

// IsGone reports whether the peer has told that it reads no more of the stream.
func (st *Stream) IsGone() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.gone
}

// queueGone queues the NOP that tells the peer that we read no more of a stream. The caller
// calls queued afterwards.
func (s *Session) queueGone(id uint32) (ok bool) {
	return mark(id) >= firstMark || s.queue(cmdNOP, id, false)
}

// helloOf returns the hello that the gatherer sends after the first bytes, or nil.
func helloOf(cfg *Config) []byte {
	if cfg.Hello == nil {
		return nil
	}
	return cfg.Hello.frames(byte(cfg.Version))
}
