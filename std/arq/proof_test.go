package arq

import (
	"testing"
	"time"
)

// A client that has sent a single request gets the whole answer, even if the
// acknowledgement of its request is lost or overtaken by the answer.
func TestAnswerToOneRequest(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(p []byte) bool // of what the server sends
	}{
		{"overtaken", func([]byte) bool { return false }},
		{"lost", func() func(p []byte) bool {
			acks := 0
			return func(p []byte) bool {
				if acks < 1 && p[4] == cmdAck {
					acks++
					return true
				}
				return false
			}
		}()},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := new(sim)
			link := wire{delay: 100 * msec, rate: 100e6 / 8, queue: 100 * msec}
			client, server := pair(s, link, link, 1)
			server.lose = c.lose
			client.write(64)
			client.poll()
			const size = 4 << 20
			var more func()
			more = func() {
				if room := min(server.Room(), size-int(server.written)); room > 0 {
					server.write(room)
				}
				server.poll()
				s.after(msec, more)
			}
			more()
			s.run(10 * time.Second)
			if client.read != size {
				t.Errorf("%d bytes of %d have come, the window is %d", client.read, size, client.rcv.window())
			}
		})
	}
}

// A peer is asked for its proof only while it waits for its window to open, and rarely.
func TestProofIsAskedForRarely(t *testing.T) {
	s := newScript(t)
	s.rcv.limit, s.rcv.want = 5000, 5000
	s.Write([]byte("question"))
	s.step(msec)
	s.hear(segment{cmd: cmdTell, una: 1, wnd: 100}) // it tells of the question, and no clock
	push := func(from, to uint32) (asked []segment) {
		for sn := from; sn < to; sn++ {
			s.hear(segment{cmd: cmdPush, sn: sn, una: 1, wnd: 100, data: []byte("x")})
			for _, seg := range s.step(msec) {
				if seg.cmd == cmdPush {
					asked = append(asked, seg)
				}
			}
		}
		return asked
	}
	if asked := push(0, firstWindow/2-1); len(asked) > 0 {
		t.Errorf("asked early: %+v", asked)
	}
	asked := push(firstWindow/2-1, firstWindow)
	if len(asked) != 1 || asked[0].sn != 0 || len(asked[0].data) != 0 {
		t.Fatalf("it sends %+v", asked)
	}
	for range 1000 { // it waits, and asks for the window
		s.hear(segment{cmd: cmdAsk, una: 1, wnd: 100})
		asked = append(asked, push(0, 1)...)
	}
	if len(asked) < 2 || len(asked) > 5 { // 1 s at a round trip that is taken for 200 ms
		t.Errorf("asked %d times", len(asked))
	}
	s.hear(segment{cmd: cmdAck, sn: 0, ts: asked[0].ts, una: 1, wnd: 100})
	if out := s.step(msec); count(out, cmdTell) != 1 || s.rcv.window() < firstWindow {
		t.Errorf("proved, and it sends %+v", out)
	}
}
