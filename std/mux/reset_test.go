package mux

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
)

// What the peer is told when a stream is closed. Two NOPs come before the FIN if the stream's
// outgoing direction was cut, and one behind it if the peer need not finish its own.
func TestWhatAnEndIsTold(t *testing.T) {
	closes, resets := (*Stream).Close, (*Stream).Reset
	for _, c := range []struct {
		name               string
		finished, answered bool // by us, by the peer
		end                func(*Stream) error
		want               string
	}{
		{"closed to reading, then closed", false, false, first((*Stream).CloseRead, closes), ", NOP 3, FIN 3"},
		{"closed to reading, then reset", false, false, first((*Stream).CloseRead, resets), ", NOP 3, NOP 3, FIN 3"},
		{"closed to reading after the peer", false, true, first((*Stream).CloseRead, closes), ", FIN 3"},
		{"finished, then closed to reading", true, false, first((*Stream).CloseRead, closes), ", FIN 3, NOP 3"},
		{"closed", false, false, closes, ", FIN 3, NOP 3"},
		{"closed after the peer", false, true, closes, ", FIN 3"},
		{"finished, then closed", true, false, closes, ", FIN 3, NOP 3"},
		{"reset", false, false, resets, ", NOP 3, NOP 3, FIN 3"},
		{"reset after the peer", false, true, resets, ", NOP 3, NOP 3, FIN 3"},
		{"finished, then reset", true, false, resets, ", FIN 3, NOP 3"},
		{"finished by both, then reset", true, true, resets, ", FIN 3"},
	} {
		for version := 1; version <= 2; version++ {
			k := newSink()
			s := start(t, k, testConfig(version, true))
			st, err := s.Open()
			must(t, err)
			_, err = st.Write([]byte("cut"))
			must(t, err)
			if c.finished {
				must(t, st.CloseWrite())
				must(t, st.CloseWrite()) // which changes nothing
			}
			if c.answered {
				st.finish()
			}
			must(t, c.end(st))
			must(t, st.Reset()) // neither does this
			must(t, st.Close())
			must(t, s.Drain(context.Background()))
			if got, want := framesOf(t, bytes.Join(k.written(), nil)), "SYN 3, PSH 3 3"+c.want; got != want {
				t.Errorf("smux %d, %s: %s, want %s", version, c.name, got, want)
			}
			if s.NumStreams() != 0 {
				t.Errorf("smux %d, %s: the stream is still there", version, c.name)
			}
		}
	}
}

// first returns what does one thing, and then another.
func first(do func(*Stream), then func(*Stream) error) func(*Stream) error {
	return func(st *Stream) error {
		do(st)
		return then(st)
	}
}

// A stream that the peer has reset brings what was sent before, and then an error: it must
// not look complete. One that was finished before that is complete.
func TestReadAfterReset(t *testing.T) {
	for _, c := range []struct {
		name   string
		frames []byte // commands
		want   error
	}{
		{"reset", []byte{cmdNOP, cmdNOP, cmdFIN}, ErrReset},
		{"reset, and no FIN", []byte{cmdNOP, cmdNOP}, ErrReset},
		{"reset, said again", []byte{cmdNOP, cmdNOP, cmdFIN, cmdNOP}, ErrReset},
		{"closed to reading, then finished", []byte{cmdNOP, cmdFIN}, nil},
		{"finished, then closed", []byte{cmdFIN, cmdNOP}, nil},
		{"finished, then closed, said twice", []byte{cmdFIN, cmdNOP, cmdNOP}, nil},
	} {
		for version := 1; version <= 2; version++ {
			for how, read := range map[string]func(*Stream) ([]byte, error){
				"Read": func(st *Stream) ([]byte, error) { return io.ReadAll(onlyReader{st}) },
				"WriteTo": func(st *Stream) ([]byte, error) {
					var b bytes.Buffer
					_, err := st.WriteTo(&b)
					return b.Bytes(), err
				},
			} {
				t.Run(fmt.Sprintf("smux %d, %s, %s", version, c.name, how), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s, peer, st := accepted(t, testConfig(version, false))
						peer.send(cmdPSH, 3, []byte("half"))
						for _, command := range c.frames {
							peer.send(command, 3, nil)
						}
						synctest.Wait()
						if got, err := read(st); string(got) != "half" || err != c.want {
							t.Errorf("%q, %v, want %v", got, err, c.want)
						}
						if _, err := st.Write([]byte("x")); err != ErrGone {
							t.Error("Write:", err)
						}
						s.Close(errEnough)
					})
				})
			}
		}
	}
}

// onlyReader hides WriteTo.
type onlyReader struct{ io.Reader }

// A stream that is closed to reading drops what has come and what still comes, and the peer
// learns that, also while it waits. Its other direction goes on.
func TestCloseRead(t *testing.T) {
	for version := 1; version <= 2; version++ {
		synctest.Test(t, func(t *testing.T) {
			client, server := startPair(t, testConfig(version, true), testConfig(version, false))
			ours, err := client.Open()
			must(t, err)
			wrote := async(func() error { _, err := ours.Write(make([]byte, 64<<20)); return err })
			theirs, err := server.Accept()
			must(t, err)
			synctest.Wait()
			theirs.CloseRead()
			theirs.CloseRead() // which changes nothing
			synctest.Wait()
			if _, err := theirs.Read(make([]byte, 1)); err != net.ErrClosed {
				t.Errorf("smux %d: the reader: %v", version, err)
			}
			if err := ended(wrote); err != ErrGone {
				t.Errorf("smux %d: the writer: %v", version, err)
			}
			if n := server.unread.Load(); n != 0 {
				t.Errorf("smux %d: %d bytes are unread", version, n)
			}
			checkPromises(t, server)
			_, err = theirs.Write([]byte("an answer"))
			must(t, err)
			must(t, theirs.CloseWrite())
			if got, err := io.ReadAll(ours); string(got) != "an answer" || err != nil {
				t.Errorf("smux %d: %q, %v", version, got, err)
			}
			client.Close(errEnough)
			server.Close(errEnough)
		})
	}
}

// A reader that waits learns of the reset, and what is forgotten afterwards leaves nothing
// behind, in any order of the two ends.
func TestResetBetweenSessions(t *testing.T) {
	for version := 1; version <= 2; version++ {
		synctest.Test(t, func(t *testing.T) {
			client, server := startPair(t, testConfig(version, true), testConfig(version, false))
			ours, err := client.Open()
			must(t, err)
			_, err = ours.Write([]byte("half"))
			must(t, err)
			theirs, err := server.Accept()
			must(t, err)
			read := async(func() error { _, err := io.ReadAll(theirs); return err })
			synctest.Wait()
			must(t, ours.Reset())
			synctest.Wait()
			if err := ended(read); err != ErrReset {
				t.Error(err)
			}
			must(t, theirs.Reset())
			synctest.Wait()
			for _, s := range []*Session{client, server} {
				if n := s.NumStreams(); n != 0 || endOf(s) != nil {
					t.Errorf("%d streams, %v", n, endOf(s))
				}
				checkPromises(t, s)
			}
			client.Close(errEnough)
			server.Close(errEnough)
		})
	}
}
