package mux

import (
	"testing"
	"testing/synctest"
)

// Little is accepted from a peer that has not shown that it hears us, whatever it sends:
// with compression, a replay of 64 segments expanded to 1.7 MB. Once the peer has shown it,
// everything is accepted.
func TestLittleIsTakenEarly(t *testing.T) {
	for _, c := range []struct {
		name          string
		streams, data int // and the number of bytes of frames for each stream
	}{
		{"much data", 1, 40}, {"many streams", 300, 0}, {"both", 100, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const size = 8 << 10
				confirmed := make(chan struct{})
				cfg := testConfig(1, false)
				cfg.Confirmed = confirmed
				s, peer := withPeer(t, cfg)
				go peer.drop()
				sent := async(func() bool {
					for i := range c.streams {
						peer.send(cmdSYN, uint32(3+2*i), nil)
						for range c.data {
							peer.send(cmdPSH, uint32(3+2*i), make([]byte, size))
						}
					}
					return true
				})
				synctest.Wait()
				if n := s.unread.Load(); n >= earlyHold+size || s.NumStreams() > earlyStreams {
					t.Errorf("%d bytes and %d streams are held", n, s.NumStreams())
				}
				select {
				case <-sent:
					t.Error("all of it was taken")
				default:
				}
				close(confirmed)
				<-sent
				synctest.Wait()
				if n := s.unread.Load(); n != int64(c.streams*c.data*size) || s.NumStreams() != c.streams {
					t.Errorf("%d bytes and %d streams are held in the end", n, s.NumStreams())
				}
			})
		})
	}
}

// A session whose peer is never confirmed can still be closed.
func TestCloseBeforeConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(1, false)
		cfg.Confirmed = make(chan struct{})
		s, peer := withPeer(t, cfg)
		go peer.drop()
		for i := range earlyStreams {
			peer.send(cmdSYN, uint32(3+2*i), nil)
		}
		synctest.Wait()
		s.Close(errEnough)
	})
}
