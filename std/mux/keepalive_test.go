package mux

import (
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/clock"
)

// endOf returns why a session has ended; nil if it has not.
func endOf(s *Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// heard is a frame and the time of its arrival since the start.
type heard struct {
	frame
	at     time.Duration
	moment time.Time
}

// listen records what arrives at the peer until the connection ends.
func listen(peer *rawPeer) *[]heard {
	var all []heard
	began := time.Now()
	go func() {
		for f, err := readFrame(peer); err == nil; f, err = readFrame(peer) {
			all = append(all, heard{f, time.Since(began), time.Now()})
		}
	}()
	return &all
}

// every sends a frame n times, at this interval.
func every(peer *rawPeer, interval time.Duration, n int, command byte) {
	for range n {
		time.Sleep(interval)
		peer.send(command, 0, nil)
	}
}

// A session ends when its peer was silent for the patience, however much is sent to the
// peer.
func TestSilence(t *testing.T) {
	for _, c := range []struct {
		name   string
		client bool
		talk   func(peer *rawPeer)
		want   time.Duration
	}{
		{"client", true, func(*rawPeer) {}, 30 * time.Second},
		{"server", false, func(*rawPeer) {}, 30 * time.Second},
		{"a NOP", true, func(peer *rawPeer) { every(peer, 29*time.Second, 1, cmdNOP) }, 59 * time.Second},
		{"empty data", false, func(peer *rawPeer) { every(peer, 7*time.Second, 10, cmdPSH) }, 100 * time.Second},
		{"too late", true, func(peer *rawPeer) { time.Sleep(31 * time.Second) }, 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, peer := withPeer(t, testConfig(2, c.client))
				began := time.Now()
				go peer.drop()
				go c.talk(peer)
				_, err := s.Accept()
				if at := time.Since(began); err != ErrSilent || at != c.want {
					t.Errorf("Accept: %v after %v, want %v", err, at, c.want)
				}
				s.Close(errEnough)
				time.Sleep(time.Minute) // time for streams
			})
		})
	}
}

// If a tick comes late, because the program was not running, the peer gets its full
// patience again and is asked at once. Such a program used to end sessions with peers that
// were alive.
func TestSilenceOfOneThatStoodStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := withPeer(t, testConfig(2, false))
		began := time.Now()
		frames := listen(peer)
		time.Sleep(29 * time.Second)
		synctest.Wait()
		before := len(*frames)
		s.mu.Lock()
		s.due -= time.Hour
		s.mu.Unlock()
		_, err := s.Accept()
		if at := time.Since(began); err != ErrSilent || at != 60*time.Second {
			t.Errorf("Accept: %v after %v, want %v after a minute", err, at, ErrSilent)
		}
		synctest.Wait()
		asked := false
		for _, f := range (*frames)[before:] {
			asked = asked || f.at == 30*time.Second && f.command == cmdNOP
		}
		if !asked {
			t.Errorf("the peer was not asked when it was late: %v", (*frames)[before:])
		}
		s.Close(errEnough)
	})
}

// A frame that never ends counts as silence, too.
func TestSilentAmidFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := withPeer(t, testConfig(1, false))
		go peer.drop()
		p := frame{cmdPSH, 3, make([]byte, 1000)}.bytes(1)
		_, err := peer.Write(p[:500])
		must(t, err)
		if _, err := s.Accept(); err != ErrSilent {
			t.Errorf("Accept: %v", err)
		}
	})
}

// The time between frames to the peer is limited, and no NOP is sent while others are.
func TestKeepAliveGaps(t *testing.T) {
	const second = time.Second
	for _, c := range []struct {
		name               string
		client             bool
		interval, patience time.Duration
		talk               func(s *Session, peer *rawPeer)
		nops               []time.Duration // in the first 60 s
	}{
		{"client", true, 10 * second, 30 * second,
			func(_ *Session, peer *rawPeer) { every(peer, 7*second, 8, cmdPSH) },
			[]time.Duration{10 * second, 20 * second, 30 * second, 40 * second, 50 * second, 60 * second}},
		{"client answers", true, 20 * second, 60 * second,
			func(_ *Session, peer *rawPeer) { every(peer, 15*second, 4, cmdNOP) },
			[]time.Duration{15 * second, 30 * second, 45 * second, 60 * second}},
		{"server waits a little longer", false, 10 * second, 30 * second,
			func(_ *Session, peer *rawPeer) { every(peer, 7*second, 8, cmdPSH) },
			[]time.Duration{12500 * time.Millisecond, 25 * second, 37500 * time.Millisecond, 50 * second}},
		{"but not too long", false, 25 * second, 30 * second,
			func(_ *Session, peer *rawPeer) { every(peer, 7*second, 8, cmdPSH) },
			[]time.Duration{25 * second, 50 * second}},
		{"server answers", false, 10 * second, 30 * second,
			func(_ *Session, peer *rawPeer) { every(peer, 10*second, 6, cmdNOP) },
			[]time.Duration{10 * second, 20 * second, 30 * second, 40 * second, 50 * second, 60 * second}},
		{"not beside data", true, 10 * second, 100 * second,
			func(s *Session, _ *rawPeer) {
				st, _ := s.Open()
				for range 20 {
					time.Sleep(3 * second)
					st.Write([]byte("x"))
				}
			}, nil},
		{"nor where something was held back", true, 10 * second, 100 * second,
			func(s *Session, _ *rawPeer) { s.Open() },
			[]time.Duration{20 * second, 30 * second, 40 * second, 50 * second, 60 * second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig(2, c.client)
				cfg.KeepAlive, cfg.Patience = c.interval, c.patience
				s, peer := withPeer(t, cfg)
				frames := listen(peer)
				go c.talk(s, peer)
				time.Sleep(60*second + time.Millisecond)
				s.Close(errEnough)
				synctest.Wait()
				var nops []time.Duration
				last := time.Duration(0)
				for _, f := range *frames {
					if f.command == cmdNOP {
						nops = append(nops, f.at)
					}
					if gap := f.at - last; gap > s.keepAlive() {
						t.Errorf("%v after %v: a gap of %v", f.frame, last, gap)
					}
					last = f.at
				}
				if len(nops) != len(c.nops) {
					t.Fatalf("NOPs at %v, want %v", nops, c.nops)
				}
				for i := range nops { // each may be a little early, which also makes those after it earlier
					if early := c.nops[i] - nops[i]; early < 0 || early > time.Duration(i+1)*s.early() {
						t.Fatalf("NOPs at %v, want %v", nops, c.nops)
					}
				}
			})
		})
	}
}

// Keepalives of many sessions are sent at the same moments, whenever the sessions began.
func TestKeepAlivesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(2, true)
		var all []*[]heard
		for range 300 {
			s, peer := withPeer(t, cfg)
			defer s.Close(errEnough)
			all = append(all, listen(peer))
			time.Sleep(cfg.KeepAlive / 300)
		}
		time.Sleep(cfg.KeepAlive)
		synctest.Wait()
		moments := make(map[time.Time]bool)
		for _, frames := range all {
			for _, f := range *frames {
				moments[f.moment] = true
			}
		}
		if n := len(moments); n == 0 || n > 2*64+1 {
			t.Errorf("%d moments in two intervals", n)
		}
	})
}

// pauses are ways to pause the receiver of a server with a buffer of 1000 bytes, and to
// make it go on.
var pauses = []struct {
	name         string
	fill, resume func(s *Session, peer *rawPeer)
}{
	{"unread", func(_ *Session, peer *rawPeer) {
		peer.send(cmdSYN, 3, nil)
		peer.send(cmdPSH, 3, make([]byte, 1000))
	}, func(s *Session, _ *rawPeer) {
		st, _ := s.Accept()
		st.Read(make([]byte, 1000))
	}},
	{"unread, closed", func(_ *Session, peer *rawPeer) {
		peer.send(cmdSYN, 3, nil)
		peer.send(cmdPSH, 3, make([]byte, 1000))
	}, func(s *Session, _ *rawPeer) {
		st, _ := s.Accept()
		st.Close()
	}},
	{"backlog", func(_ *Session, peer *rawPeer) {
		for i := range uint32(backlog + 1) {
			peer.send(cmdSYN, 3+2*i, nil)
		}
	}, func(s *Session, _ *rawPeer) { s.Accept() }},
}

// While the receiver is paused, other signs of life count. Afterwards the peer has its full
// patience again.
func TestNotSilentWhilePaused(t *testing.T) {
	for _, c := range pauses {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig(1, false)
				cfg.ReceiveBuffer = 1000
				var alive atomic.Int64
				alive.Store(int64(clock.Now()))
				cfg.Silence = func() time.Duration { return clock.Now() - time.Duration(alive.Load()) }
				s, peer := withPeer(t, cfg)
				var nops atomic.Int32
				go func() {
					for _, err := readFrame(peer); err == nil; _, err = readFrame(peer) {
						nops.Add(1)
					}
				}()
				c.fill(s, peer)
				for range 360 {
					time.Sleep(10 * time.Second)
					alive.Store(int64(clock.Now()))
				}
				synctest.Wait()
				if err := s.cut(); err != nil {
					t.Fatalf("ended while paused: %v", err)
				}
				if n := nops.Load(); n < 3600*2/25-2 {
					t.Errorf("%d NOPs in an hour", n)
				}
				c.resume(s, peer)
				time.Sleep(29 * time.Second)
				if err := s.cut(); err != nil {
					t.Errorf("ended soon after it: %v", err)
				}
				time.Sleep(17 * time.Second) // the patience is half as long again with a stream open
				synctest.Wait()
				if err := endOf(s); err != ErrSilent {
					t.Errorf("ended with %v", err)
				}
			})
		})
	}
}

// A session whose receiver was paused used not to end when its peer vanished or its
// connection was closed.
func TestEndWhilePaused(t *testing.T) {
	for _, c := range pauses {
		for _, end := range []struct {
			name string
			do   func(peer *rawPeer)
			err  error
			most time.Duration
		}{
			{"vanished", func(peer *rawPeer) { go peer.drop() }, ErrSilent, 45 * time.Second},    // with a stream
			{"closed", func(peer *rawPeer) { peer.Close() }, io.ErrClosedPipe, 13 * time.Second}, // at the next NOP
		} {
			t.Run(c.name+", "+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg := testConfig(1, false)
					cfg.ReceiveBuffer = 1000
					s, peer := withPeer(t, cfg)
					c.fill(s, peer)
					end.do(peer)
					time.Sleep(end.most)
					synctest.Wait()
					select {
					case <-s.received:
					default:
						t.Errorf("still receiving after %v", end.most)
					}
					if err := endOf(s); err != end.err {
						t.Errorf("ended with %v, want %v", err, end.err)
					}
				})
			})
		}
	}
}

// The ends' keepalive intervals may differ by any factor. An end whose interval exceeded
// the other's patience used to be given up.
func TestKeepAlivesThatDiffer(t *testing.T) {
	intervals := []time.Duration{time.Second, 10 * time.Second, 60 * time.Second, time.Hour}
	for _, ours := range intervals {
		for _, theirs := range intervals {
			t.Run(fmt.Sprint(ours, theirs), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := startPair(t, withKeepAlive(true, ours), withKeepAlive(false, theirs))
					time.Sleep(5 * max(ours, theirs, 30*time.Second)) // patience is three times that
					if c, s := endOf(client), endOf(server); c != nil || s != nil {
						t.Errorf("client: %v, server: %v", c, s)
					}
				})
			})
		}
	}
}

func withKeepAlive(client bool, interval time.Duration) Config {
	cfg := testConfig(2, client)
	cfg.KeepAlive, cfg.Patience = interval, max(3*interval, 30*time.Second)
	return cfg
}

// A NOP is answered by a NOP that is not answered itself.
func TestNOPsAreAnsweredOnce(t *testing.T) {
	for _, client := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s, peer := withPeer(t, testConfig(2, client))
			frames := listen(peer)
			for _, id := range []uint32{nopAsks, nopAnswers, 77} {
				peer.send(cmdNOP, id, nil)
				synctest.Wait()
			}
			if n := len(*frames); n != 1 || (*frames)[0].stream != nopAnswers {
				t.Errorf("client %t: %v", client, *frames)
			}
			s.Close(errEnough)
		})
	}
}

// NOPs do not pile up while the connection accepts nothing.
func TestNoNOPsWhileStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(1, true)
		cfg.Patience = 10 * time.Hour
		conn := newSink()
		conn.gate = make(chan struct{})
		s := start(t, conn, cfg)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(s.out.pending); !s.out.busy || n != 0 {
			t.Errorf("%d bytes wait", n)
		}
	})
}

// A peer whose bytes trickle in is not silent.
func TestSlowIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer, st := accepted(t, testConfig(1, false))
		go peer.drop()
		const size = 65535
		read := async(func() error {
			_, err := io.ReadFull(st, make([]byte, size))
			return err
		})
		for rest := (frame{cmdPSH, 3, make([]byte, size)}).bytes(1); len(rest) > 0; {
			n := min(len(rest), 1000) // per second
			if _, err := peer.Write(rest[:n]); err != nil {
				break
			}
			rest = rest[n:]
			time.Sleep(time.Second)
		}
		if err := <-read; err != nil {
			t.Error(err)
		}
		s.Close(errEnough)
	})
}
