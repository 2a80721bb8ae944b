package e2e_test

import (
	"context"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

const saysMoved = "the path is silent, the session goes on from another port"

// The flow of a session is blocked for good in the middle of a transfer. The client
// continues the same session from another port and nothing is lost, even in a download,
// where the client itself waits for no acknowledgement. Streams used to end with the
// session after half a minute.
func TestMoveOnPurpose(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]plan{
		"fast":        {},
		"auto":        {both: []string{"--mode", "auto"}},
		"without FEC": {both: []string{"--ds", "0", "--ps", "0"}},
	} {
		for what, transfer := range map[string]func(*tunnel, context.Context, lab.Progress) error{
			"download": func(tn *tunnel, ctx context.Context, progress lab.Progress) error {
				_, err := lab.Pull(ctx, tn.dial, 4*mib, progress)
				return err
			},
			"upload": func(tn *tunnel, ctx context.Context, progress lab.Progress) error {
				_, err := lab.Push(ctx, tn.dial, 4*mib, progress)
				return err
			},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				t.Parallel()
				p := p
				p.relay = &lab.Fault{Rate: mib, Delay: 10 * time.Millisecond}
				tn := start(t, p)
				var h headway
				done := begin(t, h.watch(func(ctx context.Context, progress lab.Progress) error { return transfer(tn, ctx, progress) }))
				wait(t, "the transfer is under way", func() bool {
					return tn.relay.Counters(lab.Up).BytesOut+tn.relay.Counters(lab.Down).BytesOut > 512*kib
				})
				tn.relay.Block()
				h.begin()
				must(t, <-done)
				h.log(t)
				tn.client.mustLog(t, saysMoved)
				tn.answered(t, "an answer from another port")
				tn.server.mustLog(t, "a client goes on from another address")
			})
		}
	}
}

// A port of the server is blocked for good in the middle of a transfer. The client
// continues the same session at another port of the range. It used to be cut, and a new
// session was opened there.
func TestMoveToAnotherPort(t *testing.T) {
	t.Parallel()
	for name, p := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tn, relays := startBehindRelays(t, &p, 4, lab.Fault{Rate: mib, Delay: 10 * time.Millisecond})
			tn.client, tn.dial = startClient(t, relays.Addr(), p)
			var h headway
			done := begin(t, h.watch(func(ctx context.Context, progress lab.Progress) error {
				_, err := lab.Pull(ctx, tn.dial, 4*mib, progress)
				return err
			}))
			opened := tn.client.mustLog(t, "session opened")
			was := field(t, opened, "to")
			for _, relay := range relays {
				if relay.Addr() == was {
					wait(t, "the transfer is under way", func() bool { return relay.Counters(lab.Down).BytesOut > 512*kib })
					relay.Cut(true)
				}
			}
			h.begin()
			must(t, <-done)
			h.log(t)
			if to := field(t, tn.client.mustLog(t, saysMoved), "to"); to == was {
				t.Errorf("the session goes on at the port that is blocked: %s", to)
			}
			line := tn.server.mustLog(t, "a client goes on from another address")
			if got, want := field(t, line, "conv"), field(t, opened, "conv"); got != want {
				t.Errorf("the conversation %s goes on, not %s", got, want)
			}
			tn.client.stop(t)
		})
	}
}

// A session whose path was found to be dead, because the network failed for some seconds, moves
// when its flow is blocked later. It used to stay, and its streams were lost.
func TestMoveAfterOutage(t *testing.T) {
	t.Parallel()
	for name, p := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := p
			p.relay = &lab.Fault{Rate: mib, Delay: 10 * time.Millisecond}
			tn := start(t, p)
			tn.exchange(t, kib)
			var h headway
			done := begin(t, h.watch(func(ctx context.Context, progress lab.Progress) error {
				_, err := lab.Pull(ctx, tn.dial, 8*mib, progress)
				return err
			}))
			carried := func() uint64 { return tn.relay.Counters(lab.Down).BytesOut }
			wait(t, "the transfer is under way", func() bool { return carried() > 512*kib })
			tn.relay.Cut(true)
			tn.client.mustLog(t, "session cut off")
			tn.relay.Cut(false)
			before := carried()
			wait(t, "the transfer goes on", func() bool { return carried() > before+512*kib })
			tn.relay.Block()
			h.begin()
			must(t, <-done)
			h.log(t)
		})
	}
}
