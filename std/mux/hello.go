package mux

import "errors"

// A mark is a NOP whose stream id has the highest bit set: no stream of ours has such an
// id, and a stock peer ignores the id of a NOP. Below that bit are a kind of 7 bits and a
// value of 24. A mark of an unknown kind says nothing.
//
// The hello is a mark whose value is helloMagic, then the version of the hello (4 bits),
// and how many marks follow that are part of it (4 bits). Later versions may add marks.
type mark uint32

const (
	firstMark mark = 1 << 31
	kindShift      = 24
	valueMask      = 1<<kindShift - 1
)

// The kinds. Only a hello gives the others their meaning.
const (
	kindCan      = 0x01 // of a hello: capabilities
	kindSettings = 0x02 // of a hello: settings
	kindGoodbye  = 0x03 // the sender closes the session; the value is 0, and may say why later
	kindHello    = 0x7f
)

const (
	helloMagic   = 0x4b54 // "KT"
	helloVersion = 1
)

// ErrGoodbye is the end of a session that the peer has closed, and said so.
var ErrGoodbye = errors.New("closed by the peer")

// Hello is what an end of ours says of itself behind its first bytes. A stock peer says
// nothing. The values have 24 bits.
type Hello struct {
	Version  int    // of the hello; ours is always the one that this package speaks
	Can      uint32 // what it is able to do, a bit each: bits that are not known say nothing
	Settings uint32 // what ought to be equal at both ends
}

func newMark(kind, value uint32) mark {
	return firstMark | mark(kind)<<kindShift | mark(value&valueMask)
}

func (m mark) kind() uint32  { return uint32(m&^firstMark) >> kindShift }
func (m mark) value() uint32 { return uint32(m) & valueMask }

// frames are the marks of a hello, as they are sent.
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

// greeting is what has come of the peer's hello.
type greeting struct {
	begun bool
	left  int // marks that are still to come
	hello Hello
}

// take takes a mark of the peer in. whole tells whether its hello is complete by it, and
// bye that it is a goodbye.
func (g *greeting) take(m mark) (whole, bye bool) {
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

// marked takes note of a mark of the peer. Its error is the end of the session.
func (s *Session) marked(m mark) error {
	whole, bye := s.greeting.take(m)
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

// Hello is what the peer has said of itself; nil where it has said nothing yet, as a stock
// peer never does.
func (s *Session) Hello() *Hello { return s.peer.Load() }

// Goodbye tells the peer that the session ends here: a peer of ours ends it, too, as soon
// as it has received what was sent before. It does not wait; Drain does.
func (s *Session) Goodbye() { s.post(cmdNOP, uint32(newMark(kindGoodbye, 0)), false) }

// closedWhole tells the peer that nobody reads a stream any more, which FIN does not.
func (s *Session) closedWhole(id uint32) {
	if mark(id) < firstMark {
		s.post(cmdNOP, id, false)
	}
}

// helloOf is the hello that the gatherer sends behind the first bytes; nil for none.
func helloOf(cfg *Config) []byte {
	if cfg.Hello == nil {
		return nil
	}
	return cfg.Hello.frames(byte(cfg.Version))
}
