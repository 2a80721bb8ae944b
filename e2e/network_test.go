package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// Faults of a network, each with the counter that shows that it happened.
func TestBadNetwork(t *testing.T) {
	t.Parallel()
	fast := []string{"--mode", "fast3"}
	gcm := []string{"--mode", "fast3", "--crypt", "aes-128-gcm"}
	auto := []string{"--mode", "auto"}
	hit := func(pick func(lab.Counters) uint64) func(lab.Counters) uint64 { return pick }
	lost := hit(func(c lab.Counters) uint64 { return c.Lost })
	cases := map[string]struct {
		fault lab.Fault
		flags []string
		count func(lab.Counters) uint64 // must not stay 0
	}{
		"loss 1 %":              {lab.Fault{Loss: 0.01}, fast, lost},
		"loss 5 %":              {lab.Fault{Loss: 0.05}, fast, lost},
		"loss 5 %, no FEC":      {lab.Fault{Loss: 0.05}, append([]string{"--ds", "0"}, fast...), lost},
		"loss 5 %, mode normal": {lab.Fault{Loss: 0.05}, []string{"--mode", "normal"}, lost},
		"loss 20 %":             {lab.Fault{Loss: 0.2}, fast, lost},
		"loss in bursts":        {lab.Fault{Loss: 0.1, Burst: 8}, fast, lost},
		"reordering":            {lab.Fault{Reorder: 0.3}, fast, func(c lab.Counters) uint64 { return c.Reordered }},
		"duplication":           {lab.Fault{Duplicate: 0.3}, fast, func(c lab.Counters) uint64 { return c.Duplicated }},
		"corruption, aes":       {lab.Fault{Corrupt: 0.05}, fast, func(c lab.Counters) uint64 { return c.Corrupted }},
		"corruption, gcm":       {lab.Fault{Corrupt: 0.05}, gcm, func(c lab.Counters) uint64 { return c.Corrupted }},
		"jitter":                {lab.Fault{Delay: 10 * time.Millisecond, Jitter: 30 * time.Millisecond}, fast, func(c lab.Counters) uint64 { return c.PacketsOut }},
		"narrow":                {lab.Fault{Rate: 1 * mib}, fast, func(c lab.Counters) uint64 { return c.PacketsOut }},
		"auto, loss 5 %":        {lab.Fault{Loss: 0.05}, auto, lost},
		"auto, loss 20 %":       {lab.Fault{Loss: 0.2}, auto, lost},
		"auto, reordering":      {lab.Fault{Reorder: 0.3}, auto, func(c lab.Counters) uint64 { return c.Reordered }},
		"auto, duplication":     {lab.Fault{Duplicate: 0.3}, auto, func(c lab.Counters) uint64 { return c.Duplicated }},
		"auto, with FEC":        {lab.Fault{Loss: 0.05}, append([]string{"--ds", "5", "--ps", "2"}, auto...), lost},
		"auto, narrow":          {lab.Fault{Rate: 1 * mib}, auto, func(c lab.Counters) uint64 { return c.PacketsOut }},
		"auto, long and lame":   {lab.Fault{Loss: 0.02, Delay: 150 * time.Millisecond, Rate: 2 * mib}, auto, lost},
		"auto, all at once": {lab.Fault{
			Loss: 0.05, Burst: 3, Duplicate: 0.05, Corrupt: 0.02, Reorder: 0.1,
			Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond,
		}, auto, func(c lab.Counters) uint64 { return min(c.Lost, c.Duplicated, c.Corrupted, c.Reordered) }},
		"all at once": {lab.Fault{
			Loss: 0.05, Burst: 3, Duplicate: 0.05, Corrupt: 0.02, Reorder: 0.1,
			Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond,
		}, fast, func(c lab.Counters) uint64 { return min(c.Lost, c.Duplicated, c.Corrupted, c.Reordered) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && name != "loss 5 %" && !strings.HasSuffix(name, "all at once") {
				t.Skip("not with -short")
			}
			tn := start(t, plan{both: c.flags, relay: &c.fault})
			tn.exchange(t, mib)
			for _, way := range []lab.Direction{lab.Up, lab.Down} {
				if counters := tn.relay.Counters(way); c.count(counters) == 0 {
					t.Errorf("nothing of the kind happened on the way %v: %+v", way, counters)
				}
			}
		})
	}
}

// cutTime is longer than a retransmission timer and shorter than any keepalive.
const cutTime = 3 * time.Second

// The network fails for some seconds in the middle of a transfer.
func TestCut(t *testing.T) {
	t.Parallel()
	moves := map[string]func(tn *tunnel, n int64, progress lab.Progress) error{
		"download": func(tn *tunnel, n int64, progress lab.Progress) error {
			_, err := lab.Pull(patient(t), tn.dial, n, progress)
			return err
		},
		"upload": func(tn *tunnel, n int64, progress lab.Progress) error {
			_, err := lab.Push(patient(t), tn.dial, n, progress)
			return err
		},
	}
	for name, how := range map[string]struct{ move, mode string }{
		"download":       {"download", "fast3"},
		"upload":         {"upload", "fast3"},
		"download, auto": {"download", "auto"},
		"upload, auto":   {"upload", "auto"},
	} {
		move := moves[how.move]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// So slow that the buffers on the way cannot hold all of it.
			tn := start(t, plan{both: []string{"--mode", how.mode}, relay: &lab.Fault{Rate: 4 * mib}})
			half, done := make(chan struct{}), make(chan error, 1)
			go func() {
				told := false
				done <- move(tn, 8*mib, func(n int64) {
					if !told && n > 2*mib {
						told = true
						close(half)
					}
				})
			}()
			select {
			case <-half:
			case err := <-done:
				t.Fatalf("the transfer ended before the cut: %v", err)
			}
			tn.relay.Cut(true)
			time.Sleep(cutTime) // the length of the cut is what is tested
			select {
			case err := <-done:
				t.Fatalf("the transfer ended during the cut: %v", err)
			default:
			}
			tn.relay.Cut(false)
			must(t, <-done)
			if cut := tn.relay.Counters(lab.Up).Cut + tn.relay.Counters(lab.Down).Cut; cut == 0 {
				t.Error("the cut hit nothing")
			}
			// A second session may have been opened for other streams.
			if lines := slices.Concat(tn.client.lines("session lost"), tn.client.lines("session closed")); len(lines) > 0 {
				t.Errorf("the client's sessions have ended, and should go on: %q", lines)
			}
		})
	}
}
