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
